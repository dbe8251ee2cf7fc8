"""Sources of a stream's records: the same tests over Kinesis and, marked slow, over a Kafka-compatible broker."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from kafka_broker import broker, made

from deploy.sources import KinesisSource, Record, Source
from sagelocal import config, ministack

TABLE = "checkpoints"
_names = (f"events-{number}" for number in itertools.count())


@dataclass(frozen=True)
class Place:
    """Where streams are: `make` gives a new one's name, `put` puts (key, data) pairs, `open` begins to read."""

    make: Callable[[], str]
    put: Callable[[str, Sequence[tuple[str, bytes]]], None]
    open: Callable[[str, str], Source]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[config.Settings]:
    settings = config.load(tmp_path_factory.mktemp("sources") / "state")
    child = ministack.MiniStack(settings)
    try:
        child.wait()
        settings.client("dynamodb").create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("reader", "shard")],
            KeySchema=[
                {"AttributeName": "reader", "KeyType": "HASH"},
                {"AttributeName": "shard", "KeyType": "RANGE"},
            ],
        )
        yield settings
    finally:
        child.stop()


@pytest.fixture(scope="module")
def kinesis(settings: config.Settings) -> Place:
    client, dynamodb = settings.client("kinesis"), settings.client("dynamodb")

    def make() -> str:
        name = next(_names)
        client.create_stream(StreamName=name, ShardCount=2)
        return name

    def put(stream: str, records: Sequence[tuple[str, bytes]]) -> None:
        entries = [{"PartitionKey": key, "Data": data} for key, data in records]
        assert client.put_records(StreamName=stream, Records=entries)["FailedRecordCount"] == 0

    return Place(make, put, lambda stream, reader: KinesisSource(client, dynamodb, stream, reader, TABLE, pause=0.01))


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    from deploy.sources_kafka import KafkaSink, KafkaSource

    with broker(tmp_path_factory.mktemp("broker") / "log") as address:

        def put(topic: str, records: Sequence[tuple[str, bytes]]) -> None:
            assert KafkaSink(address, topic).put(records) == []

        yield Place(lambda: made(address, next(_names)), put, lambda topic, name: KafkaSource(address, topic, name))


