"""What became of a scored transaction: the label on its item in the table of scores (deploy/streams.py).

Two know it: an analyst who looked at the alert, and the bank's chargeback, which comes days later. Neither overwrites
the other: whoever comes second with another label is told (Disagreement), and the first one's stays until it is taken
back. The same label again changes nothing, so a file of chargebacks can be read twice; who erred corrects its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from deploy import scoring_results

FRAUD, GENUINE = "fraud", "genuine"
ANALYST, CHARGEBACK = "analyst", "chargeback"

Item = dict[str, Any]  # a transaction as the table has it, as plain values
_FREE = "attribute_exists(transaction_id) AND (attribute_not_exists(label) OR (labelled_by = :by AND label <> :label))"


class Disagreement(Exception):
    """A label that would overwrite somebody else's; `item` has that."""

    def __init__(self, said: str, item: Item) -> None:
        super().__init__(said)
        self.item = item


def mark(dynamodb: Any, table: str, transaction_id: int, label: str, by: str, now: datetime) -> Item:
    """The item with its label, which stays as it was where it had the same one already.

    Args:
        dynamodb: a boto3 client.
        label: FRAUD or GENUINE.
        by: ANALYST or CHARGEBACK.

    Raises Disagreement where the other of the two said otherwise, LookupError for a transaction that is not in the
    table, ClientError as DynamoDB refuses.
    """
    if label not in (FRAUD, GENUINE) or by not in (ANALYST, CHARGEBACK):
        raise ValueError(f"{label!r} by {by!r}: a label is {FRAUD} or {GENUINE}, by {ANALYST} or {CHARGEBACK}.")
    values = {":label": label, ":by": by, ":now": written(now)}
    found, done = _update(
        dynamodb, table, transaction_id, "SET label = :label, labelled_by = :by, labelled_at = :now", _FREE, values
    )
    if not done and found["label"] != label:
        raise Disagreement(f"{_said(found)}: {label}, by {by}, is not written over it.", found)
    return found


def unmark(dynamodb: Any, table: str, transaction_id: int, by: str, labelled_at: str) -> Item:
    """The item without the label that was given then; without any already, nothing changes.

    Raises Disagreement where it has got another one meanwhile, LookupError and ClientError as `mark`.
    """
    values = {":by": by, ":then": labelled_at}
    condition = "labelled_by = :by AND labelled_at = :then"
    found, done = _update(dynamodb, table, transaction_id, "REMOVE label, labelled_by, labelled_at", condition, values)
    if not done and "label" in found:
        raise Disagreement(f"{_said(found)}, and stays so: that is not the label to take back.", found)
    return found


def written(moment: datetime) -> str:
    """A time as the table has it: ISO 8601, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(item: dict[str, Any]) -> Item:
    """An item as a client gets it, without DynamoDB's types."""
    return {name: scoring_results.plain(value) for name, value in item.items()}


def _update(
    dynamodb: Any, table: str, transaction_id: int, update: str, condition: str, values: dict[str, str]
) -> tuple[Item, bool]:
    """The item then, and whether the condition held."""
    try:
        answer = dynamodb.update_item(
            TableName=table,
            Key={"transaction_id": {"N": str(transaction_id)}},
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        if not (there := error.response.get("Item")):
            raise LookupError(f"There is no transaction {transaction_id} in {table}.") from None
        return plain(there), False
    return plain(answer["Attributes"]), True


def _said(item: Item) -> str:
    number, label = item["transaction_id"], item["label"]
    return f"Transaction {number} is {label}, by {item['labelled_by']} at {item['labelled_at']}"
