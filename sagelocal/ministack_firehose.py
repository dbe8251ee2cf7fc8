"""Firehose's delivery to S3 as AWS does it: runs inside MiniStack's process.

MiniStack 1.5 makes an object, and a call of the transforming function, of every single record; takes no notice of
CompressionFormat and AppendDelimiterToRecord; loses what a function answers as ProcessingFailed; and delivers within
the PutRecord that brought the record to Kinesis, so that a kill in between lost it.

Here a delivery stream whose source is Kinesis reads it as any reader does: it remembers how far it is, collects records
for as long, or as much, as its BufferingHints say, and moves on when their objects are written. What is cut off by a
kill is delivered again, at least once as on AWS. What is put to Firehose directly becomes an object at once here, by
the same steps. Partitions, prefixes and format conversion are MiniStack's. A time scale makes buffering shorter.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import gzip
import json
import logging
import threading
import time
import uuid
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)
Document = dict[str, Any]
_SAVED = "sagelocal_firehose"  # how far each delivery is, beside MiniStack's own state files
_TICK_SECONDS = 0.5
_RETRY_SECONDS = 5.0
_METRIC_SECONDS = 10.0
_LAMBDA_RECORDS, _LAMBDA_BYTES = 500, 1_000_000  # of one call; AWS's limit is 6 MB of payload, base64 and all
_CHANGES = ("CreateDeliveryStream", "DeleteDeliveryStream", "UpdateDestination", "TagDeliveryStream")
_COMPRESSION = {"GZIP": ".gz", "UNCOMPRESSED": ""}


@dataclass(frozen=True)
class Incoming:
    id: str
    data: bytes
    arrived: float  # epoch s
    source: Document | None = None  # kinesisRecordMetadata of a function's event


@dataclass(frozen=True)
class Failure:
    """A record that goes to the ErrorOutputPrefix."""

    record: Incoming
    kind: str  # processing-failed, format-conversion-failed
    code: str
    message: str
    attempts: int = 1
    function: str = ""


@dataclass
class Batch:
    """What became of records on their way: data and partition keys of each that is to be delivered."""

    records: list[Incoming]
    keys: dict[str, dict[str, str]] = field(default_factory=dict)  # by record id, as a function gave them
    failures: list[Failure] = field(default_factory=list)


def install(time_scale: float = 1.0) -> None:
    """Replaces MiniStack's delivery, and goes on with what a kill interrupted."""
    from ministack.services import firehose

    create = firehose._create_delivery_stream

    def create_delivery_stream(data: Document) -> Any:
        _, configuration = firehose._resolve_dest_type_and_config(data)
        chosen = (configuration or {}).get("CompressionFormat", "UNCOMPRESSED")
        if chosen not in _COMPRESSION:
            return firehose._invalid(f"CompressionFormat {chosen} is not implemented: {' or '.join(_COMPRESSION)}.")
        return create(data)

    firehose._jq_parse = functools.lru_cache(64)(firehose._jq_parse)  # a query is the same for each record
    firehose._create_delivery_stream = create_delivery_stream
    firehose._HANDLERS["CreateDeliveryStream"] = create_delivery_stream
    for name in _CHANGES:
        firehose._HANDLERS[name] = _saving(firehose, firehose._HANDLERS[name])

    def deliver_directly(stream: Document, destination: Document, records: Sequence[tuple[str, bytes]]) -> None:
        del destination["records"][:]  # which MiniStack would keep for ever
        now = time.time()
        delivered(stream, destination, [Incoming(name, data, now) for name, data in records])

    firehose._deliver_records_to_s3 = deliver_directly
    firehose.ingest_from_kinesis_source = lambda arn, records: None  # the thread below reads the stream
    threading.Thread(target=Deliveries(time_scale).run, name="firehose", daemon=True).start()


def _saving(firehose: Any, handler: Callable[[Document], Any]) -> Callable[[Document], Any]:
    """What delivery streams there are is on disk before a call is answered."""
    from ministack.core import persistence

    def answered(data: Document) -> Any:
        answer = handler(data)
        if answer[0] == 200:
            persistence.save_state("firehose", firehose.get_state())
        return answer

    return answered


