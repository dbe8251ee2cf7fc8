"""What DynamoDB has of a day's alerts, by the index that has nothing else: never a whole table, nor all of a day's
transactions, which are a hundred times as many.

A day is UTC's, of the transaction itself. An answer to a Query has 1 MB at most, and how many are asked for is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import streamlit as st

from dashboard import account
from deploy import streams
from deploy.fraud_labels import Item, plain

USE_CASE = "fraud"
TABLE = streams.scores_table(USE_CASE)
LOOK_BACK = 40  # days
_FIELDS = (
    *("transaction_id", "transaction_time", "customer_id", "terminal_id", "amount", "score", "reasons", "model"),
    *("put_at", "scored_at", "label", "labelled_at", "labelled_by"),
)
_FIGURES = (
    *("customer_id", "terminal_id", "x", "y", "amount", "score", "scored_at", "label"),
    "features.terminal_7d_count",
)
MOST = 5_000  # alerts of a day
_EVALUATED = 500  # items of a call that filters
_CALLS = 8  # of one look for a page of alerts
Place = dict[str, dict[str, str]]  # an item's keys, as DynamoDB takes and gives them


@dataclass(frozen=True)
class Filters:
    """Which alerts are asked for."""

    day: str  # YYYY-MM-DD
    score: float = 0.0  # and above
    unlabelled: bool = False
    terminal: int | None = None
    customer: int | None = None

    def narrow(self) -> bool:
        return bool(self.score or self.unlabelled or self.terminal is not None or self.customer is not None)


@dataclass(frozen=True)
class Page:
    """Alerts, newest first."""

    items: list[Item]
    following: str = ""  # where older ones begin; empty when there are none
    looked_at: int = 0  # alerts, to find these


@dataclass(frozen=True)
class _Query:
    """Parameters of a call for a day's alerts, newest first."""

    day: str
    fields: Sequence[str]
    filters: Sequence[str] = ()
    values: Place = field(default_factory=dict)

    def call(self, limit: int, start: Place | None) -> dict[str, Any]:
        parts = dict.fromkeys(part for each in self.fields for part in each.split("."))
        names = {"#day": "alert_day", **{f"#{each}": each for each in parts}}
        asked: dict[str, Any] = {
            "TableName": TABLE,
            "IndexName": streams.ALERTS_BY_DAY,
            "KeyConditionExpression": "#day = :day",
            "ProjectionExpression": ", ".join("#" + each.replace(".", ".#") for each in self.fields),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {":day": {"S": self.day}, **self.values},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if self.filters:
            asked["FilterExpression"] = " AND ".join(self.filters)
        if start:
            asked["ExclusiveStartKey"] = start
        return account.client("dynamodb").query(**asked)


def alerts(filters: Filters, count: int, before: str = "") -> Page:
    """The newest `count` alerts, or those before a page's `following`; fewer where filters leave few.

    Raises ClientError, LookupError for a `before` that no page gave.
    """
    conditions, values = _conditions(filters)
    query = _Query(filters.day, _FIELDS, conditions, values)
    found: list[Item] = []
    start, looked = _place(before, filters.day), 0
    following = ""
    for _ in range(_CALLS):
        answer = query.call(max(_EVALUATED, count) if conditions else count, start)
        looked += answer["ScannedCount"]
        for raw in answer["Items"]:
            found.append(plain(raw))
            if len(found) == count:
                return Page(found, _following(found[-1]), looked)
        start = answer.get("LastEvaluatedKey")
        following = _following(plain(start)) if start else ""
        if not start:
            break
    return Page(found, following, looked)


def _conditions(filters: Filters) -> tuple[list[str], Place]:
    said: list[str] = []
    values: Place = {}
    if filters.score:
        said.append("score >= :score")
        values[":score"] = {"N": str(filters.score)}
    if filters.unlabelled:
        said.append("attribute_not_exists(label)")
    for name, value in (("terminal_id", filters.terminal), ("customer_id", filters.customer)):
        if value is not None:
            said.append(f"{name} = :{name}")
            values[f":{name}"] = {"N": str(value)}
    return said, values


def _following(item: Item) -> str:
    return f"{item['scored_at']}~{item['transaction_id']}"


def _place(before: str, day: str) -> Place | None:
    if not before:
        return None
    scored_at, _, number = before.partition("~")
    if not scored_at or not number.isdecimal():
        raise LookupError(f"No page of alerts begins before {before!r}.")
    return {"alert_day": {"S": day}, "scored_at": {"S": scored_at}, "transaction_id": {"N": number}}


@st.cache_data(ttl=60, show_spinner=False)
def alerts_of(days: Sequence[str]) -> dict[str, list[Item]]:
    """By day, what figures of a day's alerts are made of: the newest MOST of each. Raises ClientError."""
    account.client("dynamodb")  # made in one thread only
    return dict(zip(days, account.together(_of_day, days), strict=True))


def _of_day(day: str) -> list[Item]:
    query = _Query(day, _FIGURES)
    found: list[Item] = []
    start = None
    while len(found) < MOST:
        answer = query.call(MOST - len(found), start)
        found += map(plain, answer["Items"])
        if not (start := answer.get("LastEvaluatedKey")):
            break
    return found


@st.cache_data(ttl=30, show_spinner=False)
def newest() -> str:
    """The last day with an alert, of LOOK_BACK; empty when there is none. A terminal's clock may be in tomorrow."""
    account.client("dynamodb")
    asked = before(datetime.now(UTC).date() + timedelta(days=1), LOOK_BACK)
    for first, last in ((0, 2), (2, LOOK_BACK)):  # mostly it is today
        days = asked[first:last]
        for day, there in zip(days, account.together(_has_alert, days), strict=True):
            if there:
                return day
    return ""


def _has_alert(day: str) -> bool:
    return bool(_Query(day, ("transaction_id",)).call(1, None)["Items"])


def checked(day: str) -> str:
    """The day itself. Raises LookupError for what is none."""
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise LookupError(f"{day!r} is no day such as 2026-06-01.") from None


def before(last: date, count: int) -> list[str]:
    """`count` days, the last one first."""
    return [(last - timedelta(days=each)).isoformat() for each in range(count)]
