"""Kinesis's records on disk before they are acknowledged: runs inside MiniStack's process.

MiniStack 1.5 keeps them in memory until it stops cleanly; a kill lost what PutRecords had acknowledged. Here each
stream has a folder of append-only files, one an hour, which go when all their records are older than the stream's
retention. What is on disk survives a kill of the process, not a failure of the machine: nothing is synchronised.

Some more things differ from MiniStack alone: sequence numbers grow even when the clock goes back; a record that
expires does not make a reader pass over another one, whose place in the list its iterator holds; and requests don't
walk through all records and iterators each time, which a reader that polls every few milliseconds would feel. An answer
of GetRecords has a thousand records at most, not ten thousand: no one else is answered while it is written. The metrics
GetRecords.IteratorAgeMilliseconds and IncomingRecords are published every few seconds. What MiniStack does with shards
that are split, merged or made more loses their records: those operations are refused.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]
Handler = Callable[[Document], Any]
_FOLDER = "kinesis"  # beside MiniStack's own state files
_SEGMENT_SECONDS = 3600
_TIDY_SECONDS = 1.0
_MADE = ("_create_stream", "_delete_stream", "_increase_retention", "_decrease_retention", "_add_tags", "_remove_tags")
_CHANGED = ("_start_stream_encryption", "_stop_stream_encryption", "_register_consumer", "_deregister_consumer")
_REFUSED = {"_split_shard": "SplitShard", "_merge_shards": "MergeShards", "_update_shard_count": "UpdateShardCount"}
_METRIC_SECONDS = 5.0
_READ_AT_ONCE = 1000  # records, which takes some 30 ms


def install(state: Path) -> None:
    """Has MiniStack's Kinesis keep its records below this folder, and begin with those that are there."""
    from ministack.core import persistence
    from ministack.services import kinesis

    kept = Kept(kinesis, state / _FOLDER)
    tidy = Tidy(kinesis)
    kinesis._next_sequence_number = kept.next_number
    kinesis._expire_records = tidy.records
    kinesis._expire_iterators = tidy.iterators
    for name in ("_put_record", "_put_records"):
        setattr(kinesis, name, kept.putting(getattr(kinesis, name)))
    ages = Ages(kinesis)
    kinesis._get_records = _some_at_once(ages.watching(kinesis._get_records))
    for name, operation in _REFUSED.items():
        setattr(kinesis, name, _refusing(operation))
    put_internally = kinesis.put_record_internal

    def put_record_internal(arn: str, key: str, data: bytes) -> bool:
        done = bool(put_internally(arn, key, data))
        if done:
            kept.write(kinesis._resolve_stream_by_arn(arn))
        return done

    kinesis.put_record_internal = put_record_internal

    def saving(handler: Handler) -> Handler:
        def answered(data: Document) -> Any:
            answer = handler(data)
            if answer[0] == 200:
                persistence.save_state("kinesis", kinesis.get_state())
            return answer

        return answered

    for name in (*_MADE, *_CHANGED):
        setattr(kinesis, name, saving(getattr(kinesis, name)))
    restore = kinesis.load_persisted_state

    def load(data: Document) -> None:
        restore(data)
        kept.read()

    kinesis.get_state, kinesis.load_persisted_state = kept.state, load