class Deliveries:
    """The delivery streams whose source is a Kinesis stream."""

    def __init__(self, time_scale: float) -> None:
        from ministack.core import persistence

        self._scale = time_scale
        self._done: dict[str, dict[str, str]] = persistence.load_state(_SAVED) or {}
        self._not_before: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def run(self) -> None:
        from ministack.core.responses import request_scope
        from ministack.services import firehose

        while True:
            time.sleep(_TICK_SECONDS)
            for (account, region, name), stream in list(firehose._streams._data.items()):
                if not stream.get("kinesis_source") or not _destination(stream):
                    continue
                try:
                    with request_scope(account, region):
                        self.tick(stream)
                except Exception:
                    log.exception("the delivery stream %s could not deliver; it tries again", name)
                    self._not_before[_identity(stream)] = time.time() + _RETRY_SECONDS

    def tick(self, stream: Document) -> None:
        """Delivers what has waited long enough, or is much enough."""
        name, now = _identity(stream), time.time()
        if now < self._not_before.get(name, 0.0):
            return
        done = self._done.get(name, {})
        waiting = _waiting(stream, done)
        oldest = min((_arrived(records[0]) for records in waiting.values()), default=now)
        self._tell(stream, now - oldest)
        hints = {"SizeInMBs": 5, "IntervalInSeconds": 300}
        hints |= _destination(stream)["config"].get("BufferingHints") or {}
        size = float(hints["SizeInMBs"]) * 1e6
        full = sum(len(record["Data"]) for records in waiting.values() for record in records) * 3 / 4 >= size
        if not waiting or not (full or now - oldest >= float(hints["IntervalInSeconds"]) / self._scale):
            return
        chosen = list(_at_most(waiting, size))
        delivered(stream, _destination(stream), chosen)
        self._done[name] = done | {
            each.source["shardId"]: each.source["sequenceNumber"] for each in chosen if each.source
        }
        self._save()

    def _save(self) -> None:
        from ministack.core import persistence
        from ministack.services import firehose

        there = {_identity(stream) for stream in firehose._streams._data.values()}
        self._done = {name: each for name, each in self._done.items() if name in there}
        persistence.save_state(_SAVED, self._done)

    def _tell(self, stream: Document, age: float) -> None:
        if time.time() >= self._told.get(stream["name"], 0.0):
            self._told[stream["name"]] = time.time() + _METRIC_SECONDS
            _count(stream, "DeliveryToS3.DataFreshness", age, "Seconds")


def delivered(stream: Document, destination: Document, records: Sequence[Incoming]) -> None:
    """Transforms records and writes their objects. Raises RuntimeError when S3 takes one not."""
    from ministack.services import firehose

    configuration = destination["config"]
    batch = transformed(stream, configuration, records)
    moment = time.gmtime(min((record.arrived for record in records), default=time.time()))
    groups: dict[str, list[Incoming]] = defaultdict(list)
    for record in batch.records:
        try:
            keys = None
            if (configuration.get("DynamicPartitioningConfiguration") or {}).get("Enabled"):
                keys = firehose._metadata_extraction_keys(configuration, record.data)
            prefix = firehose._evaluate_prefix(configuration.get("Prefix", ""), moment, keys, batch.keys.get(record.id))
        except firehose._DeliveryError as error:
            batch.failures.append(Failure(record, error.output_type, error.code or "", error.message))
        else:
            groups[prefix].append(record)
    for prefix, members in groups.items():
        for body, extension in _bodies(configuration, members, batch.failures):
            _put(stream, configuration, prefix, moment, body, extension)
    _deliver_failures(stream, configuration, moment, batch.failures)
    _count(stream, "DeliveryToS3.Records", len(records), "Count")
    _count(stream, "DeliveryToS3.Success", 1, "Count")


def transformed(stream: Document, configuration: Document, records: Sequence[Incoming]) -> Batch:
    """Through the processors, in their order."""
    batch = Batch(list(records))
    processing = configuration.get("ProcessingConfiguration") or {}
    for processor in processing.get("Processors") or [] if processing.get("Enabled") else []:
        given = {each["ParameterName"]: each.get("ParameterValue", "") for each in processor.get("Parameters") or []}
        if processor["Type"] == "Lambda":
            batch = _by_function(stream, given, batch)
        elif processor["Type"] == "AppendDelimiterToRecord":
            delimiter = given.get("Delimiter", "\\n").encode().decode("unicode_escape").encode()
            batch.records = [_with(record, record.data + delimiter) for record in batch.records]
    return batch


