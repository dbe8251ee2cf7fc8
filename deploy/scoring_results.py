"""Where scores go: a table, a stream, a topic for alerts; what can't be scored goes to the quarantine.

The table decides: a transaction's first item stays, with the labels that it was given since, and what the stream and
the topic are told is what the table holds. So what is done twice, by a kill or a producer, gives the same results.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy.scoring_states import parts, written

Item = dict[str, Any]  # of the table, as plain values
TRANSACTED, PUT_AT_ONCE, TOLD_AT_ONCE = 100, 500, 10  # TransactWriteItems', PutRecords' and PublishBatch's limits
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)  # seconds before each attempt at what a call leaves undone
_SMALLEST = 1e-130  # number other than zero that DynamoDB takes
_OF_INDEXES = ("day", "alert_day")
_ANOTHER_TIME = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class NotTakenError(RuntimeError):
    """A service left something undone at every attempt; the message says which and what it said."""


@dataclass(frozen=True)
class Table:
    dynamodb: Any
    name: str

    def keep(self, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """Writes those that the table lacks, all or none of a hundred. Returns all as the table now holds them, and of
        these the new ones. Raises NotTakenError, ClientError.
        """
        kept: dict[int, Item] = {}
        for part in parts(items, TRANSACTED):
            kept |= self._keep(part)
        return [kept.get(each["transaction_id"], each) for each in items], [
            each for each in items if each["transaction_id"] not in kept
        ]

    def _keep(self, items: Sequence[Item]) -> dict[int, Item]:
        """Those that were there already, by id."""
        there: dict[int, Item] = {}

        def writes() -> list[dict[str, Any]]:
            return [{"Put": self._put(each)} for each in items if each["transaction_id"] not in there]

        def cancelled(reasons: Sequence[Mapping[str, Any]]) -> None:
            there.update({found["transaction_id"]: found for found in _existing(reasons)})

        self._transact(writes, cancelled)
        return there

    def note_alerts(self, items: Sequence[Item]) -> None:
        """That the topic has these alerts. Raises NotTakenError, ClientError."""
        now = attribute(written(datetime.now(UTC)))
        updates = [
            {
                "Update": {
                    "TableName": self.name,
                    "Key": {"transaction_id": attribute(each["transaction_id"])},
                    "UpdateExpression": "SET alerted_at = :now",
                    "ExpressionAttributeValues": {":now": now},
                }
            }
            for each in items
        ]
        for part in parts(updates, TRANSACTED):
            self._transact(partial(list, part), lambda reasons: None)

    def _put(self, item: Item) -> dict[str, Any]:
        return {
            "TableName": self.name,
            "Item": {name: attribute(value) for name, value in item.items()},
            "ConditionExpression": "attribute_not_exists(transaction_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _transact(self, writes: Callable[[], list[Any]], cancelled: Callable[[Sequence[Any]], None]) -> None:
        """`writes()` are written together; a cancellation's reasons are handed on, and `writes()` tried anew."""
        codes: set[str] = set()
        for pause in _PAUSES:
            if not (wanted := writes()):
                return
            if codes & _ANOTHER_TIME:
                time.sleep(pause)
            try:
                self.dynamodb.transact_write_items(TransactItems=wanted)
                return
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                reasons: Any = error.response["CancellationReasons"]
                codes = {each.get("Code", "None") for each in reasons} - {"None"}
                if not codes <= _ANOTHER_TIME | {"ConditionalCheckFailed"}:
                    raise
                cancelled(reasons)
        raise NotTakenError(f"Table {self.name} refused {len(writes())} writes, {len(_PAUSES)} times: {sorted(codes)}")


def _existing(reasons: Iterable[Mapping[str, Any]]) -> list[Item]:
    return [
        {name: plain(value) for name, value in each["Item"].items()}
        for each in reasons
        if each.get("Code") == "ConditionalCheckFailed"
    ]