class Kept:
    """The records of all streams, each line of a file `[shard, sequence number, arrival (epoch s), key, base64]`."""

    def __init__(self, kinesis: Any, folder: Path) -> None:
        self._kinesis, self._folder = kinesis, folder
        self._written: dict[str, dict[str, str]] = {}  # of each stream's folder: the newest number of each shard
        self._lock = threading.Lock()
        self._newest = (0, 0)  # milliseconds and counter of the newest sequence number

    def next_number(self) -> str:
        with self._lock:
            now = max(int(time.time() * 1000), self._newest[0])
            self._newest = (now, self._newest[1] + 1)
            return f"{now:020d}{self._newest[1]:010d}"

    def putting(self, handler: Handler) -> Handler:
        def answered(data: Document) -> Any:
            answer = handler(data)
            if answer[0] == 200:
                self.write(self._kinesis._resolve_stream(data)[1])
            return answer

        return answered

    def write(self, stream: Document) -> None:
        """Appends what is not written yet."""
        name = self._name(stream)
        with self._lock:
            written = self._written.setdefault(name, {})
            lines = []
            for shard, each in stream["shards"].items():
                records = each["records"]
                start = bisect_right(records, written.get(shard, ""), key=_number)
                lines += [_line(shard, record) for record in records[start:]]
                if records:
                    written[shard] = records[-1]["SequenceNumber"]
            if lines:
                self._append(name, "".join(lines).encode(), stream["RetentionPeriodHours"])
                _count(stream["StreamName"], "IncomingRecords", len(lines), "Count")

    def _append(self, name: str, lines: bytes, hours: int) -> None:
        folder = self._folder / name
        segment = folder / f"{int(time.time()) // _SEGMENT_SECONDS:012d}.jsonl"
        if not segment.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for old in folder.glob("*.jsonl"):
                if old.stat().st_mtime < time.time() - hours * 3600 - _SEGMENT_SECONDS:
                    old.unlink()
        descriptor = os.open(segment, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while lines:  # a signal may cut a write short
                lines = lines[os.write(descriptor, lines) :]
        finally:
            os.close(descriptor)

    def read(self) -> None:
        """Gives the streams that there are their records, and removes those of streams that are gone."""
        known = set()
        for stream in self._kinesis._streams._data.values():
            name = self._name(stream)
            known.add(name)
            for shard, record in self._records(name):
                there = stream["shards"].get(shard)
                if there is not None and (not there["records"] or _number(there["records"][-1]) < _number(record)):
                    there["records"].append(record)
            newest = {
                shard: _number(each["records"][-1]) for shard, each in stream["shards"].items() if each["records"]
            }
            self._written[name] = newest
            for number in (*newest.values(), *(each["starting_sequence_number"] for each in stream["shards"].values())):
                self._newest = max(self._newest, (int(number[:20]), int(number[20:])))
        for folder in self._folder.glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _records(self, name: str) -> Iterator[tuple[str, Document]]:
        for segment in sorted((self._folder / name).glob("*.jsonl")):
            for line in segment.read_bytes().splitlines():
                try:
                    shard, number, arrived, key, data = json.loads(line)
                except ValueError:
                    continue  # the last one of a kill: it was not acknowledged
                yield (
                    shard,
                    {
                        "SequenceNumber": number,
                        "ApproximateArrivalTimestamp": arrived,
                        "Data": data,
                        "PartitionKey": key,
                    },
                )

    def state(self) -> Document:
        """What MiniStack saves by itself: all but records, and iterators, which live for five minutes."""
        from ministack.core.responses import AccountRegionScopedDict

        streams = AccountRegionScopedDict()
        for key, stream in list(self._kinesis._streams._data.items()):
            shards = {name: {**shard, "records": []} for name, shard in stream["shards"].items()}
            streams._data[key] = {**stream, "shards": shards}
        return {
            "streams": streams,
            "shard_iterators": AccountRegionScopedDict(),
            "consumers": self._kinesis._consumers,
            "resource_policies": self._kinesis._resource_policies,
        }

    @staticmethod
    def _name(stream: Document) -> str:
        """One that is made again under its name has other records."""
        _, _, _, region, account, _ = stream["StreamARN"].split(":", 5)
        first = min(each["starting_sequence_number"] for each in stream["shards"].values())
        return f"{account}-{region}-{stream['StreamName']}-{first}"


class Ages:
    """How old the last record of each GetRecords is; nothing is 0, as of a reader that has caught up."""

    def __init__(self, kinesis: Any) -> None:
        self._kinesis = kinesis
        self._oldest: dict[str, float] = {}  # milliseconds, by stream since the last publication
        self._next: dict[str, float] = {}

    def watching(self, handler: Handler) -> Handler:
        def answered(data: Document) -> Any:
            iterator = self._kinesis._shard_iterators.get(data.get("ShardIterator"))
            answer = handler(data)
            stream = self._kinesis._streams.get(iterator["stream"]) if iterator else None
            if iterator and stream and answer[0] == 200:
                start = iterator["position"]
                read = stream["shards"][iterator["shard_id"]]["records"][start : start + data.get("Limit", 10_000)]
                age = time.time() - read[-1]["ApproximateArrivalTimestamp"] if read else 0.0
                self._tell(stream["StreamName"], 1000 * age)
            return answer

        return answered

    def _tell(self, stream: str, age: float) -> None:
        self._oldest[stream] = max(age, self._oldest.get(stream, 0.0))
        if time.time() >= self._next.get(stream, 0.0):
            self._next[stream] = time.time() + _METRIC_SECONDS
            _count(stream, "GetRecords.IteratorAgeMilliseconds", self._oldest.pop(stream), "Milliseconds")


def _count(stream: str, name: str, value: float, unit: str) -> None:
    from ministack.services import cloudwatch

    cloudwatch.record_metric("AWS/Kinesis", name, value, unit, {"StreamName": stream})


def _some_at_once(handler: Handler) -> Handler:
    """As on AWS, an answer may hold fewer records than its Limit, and who reads goes on with the next iterator."""
    return lambda data: handler({**data, "Limit": min(data.get("Limit", 10_000), _READ_AT_ONCE)})


def _refusing(operation: str) -> Handler:
    def refused(data: Document) -> Any:
        from ministack.core.responses import error_response_json

        said = f"{operation} is not implemented on a laptop: delete the stream and make it with another ShardCount."
        return error_response_json("InvalidArgumentException", said, 400)

    return refused


class Tidy:
    """In place of MiniStack's tidying at each request: once a second, and iterators stay at their record."""

    def __init__(self, kinesis: Any) -> None:
        self._kinesis = kinesis
        self._next: dict[str, float] = {}

    def records(self, stream: Document) -> None:
        now = time.time()
        if now < self._next.get(stream["StreamARN"], 0.0):
            return
        self._next[stream["StreamARN"]] = now + _TIDY_SECONDS
        oldest = now - stream["RetentionPeriodHours"] * 3600
        for name, shard in stream["shards"].items():
            gone = bisect_left(shard["records"], oldest, key=lambda each: each["ApproximateArrivalTimestamp"])
            if gone:
                del shard["records"][:gone]
                for iterator in self._kinesis._shard_iterators._data.values():
                    if iterator.get("stream_arn") == stream["StreamARN"] and iterator["shard_id"] == name:
                        iterator["position"] = max(0, iterator["position"] - gone)

    def iterators(self) -> None:
        now = time.time()
        if now < self._next.get("", 0.0):
            return
        self._next[""] = now + _TIDY_SECONDS
        oldest = now - self._kinesis.ITERATOR_EXPIRY_SECONDS
        found = self._kinesis._shard_iterators._data
        for token in [token for token, each in list(found.items()) if each["created_at"] < oldest]:
            found.pop(token, None)


def _number(record: Document) -> str:
    return str(record["SequenceNumber"])


def _line(shard: str, record: Document) -> str:
    fields = (shard, record["SequenceNumber"], record["ApproximateArrivalTimestamp"], record["PartitionKey"])
    return json.dumps([*fields, record["Data"]], separators=(",", ":")) + "\n"
