"""Lambda's event source mappings of Kinesis streams: runs inside MiniStack's process.

MiniStack 1.5 takes a batch for done whose function reported failed items (`batchItemFailures`), and tries a failing
batch for ever, whatever `MaximumRetryAttempts` and `BisectBatchOnFunctionError` say; shards that come later are read
from their end. Here all of these are as on AWS, and a mapping's place is a sequence number, as records leave the stream
when their retention ends. What is given up after `MaximumRetryAttempts` is written to the log; an on-failure
destination is not told, `MaximumRecordAgeInSeconds`, `ParallelizationFactor` and `TumblingWindowInSeconds` have no
effect.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)
Document = dict[str, Any]
_BEGINNING, _BATCH = "", 100  # before every sequence number; Lambda's own default


def install() -> None:
    from ministack.services import dynamodb, lambda_svc

    lambda_svc._poll_kinesis = Mappings().poll
    # It parses a condition anew for each item of a transaction: a fourth of what a stream of scores costs.
    dynamodb._condition_syntax_error = functools.lru_cache(1000)(dynamodb._condition_syntax_error)


@dataclass
class _Attempts:
    """At the batch that a shard's next record begins."""

    size: int  # records of the next attempt
    failed: int = 0

    def fail(self, mapping: Document, left: int, *, progress: bool) -> int:
        """How many of the records left are given up. A batch that is split is no further attempt, as on AWS."""
        most = mapping.get("MaximumRetryAttempts")
        if progress:
            self.failed, self.size = 0, left
        elif mapping.get("BisectBatchOnFunctionError") and left > 1:
            self.size = left // 2
        else:
            self.failed += 1
            if most is not None and 0 <= most < self.failed:
                return left
        return 0


class Mappings:
    """Polled by MiniStack's own thread."""

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, str], _Attempts] = {}

    def poll(self) -> bool:
        """Whether any shard has moved on."""
        from ministack.services import lambda_svc as service

        moved = False
        for account, region, mapping in service._iter_all_esms():
            tokens = service._request_account_id.set(account), service._request_region.set(region)
            try:
                moved = self._poll(mapping) or moved
            finally:
                service._request_account_id.reset(tokens[0])
                service._request_region.reset(tokens[1])
        return moved

    def _poll(self, mapping: Document) -> bool:
        from ministack.services import kinesis
        from ministack.services import lambda_svc as service

        arn, identifier = mapping.get("EventSourceArn", ""), mapping["UUID"]
        stream = kinesis._streams.get(arn.partition(":stream/")[2])
        if not stream or stream["StreamARN"] != arn or stream["StreamStatus"] != "ACTIVE":
            return False
        function, _ = service._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
        waits = service._esm_backoff_until.get(identifier, 0) > time.time()
        if function is None or waits or not mapping.get("Enabled", True):
            return False
        places = service._kinesis_positions.get(identifier)
        if places is None:
            places = {name: start(mapping, shard["records"]) for name, shard in stream["shards"].items()}
            service._kinesis_positions[identifier] = places
        moved = [
            self._invoke(mapping, function, name, shard["records"], places)
            for name, shard in list(stream["shards"].items())
        ]
        return any(moved)

    def _invoke(
        self, mapping: Document, function: Document, shard: str, records: list[Document], places: dict[str, str]
    ) -> bool:
        """Whether the shard has moved on by a batch or a part of it."""
        from ministack.services import lambda_svc as service

        identifier, size = mapping["UUID"], mapping.get("BatchSize") or _BATCH
        attempts = self._attempts.setdefault((identifier, shard), _Attempts(size))
        batch = following(records, places.get(shard, _BEGINNING), attempts.size)
        if not batch:
            return False
        events = service._apply_filter_criteria([event(mapping, shard, each) for each in batch], mapping)
        done, said = len(batch), ""
        if events:
            done, said = outcome(service._execute_function(function, {"Records": events}), mapping, batch)
        mapping["LastProcessingResult"] = f"PROBLEM: {said}" if said else "OK"
        if said:
            given_up = attempts.fail(mapping, len(batch) - done, progress=done > 0)
            if given_up:
                log.error("%s: %d records given up: %s", mapping["FunctionName"], given_up, said)
                done += given_up
            else:
                service._esm_backoff_until[identifier] = time.time() + service._ESM_BACKOFF_SECONDS
        if done == len(batch):
            self._attempts[identifier, shard] = _Attempts(size)
        if done:
            places[shard] = batch[done - 1]["SequenceNumber"]
        return bool(done)


def following(records: list[Document], place: str, size: int) -> list[Document]:
    """The next records behind a sequence number; the list may lose its first ones at any moment."""
    while True:
        index = bisect_right(records, place, key=number)
        batch = records[index : index + size]
        if bisect_right(records, place, key=number) == index:
            return batch


def outcome(result: Document, mapping: Document, batch: Sequence[Document]) -> tuple[int, str]:
    """How many of the records are done, counted from the first, and what was wrong with the next one."""
    body = result.get("body")
    if result.get("error"):
        return 0, json.dumps(body, default=str)[:500]
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return len(batch), ""
    if isinstance(body, str | bytes):
        try:
            body = json.loads(body)
        except ValueError:
            body = None
    named = [each.get("itemIdentifier") for each in (body or {}).get("batchItemFailures") or []]
    if not named:
        return len(batch), ""
    numbers = [number(each) for each in batch]
    # The lowest is where Lambda goes on; with one that isn't of the batch, all of it has failed.
    done = min(numbers.index(each) if each in numbers else 0 for each in named)
    return done, f"the function reported {len(named)} failed items, the first {named[0]}"


def start(mapping: Document, records: list[Document]) -> str:
    """The place before the first record that a new mapping reads."""
    from ministack.services import kinesis

    given = mapping.get("StartingPosition", "LATEST")
    index = kinesis._start_position(records, given, "", mapping.get("StartingPositionTimestamp"))
    index = len(records) if index is None else int(index)
    return number(records[index - 1]) if index else _BEGINNING


def event(mapping: Document, shard: str, record: Document) -> Document:
    from ministack.services import kinesis
    from ministack.services import lambda_svc as service

    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": kinesis._ensure_base64(record["Data"]),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{service.get_account_id()}:role/lambda-role",
        "awsRegion": service.get_region(),
        "eventSourceARN": mapping["EventSourceArn"],
    }


def number(record: Document) -> str:
    return str(record["SequenceNumber"])
