"""Scores card transactions as they come: Lambda's shell of `deploy/scoring.py`, behind an event source mapping.

    event:   {"Records": [{"kinesis": {"data": "…", "sequenceNumber": "…", …}, "eventID": "shardId-…:…"}]}
    answer:  {"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}, empty where all is done

The mapping has `ReportBatchItemFailures`: Lambda comes again with the record that is named and those after it, so what
was kept before it stays done. Nothing is held in between: states are read from the Feature Store each time.

Environment: USE_CASE, STAGE (the endpoint is <use case>-<stage>), ACCOUNT. The model's version in the results is the
one that the endpoint served at most VERSION_SECONDS before.
"""

from __future__ import annotations

import base64
import functools
import logging
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config

from deploy import scoring_setup
from deploy.scoring import AT_ONCE, Scorer
from deploy.sources import Position, Record

VERSION_SECONDS = 60.0
log = logging.getLogger()


@functools.cache
def client(service: str) -> Any:
    return boto3.client(service, config=Config(**scoring_setup.CONNECTIONS))


@functools.cache
def scorer() -> Scorer:
    account, region = os.environ["ACCOUNT"], os.environ["AWS_REGION"]
    return scoring_setup.scorer(os.environ["USE_CASE"], os.environ["STAGE"], client, account, region)


@functools.lru_cache(maxsize=1)
def version(endpoint: str, period: int) -> str:
    return scoring_setup.version(client("sagemaker"), endpoint)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Raises nothing: what fails is Lambda's to try again."""
    records = [record(each) for each in event["Records"]]
    failed = score(scorer(), records)
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}


def score(scorer: Scorer, records: Sequence[Record]) -> str:
    """Sequence number of the first record that isn't done, empty when all are."""
    for start in range(0, len(records), AT_ONCE):
        part = records[start : start + AT_ONCE]
        try:
            scorer.version = version(scorer.model.endpoint, int(time.time() / VERSION_SECONDS))
            scorer.keep(scorer.score(part))
        except Exception:
            log.exception("scoring failed at %s", part[0].position)
            scorer.forget()
            return part[0].position.number
        finally:
            scorer.metrics.publish()
    return ""


def record(found: Mapping[str, Any]) -> Record:
    kinesis = found["kinesis"]
    shard = found["eventID"].partition(":")[0]
    return Record(
        kinesis["partitionKey"],
        base64.b64decode(kinesis["data"]),
        datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC),
        Position(shard, kinesis["sequenceNumber"]),
    )
