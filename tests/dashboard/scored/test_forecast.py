"""Intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dashboard.scored import forecast
from dashboard.scored.forecast import Calibration


def test_wilson_as_published() -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I: 81 of 263, and 0 of 20."""
    many, none = forecast.wilson(81, 263), forecast.wilson(0, 20)
    assert (many.low, many.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert (forecast.wilson(0, 0).low, forecast.wilson(0, 0).high) == (0, 1)


def test_promised_is_the_binomial_where_all_are_alike() -> None:
    for count in (50, 600):
        found = forecast.promised(np.full(count, 0.3))
        assert found.value == pytest.approx(0.3 * count)
        assert (found.low, found.high) == tuple(stats.binom.ppf([0.025, 0.975], count, 0.3))
    many = forecast.promised(np.full(4000, 0.3))
    low, high = stats.binom.ppf([0.025, 0.975], 4000, 0.3)
    assert (many.low, many.high) == (pytest.approx(low, abs=1), pytest.approx(high, abs=1))
    assert forecast.promised(np.array([])).high == 0


def test_groups_count_everybody_once() -> None:
    random = np.random.default_rng(1)
    probability = random.uniform(size=103)
    truth = (random.uniform(size=103) < probability).astype(float)
    table = forecast.groups(probability, truth, 4)
    assert table["records"].tolist() == [26, 26, 26, 25]
    assert table["predicted"].is_monotonic_increasing
    assert table["expected"].sum() == pytest.approx(probability.sum())
    assert table["actual"].sum() == truth.sum()
    assert (table["low"] <= table["observed"]).all() and (table["observed"] <= table["high"]).all()


def test_an_evaluation_without_calibration_has_none() -> None:
    assert Calibration.of({}) is None
    assert Calibration.of({"calibration": {"mean_probability": [0.1], "observed_share": [], "records": []}}) is None
    found = Calibration.of({"calibration": {"mean_probability": [0.1], "observed_share": [0.2], "records": [10]}})
    assert found and (found.expected, found.actual, found.total) == (pytest.approx(1), 2, 10)


def test_at_risk_without_calibration_holds_chance_alone() -> None:
    probability, value = np.full(400, 0.25), np.full(400, 10.0)
    found = forecast.at_risk(probability, value, None)
    half = 1.96 * 10 * np.sqrt(400 * 0.25 * 0.75)
    assert found.value == pytest.approx(1000)
    assert (found.low, found.high) == pytest.approx((1000 - half, 1000 + half), rel=0.03)


def test_few_held_out_records_widen_it_and_a_bias_moves_it() -> None:
    probability, value = np.full(400, 0.25), np.full(400, 10.0)
    few = forecast.at_risk(probability, value, Calibration([0.25], [0.25], [40]))
    many = forecast.at_risk(probability, value, Calibration([0.25], [0.25], [40_000]))
    biased = forecast.at_risk(probability, value, Calibration([0.25], [0.5], [40_000]))
    assert few.high - few.low > 1.5 * (many.high - many.low)
    assert many.low < 1000 < many.high
    assert biased.value == pytest.approx(1000)  # as the model says it
    assert biased.low < 2000 < biased.high and biased.low > 1700


def test_at_risk_holds_the_truth_95_times_of_100() -> None:
    """Of customers whose probabilities are off by an unknown factor, which the held-out ones show."""
    random = np.random.default_rng(7)
    inside = 0
    for trial in range(60):
        said = random.uniform(0.05, 0.6, 300)
        true = 1 / (1 + np.exp(-(np.log(said / (1 - said)) + 0.4)))
        held_out = forecast.groups(said[:150], (random.uniform(size=150) < true[:150]).astype(float), 5)
        known = Calibration(*(held_out[name].tolist() for name in ("predicted", "observed", "records")))
        value = random.uniform(1, 3, 150)
        left = random.uniform(size=150) < true[150:]
        found = forecast.at_risk(said[150:], value, known, seed=trial)
        inside += found.low <= value[left].sum() <= found.high
    assert inside >= 54
