"""`mlops traffic --rate`: a producer that puts a use case's events to its stream, so many a second.

Events of one key are put in their order: a batch holds at most one of each key, and the next one of a key waits until
the one before is taken, since PutRecords may take some records of a batch and refuse others. What was refused is put
again. A batch whose answer was lost is put again whole, so a record may be in the stream twice, with one id.
"""

from __future__ import annotations

import importlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deploy import names, streams
from mlops import console
from mlops.errors import Failure
from mlops.targets import Target

if TYPE_CHECKING:
    import pandas as pd

_TICK = 0.05  # seconds between two batches
_BATCH = 500  # PutRecords takes no more
_ATTEMPTS = 10  # of a record
_LONGEST_PAUSE = 2.0
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    sent: int
    retried: int  # attempts beyond the first of each record
    failed: int  # records that were given up
    seconds: float

    @property
    def rate(self) -> float:
        return self.sent / self.seconds if self.seconds else 0.0


class Sink(Protocol):
    def put(self, records: Sequence[tuple[str, bytes]]) -> list[int]:
        """Puts (key, data) pairs, no two of one key; the numbers of those that were refused."""


class KinesisSink:
    """Raises what boto3 does where Kinesis cannot be reached at all."""

    def __init__(self, kinesis: Any, stream: str) -> None:
        self._kinesis, self._stream = kinesis, stream

    def put(self, records: Sequence[tuple[str, bytes]]) -> list[int]:
        entries = [{"Data": data, "PartitionKey": key} for key, data in records]
        found = self._kinesis.put_records(StreamName=self._stream, Records=entries)["Records"]
        return [number for number, each in enumerate(found) if each.get("ErrorCode")]


def send(
    target: Target,
    use_case: str,
    rate: float,
    seconds: float,
    *,
    drift: str = "",
    seed: int = 0,
    labels: Path | None = None,
    kafka: str = "",
) -> Result:
    """Puts simulated events of now to the stream and says how that went. `kafka`: brokers, in place of Kinesis.

    With `labels` their ids and what they really are go into that file. Raises Failure when some were given up,
    LookupError where there is no stream.
    """
    source = _source(use_case)
    table = source.events(max(1, round(rate * seconds)), seed, drift)
    table[source.ID] = fresh_ids(len(table))
    stream = streams.transactions_stream(use_case)
    if labels:
        table[[source.ID, *source.LABELS]].to_csv(labels, index=False)
        console.say(f"Their ids and what they are: {labels}")
    sink = _kafka(kafka, stream) if kafka else _kinesis(target, use_case, stream)
    console.note(f"{len(table):,} transactions to {stream}, {rate:g} a second")
    done = produce(sink, _events(table.drop(columns=list(source.LABELS))), rate, source.KEY, source.TIME)
    retried = f", {done.retried:,} put again" if done.retried else ""
    console.say(f"Sent {done.sent:,} transactions in {done.seconds:.1f} s, {done.rate:,.1f} a second{retried}")
    if done.failed:
        raise Failure(f"{done.failed:,} transactions were refused {_ATTEMPTS} times and given up.")
    return done


def produce(
    sink: Sink,
    events: Iterable[Event],
    rate: float,
    key: str,
    time_field: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Puts events when they are due, stamped with the time at which they became so; as fast as it goes when behind."""
    coming, pending = iter(events), deque[_Pending]()
    start, due, sent, refusals, failed, pause = clock(), 0, 0, 0, 0, 0.0
    more = True
    while more or pending:
        began = clock()
        while more and due <= (began - start) * rate:
            event = next(coming, None)
            if event is None:
                more = False
            else:
                pending.append(_Pending(str(event[key]), _encoded(event, time_field)))
                due += 1
        batch = _batch(pending)
        refused = sink.put([(each.key, each.data) for each in batch]) if batch else []
        sent += len(batch) - len(refused)
        refusals += len(refused)
        for each in (batch[number] for number in sorted(refused, reverse=True)):
            each.attempts += 1
            if each.attempts < _ATTEMPTS:
                pending.appendleft(each)
            else:
                failed += 1
        pause = min(_LONGEST_PAUSE, 2 * pause or _TICK) if refused else 0.0
        until = max(
            pause, 0.0 if pending else _TICK if more else 0.0, start + due / rate - began if not pending else 0.0
        )
        if (wait := until - (clock() - began)) > 0:
            sleep(wait)
    return Result(sent, refusals - failed, failed, clock() - start)


def fresh_ids(count: int) -> range:
    """Ids that no earlier call gave, rising with time; JSON's numbers hold them."""
    first = int(time.time() * 1000) * 1000
    return range(first, first + count)


@dataclass
class _Pending:
    key: str
    data: bytes
    attempts: int = 0


def _batch(pending: deque[_Pending]) -> list[_Pending]:
    """Takes what may go now: of each key the first, unless one before it waits."""
    batch: list[_Pending] = []
    waiting: list[_Pending] = []
    keys = set()
    while pending and len(batch) < _BATCH:
        each = pending.popleft()
        (waiting if each.key in keys else batch).append(each)
        keys.add(each.key)
    pending.extendleft(reversed(waiting))
    return batch


def _encoded(event: Event, time_field: str) -> bytes:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({**event, time_field: now}, separators=(",", ":")).encode()


def _events(table: pd.DataFrame) -> Iterable[Event]:
    for row in table.astype(object).itertuples(index=False):
        yield row._asdict()


def _source(use_case: str) -> Any:
    """The module that makes a use case's events."""
    return importlib.import_module(f"data.{names.module_name(use_case)}_stream")


def _kinesis(target: Target, use_case: str, stream: str) -> Sink:
    kinesis = target.client("kinesis")
    try:
        kinesis.describe_stream_summary(StreamName=stream)
    except kinesis.exceptions.ResourceNotFoundException:
        raise LookupError(f"There is no stream {stream}: {console.command()} stream up {use_case}") from None
    return KinesisSink(kinesis, stream)


def _kafka(brokers: str, topic: str) -> Sink:
    from deploy import sources_kafka

    sources_kafka.check(brokers)
    return sources_kafka.KafkaSink(brokers, topic)