@pytest.fixture(params=["kinesis", pytest.param("kafka", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


def polled(source: Source, count: int, seconds: float = 30) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + seconds
    while len(found) < count:
        found += source.poll(0.5)
        assert time.monotonic() < deadline, f"{len(found)} of {count} records came"
    return found


def done(source: Source, records: Sequence[Record]) -> None:
    for position in {record.position.part: record.position for record in records}.values():
        source.commit(position)


def test_all_records_come_in_the_order_of_their_keys(place: Place) -> None:
    stream = place.make()
    sent = [(f"card-{number % 7}", f"{number}".encode()) for number in range(300)]
    before = datetime.now(UTC) - timedelta(seconds=1)
    for start in range(0, 300, 50):
        place.put(stream, sent[start : start + 50])
    source = place.open(stream, "scorer")
    found = polled(source, 300)
    assert sorted(int(record.data) for record in found) == list(range(300))
    by_key: dict[str, list[int]] = defaultdict(list)
    for record in found:
        by_key[record.key].append(int(record.data))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert set(by_key) == {key for key, _ in sent}
    assert len({record.position.part for record in found}) == 2
    assert all(before < record.arrived_at < datetime.now(UTC) + timedelta(seconds=1) for record in found)
    assert source.poll(0.05) == []
    source.close()


def test_what_was_not_committed_comes_again_and_what_was_does_not(place: Place) -> None:
    stream = place.make()
    place.put(stream, [("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b"4")])
    first = place.open(stream, "scorer")
    assert len(polled(first, 4)) == 4
    first.close()
    second = place.open(stream, "scorer")
    again = polled(second, 4)
    assert sorted(record.data for record in again) == [b"1", b"2", b"3", b"4"]
    done(second, again)
    second.close()
    place.put(stream, [("b", b"5")])
    third = place.open(stream, "scorer")
    assert [record.data for record in polled(third, 1)] == [b"5"]
    third.close()


def test_a_commit_in_the_middle_of_a_poll_keeps_the_rest(place: Place) -> None:
    stream = place.make()
    place.put(stream, [("a", str(number).encode()) for number in range(10)])
    first = place.open(stream, "scorer")
    first.commit(polled(first, 10)[3].position)
    first.close()
    second = place.open(stream, "scorer")
    assert [int(record.data) for record in polled(second, 6)] == [4, 5, 6, 7, 8, 9]
    second.close()


def test_applications_read_independently(place: Place) -> None:
    stream = place.make()
    place.put(stream, [("a", b"1")])
    scorer, audit = place.open(stream, "scorer"), place.open(stream, "audit")
    done(scorer, polled(scorer, 1))
    assert [record.data for record in polled(audit, 1)] == [b"1"]
    scorer.close()
    audit.close()


READER = """
import sys
from pathlib import Path
from deploy.sources import KinesisSource
from sagelocal import config
settings = config.load(Path(sys.argv[1]))
source = KinesisSource(settings.client("kinesis"), settings.client("dynamodb"), sys.argv[2], "scorer", "checkpoints",
                       pause=0.01, limit=10)
while True:
    for record in source.poll():
        print(record.data.decode(), flush=True)
        if int(record.data) % 20 == 19:
            source.commit(record.position)
"""


def test_a_killed_reader_loses_nothing(settings: config.Settings, kinesis: Place) -> None:
    stream = kinesis.make()
    kinesis.put(stream, [("a", str(number).encode()) for number in range(200)])
    root = Path(__file__).parents[2]
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(settings.state), stream],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert reader.stdout is not None
    seen = [int(next(reader.stdout)) for _ in range(70)]
    reader.send_signal(signal.SIGKILL)
    seen += [int(line) for line in reader.stdout if line.endswith("\n")]
    reader.wait()
    source = kinesis.open(stream, "scorer")
    committed = max(number for number in seen if number % 20 == 19)
    rest = polled(source, 200 - committed - 1 if committed == seen[-1] else 1)
    while more := source.poll(0.1):
        rest += more
    numbers = [int(record.data) for record in rest]
    assert numbers[0] <= seen[-1] + 1
    assert set(seen) | set(numbers) == set(range(200))
    assert numbers == list(range(numbers[0], 200))


class Kinesis:
    """Shards as Kinesis has them, which close and have children; each record is its number."""

    def __init__(self, shards: dict[str, list[int]], parents: dict[str, list[str]], closed: set[str]) -> None:
        self.shards, self.parents, self.closed = shards, parents, closed
        self.refuse: list[str] = []

    def get_paginator(self, name: str) -> Any:
        assert name == "list_shards"
        return self

    def paginate(self, **_: Any) -> list[Any]:
        names = ("ParentShardId", "AdjacentParentShardId")
        return [
            {
                "Shards": [
                    {"ShardId": each, **dict(zip(names, self.parents.get(each, []), strict=False))}
                    for each in self.shards
                ]
            }
        ]

    def get_shard_iterator(self, ShardId: str, StartingSequenceNumber: str = "-1", **_: Any) -> Any:
        return {"ShardIterator": f"{ShardId}:{StartingSequenceNumber}"}

    def get_records(self, ShardIterator: str, Limit: int) -> Any:
        if self.refuse:
            raise ClientError({"Error": {"Code": self.refuse.pop(), "Message": ""}}, "GetRecords")
        shard, _, after = ShardIterator.partition(":")
        rows = [number for number in self.shards[shard] if number > int(after)][:2]
        last = rows[-1] if rows else int(after)
        more = shard not in self.closed or any(number > last for number in self.shards[shard])
        common = {"PartitionKey": "a", "ApproximateArrivalTimestamp": datetime.now(UTC)}
        records = [{**common, "Data": str(number).encode(), "SequenceNumber": str(number)} for number in rows]
        return {"Records": records, **({"NextShardIterator": f"{shard}:{last}"} if more else {})}


class Table:
    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def get_paginator(self, name: str) -> Any:
        assert name == "query"
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return [{"Items": list(self.items.values())}]

    def put_item(self, TableName: str, Item: dict[str, Any]) -> None:
        self.items[Item["shard"]["S"]] = Item


def over(kinesis: Kinesis, table: Table) -> KinesisSource:
    return KinesisSource(kinesis, table, "events", "scorer", TABLE, pause=0)


def test_a_child_shard_waits_until_its_parents_are_done() -> None:
    kinesis = Kinesis({"s0": [1, 2], "s1": [], "s2": [3, 4]}, {"s2": ["s0", "s1"]}, {"s0", "s1"})
    table = Table()
    source = over(kinesis, table)
    parents = source.poll(0)
    assert [int(each.data) for each in parents] == [1, 2]
    assert source.poll(0) == []  # nothing of the child before the commit
    source.commit(parents[-1].position)
    assert table.items["s0"]["sequence_number"]["S"] == "SHARD_END"
    children = source.poll(0)
    assert [int(each.data) for each in children] == [3, 4]
    source.commit(children[0].position)
    assert [int(each.data) for each in over(kinesis, table).poll(0)] == [4]


def test_a_reader_that_starts_after_a_split_still_begins_with_the_parent() -> None:
    kinesis, table = Kinesis({"s0": [1, 2, 3], "s1": [4]}, {"s1": ["s0"]}, {"s0"}), Table()
    source, found = over(kinesis, table), []
    for _ in range(6):
        for record in source.poll(0):
            found.append(int(record.data))
            source.commit(record.position)
    assert found == [1, 2, 3, 4]


def test_expired_iterators_and_throttling_lose_nothing() -> None:
    kinesis, table = Kinesis({"s0": [1, 2, 3]}, {}, set()), Table()
    source = over(kinesis, table)
    assert [int(each.data) for each in source.poll(0)] == [1, 2]
    kinesis.refuse = ["ProvisionedThroughputExceededException", "ExpiredIteratorException"]
    assert [source.poll(0), source.poll(0)] == [[], []]
    assert [int(each.data) for each in source.poll(0)] == [3]
    kinesis.refuse = ["AccessDeniedException"]
    with pytest.raises(ClientError):
        source.poll(0)


def test_what_one_shard_gave_outlives_an_error_of_another() -> None:
    kinesis, codes = Kinesis({"s0": [1], "s1": [2]}, {}, set()), ["InternalFailure"]
    source, read = over(kinesis, Table()), kinesis.get_records

    def of_the_second_refused_once(ShardIterator: str, Limit: int) -> Any:
        return refused(codes.pop()) if codes and ShardIterator.startswith("s1") else read(ShardIterator, Limit)

    kinesis.get_records = of_the_second_refused_once  # type: ignore[method-assign]
    assert [int(each.data) for each in source.poll(0)] == [1]
    assert [int(each.data) for each in source.poll(0)] == [2]


def test_a_commit_that_failed_is_made_up_for_by_the_same_again() -> None:
    kinesis, table = Kinesis({"s0": [1], "s1": [2]}, {"s1": ["s0"]}, {"s0"}), Table()
    source, put = over(kinesis, table), table.put_item
    (first,) = source.poll(0)
    table.put_item = lambda **_: refused("InternalServerError")  # type: ignore[method-assign]
    with pytest.raises(ClientError):
        source.commit(first.position)
    table.put_item = put  # type: ignore[method-assign]
    source.commit(first.position)
    assert table.items["s0"]["sequence_number"]["S"] == "SHARD_END"
    assert [int(each.data) for each in source.poll(0)] == [2]


def refused(code: str) -> Any:
    raise ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


def test_a_shard_is_read_no_more_often_than_allowed() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    kinesis = Kinesis({"s0": []}, {}, set())
    source = KinesisSource(kinesis, Table(), "events", "scorer", TABLE, clock=lambda: now[0], sleep=sleep)
    assert source.poll(1.0) == []
    assert slept == pytest.approx([0.2] * 5)
