"""A run's distributions beside the baseline's: shared bins, categories, distances."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboard.monitoring import distributions, drivers, groups, trends
from dashboard.monitoring.distributions import BASELINE, NOW, OTHER
from tests.dashboard.monitoring.monitored import BEFORE, CONSTRAINTS, MOVED, numbers, statistics, texts


def test_both_sides_share_their_bins_and_each_adds_up_to_one() -> None:
    one = distributions.points(numbers("age", [0.0, 1.0, 2.0, 3.0]))
    other = distributions.points(numbers("age", [3.0, 7.0, 8.0, 8.0], weights=4))
    frame = distributions.histogram(one, other, bins=4)
    sides = {name: side.reset_index(drop=True) for name, side in frame.groupby("side")}
    assert list(sides[BASELINE]["from"]) == list(sides[NOW]["from"]) == [0.0, 2.0, 4.0, 6.0]
    assert list(sides[BASELINE]["share"]) == [0.5, 0.5, 0.0, 0.0]
    assert list(sides[NOW]["share"]) == [0.0, 0.25, 0.0, 0.75]


def test_one_value_is_one_bin_and_nothing_is_no_bin() -> None:
    one = distributions.points(numbers("age", [5.0, 5.0]))
    assert distributions.histogram(one, one)["share"].tolist() == [1.0, 1.0]
    assert distributions.histogram(None, None).empty


def test_buckets_stand_in_for_a_sketch_that_a_file_lacks() -> None:
    feature = numbers("age", [1.0])
    kll = feature["numerical_statistics"]["distribution"]["kll"]
    kll["sketch"] = {}
    kll["buckets"] = [
        {"lower_bound": 0.0, "upper_bound": 2.0, "count": 3.0},
        {"lower_bound": 2.0, "upper_bound": 4.0, "count": 0.0},
    ]
    found = distributions.points(feature)
    assert found
    assert ([*found[0]], [*found[1]]) == ([1.0], [3.0])


def test_rare_categories_are_taken_together_and_none_is_lost() -> None:
    before, now = (pd.Series({f"v{at}": float(20 - at) for at in range(count)}) for count in (15, 16))
    frame = distributions.shares(before, now, most=10)
    assert set(frame["value"]) == {*(f"v{at}" for at in range(10)), OTHER}
    assert frame.groupby("side")["share"].sum().tolist() == pytest.approx([1.0, 1.0])


def test_a_value_that_one_side_lacks_is_there_with_nothing() -> None:
    frame = distributions.shares(*(distributions.counts(texts("plan", each)) for each in ({"a": 1}, {"b": 1})))
    assert frame[frame["side"] == NOW].set_index("value")["share"].to_dict() == {"a": 0.0, "b": 1.0}


def test_features_are_measured_and_what_a_side_lacks_is_said() -> None:
    now = statistics(*MOVED["features"], texts("new", {"x": 1}))
    before = statistics(*BEFORE["features"], texts("gone", {"x": 1}))
    found = {each.name: each for each in distributions.features(before, now)}
    age = found["age"]
    assert age.gap == pytest.approx(0.8)
    assert age.distance == pytest.approx(0.8 - 1.8 * (200 / 10_000) ** 0.5)
    assert age.where == 59
    assert found["plan"].gap == pytest.approx(0.5)
    assert (found["gone"].observed, found["gone"].completeness) == ("", None)
    assert (found["new"].expected, found["new"].gap) == ("", None)


def test_completeness_counts_missing_values() -> None:
    assert distributions.completeness(texts("plan", {"a": 3}, missing=1)) == 0.75


def test_a_features_limit_is_its_own_or_else_the_files() -> None:
    assert trends.limit(CONSTRAINTS, "age") == 0.05
    assert trends.limit(CONSTRAINTS, "plan") == 0.2
    assert trends.limit({}, "age") is None


def analysis(values: dict[str, float | str]) -> dict[str, object]:
    metrics = [{"name": name, "description": name, "value": value} for name, value in values.items()]
    facets = {"gender": [{"value_or_threshold": "F", "metrics": metrics}]}
    return {"post_training_bias_metrics": {"facets": facets}}


def test_a_groups_metrics_stand_beside_the_baselines_violated_ones_first() -> None:
    broken = [{"facet": "gender", "facet_value": "F", "metric_name": "DPPL"}]
    found = groups.measures(analysis({"AD": 0.1, "DPPL": 0.4, "DI": "Infinity"}), analysis({"DPPL": 0.1}), broken)
    assert [(each.metric, each.now, each.before, each.violated) for each in found] == [
        ("DPPL", 0.4, 0.1, True),
        ("AD", 0.1, None, False),
        ("DI", None, None, False),
    ]


def test_a_ranking_says_which_place_a_feature_had() -> None:
    rows = drivers.ranking({"a": 0.1, "b": -0.5, "c": 0.2}, {"a": 0.9, "b": 0.5})
    assert [(row["place"], row["feature"], row["was"]) for row in rows] == [(1, "b", 2), (2, "c", None), (3, "a", 1)]