def _by_function(stream: Document, given: Mapping[str, str], batch: Batch) -> Batch:
    after = Batch([], dict(batch.keys), list(batch.failures))
    for part in _parts(batch.records):
        answers, problem = _answers(stream, given, part)
        for record in part:
            answer = answers.get(record.id, {})
            result = answer.get("result")
            attempts = 1 if answers else int(given.get("NumberOfRetries", 3)) + 1
            if result == "Ok":
                after.records.append(_with(record, base64.b64decode(answer.get("data") or "")))
                keys = (answer.get("metadata") or {}).get("partitionKeys")
                if isinstance(keys, dict):
                    after.keys[record.id] = {str(name): str(value) for name, value in keys.items()}
            elif result != "Dropped":
                code = "Lambda.ProcessingFailedStatus" if result else problem or "Lambda.MissingRecordId"
                said = (
                    f"The function answered {result}." if result else f"The function gave no answer for it: {problem}"
                )
                after.failures.append(Failure(record, "processing-failed", code, said, attempts, given["LambdaArn"]))
    return after


def _answers(
    stream: Document, given: Mapping[str, str], records: Sequence[Incoming]
) -> tuple[dict[str, Document], str]:
    """The function's answers by record id, and why there are none."""
    event: Document = {
        "invocationId": str(uuid.uuid4()),
        "deliveryStreamArn": stream["arn"],
        "region": stream["arn"].split(":")[3],
        "records": [_event(record) for record in records],
    }
    if stream.get("kinesis_source"):
        event["sourceKinesisStreamArn"] = stream["kinesis_source"]["KinesisStreamARN"]
    problem = ""
    for _ in range(int(given.get("NumberOfRetries", 3)) + 1):
        found, problem = _invoked(given["LambdaArn"], event)
        if not problem:
            return {str(each.get("recordId")): each for each in found}, ""
    log.warning("the function %s of the delivery stream %s failed: %s", given["LambdaArn"], stream["name"], problem)
    return {}, problem


def _invoked(arn: str, event: Document) -> tuple[list[Document], str]:
    """The records that a function answered, or what is wrong."""
    from ministack.services import lambda_svc

    name, qualifier = lambda_svc._resolve_name_and_qualifier(arn)
    function, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier)
    if function is None:
        return [], "Lambda.FunctionNotFound"
    result = lambda_svc._execute_function(function, event)
    if result.get("error"):
        return [], "Lambda.FunctionError"
    body = result.get("body")
    try:
        found = json.loads(body) if isinstance(body, str | bytes) else body
        return [each for each in found["records"] if isinstance(each, dict)], ""
    except (ValueError, TypeError, KeyError):
        return [], "Lambda.InvalidResponse"


def _event(record: Incoming) -> Document:
    made: Document = {
        "recordId": record.id,
        "approximateArrivalTimestamp": int(record.arrived * 1000),
        "data": base64.b64encode(record.data).decode(),
    }
    return made | ({"kinesisRecordMetadata": record.source} if record.source else {})


def _parts(records: Sequence[Incoming]) -> Iterator[list[Incoming]]:
    """As many as a call of the function takes."""
    part: list[Incoming] = []
    size = 0
    for record in records:
        if part and (len(part) == _LAMBDA_RECORDS or size + len(record.data) > _LAMBDA_BYTES):
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.data)
    if part:
        yield part


def _bodies(
    configuration: Document, records: Sequence[Incoming], failures: list[Failure]
) -> Iterator[tuple[bytes, str]]:
    """The objects of a prefix: one, or with format conversion one a record, as MiniStack converts."""
    from ministack.services import firehose

    conversion = configuration.get("DataFormatConversionConfiguration") or {}
    if not conversion or not conversion.get("Enabled", True):
        body = b"".join(record.data for record in records)
        chosen = configuration.get("CompressionFormat", "UNCOMPRESSED")
        yield gzip.compress(body, mtime=0) if chosen == "GZIP" else body, _COMPRESSION[chosen]
        return
    for record in records:
        try:
            yield firehose._convert_to_parquet(conversion, record.data), ".parquet"
        except firehose._DeliveryError as error:
            failures.append(Failure(record, error.output_type, error.code or "", error.message))


