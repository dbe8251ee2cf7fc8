"""Scored transactions and what became of them, day by day, from the table of scores (deploy/streams.py).

Analysts say of some alerts what they were, chargebacks name the frauds. Nobody says of a payment that it was genuine:
it counts as that once LABEL_DELAY has passed without a word, and until then its truth is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from deploy import streams
from deploy.fraud_labels import FRAUD, plain
from processing.fraud_windows import FIELDS, LABEL_DELAY

Item = dict[str, Any]  # of the table, numbers as Decimal
KEPT = (*FIELDS, "score", "alert", "model", "label", "labelled_by")
_NAMES = {f"#{name}": name for name in KEPT}


def read(dynamodb: Any, table: str, days: Iterable[str], alerts: bool = False) -> Iterator[Item]:
    """KEPT of every transaction of the days (YYYY-MM-DD, of transaction_time), in the order in which they were scored;
    of alerts only, if wanted.

    Raises ClientError.
    """
    index, key = (streams.ALERTS_BY_DAY, "alert_day") if alerts else (streams.BY_DAY, "day")
    pages = dynamodb.get_paginator("query")
    for day in days:
        for page in pages.paginate(
            TableName=table,
            IndexName=index,
            KeyConditionExpression="#day = :day",
            ProjectionExpression=", ".join(_NAMES),
            ExpressionAttributeNames={**_NAMES, "#day": key},
            ExpressionAttributeValues={":day": {"S": day}},
        ):
            for item in page["Items"]:
                yield plain(item)


def truth(item: Mapping[str, Any], as_of: datetime) -> int | None:
    """1 fraud, 0 genuine, None while it is unknown."""
    if label := item.get("label"):
        return int(label == FRAUD)
    settled = datetime.fromisoformat(item["transaction_time"]) + timedelta(seconds=LABEL_DELAY)
    return 0 if settled <= as_of else None


def days(last: date, count: int) -> list[str]:
    """The `count` days up to and with `last`, oldest first."""
    return [(last - timedelta(days=ago)).isoformat() for ago in reversed(range(count))]
