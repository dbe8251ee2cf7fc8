"""A label of a scored transaction: given, corrected, taken back, never overwritten by somebody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy import fraud_labels
from deploy.fraud_labels import ANALYST, CHARGEBACK, FRAUD, GENUINE, Disagreement, mark, unmark

TABLE, NOON = "fraud-scores", datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def dynamodb(clients: Any) -> Any:
    made = clients("dynamodb")
    made.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "transaction_id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "transaction_id", "KeyType": "HASH"}],
    )
    made.put_item(TableName=TABLE, Item={"transaction_id": {"N": "7"}, "score": {"N": "0.93"}})
    return made


def test_a_label_is_written_once_and_its_owner_may_correct_it(dynamodb: Any) -> None:
    found = mark(dynamodb, TABLE, 7, FRAUD, ANALYST, NOON)
    assert (found["label"], found["labelled_by"], found["labelled_at"]) == (FRAUD, ANALYST, "2026-06-01T12:00:00.000Z")
    assert float(found["score"]) == 0.93
    later = NOON + timedelta(hours=1)
    assert mark(dynamodb, TABLE, 7, FRAUD, ANALYST, later) == found  # told twice: nothing changes, nor its time
    assert mark(dynamodb, TABLE, 7, FRAUD, CHARGEBACK, later) == found  # agrees: the first to know stays
    corrected = mark(dynamodb, TABLE, 7, GENUINE, ANALYST, later)
    assert (corrected["label"], corrected["labelled_at"]) == (GENUINE, "2026-06-01T13:00:00.000Z")


@pytest.mark.parametrize(("first", "second"), [(ANALYST, CHARGEBACK), (CHARGEBACK, ANALYST)])
def test_nobody_overwrites_the_other_s_label(dynamodb: Any, first: str, second: str) -> None:
    found = mark(dynamodb, TABLE, 7, GENUINE, first, NOON)
    with pytest.raises(Disagreement, match=f"7 is genuine, by {first} at 2026.*: fraud, by {second}, is") as told:
        mark(dynamodb, TABLE, 7, FRAUD, second, NOON)
    assert told.value.item == found
    with pytest.raises(Disagreement, match="not the label to take back"):
        unmark(dynamodb, TABLE, 7, second, found["labelled_at"])
    assert mark(dynamodb, TABLE, 7, GENUINE, first, NOON) == found


def test_what_is_taken_back_is_the_very_label(dynamodb: Any) -> None:
    found = mark(dynamodb, TABLE, 7, FRAUD, ANALYST, NOON)
    with pytest.raises(Disagreement):
        unmark(dynamodb, TABLE, 7, ANALYST, fraud_labels.written(NOON - timedelta(hours=1)))
    without = unmark(dynamodb, TABLE, 7, ANALYST, found["labelled_at"])
    assert set(without) == {"transaction_id", "score"}
    assert unmark(dynamodb, TABLE, 7, ANALYST, found["labelled_at"]) == without
    assert mark(dynamodb, TABLE, 7, GENUINE, CHARGEBACK, NOON)["labelled_by"] == CHARGEBACK


def test_what_is_not_there_gets_no_label(dynamodb: Any) -> None:
    with pytest.raises(LookupError, match="no transaction 8 in fraud-scores"):
        mark(dynamodb, TABLE, 8, FRAUD, ANALYST, NOON)
    with pytest.raises(LookupError, match="no transaction 8"):
        unmark(dynamodb, TABLE, 8, ANALYST, "then")
    with pytest.raises(ValueError, match="'maybe' by 'analyst'"):
        mark(dynamodb, TABLE, 7, "maybe", ANALYST, NOON)
    assert "Item" not in dynamodb.get_item(TableName=TABLE, Key={"transaction_id": {"N": "8"}})
