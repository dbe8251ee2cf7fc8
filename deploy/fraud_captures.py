"""What an endpoint's variants were asked about which transactions, and answered: read from data capture.

The scorer asks about many transactions in one request, and sends their ids along. So the truth of a captured request,
as the monitors read it, is the truth of each of its transactions in order, known when all of them are; and a shadow
variant's answers, which nobody else gets, are found by transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Captured:
    event: str  # by which ground truth knows the request
    transactions: list[int]
    probabilities: list[float]
    alerts: list[bool]


def read(s3: Any, prefix: str, variant: str, start: datetime, end: datetime) -> Iterator[Captured]:
    """Requests of a variant below an endpoint's S3 URI with start <= inference time < end. Those without ids, which
    others sent, are left out. Raises ClientError.
    """
    where = urlsplit(f"{prefix}/{variant}")
    folder, hour = where.path.strip("/"), start.replace(minute=0, second=0, microsecond=0)
    pages = s3.get_paginator("list_objects_v2")
    while hour < end:
        name = f"{folder}/{hour.astimezone(UTC):%Y/%m/%d/%H}/"
        for page in pages.paginate(Bucket=where.netloc, Prefix=name):
            for each in page.get("Contents", []):
                body = s3.get_object(Bucket=where.netloc, Key=each["Key"])["Body"].read()
                yield from _in_window(body, start, end)
        hour += timedelta(hours=1)


def ground_truth(captured: Iterator[Captured], truth: Mapping[int, int]) -> dict[str, list[str]]:
    """Labels by event, of the requests whose transactions' truth is known, every one."""
    return {
        each.event: [str(truth[number]) for number in each.transactions]
        for each in captured
        if all(number in truth for number in each.transactions)
    }


def _in_window(body: bytes, start: datetime, end: datetime) -> Iterator[Captured]:
    for line in body.splitlines():
        record = json.loads(line)
        meta = record["eventMetadata"]
        # Capture times have whole seconds.
        if start.replace(microsecond=0) <= datetime.fromisoformat(meta["inferenceTime"]) < end:
            found = _captured(meta["eventId"], record["captureData"])
            if found:
                yield found


def _captured(event: str, data: Mapping[str, Any]) -> Captured | None:
    """None for another kind of request, and for an answer that is an error."""
    try:
        asked = json.loads(data["endpointInput"]["data"])["instances"]
        answers = json.loads(data["endpointOutput"]["data"])["predictions"]
        return Captured(
            event,
            [int(each["transaction_id"]) for each in asked],
            [float(each["probability"]) for each in answers],
            [bool(each["predicted_label"]) for each in answers],
        )
    except (KeyError, TypeError, ValueError):
        return None
