"""What was scored and labelled, off a table of scores, as the raw table that the fraud pipeline takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "processing"))

import fraud_recent
import fraud_table
from fraud_recent import Args
from tabular import InputError

from data.fraud_simulation import Simulation, simulate

NOW = datetime(2026, 6, 20, 15, 30, tzinfo=UTC)
LAST = "2026-06-12"  # of the days a whole week old by then


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    """Ten days, the last two of which are too young to know of."""
    found = simulate(Simulation(customers=8, terminals=12, days=10, fraud_rate=50, start="2026-06-05"))
    assert found["fraud"].sum() > 3
    return found


class Scores:
    """The table of scores, as a client of DynamoDB gives it: a page a half of a day."""

    def __init__(self, payments: pd.DataFrame) -> None:
        self.asked: list[dict[str, Any]] = []
        self.days: dict[str, list[dict[str, Any]]] = {}
        for each in payments.sample(frac=1, random_state=0).to_dict("records"):
            time = f"{each['transaction_time']:%Y-%m-%dT%H:%M:%SZ}"
            item = {name: {"N": repr(each[name])} for name in (*fraud_recent.WHOLE, *fraud_recent.MEASURED)}
            label = {"label": {"S": "fraud"}} if each["fraud"] else {}
            self.days.setdefault(time[:10], []).append({**item, "transaction_time": {"S": time}, **label})

    def get_paginator(self, operation: str) -> Scores:
        assert operation == "query"
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(asked)
        items = self.days.get(asked["ExpressionAttributeValues"][":day"]["S"], [])
        for part in (items[: len(items) // 2], items[len(items) // 2 :]):
            yield {"Items": part}


def collect(monkeypatch: pytest.MonkeyPatch, scores: Scores, folder: Path, **given: str) -> dict[str, Any]:
    def client(service: str, region_name: str | None = None) -> Any:
        assert (service, region_name) == ("dynamodb", "eu-west-1")
        return scores

    monkeypatch.setattr(boto3, "client", client)
    fraud_recent.main(Args(as_of=NOW.isoformat(), region="eu-west-1", output_path=str(folder), **given))
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def test_whole_days_whose_truth_is_known_are_the_table_that_processing_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, payments: pd.DataFrame
) -> None:
    scores = Scores(payments)
    found = collect(monkeypatch, scores, tmp_path, window="P5D")
    days = payments["transaction_time"].dt.strftime("%Y-%m-%d")
    known = payments[(days >= "2026-06-08") & (days <= LAST)]
    assert found == {"labelled": len(known), "frauds": int(known["fraud"].sum()), "first": "2026-06-08", "last": LAST}
    assert {each["IndexName"] for each in scores.asked} == {"by-day"}
    table, read = fraud_table.clean(fraud_table.read(tmp_path / "recent"))
    assert (read.dropped, read.unlabelled) == ({}, 0)
    for name in ("transaction_id", "transaction_time", "customer_id", "terminal_id", "amount", "x", "y", "fraud"):
        assert table[name].tolist() == known[name].tolist(), name
    assert set(table["scenario"]) == {-1}  # nobody knows it


def test_of_older_transactions_beside_them_those_that_are_in_both_count_once(
    tmp_path: Path, payments: pd.DataFrame
) -> None:
    items = [each for day in Scores(payments).days.values() for each in day]
    fraud_recent.frame(items, NOW.replace(month=7)).to_parquet(tmp_path / "recent.parquet")
    payments.drop(columns="labelled_at", errors="ignore").to_parquet(tmp_path / "history.parquet")
    table, known = fraud_table.clean(fraud_table.read(tmp_path))
    assert known.dropped == {"repeated transaction_id": len(payments)}
    assert table["transaction_id"].tolist() == payments["transaction_id"].tolist()
    assert table["fraud"].tolist() == payments["fraud"].tolist()


def test_without_a_transaction_nothing_is_labelled_and_there_is_no_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, payments: pd.DataFrame
) -> None:
    found = collect(monkeypatch, Scores(payments.head(0)), tmp_path, window="P2D", history="s3://bucket/older.parquet")
    assert found == {"labelled": 0, "frauds": 0, "first": "2026-06-11", "last": LAST}
    assert list((tmp_path / "recent").iterdir()) == []


@pytest.mark.parametrize(("window", "as_of"), [("P1W", ""), ("PT24H", ""), ("P0D", ""), ("P5D", "yesterday")])
def test_what_is_no_number_of_days_or_no_time_is_refused(tmp_path: Path, window: str, as_of: str) -> None:
    with pytest.raises(InputError, match=r"--(window is '.*whole days|as-of is 'yesterday')"):
        fraud_recent.main(Args(window=window, as_of=as_of, output_path=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
