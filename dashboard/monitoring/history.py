"""Since when: a run's violations followed back through the runs before it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard.monitoring.runs import Run, State


@dataclass(frozen=True)
class Since:
    """The first of the runs, without a verdict between that lacks it, in which something was violated."""

    moment: datetime
    runs: int
    open: bool = False  # the runs that were looked at end here: it may be longer


def violated(runs: Sequence[Run]) -> list[Run]:
    """From the newest back to the last healthy verdict: those whose violations have to be read."""
    found = []
    for run in runs:
        if run.state is State.HEALTHY:
            break
        if run.state is State.VIOLATIONS:
            found.append(run)
    return found


def since(
    runs: Sequence[Run],
    subjects: Callable[[Run], Iterable[str] | None],
    wanted: Iterable[str],
    *,
    complete: bool = False,
) -> dict[str, Since]:
    """By subject (a feature, a metric, a facet's metric), of those that the newest run violates.

    Args:
        runs: newest first; the first is the one that is looked at. Runs without a verdict are passed over.
        subjects: what a run violates; None where that can't be read any more, which ends the search there.
        wanted: subjects of the newest run.
        complete: whether nothing ran before the oldest of `runs`.
    """
    found: dict[str, Since] = {}
    following = set(wanted)
    ended = complete
    for run in runs:
        if run.state is State.HEALTHY:
            ended = True
            break
        if run.state is not State.VIOLATIONS:
            continue
        named = subjects(run)
        if named is None:
            ended = False
            break
        following &= set(named)
        found |= {each: Since(run.started, found[each].runs + 1 if each in found else 1) for each in following}
    return {name: replace(each, open=name in following and not ended) for name, each in found.items()}


def said(found: Since | None, moment: Callable[[datetime], str]) -> str:
    """ "since 14:05, 3 runs", with the time as `moment` has it."""
    if found is None:
        return ""
    runs = "1 run" if found.runs == 1 else f"{found.runs} runs"
    return f"{'at least ' if found.open else ''}since {moment(found.moment)}, {runs}"
