"""Since when something has been violated."""

from __future__ import annotations

import pytest

from dashboard.monitoring import history
from dashboard.monitoring.runs import Run, State
from tests.dashboard.monitoring.monitored import NOON, run

BAD = State.VIOLATIONS


def since(
    runs: list[Run], found: dict[str, list[str] | None], *, complete: bool = True
) -> dict[str, tuple[int, int, bool]]:
    """Subject to the hour since when, the number of runs and whether it may be longer; `runs` oldest first."""
    newest = list(reversed(runs))
    made = history.since(newest, lambda each: found[each.id], found[newest[0].id] or [], complete=complete)
    return {name: (int((each.moment - NOON).seconds / 3600), each.runs, each.open) for name, each in made.items()}


def test_it_begins_after_the_last_healthy_verdict() -> None:
    runs = [run(0, BAD, 1), run(1), run(2, BAD, 1), run(3, BAD, 1)]
    assert since(runs, {"r0": ["age"], "r2": ["age"], "r3": ["age"]}) == {"age": (2, 2, False)}


def test_it_begins_where_the_feature_itself_was_first_violated() -> None:
    runs = [run(0, BAD, 1), run(1, BAD, 2), run(2, BAD, 2)]
    found: dict[str, list[str] | None] = {"r0": ["age"], "r1": ["age", "plan"], "r2": ["age", "plan"]}
    assert since(runs, found) == {"age": (0, 3, False), "plan": (1, 2, False)}


@pytest.mark.parametrize("state", [State.FAILED, State.NOTHING, State.STOPPED, State.RUNNING])
def test_a_run_without_a_verdict_ends_nothing_and_counts_for_nothing(state: State) -> None:
    runs = [run(0, BAD, 1), run(1, state), run(2, BAD, 1)]
    assert since(runs, {"r0": ["age"], "r2": ["age"]}) == {"age": (0, 2, False)}


def test_where_the_page_of_runs_or_a_file_ends_it_may_be_longer() -> None:
    runs = [run(0, BAD, 1), run(1, BAD, 1)]
    assert since(runs, {"r0": ["age"], "r1": ["age"]}, complete=False) == {"age": (0, 2, True)}
    assert since(runs, {"r0": None, "r1": ["age"]}) == {"age": (1, 1, True)}
    healthy = [run(0), *[run(hour, BAD, 1) for hour in (1, 2)]]
    assert since(healthy, {"r1": ["age"], "r2": ["age"]}, complete=False) == {"age": (1, 2, False)}


def test_only_violations_since_the_last_healthy_verdict_are_read() -> None:
    runs = [run(4, BAD, 1), run(3, State.FAILED), run(2, BAD, 1), run(1), run(0, BAD, 1)]
    assert [each.id for each in history.violated(runs)] == ["r4", "r2"]


def test_it_is_said_with_the_number_of_runs() -> None:
    def hour(moment: object) -> str:
        return f"{moment:%H:%M}"

    assert history.said(history.Since(NOON, 3), hour) == "since 12:00, 3 runs"
    assert history.said(history.Since(NOON, 1, open=True), hour) == "at least since 12:00, 1 run"
    assert history.said(None, hour) == ""
