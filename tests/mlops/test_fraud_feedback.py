"""Labels of a stream's transactions as they are given, tables for retraining, and the town of the demo."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.fraud_simulation import Simulation
from deploy.fraud_labels import CHARGEBACK, Disagreement
from mlops import fraud_labels, fraud_town
from mlops.errors import Failure
from mlops.fraud_town import Town
from processing import fraud_windows

NOW = datetime(2026, 6, 20, 15, 30, tzinfo=UTC)
SMALL = Simulation(
    customers=12, terminals=20, days=30, concept_drift_day=20, label_delay=7, fraud_rate=50, tests_rate=50
)


@pytest.fixture(scope="module")
def town() -> Town:
    return Town.now(SMALL, NOW)


def test_the_towns_last_day_is_yesterday_and_its_people_are_nobody_elses(town: Town) -> None:
    assert town.table["transaction_time"].dt.date.max().isoformat() == "2026-06-19"
    assert (town.name(0), town.name(29)) == ("2026-05-21", "2026-06-19")
    other = Town.now(SMALL, NOW.replace(minute=31))
    for name in ("transaction_id", "customer_id", "terminal_id"):
        assert not set(town.table[name]) & set(other.table[name])
    assert (town.table["amount"] == other.table["amount"]).all()
    assert set(town.of(0, 20)["scenario"]) <= {0, 1, 2, 3}
    assert 4 in set(town.of(20, 30)["scenario"])


def test_every_fraud_is_reported_once_and_within_the_delay(town: Town) -> None:
    reported = pd.concat([town.reported(day, day + 1) for day in range(30 + 8)])
    assert sorted(reported["transaction_id"]) == sorted(town.table.loc[town.table["fraud"] == 1, "transaction_id"])
    of_a_day = town.of(10, 11).query("fraud == 1")["transaction_id"]
    assert set(of_a_day) <= set(pd.concat([town.reported(day, day + 1) for day in range(10, 18)])["transaction_id"])


def test_the_states_it_begins_with_are_those_that_a_scorer_would_have_left(town: Town) -> None:
    payments = town.of(0, 30)
    expected: dict[tuple[str, int], Any] = {}
    for event, fraud in zip(fraud_town.events(payments), payments["fraud"], strict=True):
        keys = ("c", event["customer_id"]), ("t", event["terminal_id"])
        _, *states = fraud_windows.features(fraud_windows.checked(event), *(expected.get(key) for key in keys))
        expected |= zip(keys, states, strict=True)
        expected[keys[1]] = fraud_windows.labelled(states[1], event["transaction_id"], bool(fraud))
    found = fraud_town.states(payments, "c", "t")
    assert {key: held.state for key, held in found.items()} == expected
    newest = {owner: max(times) for owner, times in _times(payments).items()}
    assert {key: held.event_time for key, held in found.items()} == newest


def _times(payments: pd.DataFrame) -> dict[tuple[str, int], list[str]]:
    times: dict[tuple[str, int], list[str]] = {}
    for event in fraud_town.events(payments):
        for key in (("c", event["customer_id"]), ("t", event["terminal_id"])):
            times.setdefault(key, []).append(event["transaction_time"].replace("Z", ".000Z"))
    return times


def test_a_record_arrives_as_it_is_made(town: Town) -> None:
    first = fraud_town.records(town.of(29, 30))[0]
    payment = fraud_windows.parse(first.data, first.arrived_at.timestamp())
    assert fraud_windows.seconds(payment["transaction_time"]) == first.arrived_at.timestamp()
    assert json.loads(first.data).keys() == set(fraud_windows.FIELDS)


@pytest.mark.parametrize(
    ("text", "required", "found"),
    [
        ("transaction_id,label\n17,Fraud\n18,genuine\n", True, [(17, "fraud"), (18, "genuine")]),
        ("transaction_id,fraud,scenario\n17,1,4\n18,0,0\n", True, [(17, "fraud"), (18, "genuine")]),
        ("transaction_id\n17\n", False, [(17, "fraud")]),
        ("transaction_id,labelled_at\n17,2026-06-20T15:00:00Z\n18,2026-06-21T00:00:00Z\n", False, [(17, "fraud")]),
    ],
)
def test_labels_are_read_from_tables_as_people_write_them(
    tmp_path: Path, text: str, required: bool, found: list[tuple[int, str]]
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    assert fraud_labels.fits(tmp_path / "labels.csv")
    assert fraud_labels.read(tmp_path / "labels.csv", required, NOW) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\n17,fraud\n", "has no column transaction_id, but id, label"),
        ("transaction_id\n17\n", "neither a column label"),
        ("transaction_id,label\n17,fraud\nx,fraud\n", "row 2 .* is no transaction_id"),
        ("transaction_id,label\n17,perhaps\n", "row 1 .* is neither fraud nor genuine"),
    ],
)
def test_tables_that_cannot_be_used_say_why(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(Failure, match=said):
        fraud_labels.read(tmp_path / "labels.csv", True, NOW)


def test_each_label_is_marked_and_goes_to_its_terminal_unless_somebody_disagrees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought: list[Any] = []

    def mark(dynamodb: Any, table: str, number: int, label: str, by: str, now: datetime) -> dict[str, Any]:
        if number == 3:
            raise LookupError
        if number == 4:
            raise Disagreement("Transaction 4 is genuine, by analyst", {})
        assert table == "fraud-scores"
        return {"terminal_id": number * 10}

    def bring(target: Any, use_case: str, marked: Any, pause: float) -> int:
        brought.extend(marked)
        return len(brought)

    class Anywhere:
        def client(self, service: str) -> None: ...

    monkeypatch.setattr(fraud_labels.fraud_labels, "mark", mark)
    monkeypatch.setattr(fraud_labels, "bring", bring)
    wanted = [(1, "fraud"), (2, "genuine"), (3, "fraud"), (4, "fraud")]
    where: Any = Anywhere()
    found = fraud_labels.tell(fraud_labels.write(where, "fraud", wanted, CHARGEBACK))
    assert brought == [(10, 1, True), (20, 2, False)]
    assert (dict(found.kept), found.unknown) == ({"fraud": 1, "genuine": 1}, [3])
    said = capsys.readouterr()
    assert "1 fraud, 1 genuine; 2 terminals' states changed" in said.out
    assert "Transaction 4 is genuine, by analyst" in said.out + said.err
    with pytest.raises(Failure, match="Transaction 4 is genuine, by analyst"):
        fraud_labels.one(where, "fraud", 4, "fraud")
    with pytest.raises(LookupError, match="Transaction 3 is not in fraud-scores: it was never scored"):
        fraud_labels.one(where, "fraud", 3, "fraud")


def test_the_dashboards_marks_and_what_it_took_back_go_to_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[Any] = []

    def bring(target: Any, use_case: str, said: Any, pause: float) -> int:
        brought.extend(said)
        return len(brought)

    monkeypatch.setattr(fraud_labels, "bring", bring)

    class Table:
        """Yesterday's alerts: one marked, one whose mark was taken back."""

        def client(self, service: str) -> Table:
            return self

        def get_paginator(self, operation: str) -> Table:
            return self

        def paginate(self, **asked: Any) -> list[dict[str, Any]]:
            assert asked["IndexName"] == "alerts-by-day"
            assert asked["ExpressionAttributeNames"]["#day"] == "alert_day"
            if asked["ExpressionAttributeValues"] != {":day": {"S": "2026-06-19"}}:
                return []
            numbers = [{"transaction_id": {"N": "1"}, "terminal_id": {"N": "10"}, "label": {"S": "fraud"}}]
            return [{"Items": [*numbers, {"transaction_id": {"N": "2"}, "terminal_id": {"N": "10"}}]}]

    table: Any = Table()
    assert fraud_labels.marks(table, "fraud", NOW.date()) == 2
    assert brought == [(10, 1, True), (10, 2, False)]
