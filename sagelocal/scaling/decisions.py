"""What scaling policies want, as pure functions of alarms and capacities.

The rules are those of the Application Auto Scaling User Guide (how target tracking, step scaling and cooldowns work);
AWS does not publish target tracking's formula, here it is proportional: what keeps the metric at its target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TINY = 1e-9
_AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
}


@dataclass(frozen=True)
class Wish:
    """What one policy wants while its alarm is in ALARM. `cooldown` in seconds."""

    capacity: int
    policy: str
    alarm: str
    cooldown: float
    tracking: bool = False


@dataclass(frozen=True)
class Cooldowns:
    """Until when (epoch seconds) what was done last is to take effect; `base` is the capacity before a scale-out."""

    out_until: float = 0.0
    base: int = 0
    in_until: float = 0.0

    def start(self, now: float, current: int) -> int:
        """The capacity that a scale-out starts from: during its cooldown, what it began with, so that the capacity
        that was added counts for what is wanted next.
        """
        return min(self.base, current) if now < self.out_until else current


def tracked(capacity: int, value: float, target: float) -> int:
    """The capacity at which a metric that falls as capacity grows would be at its target.

    A variant without instances counts as one: an asynchronous endpoint's backlog per instance is its backlog then.
    """
    return math.ceil(max(capacity, 1) * value / target - _TINY)


def stepped(capacity: int, values: Sequence[float], threshold: float, config: Mapping[str, Any]) -> int | None:
    """The capacity after the step that the metric's distance from the alarm's threshold is in; None for no step."""
    value = _AGGREGATIONS[config.get("MetricAggregationType") or "Average"](values)
    step = next((one for one in config["StepAdjustments"] if _within(one, value - threshold)), None)
    return None if step is None else adjusted(capacity, step["ScalingAdjustment"], config)


def _within(step: Mapping[str, Any], distance: float) -> bool:
    low = step.get("MetricIntervalLowerBound")
    high = step.get("MetricIntervalUpperBound")
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    # Above the threshold the lower bound belongs to a step, below it the upper one (API: StepAdjustment).
    return low <= distance < high if distance >= 0 and low >= 0 else low < distance <= high


def adjusted(capacity: int, adjustment: int, config: Mapping[str, Any]) -> int:
    """Percentages are rounded towards zero, but change by one at least (User Guide: scaling adjustment types)."""
    match config.get("AdjustmentType"):
        case "ExactCapacity":
            return adjustment
        case "PercentChangeInCapacity":
            change = capacity * adjustment / 100
            change = math.copysign(max(abs(math.trunc(change)), 1), change) if change else 0
            least = config.get("MinAdjustmentMagnitude") or 0
            return capacity + int(math.copysign(max(abs(change), least), adjustment))
    return capacity + adjustment


def decide(
    wishes: Sequence[Wish], current: int, low: int, high: int, now: float, cooldowns: Cooldowns, waiting: bool = False
) -> Wish | None:
    """The wish to fulfil, with its capacity within `low` and `high`; None for none.

    Of several the largest capacity wins, and any scale-out over a scale-in. `waiting` says that some target tracking
    policy is not ready to scale in, without which no other one may.
    """
    out = [wish for wish in wishes if wish.capacity > current]
    if out:
        wish = max(out, key=lambda one: one.capacity)
        capacity = max(low, min(high, wish.capacity))
        return _with(wish, capacity) if capacity > current else None
    if now < cooldowns.in_until:
        return None
    inward = [wish for wish in wishes if wish.capacity < current and not (wish.tracking and waiting)]
    if not inward:
        return None
    wish = max(inward, key=lambda one: one.capacity)
    capacity = min(high, max(low, wish.capacity))
    return _with(wish, capacity) if capacity < current else None


def _with(wish: Wish, capacity: int) -> Wish:
    return Wish(capacity, wish.policy, wish.alarm, wish.cooldown, wish.tracking)
