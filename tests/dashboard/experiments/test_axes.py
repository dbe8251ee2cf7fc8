from __future__ import annotations

import math

import pytest

from dashboard.experiments import axes


def labels(axis: axes.Axis) -> list[str]:
    return [label for _, label in axis.ticks]


def test_numbers_lie_between_the_least_and_the_most() -> None:
    axis = axes.of("depth", ["2", "6", "4"])
    assert (axis.kind, [axis.position(value) for value in ("2", "4", "6")]) == ("linear", [0.0, 0.5, 1.0])
    assert labels(axis) == ["2", "3", "4", "5", "6"]  # depths are whole


def test_a_logarithmic_scale_has_its_own_ticks() -> None:
    axis = axes.of("eta", ["0.01", "0.1", "1"], logarithmic=True)
    assert axis.kind == "log"
    assert axis.position("0.1") == pytest.approx(0.5)
    assert labels(axis) == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
    place = {label: place for place, label in axis.ticks}["0.5"]
    assert place == pytest.approx(math.log10(50) / 2)
    assert axes.of("eta", ["0", "1"], logarithmic=True).kind == "linear"  # zero has no logarithm


def test_words_are_categories_in_alphabetical_order() -> None:
    axis = axes.of("imbalance", ["smote", "none", "weights", "none"])
    assert (axis.kind, axis.ticks) == ("category", [(0.0, "none"), (0.5, "smote"), (1.0, "weights")])
    assert axis.position("smote") == 0.5
    assert axes.of("mixed", ["1", "none"]).kind == "category"


def test_many_categories_are_not_all_named() -> None:
    assert len(axes.of("file", [f"s3://bucket/{number:03}.csv" for number in range(100)]).ticks) <= 12


def test_one_value_lies_in_the_middle() -> None:
    assert axes.of("depth", ["3", "3"]).ticks == [(0.5, "3")]
    assert axes.of("kind", ["a"]).ticks == [(0.5, "a")]


def test_an_address_is_told_by_its_end() -> None:
    assert axes.short("s3://bucket/data/churn/recent/") == "recent"
    assert axes.short("a-very-long-name-of-something") == "…me-of-something"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.38, 0.5, [0.4, 0.45, 0.5]), (1000, 9000, [2000, 4000, 6000, 8000])],
)
def test_linear_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert axes.linear_ticks(low, high) == expected


def test_wide_logarithmic_ranges_have_powers_alone() -> None:
    assert [tick for tick in axes.log_ticks(1e-5, 1.0) if tick <= 1] == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
