"""Scored transactions as the scorer keeps them, in a table of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from deploy import streams

TABLE = streams.scores_table("fraud")
_write = TypeSerializer().serialize


def create(dynamodb: Any) -> None:
    """The table as cloudformation/streaming.yml has it."""
    indexes = {streams.BY_DAY: "day", streams.ALERTS_BY_DAY: "alert_day"}
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "transaction_id", "AttributeType": "N"},
            *({"AttributeName": name, "AttributeType": "S"} for name in ("day", "alert_day", "scored_at")),
        ],
        KeySchema=[{"AttributeName": "transaction_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": day, "KeyType": "HASH"},
                    {"AttributeName": "scored_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, day in indexes.items()
        ],
    )


def item(number: int, when: datetime, *, score: float = 0.93, alert: bool = True, **more: Any) -> dict[str, Any]:
    """A transaction that was scored 40 ms after it came in; `more` are other attributes, or others' values."""
    day = when.date().isoformat()
    return {
        "transaction_id": number,
        "transaction_time": _iso(when, "seconds"),
        "customer_id": 40 + number % 7,
        "terminal_id": 1000 + number % 5,
        "amount": "57.16",
        "x": "12.3",
        "y": "88.0",
        "score": str(score),
        "alert": alert,
        "reasons": [
            "Terminal 1003: 4 of 9 payments of the 7 days up to a week ago, as labels take a week were fraud",
            "Amount 57.16 € is 4.1 times this customer's average of 30 days (13.94 €)",
            "Customer 42 made 9 payments in the past day, this one included",
        ],
        "model": "3",
        "put_at": _iso(when),
        "scored_at": _iso(when + timedelta(milliseconds=40)),
        "day": day,
        **({"alert_day": day} if alert else {}),
        **more,
    }


def put(dynamodb: Any, items: Sequence[dict[str, Any]]) -> None:
    for first in range(0, len(items), 25):
        writes = [{"PutRequest": {"Item": typed(each)}} for each in items[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={TABLE: writes})


def typed(item: dict[str, Any]) -> dict[str, Any]:
    numbers = ("amount", "x", "y", "score")
    return {name: {"N": value} if name in numbers else _write(value) for name, value in item.items()}


def stored(dynamodb: Any, number: int) -> dict[str, Any]:
    found = dynamodb.get_item(TableName=TABLE, Key={"transaction_id": {"N": str(number)}})["Item"]
    return {name: next(iter(value.values())) for name, value in found.items()}


def numbers(items: Iterable[dict[str, Any]]) -> list[int]:
    return [int(each["transaction_id"]) for each in items]


def _iso(when: datetime, precision: str = "milliseconds") -> str:
    return when.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
