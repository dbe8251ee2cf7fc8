"""Bad input, by docs/streaming.md's table: each of its lines on all ways in, the lake's validation, the scorer behind
Kinesis, and the scorer behind a Kafka-compatible broker, where nobody has validated before.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scoring_world import World, items, scorer

from deploy import sources_kafka
from deploy.sources import KinesisSource, Source
from deploy.sources_kafka import KafkaSource
from processing import fraud_windows

ROOT = Path(__file__).parents[2]
ARRIVED = 1_780_000_000  # 2026-05-28T20:26:40Z
GOOD = {
    "transaction_id": 1203,
    "transaction_time": "2026-05-28T20:26:39Z",
    "customer_id": 42,
    "terminal_id": 1077,
    "amount": 57.16,
    "x": 12.3,
    "y": 88.0,
}


def said(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


def lacking(name: str) -> bytes:
    return json.dumps({field: value for field, value in GOOD.items() if field != name}).encode()


REFUSED: Mapping[str, Mapping[str, Sequence[bytes]]] = {
    "no JSON, not UTF-8, an array, nothing at all": {
        "malformed": [b"{not json", b"\xff\x00{", b"[1]", b"", b"null", b"[" * 4000, said(amount=float("nan"))]
    },
    "more than 4,096 bytes": {"too_long": [said(note="x" * 4096)]},
    "a field missing or null": {
        "missing_field": [each for name in GOOD for each in (lacking(name), said(**{name: None}))]
    },
    "a number as text, a time without its zone": {
        "wrong_type": [
            *(said(**{name: str(GOOD[name])}) for name in GOOD if name != "transaction_time"),
            said(customer_id=4.2),
            said(amount=True),
            said(transaction_time="2026-05-28T20:26:39"),
            said(transaction_time="yesterday"),
            said(transaction_time=ARRIVED),
        ]
    },
    "a negative id, or one above 2^53 - 1": {
        "bad_id": [
            said(**{name: value}) for name in ("transaction_id", "customer_id", "terminal_id") for value in (-1, 2**53)
        ]
    },
    "an amount below one cent, above 100,000 euros": {
        "not_positive_amount": [said(amount=each) for each in (-5, -0.001, 0, 0.004)],
        "too_large_amount": [said(amount=100_000.01), said(amount=10**400)],
    },
    "a place that is not on the map": {"off_the_map": [said(x=-0.1), said(x=100.1), said(y=-0.1), said(y=100.1)]},
    "a time more than 5 minutes after the arrival": {
        "future": [said(transaction_time="2026-05-28T20:31:41Z"), said(transaction_time="9999-12-31T00:00:00Z")]
    },
    "a time more than 7 days before the arrival": {
        "ancient": [said(transaction_time="2026-05-21T20:26:39Z"), said(transaction_time="0001-01-01T00:00:00Z")]
    },
}
TAKEN = {
    "other members in the object",
    "an unknown customer or terminal",
    "a transaction twice",
    "a clock that goes back",
}
EACH = [(reason, data) for reasons in REFUSED.values() for reason, all_of in reasons.items() for data in all_of]


class Kinesis:
    """One shard with these records, and the table of checkpoints."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = records

    def get_paginator(self, name: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return [{"Shards": [{"ShardId": "shardId-0"}], "Items": []}]

    def get_shard_iterator(self, **_: Any) -> Any:
        return {"ShardIterator": "0"}

    def get_records(self, ShardIterator: str, Limit: int) -> Any:
        arrived = datetime.fromtimestamp(ARRIVED, UTC)
        common = {"PartitionKey": "42", "ApproximateArrivalTimestamp": arrived}
        left = list(enumerate(self.records))[int(ShardIterator) :]
        records = [{**common, "Data": data, "SequenceNumber": str(number)} for number, data in left]
        return {"Records": records, "NextShardIterator": str(len(self.records))}


@dataclass
class Message:
    """As librdkafka gives a record; one without a value is what deletes a key, a tombstone."""

    data: bytes
    number: int

    def error(self) -> None: ...

    def value(self) -> bytes | None:
        return self.data or None

    def key(self) -> bytes | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, ARRIVED * 1000

    def topic(self) -> str:
        return "fraud-transactions"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number


@dataclass
class Consumer:
    messages: list[Any] = field(default_factory=list)

    def subscribe(self, topics: Sequence[str]) -> None: ...

    def consume(self, count: int, timeout: float) -> list[Any]:
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken


def over_kinesis(records: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> Source:
    return KinesisSource(Kinesis(records), Kinesis([]), "fraud-transactions", "scorer", "fraud-checkpoints", pause=0)


def over_kafka(records: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> Source:
    messages = [Message(data, number) for number, data in enumerate(records)]
    monkeypatch.setattr(sources_kafka, "Consumer", lambda settings: Consumer(messages))
    return KafkaSource("127.0.0.1:1", "fraud-transactions", "scorer")


Way = Callable[[Sequence[bytes], pytest.MonkeyPatch], Source]
WAYS = pytest.mark.parametrize("way", [over_kinesis, over_kafka])


def scored(way: Way, records: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    working = scorer(world)
    working.validated = way is over_kinesis
    found = way(records, monkeypatch).poll(0)
    assert [each.data for each in found] == list(records)
    for start in range(0, len(found), 100):
        working.keep(working.score(found[start : start + 100]))
    return world


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The lake's validation, as Lambda loads it."""
    monkeypatch.syspath_prepend(str(ROOT / "processing"))
    file = ROOT / "deploy" / "lambda" / "fraud_validation.py"
    spec = importlib.util.spec_from_file_location("fraud_validation", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "tell", lambda answers: None)
    return module


def landed(function: ModuleType, records: Sequence[bytes]) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """The partition and the row of each."""
    source = {"shardId": "0", "partitionKey": "42", "sequenceNumber": "1", "approximateArrivalTimestamp": ARRIVED * 1e3}
    event = [
        {"recordId": str(number), "data": base64.b64encode(data).decode(), "kinesisRecordMetadata": source}
        for number, data in enumerate(records)
    ]
    answers = function.handler({"records": event}, None)["records"]
    return [(each["metadata"]["partitionKeys"], json.loads(base64.b64decode(each["data"]))) for each in answers]


def table_of_the_docs() -> dict[str, str]:
    text = (ROOT / "docs" / "streaming.md").read_text(encoding="utf-8")
    section = text.partition("## Bad input\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {what: result for what, result in rows if what not in ("what comes",)}


def test_the_docs_have_what_is_tested_here_and_every_reason() -> None:
    documented = table_of_the_docs()
    assert set(documented) == set(REFUSED) | TAKEN
    for what, reasons in REFUSED.items():
        assert documented[what].startswith("quarantine "), what
        assert re.findall(r"`(\w+)`", documented[what]) == list(reasons), what
    assert {reason for reason, _ in EACH} == set(fraud_windows.REASONS)


def test_the_lake_has_what_is_refused_in_its_quarantine(function: ModuleType) -> None:
    found = landed(function, [data for _, data in EACH])
    for (reason, data), (keys, row) in zip(EACH, found, strict=True):
        assert keys == {"table": "quarantine", "date": "2026-05-28", "folder": f"reason={reason}"}, data
        kept = base64.b64decode(row["record"]) if row["encoding"] == "base64" else row["record"].encode()
        assert kept == data


@WAYS
def test_the_scorer_scores_nothing_of_it_and_what_lies_between(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came by Kinesis is in the quarantine already; what came by Kafka gets there from here."""
    records = [each for number, (_, data) in enumerate(EACH) for each in (data, said(transaction_id=number))]
    world = scored(way, records, monkeypatch)
    assert set(world.table) == set(range(len(EACH)))
    if way is over_kinesis:
        assert world.objects == {}
        return
    prefix = "lake/fraud/quarantine/date=2026-05-28/reason="
    expected = {f"{prefix}{reason}/scorer-fraud-transactions-0-{2 * n}.json" for n, (reason, _) in enumerate(EACH)}
    assert set(world.objects) == expected
    for each, body in world.objects.items():
        row = json.loads(body)
        kept = base64.b64decode(row["record"]) if row["encoding"] == "base64" else row["record"].encode()
        assert kept == records[int(row["sequence_number"])], each


@WAYS
def test_times_at_the_limits_are_taken(way: Way, monkeypatch: pytest.MonkeyPatch, function: ModuleType) -> None:
    records = [
        said(transaction_id=1, transaction_time="2026-05-28T20:31:40Z"),
        said(transaction_id=2, transaction_time="2026-05-21T20:26:40Z"),
        said(transaction_id=3, amount=0.01),
        said(transaction_id=4, amount=100_000, x=0, y=100, customer_id=0, terminal_id=2**53 - 1),
    ]
    assert set(scored(way, records, monkeypatch).table) == {1, 2, 3, 4}
    assert [keys["table"] for keys, _ in landed(function, records)] == ["transactions"] * 4


@WAYS
def test_other_members_are_left_out(way: Way, monkeypatch: pytest.MonkeyPatch, function: ModuleType) -> None:
    records = [said(fraud=1, colour="red")]
    assert not {"fraud", "colour"} & items(scored(way, records, monkeypatch))[1203].keys()
    ((keys, row),) = landed(function, records)
    assert (keys["table"], set(row)) == ("transactions", {*GOOD, "arrived_at"})


@WAYS
def test_unknown_customers_and_terminals_are_scored_by_a_cold_starts_features(
    way: Way, monkeypatch: pytest.MonkeyPatch, function: ModuleType
) -> None:
    found = items(scored(way, [said()], monkeypatch))[1203]["features"]
    own = {"amount": 57.16, "hour": 20, "night": 0, "weekend": 0}
    customer = {"seconds_since_last": 30 * 86_400, "distance_from_usual": 0.0, "amount_ratio": 1.0}
    windows: dict[str, float] = {f"customer_{days}d_count": 1 for days in (1, 7, 30)}
    windows |= {f"customer_{days}d_mean_amount": 57.16 for days in (1, 7, 30)}
    windows |= {f"terminal_{days}d_{name}": 0 for days in (1, 7, 30) for name in ("count", "risk")}
    assert found == {**own, **customer, **windows}
    assert landed(function, [said()])[0][0]["table"] == "transactions"


@WAYS
def test_a_transaction_twice_is_scored_once_and_twice_in_the_lake(
    way: Way, monkeypatch: pytest.MonkeyPatch, function: ModuleType
) -> None:
    records = [said(), said(transaction_id=2000), said(), said(amount=9.0)]  # and one with an id that was there
    world = scored(way, records, monkeypatch)
    assert {number: item["amount"] for number, item in items(world).items()} == {1203: 57.16, 2000: 57.16}
    assert world.records["fraud-customers", "42"]["customer_30d_count"] == "2"
    assert [row["transaction_id"] for _, row in landed(function, records)] == [1203, 2000, 1203, 1203]


@WAYS
def test_a_clock_that_goes_back_is_scored_as_of_its_own_time(
    way: Way, monkeypatch: pytest.MonkeyPatch, function: ModuleType
) -> None:
    records = [
        said(transaction_id=1, transaction_time="2026-05-28T20:00:00Z", amount=10.0),
        said(transaction_id=2, transaction_time="2026-05-27T20:00:00Z", amount=20.0),  # a day back
        said(transaction_id=3, transaction_time="2026-05-28T20:10:00Z", amount=30.0),
    ]
    found = {number: item["features"] for number, item in items(scored(way, records, monkeypatch)).items()}
    assert [found[number]["customer_7d_count"] for number in (1, 2, 3)] == [1, 1, 3]
    assert [found[number]["seconds_since_last"] for number in (1, 2, 3)] == [30 * 86_400, 30 * 86_400, 600]
    assert [keys["date"] for keys, _ in landed(function, records)] == ["2026-05-28", "2026-05-27", "2026-05-28"]