@dataclass(frozen=True)
class Stream:
    kinesis: Any
    name: str

    def put(self, items: Sequence[Item]) -> None:
        """In order for each customer, one of each a call, as those of one call may be taken in any order.

        Raises NotTakenError, ClientError.
        """
        rounds: list[list[Item]] = []
        seen: dict[int, int] = defaultdict(int)
        for each in items:
            number = seen[each["customer_id"]]
            seen[each["customer_id"]] += 1
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(each)
        for each_once in rounds:
            for part in parts(each_once, PUT_AT_ONCE):
                self._put([{"Data": message(each), "PartitionKey": str(each["customer_id"])} for each in part])

    def _put(self, records: list[dict[str, Any]]) -> None:
        left, answered = records, list[dict[str, Any]]()
        for pause in _PAUSES:
            time.sleep(pause)
            found = self.kinesis.put_records(StreamName=self.name, Records=left)
            if not found["FailedRecordCount"]:
                return
            answered = found["Records"]
            left = [record for record, told in zip(left, answered, strict=True) if told.get("ErrorCode")]
        codes = sorted({each["ErrorCode"] for each in answered if each.get("ErrorCode")})
        raise NotTakenError(f"Stream {self.name} refused {len(left)} scores: {', '.join(codes)}")


def message(item: Item) -> bytes:
    """An item as a reader of the stream of scores gets it: one JSON object."""
    return json.dumps({name: value for name, value in item.items() if name not in _OF_INDEXES}).encode()


@dataclass(frozen=True)
class Topic:
    sns: Any
    arn: str

    def tell(self, items: Sequence[Item]) -> None:
        """A message an alert. Raises NotTakenError, ClientError."""
        for part in parts(items, TOLD_AT_ONCE):
            self._tell({str(each["transaction_id"]): each for each in part})

    def _tell(self, left: dict[str, Item]) -> None:
        codes: list[str] = []
        for pause in _PAUSES:
            time.sleep(pause)
            entries = [{"Id": identifier, **notice(item)} for identifier, item in left.items()]
            found = self.sns.publish_batch(TopicArn=self.arn, PublishBatchRequestEntries=entries)
            failed = found.get("Failed") or []
            left = {each["Id"]: left[each["Id"]] for each in failed}
            if not left:
                return
            codes = sorted({each["Code"] for each in failed})
        raise NotTakenError(f"Topic {self.arn} refused {len(left)} alerts: {', '.join(codes)}")


def notice(item: Item) -> dict[str, Any]:
    """An alert as the topic's subscribers get it; by transaction_id they know one that comes twice."""
    lines = [
        f"Transaction {item['transaction_id']}: {item['amount']:,.2f} € of customer {item['customer_id']} at terminal "
        f"{item['terminal_id']}, {item['transaction_time']}. Probability of fraud {item['score']:.0%}.",
        *(f"- {reason}." for reason in item["reasons"]),
    ]
    return {
        "Subject": f"Suspected fraud: {item['amount']:.2f} EUR, customer {item['customer_id']}",
        "Message": "\n".join(lines),
        "MessageAttributes": {
            "transaction_id": {"DataType": "Number", "StringValue": str(item["transaction_id"])},
            "score": {"DataType": "Number", "StringValue": repr(item["score"])},
        },
    }


def attribute(value: Any) -> dict[str, Any]:
    """A value as DynamoDB's API takes it."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": repr(value) if abs(value) >= _SMALLEST else "0"}
    if isinstance(value, Mapping):
        return {"M": {name: attribute(each) for name, each in value.items()}}
    return {"L": [attribute(each) for each in value]}


def plain(found: Mapping[str, Any]) -> Any:
    """The value of an attribute as DynamoDB's API gives it."""
    ((kind, value),) = found.items()
    if kind == "N":
        return float(value) if any(each in value for each in ".eE") else int(value)
    if kind == "M":
        return {name: plain(each) for name, each in value.items()}
    if kind == "L":
        return [plain(each) for each in value]
    return value
