"""What policies want: target tracking, steps, cooldowns, several at once."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.scaling.decisions import Cooldowns, Wish, adjusted, decide, stepped, tracked

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("capacity", "value", "target", "expected"),
    [
        (2, 140.0, 70.0, 4),
        (2, 70.0, 70.0, 2),
        (2, 71.0, 70.0, 3),
        (3, 20.0, 70.0, 1),
        (0, 12.0, 5.0, 3),
        (3, 0.3, 0.1, 9),
    ],
)
def test_target_tracking_keeps_the_metric_at_its_target(
    capacity: int, value: float, target: float, expected: int
) -> None:
    assert tracked(capacity, value, target) == expected


STEPS = [
    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
]


def test_a_step_is_chosen_by_the_distance_from_the_threshold() -> None:
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS}
    assert stepped(2, [50.0], 50.0, config) == 3  # above, the lower bound belongs to the step
    assert stepped(2, [60.0], 50.0, config) == 5
    assert stepped(2, [49.0], 50.0, config) is None
    assert stepped(2, [50.0, 70.0], 50.0, config | {"MetricAggregationType": "Maximum"}) == 5
    assert stepped(2, [50.0, 60.0], 50.0, config) == 3  # their average
    below = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [
            {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
            {"MetricIntervalUpperBound": -10.0, "ScalingAdjustment": -2},
        ],
    }
    assert stepped(4, [50.0], 50.0, below) == 3  # below, the upper bound does
    assert stepped(4, [40.0], 50.0, below) == 2


@pytest.mark.parametrize(
    ("adjustment", "expected"), [(15, 11), (25, 12), (-15, 9), (-66, 4), (1, 11), (-1, 9), (0, 10)]
)
def test_percentages_are_rounded_towards_zero_but_change_by_one(adjustment: int, expected: int) -> None:
    assert adjusted(10, adjustment, {"AdjustmentType": "PercentChangeInCapacity"}) == expected


def test_percentages_have_a_least_change() -> None:
    config = {"AdjustmentType": "PercentChangeInCapacity", "MinAdjustmentMagnitude": 2}
    assert (adjusted(4, 25, config), adjusted(4, -25, config)) == (6, 2)
    assert adjusted(4, 7, {"AdjustmentType": "ExactCapacity"}) == 7


def wish(capacity: int, **more: Any) -> Wish:
    return Wish(**{"capacity": capacity, "policy": "p", "alarm": "a", "cooldown": 60.0, **more})


def decided(*wishes: Wish, current: int = 4, cooldowns: Cooldowns | None = None, waiting: bool = False) -> int | None:
    found = decide(wishes, current, 1, 8, NOW, cooldowns or Cooldowns(), waiting)
    return found.capacity if found else None


def test_the_largest_capacity_wins_within_the_limits() -> None:
    assert decided(wish(5), wish(7), wish(2)) == 7
    assert decided(wish(20)) == 8
    assert decided(wish(20), current=8) is None
    assert decided(wish(2), wish(3)) == 3
    assert decided(wish(0)) == 1
    assert decided(wish(4)) is None


def test_target_tracking_scales_in_when_all_of_it_is_ready() -> None:
    assert decided(wish(2, tracking=True), waiting=True) is None
    assert decided(wish(2, tracking=True)) == 2
    assert decided(wish(3), wish(2, tracking=True), waiting=True) == 3  # a step scaling policy does not wait


def test_a_scale_in_waits_for_its_cooldown_and_a_scale_out_does_not() -> None:
    cooling = Cooldowns(in_until=NOW + 1)
    assert decided(wish(2), cooldowns=cooling) is None
    assert decided(wish(6), cooldowns=cooling) == 6
    assert decided(wish(2), cooldowns=Cooldowns(in_until=NOW - 1)) == 2


def test_what_a_scale_out_added_counts_during_its_cooldown() -> None:
    cooling = Cooldowns(out_until=NOW + 1, base=2)
    assert cooling.start(NOW, current=4) == 2  # so 2 more is 4, which is there, and 3 more is one more
    assert cooling.start(NOW + 2, current=4) == 4