def _deliver_failures(
    stream: Document, configuration: Document, moment: time.struct_time, failures: Sequence[Failure]
) -> None:
    """One JSON object a record, under the ErrorOutputPrefix (the guide's "Data delivery failure handling")."""
    from ministack.services import firehose

    by_kind: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        by_kind[failure.kind].append(failure)
    for kind, members in by_kind.items():
        given = configuration.get("ErrorOutputPrefix")
        if given:
            prefix = firehose._evaluate_prefix(given, moment, error_type=kind)
        else:
            prefix = f"{configuration.get('Prefix', '')}{kind}/{firehose._java_time('yyyy/MM/dd/HH/', moment)}"
        lines = (json.dumps(_told(failure)) + "\n" for failure in members)
        _put(stream, configuration, prefix, moment, "".join(lines).encode(), "")


def _told(failure: Failure) -> Document:
    made: Document = {
        "attemptsMade": failure.attempts,
        "arrivalTimestamp": int(failure.record.arrived * 1000),
        "errorCode": failure.code,
        "errorMessage": failure.message,
        "attemptEndingTimestamp": int(time.time() * 1000),
        "rawData": base64.b64encode(failure.record.data).decode(),
    }
    return made | ({"lambdaArn": failure.function} if failure.function else {})


def _put(
    stream: Document, configuration: Document, prefix: str, moment: time.struct_time, body: bytes, extension: str
) -> None:
    from ministack.services import firehose, s3

    bucket = firehose._s3_bucket_from_arn(configuration.get("BucketARN", ""))
    version, written = stream.get("version", 1), firehose._java_time("yyyy-MM-dd-HH-mm-ss", moment)
    name = f"{stream['name']}-{version}-{written}-{uuid.uuid4()}{configuration.get('FileExtension') or extension}"
    headers = {
        "content-type": "application/octet-stream",
        "content-length": str(len(body)),
        "host": "s3.localhost",
    }
    put = s3.handle_request("PUT", f"/{bucket}/{prefix}{name}", headers, body, {}, internal=True)
    status = asyncio.run(put)[0]
    if status >= 300:
        raise RuntimeError(f"S3 answered {status} to s3://{bucket}/{prefix}{name}")


def _waiting(stream: Document, done: Mapping[str, str]) -> dict[str, list[Document]]:
    """What the source has and is not delivered, by shard."""
    from ministack.services import kinesis

    source = kinesis._resolve_stream_by_arn(stream["kinesis_source"]["KinesisStreamARN"])
    begun = float(stream["kinesis_source"].get("DeliveryStartTimestamp") or 0)
    found = {}
    for shard, each in (source or {"shards": {}})["shards"].items():
        records = each["records"]
        if shard in done:
            start = bisect_right(records, done[shard], key=lambda record: record["SequenceNumber"])
        else:
            start = bisect_left(records, begun, key=_arrived)
        if start < len(records):
            found[shard] = records[start:]
    return found


def _arrived(record: Document) -> float:
    return float(record["ApproximateArrivalTimestamp"])


def _at_most(waiting: Mapping[str, Sequence[Document]], size: float) -> Iterator[Incoming]:
    """Records up to so many bytes, and at least one."""
    total = 0
    for shard, records in waiting.items():
        for record in records:
            data = base64.b64decode(record["Data"])
            if total and total + len(data) > size:
                return
            total += len(data)
            arrived, number = _arrived(record), record["SequenceNumber"]
            source = {
                "shardId": shard,
                "partitionKey": record["PartitionKey"],
                "approximateArrivalTimestamp": int(arrived * 1000),
                "sequenceNumber": number,
                "subsequenceNumber": 0,
            }
            yield Incoming(f"{shard}-{number}", data, arrived, source)


def _destination(stream: Document) -> Document:
    return next((each for each in stream["destinations"] if each["type"] in ("ExtendedS3", "S3")), {})


def _identity(stream: Document) -> str:
    return f"{stream['arn']}/{stream['created_at']}"


def _with(record: Incoming, data: bytes) -> Incoming:
    return Incoming(record.id, data, record.arrived, record.source)


def _count(stream: Document, name: str, value: float, unit: str) -> None:
    from ministack.services import cloudwatch

    cloudwatch.record_metric("AWS/Firehose", name, value, unit, {"DeliveryStreamName": stream["name"]})
