"""Simulated transactions: what the Handbook says of them holds, the same seed makes the same, a switch changes nothing
before its day.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import archives, fraud, fraud_simulation
from data.fraud_simulation import COLUMNS, DAY, Simulation, simulate

SMALL = Simulation(customers=500, terminals=1000, days=60)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return simulate(SMALL)


def days(table: pd.DataFrame) -> pd.Series:
    return (table["transaction_time"] - pd.Timestamp(SMALL.start)) // pd.Timedelta(days=1)


def test_the_table_is_what_a_stream_carries_and_a_label(table: pd.DataFrame) -> None:
    assert tuple(table.columns) == COLUMNS
    assert str(table["transaction_time"].dtype) == "datetime64[us]"
    assert list(table["transaction_id"]) == list(range(len(table)))
    assert table["transaction_time"].is_monotonic_increasing
    assert days(table).between(0, SMALL.days - 1).all()
    assert table["amount"].min() >= 0.01
    assert (np.rint(table["amount"] * 100) / 100 == table["amount"]).all()
    assert table[["x", "y"]].stack().between(0, 100).all()
    assert (table.groupby("terminal_id")[["x", "y"]].nunique() == 1).all(axis=None)


def test_customers_are_as_the_handbook_says(table: pd.DataFrame) -> None:
    genuine = table[table["scenario"] == 0]
    by_customer = table.groupby("customer_id").size() / SMALL.days
    assert len(table) == pytest.approx(500 * 2 * 60 * 0.969, rel=0.1)  # 3 % would fall outside the day
    assert by_customer.max() < 5
    assert genuine["amount"].mean() == pytest.approx(60, rel=0.15)  # 70 % of people's means are weighed alike
    assert genuine["amount"].max() <= 220
    seconds = (table["transaction_time"] - table["transaction_time"].dt.normalize()).dt.total_seconds()
    assert seconds.mean() == pytest.approx(DAY / 2, rel=0.02)
    # Within 5 km of home all are within 10 km of each other.
    spans = genuine.groupby("customer_id")[["x", "y"]].agg(lambda place: place.max() - place.min())
    assert spans.max(axis=None) <= 10.2


def test_fraud_is_rare_and_of_three_kinds(table: pd.DataFrame) -> None:
    assert list(table["fraud"]) == list((table["scenario"] > 0).astype(int))
    assert set(table["scenario"]) == {0, 1, 2, 3}
    assert 0.003 < table["fraud"].mean() < 0.02
    assert (table.loc[table["scenario"] == 1, "amount"] > 220).all()


def test_all_that_is_paid_at_a_compromised_terminal_is_fraud_for_28_days(table: pd.DataFrame) -> None:
    day = days(table)
    for terminal, frauds in table[table["scenario"] == 2].groupby("terminal_id"):
        there = day[table["terminal_id"] == terminal]
        first, last = day[frauds.index].min(), day[frauds.index].max()
        between = there.index[there.between(first, last)]
        if last - first < 28:
            assert (table.loc[between, "scenario"] >= 2).all()


def test_of_stolen_credentials_a_third_is_misused_for_two_weeks_with_five_times_the_amount(table: pd.DataFrame) -> None:
    misused = table[table["scenario"] == 3]
    usual = table[table["scenario"] == 0].groupby("customer_id")["amount"].mean()
    assert (misused["amount"] / misused["customer_id"].map(usual)).mean() == pytest.approx(5, rel=0.25)
    spans = days(table)[misused.index].groupby(misused["customer_id"]).agg(lambda day: day.max() - day.min())
    assert (spans < 14).mean() > 0.8  # the others' were stolen twice


@pytest.mark.slow
def test_the_handbooks_size_has_its_numbers() -> None:
    """It tells of 1,754,155 transactions in 183 days, 0.84 % of them fraud."""
    whole = simulate(Simulation(days=183))
    assert len(whole) == pytest.approx(1_754_155, rel=0.03)
    assert whole["fraud"].mean() == pytest.approx(0.0084, abs=0.0005)


def test_a_seed_makes_one_table(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(simulate(SMALL), table)
    assert not simulate(Simulation(customers=500, terminals=1000, days=60, seed=1)).equals(table)


def test_the_version_stands_for_the_values() -> None:
    """A change of what a seed makes shows here: give fraud_simulation a new VERSION, or the cache has another table."""
    table = simulate(Simulation(customers=20, terminals=40, days=20, concept_drift_day=10, covariate_drift_day=15))
    written = table.to_csv(index=False).encode()
    assert (fraud_simulation.VERSION, hashlib.sha256(written).hexdigest()[:16]) == ("1", "93f1765bee3ad324")


def test_card_tests_appear_on_their_day_and_leave_what_was_before_as_it_was(table: pd.DataFrame) -> None:
    changed = simulate(Simulation(customers=500, terminals=1000, days=60, concept_drift_day=40))
    before, after = changed[days(changed) < 40], changed[days(changed) >= 40]
    pd.testing.assert_frame_equal(before, table[days(table) < 40])
    tests = after[after["scenario"] == 4]
    assert len(tests) > 20 and (tests["fraud"] == 1).all()
    assert tests["amount"].max() <= 5 and tests["transaction_time"].dt.hour.max() <= 5
    homes = table.groupby("customer_id")[["x", "y"]].mean().reindex(tests["customer_id"]).to_numpy()
    assert np.nanmin(np.hypot(*(tests[["x", "y"]].to_numpy() - homes).T)) > 20
    rest = after[after["scenario"] != 4].drop(columns="transaction_id")
    pd.testing.assert_frame_equal(
        rest.reset_index(drop=True),
        table[days(table) >= 40].drop(columns="transaction_id").reset_index(drop=True),
    )


def test_a_holiday_changes_how_people_pay_and_not_what_is_fraud(table: pd.DataFrame) -> None:
    changed = simulate(Simulation(customers=500, terminals=1000, days=60, covariate_drift_day=30))
    before, after = changed[days(changed) < 30], changed[days(changed) >= 30]
    pd.testing.assert_frame_equal(before, table[days(table) < 30])
    assert len(changed) == len(table)
    usual = table[days(table) >= 30]
    assert after["amount"].median() == pytest.approx(0.8 * usual["amount"].median(), rel=0.02)
    assert after["transaction_time"].dt.hour.median() > usual["transaction_time"].dt.hour.median()
    genuine = after[after["scenario"] == 0]
    spread = genuine.groupby("customer_id")[["x", "y"]].std().mean(axis=None)
    assert spread > 2 * usual.groupby("customer_id")[["x", "y"]].std().mean(axis=None)
    assert (after.loc[after["scenario"] == 0, "amount"] <= 220).all()


@pytest.mark.parametrize("delay", [0, 1, 7, 30])
def test_labels_are_known_after_at_most_the_delay(delay: int) -> None:
    found = simulate(Simulation(customers=100, terminals=200, days=40, label_delay=delay))
    waited = (found["labelled_at"] - found["transaction_time"]).dt.total_seconds() / DAY
    assert waited.max() <= delay and (waited[found["fraud"] == 0] == delay).all()
    assert waited.min() >= min(delay, 1)


def test_a_customer_without_a_terminal_within_reach_pays_at_the_nearest_one() -> None:
    lonely = simulate(Simulation(customers=50, terminals=2, days=5, concept_drift_day=1))
    assert lonely["customer_id"].nunique() > 40


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Simulation(customers=0), "customers = 0: at least 1"),
        (Simulation(terminals=-1), "terminals = -1"),
        (Simulation(days=0), "days = 0"),
        (Simulation(radius=0), "radius = 0: more than 0"),
    ],
)
def test_what_makes_no_table_is_refused(wanted: Simulation, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        simulate(wanted)


def test_the_data_set_is_made_once_and_kept_under_its_version_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_CACHE", str(tmp_path))
    monkeypatch.setattr(fraud, "SIMULATION", Simulation(customers=5, terminals=5, days=3))
    path = archives.fetch("fraud")
    assert path == tmp_path / "fraud" / "version-1-seed-0" / "fraud.parquet"
    assert tuple(pd.read_parquet(path).columns) == COLUMNS
    monkeypatch.setattr(fraud_simulation, "simulate", None)
    assert archives.fetch("fraud") == path


def test_the_command_line_has_every_switch(tmp_path: Path) -> None:
    path, wanted = fraud_simulation.parse(["out.parquet", "--concept-drift-day", "90", "--radius", "7.5"])
    assert (path, wanted) == (Path("out.parquet"), Simulation(concept_drift_day=90, radius=7.5))
