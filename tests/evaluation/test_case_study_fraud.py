"""Sections on card payments: what they count is so, and other tables have none of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import case_study_matplotlib
import case_study_plotly
from case_study_fraud import fraud_amounts, fraud_classes, fraud_places, fraud_scenarios, fraud_velocity, payments
from case_study_fraud_charts import banded, counted, wilson
from case_study_table import CaseTable

from data.fraud_simulation import Simulation, simulate

SECTIONS = (fraud_classes, fraud_velocity, fraud_places, fraud_amounts, fraud_scenarios)


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return simulate(Simulation(customers=120, terminals=120, days=45, concept_drift_day=20))


def stored(folder: Path, frame: pd.DataFrame) -> CaseTable:
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "table.parquet", index=False)
    return CaseTable(folder)


def test_every_section_has_charts_that_both_pages_can_draw(tmp_path: Path, raw: pd.DataFrame) -> None:
    table, facts = stored(tmp_path, raw), dict[str, object]()
    sections = [section(table, facts) for section in SECTIONS]
    assert [each.id for each in sections if each] == [
        "fraud-classes", "fraud-velocity", "fraud-places", "fraud-amounts", "fraud-scenarios"
    ]  # fmt: skip
    for section in sections:
        assert section and section.findings and section.charts
        assert all(text.endswith(".") and "nan" not in text for text in (*section.findings, *section.text))
        for chart in section.charts:
            assert case_study_plotly.drawing(chart)["data"]
        case_study_matplotlib.figure(section.charts[0])
    first, last = sections[0], sections[-1]
    assert first and last and "simulation, no bank's data" in first.warnings[0] and first.warnings == last.text


def test_what_is_said_is_so(tmp_path: Path, raw: pd.DataFrame) -> None:
    table, facts = stored(tmp_path, raw), dict[str, object]()
    rare, *_, scenarios = (section(table, facts) for section in SECTIONS)
    assert rare and scenarios
    assert rare.findings[0].startswith(f"{raw['fraud'].mean():.2%} of {len(raw):,} payments are fraud")
    rows = {row[0]: row for row in scenarios.tables[0].rows}
    assert rows["card tests"][2] == f"{(raw['scenario'] == 4).sum():,}" and rows["card tests"][6] == "100.0%"
    assert float(rows["card tests"][7]) > 20 > float(rows["genuine"][7])


def test_a_customers_past_is_what_came_before(tmp_path: Path) -> None:
    times = ["2026-01-02 12:00", "2026-01-01 12:00", "2026-01-02 11:59", "2026-01-09 00:00"]
    frame = pd.DataFrame(
        {
            "transaction_time": pd.to_datetime(times).astype("datetime64[us]"),
            "customer_id": [1, 1, 1, 2],
            "terminal_id": 5,
            "amount": [30.0, 10.0, 20.0, 7.0],
            "x": [3.0, 0.0, 0.0, 9.0],
            "y": [4.0, 0.0, 0.0, 9.0],
            "fraud": [1, 0, 0, 0],
        }
    )
    found = payments(stored(tmp_path, frame), {})
    assert found is not None
    assert list(found["amount"]) == [10.0, 20.0, 30.0, 7.0]
    assert list(found["day"]) == [1, 2, 2, 1]
    assert found["last"].fillna(-1).tolist() == [-1, 86_340, 60, -1]
    assert found["usual"].fillna(-1).tolist() == [-1, 10, 15, -1]
    assert found["away"].fillna(-1).tolist() == [-1, 0, 5, -1]


@pytest.mark.parametrize("change", ["no customer", "no fraud", "another label", "no times"])
def test_other_tables_have_no_such_sections(change: str, tmp_path: Path, raw: pd.DataFrame) -> None:
    changed = {
        "no customer": raw.drop(columns="customer_id"),
        "no fraud": raw.assign(fraud=0),
        "another label": raw.assign(fraud=raw["fraud"] * 2),
        "no times": raw.assign(transaction_time=raw.index),
    }
    table = stored(tmp_path, changed[change])
    assert [section(table, {}) for section in SECTIONS] == [None] * 5


def test_a_banks_own_table_has_all_but_scenarios(tmp_path: Path, raw: pd.DataFrame) -> None:
    table, facts = stored(tmp_path, raw.drop(columns="scenario")), dict[str, object]()
    sections = [section(table, facts) for section in SECTIONS]
    assert sections[-1] is None and all(sections[:-1])
    assert sections[0] and sections[0].warnings == []


def test_bands_have_names_and_ends() -> None:
    found = banded(pd.Series([0, 4.99, 5, 300]), (0, 5, 220, np.inf), " €")
    assert found.tolist() == ["0–5 €", "0–5 €", "5–220 €", "from 220 €"]
    assert counted(pd.Series([1, 7, 8, 50]), (1, 2, 8)).tolist() == ["1", "2–7", "8 and more", "8 and more"]


def test_a_shares_interval_is_wilsons() -> None:
    low, high = wilson(pd.Series([0.0, 0.1]), pd.Series([10, 100]))
    assert low.round(4).tolist() == [0.0, 0.0552] and high.round(4).tolist() == [0.2775, 0.1744]
