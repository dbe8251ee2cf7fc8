"""Ranges, and the choice of values."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.jobs.tuning import ranges
from sagelocal.jobs.tuning.search import Search
from sagelocal.jobs.tuning.trials import Tried

X = {"Name": "x", "MinValue": "0.001", "MaxValue": "1"}


def continuous(**members: str) -> list[ranges.Range]:
    return ranges.parse({"ContinuousParameterRanges": [{**X, **members}]})


def suggestions(found: list[ranges.Range], count: int = 200, **members: Any) -> list[dict[str, str]]:
    search = Search(**{"strategy": "Random", "ranges": found, "maximize": True, "seed": 1, "budget": 10, **members})
    return [values for number in range(1, count + 1) if (values := search.suggest(number, []))]


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    [("Linear", 0.45, 0.55), ("Logarithmic", 0.02, 0.05), ("Auto", 0.02, 0.05), ("ReverseLogarithmic", 0.94, 0.99)],
)
def test_a_scale_decides_where_the_middle_is(scale: str, low: float, high: float) -> None:
    found = continuous(ScalingType=scale, **({"MaxValue": "0.999"} if scale == "ReverseLogarithmic" else {}))
    values = sorted(float(each["x"]) for each in suggestions(found))
    assert low < values[100] < high
    assert values[0] >= 0.001 and values[-1] <= 1


def test_what_was_chosen_is_read_back() -> None:
    given = {
        "ContinuousParameterRanges": [X, {**X, "Name": "r", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"}],
        "IntegerParameterRanges": [
            {"Name": "k", "MinValue": "1", "MaxValue": "1000", "ScalingType": "Logarithmic"},
        ],
        "CategoricalParameterRanges": [{"Name": "c", "Values": ["[8, 16]", "x"]}],
    }
    found = {each.name: each for each in ranges.parse(given)}
    for values in suggestions(list(found.values()), 50):
        back = {name: found[name].text(found[name].number(text)) for name, text in values.items()}
        assert float(back.pop("r")) == pytest.approx(float(values.pop("r")))  # 1 - (1 - x)
        assert back == values
    with pytest.raises(ValueError, match="outside of its range"):
        found["x"].number("2000")


def test_values_outside_of_the_ranges_teach_nothing() -> None:
    """A parent's, say. The search is as if there had been none."""
    found = continuous(ScalingType="Linear")
    search = Search("Bayesian", found, True, 5, 30)
    strange = [Tried({"x": "7"}, 1.0), Tried({"y": "0.5"}, 1.0), Tried({"x": "0.5"}), Tried({"x": "a"}, 1.0)] * 20
    assert search.suggest(1, [], strange) == search.suggest(1, [])


def test_results_of_others_are_learned_from() -> None:
    found = continuous(ScalingType="Linear")
    known = [Tried({"x": str(value / 100)}, -abs(value / 100 - 0.9)) for value in range(1, 100, 2)]
    search = Search("Bayesian", found, True, 5, 30)
    learned = [float(values["x"]) for number in range(1, 21) if (values := search.suggest(number, [], known))]
    assert sum(abs(value - 0.9) < 0.2 for value in learned) > 15


def test_a_small_space_is_used_up_without_repetition() -> None:
    found = ranges.parse(
        {
            "IntegerParameterRanges": [{"Name": "k", "MinValue": "1", "MaxValue": "4"}],
            "CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}],
        }
    )
    search = Search("Bayesian", found, False, 1, 8)
    tried: list[Tried] = []
    while (values := search.suggest(len(tried) + 1, tried)) is not None:
        tried.append(Tried(values, float(len(tried)), running=len(tried) > 5))
    assert len(tried) == 8 == len({tuple(sorted(each.values.items())) for each in tried})


@pytest.mark.parametrize(
    ("kind", "members", "said"),
    [
        ("Continuous", {"MinValue": "one"}, "MinValue [one] must be a number"),
        ("Continuous", {"MaxValue": "inf"}, "MaxValue [inf] must be a number"),
        ("Integer", {}, "MinValue [0.001] must be an integer"),
        ("Continuous", {"MinValue": "2"}, "must not be greater than MaxValue [1]"),
        ("Continuous", {"MinValue": "0", "ScalingType": "Logarithmic"}, "needs values greater than 0"),
        ("Continuous", {"ScalingType": "ReverseLogarithmic"}, "within 0 <= x < 1"),
        ("Integer", {"MinValue": "0", "ScalingType": "ReverseLogarithmic"}, "for continuous ranges only"),
    ],
)
def test_a_bad_range_names_its_hyperparameter(kind: str, members: dict[str, str], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        ranges.parse({f"{kind}ParameterRanges": [{**X, **members}]})
    assert said in refused.value.message and "[x]" in refused.value.message
