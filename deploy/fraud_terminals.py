"""Labels in the states of terminals: a fraud that became known raises its terminal's risk.

The scorer writes these states too, and the Feature Store knows no conditional write. What keeps them from losing each
other's: a label is written one millisecond after the state that it was read from, so it never replaces what the scorer
wrote meanwhile (the online store keeps the later event time); and what the scorer wrote over a label, having read the
state before it, is seen by another look and labelled again. Labels in place change nothing, so all of it can be
repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deploy.scoring_states import MILLISECOND, Held, Key, States, after
from processing import fraud_windows

LOOKS = 4  # the last of which finds nothing to do, unless the scorer overwrites each
PAUSE = 1.0  # seconds between two: longer than the scorer holds a state

Label = tuple[int, int, bool]  # terminal, transaction, whether it was fraud


def bring(
    states: States,
    group: str,
    labels: Iterable[Label],
    pause: float = PAUSE,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Writes the labels that the terminals' states of a feature group lack; how many states that changed.

    Raises UnavailableError and ClientError as the Feature Store does, RuntimeError when labels are overwritten again
    and again.
    """
    known = list(labels)
    changed: set[Key] = set()
    for look in range(LOOKS):
        if look:
            sleep(pause)
        lacking = missing(states.fetch({(group, terminal) for terminal, _, _ in known}), group, known)
        if not lacking:
            return len(changed)
        states.write(lacking)
        changed |= lacking.keys()
        if not pause:
            return len(changed)
    raise RuntimeError(
        f"Labels of {len(lacking)} terminals in {group} were overwritten {LOOKS} times: try again later."
    )


def missing(held: Mapping[Key, Held], group: str, labels: Iterable[Label]) -> dict[Key, Held]:
    """The states that change by the labels, as they have to be written. Terminals without a state have no label."""
    found: dict[Key, dict[str, Any]] = {}
    for terminal, transaction, fraud in labels:
        key = group, terminal
        if key in held:
            found[key] = fraud_windows.labelled(found.get(key, held[key].state), transaction, fraud)
    return {key: _later(held[key], state) for key, state in found.items() if state != held[key].state}


def _later(before: Held, state: dict[str, Any]) -> Held:
    """The windows are those of the same moment, with the label in them where it counts already."""
    moment = fraud_windows.seconds(before.event_time)
    windows = fraud_windows.risks(moment, fraud_windows.events(state))
    return after(before, state, before.event_time, windows, MILLISECOND)
