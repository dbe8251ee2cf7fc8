"""Statistics, constraints and every check: what must fire fires, what must not doesn't."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from data_columns import Column
from data_constraints import check, suggest
from data_drift import chi_squared_p, linfinity_distance, numeric_distance, sample_correction
from data_statistics import describe, profile

CHURN_SHIFT = Path(__file__).parents[2] / "data" / "churn_shift.py"


def sample(seed: int, count: int, **changes: Any) -> pd.DataFrame:
    """A population of one whole, one fractional and one text column, as text."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, count),
            "price": random.gamma(4, 20, count).round(2),
            "plan": random.choice(["basic", "plus", "pro"], count, p=[0.6, 0.3, 0.1]),
        }
    )
    return frame.assign(**changes).astype(str)


@pytest.fixture(scope="module")
def baseline() -> tuple[dict[str, Any], dict[str, Any]]:
    statistics = describe(profile([sample(0, 5000)]))
    return suggest(statistics), statistics


def found(baseline: tuple[dict[str, Any], dict[str, Any]], frame: pd.DataFrame) -> set[tuple[str, str]]:
    violations = check(*baseline, profile([frame]))[1]
    assert all(set(each) == {"feature_name", "constraint_check_type", "description"} for each in violations)
    return {(each["feature_name"], each["constraint_check_type"]) for each in violations}


# --- statistics


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", " +3 "], "Integral"),
        (["1", "2.0"], "Fractional"),
        (["1e3", ".5"], "Fractional"),
        (["1", "x"], "String"),
        (["true", "false"], "String"),
        (["", " ", "NaN", None], "Unknown"),
    ],
)
def test_type_inference(values: list[str | None], kind: str) -> None:
    column = Column()
    column.add(pa.array(values, pa.string()))
    assert column.inferred_type == kind


def test_statistics_have_the_schema_and_the_numbers_of_the_data() -> None:
    frame = sample(1, 3000)
    frame.loc[:9, "price"] = ""
    statistics = describe(profile([frame]))
    assert statistics["version"] == 0
    assert statistics["dataset"] == {"item_count": 3000}
    price = statistics["features"][1]
    assert (price["name"], price["inferred_type"]) == ("price", "Fractional")
    numbers = pd.to_numeric(frame["price"])
    body = price["numerical_statistics"]
    assert body["common"] == {"num_present": 2990, "num_missing": 10}
    expected = [numbers.mean(), numbers.sum(), numbers.std(ddof=0), numbers.min(), numbers.max()]
    assert [body[name] for name in ("mean", "sum", "std_dev", "min", "max")] == pytest.approx(expected)
    kll = body["distribution"]["kll"]
    assert len(kll["buckets"]) == 10
    assert sum(bucket["count"] for bucket in kll["buckets"]) == 2990
    assert kll["buckets"][0]["lower_bound"] == numbers.min()
    assert kll["buckets"][-1]["upper_bound"] == numbers.max()
    assert set(kll["sketch"]["parameters"]) == {"c", "k"}
    assert sum(len(level) * 2**depth for depth, level in enumerate(kll["sketch"]["data"])) == 2990
    plan = statistics["features"][2]["string_statistics"]
    assert plan["distinct_count"] == 3
    buckets = {bucket["value"]: bucket["count"] for bucket in plan["distribution"]["categorical"]["buckets"]}
    assert buckets == frame["plan"].value_counts().to_dict()


def test_pieces_give_the_statistics_of_the_whole() -> None:
    frame = sample(2, 1500)
    whole = profile([frame])
    pieces = profile(frame[start : start + 400] for start in range(0, 1500, 400))
    assert pieces.item_count == 1500
    for name, column in whole.columns.items():
        piece = pieces.columns[name]
        assert (piece.present, piece.kinds) == (column.present, column.kinds)
        assert (piece.mean, piece.squares) == pytest.approx((column.mean, column.squares))
        if column.categories is not None:
            assert piece.categories is not None
            assert piece.categories.to_dict() == column.categories.to_dict()


def test_a_column_absent_from_a_piece_is_missing_there() -> None:
    table = profile([pd.DataFrame({"a": ["1", "2"]}), pd.DataFrame({"a": ["3"], "b": ["x"]})])
    assert table.completeness("a") == 1
    assert table.completeness("b") == pytest.approx(1 / 3)


def test_many_distinct_values_are_estimated_and_not_listed() -> None:
    table = profile(
        [pd.DataFrame({"id": [f"u{number}" for number in range(start, start + 4000)]}) for start in (0, 4000)]
    )
    body = describe(table)["features"][0]["string_statistics"]
    assert body["distinct_count"] == pytest.approx(8000, rel=0.05)
    assert body["distribution"]["categorical"]["buckets"] == []


