"""Why a transaction looks like fraud, in words that an analyst reads: a sentence for each feature of the model.

The model names the features that pushed a score up the most; the words here say what their values mean for this
customer and this terminal. Standard library only: the file travels into the Lambda function that scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from processing.fraud_windows import FEATURES, WINDOWS

Values = Mapping[str, float]  # FEATURES of one transaction
_PERIODS = {1: "day", 7: "7 days", 30: "30 days"}
_SETTLED = "that ended a week ago"  # the younger ones have no labels yet


def reasons(transaction: Mapping[str, Any], features: Values, named: Sequence[str]) -> list[str]:
    """A sentence for each of `named`, features in the order in which they matter. Raises KeyError."""
    return [WORDS[name](transaction, features) for name in named]


def euros(amount: float) -> str:
    return f"{amount:,.2f} €"


def plural(count: float, noun: str) -> str:
    return f"{count:,.0f} {noun}" if count == 1 else f"{count:,.0f} {noun}s"


def lasted(seconds: float) -> str:
    """A duration in its largest unit, to one decimal from minutes on."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            value = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{value} {unit}" if value == "1" else f"{value} {unit}s"
    return plural(seconds, "second")


def _moment(transaction: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(transaction["transaction_time"])


def _alone(features: Values) -> bool:
    """Whether no other transaction of the customer is known, of 30 days."""
    return features["customer_30d_count"] <= 1


def _amount(transaction: Mapping[str, Any], features: Values) -> str:
    return f"The amount is {euros(features['amount'])}"


def _hour(transaction: Mapping[str, Any], features: Values) -> str:
    return f"The time of day is {_moment(transaction):%H:%M} UTC"


def _night(transaction: Mapping[str, Any], features: Values) -> str:
    when = "at night" if features["night"] else "by day"
    return f"The payment was made {when} ({_moment(transaction):%H:%M} UTC)"


def _weekend(transaction: Mapping[str, Any], features: Values) -> str:
    when = "at a weekend" if features["weekend"] else "on a working day"
    return f"The payment was made {when} ({_moment(transaction):%A})"


def _since_last(transaction: Mapping[str, Any], features: Values) -> str:
    customer = transaction["customer_id"]
    if _alone(features):
        return f"No other payment of customer {customer} in the 30 days before is known"
    return f"Customer {customer} paid before it {lasted(features['seconds_since_last'])} ago"


def _distance(transaction: Mapping[str, Any], features: Values) -> str:
    terminal = transaction["terminal_id"]
    if _alone(features):
        return f"Terminal {terminal} is used by a customer whose usual place is not known"
    return (
        f"Terminal {terminal} is {features['distance_from_usual']:.1f} km from this customer's usual place of 30 days"
    )


def _ratio(transaction: Mapping[str, Any], features: Values) -> str:
    amount, ratio = features["amount"], features["amount_ratio"]
    if _alone(features) or ratio <= 0:
        return f"There is no usual amount of this customer to compare {euros(amount)} with"
    return f"Amount {euros(amount)} is {ratio:.1f} times this customer's average of 30 days ({euros(amount / ratio)})"


def _customer_count(days: int) -> Callable[[Mapping[str, Any], Values], str]:
    def words(transaction: Mapping[str, Any], features: Values) -> str:
        made = plural(features[f"customer_{days}d_count"], "payment")
        return f"Customer {transaction['customer_id']} made {made} in the past {_PERIODS[days]}, this one included"

    return words


def _customer_mean(days: int) -> Callable[[Mapping[str, Any], Values], str]:
    def words(transaction: Mapping[str, Any], features: Values) -> str:
        mean = euros(features[f"customer_{days}d_mean_amount"])
        customer = transaction["customer_id"]
        return f"Customer {customer} paid {mean} on average in the past {_PERIODS[days]}, this payment included"

    return words


def _terminal_count(days: int) -> Callable[[Mapping[str, Any], Values], str]:
    def words(transaction: Mapping[str, Any], features: Values) -> str:
        took = plural(features[f"terminal_{days}d_count"], "payment")
        return f"Terminal {transaction['terminal_id']} took {took} in the {_PERIODS[days]} {_SETTLED}"

    return words


def _terminal_risk(days: int) -> Callable[[Mapping[str, Any], Values], str]:
    def words(transaction: Mapping[str, Any], features: Values) -> str:
        count, terminal = features[f"terminal_{days}d_count"], transaction["terminal_id"]
        period = f"in the {_PERIODS[days]} {_SETTLED}"
        if not count:
            return f"Terminal {terminal} took no payment {period}"
        fraud = round(features[f"terminal_{days}d_risk"] * count)
        were = "was" if fraud <= 1 else "were"
        return f"Terminal {terminal}: {fraud or 'none'} of {plural(count, 'payment')} {period} {were} fraud"

    return words


WORDS: dict[str, Callable[[Mapping[str, Any], Values], str]] = {
    "amount": _amount,
    "hour": _hour,
    "night": _night,
    "weekend": _weekend,
    "seconds_since_last": _since_last,
    "distance_from_usual": _distance,
    "amount_ratio": _ratio,
    **{f"customer_{days}d_count": _customer_count(days) for days in WINDOWS},
    **{f"customer_{days}d_mean_amount": _customer_mean(days) for days in WINDOWS},
    **{f"terminal_{days}d_count": _terminal_count(days) for days in WINDOWS},
    **{f"terminal_{days}d_risk": _terminal_risk(days) for days in WINDOWS},
}
assert set(WORDS) == set(FEATURES), "each feature of the model has its words"
