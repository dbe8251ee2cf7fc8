"""Where a stream's records come from: one small interface, here over Kinesis; `sources_kafka` has it over Kafka.

    source = KinesisSource(kinesis, dynamodb, "fraud-transactions", "scorer", "fraud-checkpoints")
    while True:
        for record in source.poll():
            ...
        source.commit(record.position)

Delivery is at least once: what was polled and not committed comes again to whoever reads next under the same
application, so what is done with a record has to be idempotent. Order is kept within a part (a shard, a partition), and
records of one key are in one part.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

log = logging.getLogger(__name__)
READS_A_SECOND = 5.0  # that Kinesis allows of a shard, all readers without fan-out of their own together
_ENDED = "SHARD_END"  # in place of a sequence number: the shard is closed and all of it is done
_LATER = ("ProvisionedThroughputExceededException", "KMSThrottlingException", "LimitExceededException")


class Position(NamedTuple):
    part: str  # a shard's id, or `<topic>/<partition>`
    number: str  # a sequence number or offset, decimal


@dataclass(frozen=True, slots=True)
class Record:
    key: str
    data: bytes
    arrived_at: datetime  # UTC: when the stream took it, to the millisecond
    position: Position


class Source(Protocol):
    def poll(self, timeout: float = 1.0) -> list[Record]:
        """What has come since the last poll, [] when nothing does for `timeout` seconds."""

    def commit(self, position: Position) -> None:
        """The records of its part up to this one are done, and won't come again."""

    def close(self) -> None: ...


@dataclass
class _Shard:
    iterator: str | None  # None: closed, and read to its end
    read: str  # sequence number of the last record that was polled, "" for none
    committed: str


@dataclass
class KinesisSource:
    """All shards of a stream, for one reader at a time: a second one under the same application gets the same records.

    Checkpoints are items of a DynamoDB table with the keys `reader` (`<application>/<stream>`) and `shard`. An
    application that has none begins with the oldest record that the stream holds. When shards are split or merged, a
    child is read once its parents are done, so a key's order holds. `pause`: seconds between two reads of a shard.
    """

    kinesis: Any
    dynamodb: Any
    stream: str
    application: str
    table: str
    pause: float = 1 / READS_A_SECOND
    limit: int = 1000  # records of a read
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _shards: dict[str, _Shard] = field(default_factory=dict)
    _next: float = -float("inf")  # when shards may be read again

    def poll(self, timeout: float = 1.0) -> list[Record]:
        """Raises ClientError, and BotoCoreError where Kinesis cannot be reached."""
        deadline = self.clock() + timeout
        while True:
            wait = self._next - self.clock()
            if wait > 0:
                self.sleep(wait)
            self._open()
            self._next = self.clock() + self.pause
            records = self._read_all()
            if records or self.clock() >= deadline:
                return records

    def commit(self, position: Position) -> None:
        shard = self._shards[position.part]
        if shard.committed and int(position.number) <= int(shard.committed):
            return
        ended = shard.iterator is None and position.number == shard.read
        self._write(position.part, _ENDED if ended else position.number)
        shard.committed = position.number

    def close(self) -> None:
        """Nothing is held."""

    def _read_all(self) -> list[Record]:
        """A shard that fails takes nothing from the others: its error is raised when there is nothing else to give."""
        records: list[Record] = []
        errors: list[Exception] = []
        for name, shard in self._shards.items():
            try:
                records += self._read(name, shard)
            except Exception as error:
                log.warning("%s of %s could not be read: %s", name, self.stream, error)
                errors.append(error)
        if errors and not records:
            raise errors[0]
        return records

    def _read(self, name: str, shard: _Shard) -> list[Record]:
        if shard.iterator is None:
            if self._done(shard):
                self._write(name, _ENDED)
            return []
        try:
            found = self.kinesis.get_records(ShardIterator=shard.iterator, Limit=self.limit)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ExpiredIteratorException":
                shard.iterator = self._iterator(name, shard.read)
            elif code not in _LATER:
                raise
            return []
        records = [_record(name, each) for each in found["Records"]]
        shard.iterator = found.get("NextShardIterator")
        if records:
            shard.read = records[-1].position.number
        return records

    def _open(self) -> None:
        """Begins with shards that are not read yet and whose parents are done, when there may be any."""
        if self._shards and all(shard.iterator or not self._done(shard) for shard in self._shards.values()):
            return
        pages = self.kinesis.get_paginator("list_shards").paginate(StreamName=self.stream)
        listed = {each["ShardId"]: each for page in pages for each in page["Shards"]}
        checkpoints = self._checkpoints()
        ended = {name for name, number in checkpoints.items() if number == _ENDED}
        self._shards = {name: shard for name, shard in self._shards.items() if name not in ended}
        for name, each in listed.items():
            parents = {each.get("ParentShardId"), each.get("AdjacentParentShardId")} & listed.keys()
            if name not in self._shards and name not in ended and parents <= ended:
                number = checkpoints.get(name, "")
                self._shards[name] = _Shard(self._iterator(name, number), number, number)

    def _iterator(self, shard: str, after: str) -> str:
        start = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
            if after
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        found = self.kinesis.get_shard_iterator(StreamName=self.stream, ShardId=shard, **start)
        return str(found["ShardIterator"])

    def _checkpoints(self) -> dict[str, str]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="reader = :reader",
            ExpressionAttributeValues={":reader": {"S": self._reader}},
            ConsistentRead=True,
        )
        return {each["shard"]["S"]: each["sequence_number"]["S"] for page in pages for each in page["Items"]}

    def _write(self, shard: str, number: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        item = {"reader": self._reader, "shard": shard, "sequence_number": number, "committed_at": now}
        self.dynamodb.put_item(TableName=self.table, Item={name: {"S": value} for name, value in item.items()})

    @property
    def _reader(self) -> str:
        return f"{self.application}/{self.stream}"

    @staticmethod
    def _done(shard: _Shard) -> bool:
        return shard.committed == shard.read


def _record(shard: str, found: dict[str, Any]) -> Record:
    arrived = found["ApproximateArrivalTimestamp"].astimezone(UTC)
    return Record(found["PartitionKey"], found["Data"], arrived, Position(shard, found["SequenceNumber"]))