# --- suggested constraints


def test_suggested_constraints() -> None:
    frame = sample(4, 1000, change=np.arange(-500, 500), name=[f"n{number}" for number in range(1000)])
    frame.loc[:99, "price"] = ""
    constraints = suggest(describe(profile([frame])))
    features = {feature["name"]: feature for feature in constraints["features"]}
    assert constraints["version"] == 0
    assert constraints["monitoring_config"]["distribution_constraints"]["comparison_method"] == "Robust"
    assert features["age"]["num_constraints"] == {"is_non_negative": True}
    assert features["change"]["num_constraints"] == {"is_non_negative": False}
    assert features["plan"]["string_constraints"] == {"domains": ["basic", "plus", "pro"]}
    assert "string_constraints" not in features["name"]
    assert features["age"]["completeness"] == 1
    assert features["price"]["completeness"] == 0.84  # 90 % less three standard errors of 300 records, rounded down


# --- checks


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("count", [300, 1400])
def test_the_same_population_violates_nothing(
    baseline: tuple[dict[str, Any], dict[str, Any]], seed: int, count: int
) -> None:
    assert found(baseline, sample(seed, count)) == set()


def test_simple_method_has_no_correction(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    constraints, statistics = baseline
    simple = constraints | {"monitoring_config": {"distribution_constraints": {"comparison_method": "Simple"}}}
    few = [(seed, sample(seed, 40)) for seed in range(1, 9)]
    assert any(found((simple, statistics), frame) for _, frame in few)  # false alarms on small samples
    assert not any(found(baseline, frame) for _, frame in few)


def test_numeric_drift(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    frame = sample(1, 500)
    frame["price"] = (frame["price"].astype(float) * 1.6).astype(str)
    assert found(baseline, frame) == {("price", "baseline_drift_check")}


def test_categorical_drift(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert found(baseline, sample(1, 500, plan="pro")) == {("plan", "baseline_drift_check")}


def test_chi_squared_drift(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    override = {"categorical_drift_method": "ChiSquared", "categorical_comparison_threshold": 0.001}
    constraints = baseline[0] | {"monitoring_config": {"distribution_constraints": override}}
    assert found((constraints, baseline[1]), sample(1, 500)) == set()
    some = sample(1, 500)
    some.loc[:99, "plan"] = "pro"
    assert found((constraints, baseline[1]), some) == {("plan", "baseline_drift_check")}


def test_data_type(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    whole_prices = sample(1, 500)
    whole_prices.loc[0, "price"] = "80"
    assert found(baseline, whole_prices) == set()  # a whole number is a fractional value too
    frame = sample(1, 500)
    frame.loc[0, "age"] = "34.5"
    frame.loc[1, "price"] = "free"
    assert found(baseline, frame) == {("age", "data_type_check"), ("price", "data_type_check")}


def test_completeness(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    frame = sample(1, 500)
    frame.loc[0, "age"] = ""
    assert found(baseline, frame) == {("age", "completeness_check")}
    assert found(baseline, sample(1, 500, age="")) == {("age", "completeness_check")}


def test_categorical_values(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    frame = sample(1, 500)
    frame.loc[0, "plan"] = "platinum"
    violations = check(*baseline, profile([frame]))[1]
    assert [each["constraint_check_type"] for each in violations] == ["categorical_values_check"]
    assert "'platinum'" in violations[0]["description"]
    many = sample(1, 2000, plan=[f"p{number}" for number in range(2000)])
    assert ("plan", "categorical_values_check") in found(baseline, many)


def test_missing_and_extra_columns(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    frame = sample(1, 500).rename(columns={"age": "years"})
    assert found(baseline, frame) == {("age", "missing_column_check"), ("years", "extra_column_check")}


@pytest.mark.parametrize(
    "override",
    [
        {"evaluate_constraints": "Disabled"},
        {"distribution_constraints": {"perform_comparison": "Disabled"}},
        {"distribution_constraints": {"comparison_threshold": 0.99}},
    ],
)
def test_overrides_of_one_feature(baseline: tuple[dict[str, Any], dict[str, Any]], override: dict[str, Any]) -> None:
    constraints, statistics = baseline
    frame = sample(1, 500, age="99", price="1.5")
    assert found(baseline, frame) == {("age", "baseline_drift_check"), ("price", "baseline_drift_check")}
    features = [
        feature | ({"monitoringConfigOverrides": override} if feature["name"] == "price" else {})
        for feature in constraints["features"]
    ]
    eased = constraints | {"features": features}
    assert found((eased, statistics), frame) == {("age", "baseline_drift_check")}


def test_thresholds_allow_a_share(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    constraints, statistics = baseline
    config = constraints["monitoring_config"] | {"datatype_check_threshold": 0.99, "domain_content_threshold": 0.99}
    frame = sample(1, 500)
    frame.loc[0, ["age", "plan"]] = ["old", "platinum"]
    assert found((constraints | {"monitoring_config": config}, statistics), frame) == set()


def test_unknown_methods_and_missing_statistics_are_errors(baseline: tuple[dict[str, Any], dict[str, Any]]) -> None:
    constraints, statistics = baseline
    current = profile([sample(1, 100)])
    for option in ({"comparison_method": "Bold"}, {"categorical_drift_method": "Bold"}):
        with pytest.raises(ValueError, match="'Bold'"):
            check(constraints | {"monitoring_config": {"distribution_constraints": option}}, statistics, current)
    with pytest.raises(ValueError, match="'age' has constraints but no"):
        check(constraints, statistics | {"features": statistics["features"][1:]}, current)
    bare = {"name": "age", "inferred_type": "Integral", "numerical_statistics": {"distribution": {}}}
    with pytest.raises(ValueError, match="'age' hold no KLL sketch"):
        check(constraints, statistics | {"features": [bare, *statistics["features"][1:]]}, current)


# --- churn


def churn_customers(seed: int, count: int) -> pd.DataFrame:
    """Made up, with the shape that matters in the Telco table: most prices low or high, most contracts monthly."""
    random = np.random.default_rng(seed)
    tenure = random.integers(1, 73, count)
    low = random.random(count) < 0.25
    charges = np.where(low, random.normal(20, 1, count), random.normal(80, 17, count)).round(2)
    return pd.DataFrame(
        {
            "gender": random.choice(["Female", "Male"], count),
            "SeniorCitizen": random.choice([0, 1], count, p=[0.84, 0.16]),
            "tenure": tenure,
            "Contract": random.choice(["Month-to-month", "One year", "Two year"], count, p=[0.55, 0.21, 0.24]),
            "PaymentMethod": random.choice(["Electronic check", "Mailed check", "Bank transfer", "Card"], count),
            "MonthlyCharges": charges,
            "TotalCharges": (charges * tenure).round(2),
        }
    )


@pytest.mark.parametrize("count", [300, 1400])
@pytest.mark.parametrize("seed", range(1, 6))
def test_shifted_churn_traffic_names_the_shifted_features_and_only_those(seed: int, count: int) -> None:
    module = runpy.run_path(str(CHURN_SHIFT))
    statistics = describe(profile([churn_customers(0, 5600).astype(str)]))
    baseline = suggest(statistics), statistics
    held_out = churn_customers(seed, count)
    assert found(baseline, held_out.astype(str)) == set()
    shifted, names = module["shift"](held_out, seed)
    assert found(baseline, shifted.astype(str)) == {(name, "baseline_drift_check") for name in names}


# --- distances


def weighted(*values: float) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(np.array(values)), np.ones(len(values))


def test_distances_by_hand() -> None:
    assert numeric_distance(weighted(1, 2, 3, 4), weighted(3, 4, 5, 6), "Simple") == 0.5
    assert numeric_distance(weighted(1, 2, 3, 4), weighted(3, 4, 5, 6), "Robust") == 0.0
    thousand = weighted(*range(1000))
    far = weighted(*range(500, 1500))
    correction = 1.8 * np.sqrt(2000 / 1_000_000)
    assert sample_correction(1000, 1000) == pytest.approx(correction)
    assert numeric_distance(thousand, far, "Robust") == pytest.approx(0.5 - correction)
    counts, others = pd.Series({"a": 60, "b": 40}), pd.Series({"a": 30, "c": 70})
    assert linfinity_distance(counts, others, "Simple") == pytest.approx(0.7)


def test_numeric_distance_is_scipys_kolmogorov_smirnov_statistic() -> None:
    from scipy.stats import ks_2samp

    random = np.random.default_rng(0)
    one, other = random.normal(size=400), random.normal(0.3, 1, size=250)
    assert numeric_distance(weighted(*one), weighted(*other), "Simple") == pytest.approx(ks_2samp(one, other).statistic)


def test_chi_squared_takes_rare_categories_together() -> None:
    baseline = pd.Series({"a": 500, "b": 500, "rare": 1})
    assert chi_squared_p(baseline, pd.Series({"a": 52, "b": 48, "new": 1})) > 0.2
    assert chi_squared_p(baseline, pd.Series({"a": 90, "b": 10})) < 1e-6
    assert chi_squared_p(pd.Series({"a": 10}), pd.Series({"a": 20})) == 1
