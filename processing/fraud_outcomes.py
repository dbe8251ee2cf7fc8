"""What became of scored transactions, as the table of scores tells it by day: for jobs and for commands alike.

Standard library only, because it is also imported from outside this folder. Names of the table and its indexes are
those of deploy/streams.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

FRAUD = "fraud"  # the label; any other is genuine
DAY = "day"  # of transaction_time, YYYY-MM-DD: key of the index BY_DAY
BY_DAY = "by-day"


def items(
    dynamodb: Any, table: str, day: str, names: Sequence[str], index: str = BY_DAY, key: str = DAY
) -> Iterator[dict[str, Any]]:
    """These attributes of a day's transactions, in DynamoDB's form and in the order in which they were scored.

    Raises ClientError.
    """
    asked = {f"#{name}": name for name in names}
    for page in dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=index,
        KeyConditionExpression="#day = :day",
        ProjectionExpression=", ".join(asked),
        ExpressionAttributeNames={**asked, "#day": key},
        ExpressionAttributeValues={":day": {"S": day}},
    ):
        yield from page["Items"]


def truth(label: str | None, transaction_time: str, delay: float, as_of: datetime) -> int | None:
    """1 fraud, 0 genuine, None while it is unknown.

    Nobody says of a payment that it was genuine: it counts as that once `delay` seconds have passed without a word.
    """
    if label:
        return int(label == FRAUD)
    settled = datetime.fromisoformat(transaction_time) + timedelta(seconds=delay)
    return 0 if settled <= as_of else None


def days(last: date, count: int) -> list[str]:
    """The `count` days up to and with `last`, oldest first."""
    return [(last - timedelta(days=ago)).isoformat() for ago in reversed(range(count))]


def settled(as_of: datetime, delay: float) -> date:
    """The last day all of whose transactions have a known truth."""
    return (as_of - timedelta(seconds=delay)).date() - timedelta(days=1)
