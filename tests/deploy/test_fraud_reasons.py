"""Each feature's value in words that an analyst reads."""

from __future__ import annotations

import pytest

from deploy import fraud_reasons
from processing.fraud_windows import FEATURES, features, parse

TRANSACTION = {
    "transaction_id": 1203,
    "transaction_time": "2026-06-06T03:05:56Z",
    "customer_id": 42,
    "terminal_id": 77,
    "amount": 412.1,
    "x": 12.3,
    "y": 88.0,
}
VALUES = {
    "amount": 412.1,
    "hour": 3,
    "night": 1,
    "weekend": 1,
    "seconds_since_last": 5400,
    "distance_from_usual": 41.26,
    "amount_ratio": 6.2,
    "customer_1d_count": 4,
    "customer_7d_count": 1,
    "customer_30d_count": 12,
    "customer_1d_mean_amount": 231.4,
    "customer_7d_mean_amount": 1231.4,
    "customer_30d_mean_amount": 88.0,
    "terminal_1d_count": 0,
    "terminal_7d_count": 9,
    "terminal_30d_count": 41,
    "terminal_1d_risk": 0.0,
    "terminal_7d_risk": 3 / 9,
    "terminal_30d_risk": 0.0,
}
WORDS = {
    "amount": "The amount is 412.10 €",
    "hour": "The time of day is 03:05 UTC",
    "night": "The payment was made at night (03:05 UTC)",
    "weekend": "The payment was made at a weekend (Saturday)",
    "seconds_since_last": "Customer 42 paid before it 1.5 hours ago",
    "distance_from_usual": "Terminal 77 is 41.3 km from this customer's usual place of 30 days",
    "amount_ratio": "Amount 412.10 € is 6.2 times this customer's average of 30 days (66.47 €)",
    "customer_1d_count": "Customer 42 made 4 payments in the past day, this one included",
    "customer_7d_count": "Customer 42 made 1 payment in the past 7 days, this one included",
    "customer_30d_count": "Customer 42 made 12 payments in the past 30 days, this one included",
    "customer_1d_mean_amount": "Customer 42 paid 231.40 € on average in the past day, this payment included",
    "customer_7d_mean_amount": "Customer 42 paid 1,231.40 € on average in the past 7 days, this payment included",
    "customer_30d_mean_amount": "Customer 42 paid 88.00 € on average in the past 30 days, this payment included",
    "terminal_1d_count": "Terminal 77 took 0 payments in the day that ended a week ago",
    "terminal_7d_count": "Terminal 77 took 9 payments in the 7 days that ended a week ago",
    "terminal_30d_count": "Terminal 77 took 41 payments in the 30 days that ended a week ago",
    "terminal_1d_risk": "Terminal 77 took no payment in the day that ended a week ago",
    "terminal_7d_risk": "Terminal 77: 3 of 9 payments in the 7 days that ended a week ago were fraud",
    "terminal_30d_risk": "Terminal 77: none of 41 payments in the 30 days that ended a week ago was fraud",
}


@pytest.mark.parametrize("name", FEATURES)
def test_each_feature_has_its_words(name: str) -> None:
    assert fraud_reasons.reasons(TRANSACTION, VALUES, [name]) == [WORDS[name]]


def test_a_customer_and_a_terminal_never_seen() -> None:
    row, *_ = features(parse(b'{"transaction_id": 1, "transaction_time": "2026-06-01T12:00:00Z", "customer_id": 9,'
                             b' "terminal_id": 5, "amount": 20, "x": 1, "y": 2}'), None, None)  # fmt: skip
    transaction = TRANSACTION | {"transaction_time": "2026-06-01T12:00:00Z", "customer_id": 9, "terminal_id": 5}
    said = dict(zip(FEATURES, fraud_reasons.reasons(transaction, row, FEATURES), strict=True))
    assert said["seconds_since_last"] == "No other payment of customer 9 in the 30 days before is known"
    assert said["distance_from_usual"] == "Terminal 5 is used by a customer whose usual place is not known"
    assert said["amount_ratio"] == "There is no usual amount of this customer to compare 20.00 € with"
    assert said["night"] == "The payment was made by day (12:00 UTC)"
    assert said["weekend"] == "The payment was made on a working day (Monday)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (90, "1.5 minutes"), (86_400, "1 day")],
)
def test_durations(seconds: float, words: str) -> None:
    assert fraud_reasons.lasted(seconds) == words


def test_reasons_come_in_the_order_that_matters() -> None:
    named = ["weekend", "amount"]
    assert fraud_reasons.reasons(TRANSACTION, VALUES, named) == [WORDS["weekend"], WORDS["amount"]]
    assert fraud_reasons.reasons(TRANSACTION, VALUES, []) == []
    with pytest.raises(KeyError):
        fraud_reasons.reasons(TRANSACTION, VALUES, ["scenario"])
