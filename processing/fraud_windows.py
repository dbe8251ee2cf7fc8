"""Features of one card transaction from what its customer and its terminal did before: the stream's side.

Standard library only, because the file also travels into the Lambda function that scores. `fraud_features` computes
the same values for a whole table; a test holds both to the same bits. Amounts are counted in whole cents and places in
whole metres, so that no sum depends on the order of its terms.

The features are those of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot and Bontempi, 2022, chapter 3:
time, customer's spending and terminal's risk over 1, 7 and 30 days) and three of our own: the time since the customer's
last transaction, the distance from the customer's usual place, and the amount against the customer's usual amount.

State: what is kept of a customer or a terminal is `{"events": [...]}`, JSON-able, each event a list, ordered by time
and then by `transaction_id`. It reaches back as far as any window of a transaction that is not `ancient` (37 and 44
days), so windows are exact; at most `MAX_EVENTS` are kept, the newest, which cuts only the windows of a customer or
terminal with more than about 110 transactions a day.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DAY = 86_400  # seconds
WINDOWS = (1, 7, 30)  # days
LABEL_DELAY = 7 * DAY  # a label counts from then on, however early it came
ANCIENT = 7 * DAY  # a transaction that arrives later than this is refused, not scored
FUTURE = 300  # how far a terminal's clock may run ahead
LAST_AT_MOST = 30 * DAY  # `seconds_since_last` of a customer with no transaction since, or ever
MAX_AMOUNT = 100_000.0  # euros
MAP_SIDE = 100.0  # kilometres
MAX_ID = 2**53 - 1  # what every JSON reader can hold
MAX_BYTES = 4_096  # of a record
MAX_EVENTS = 5_000
CUSTOMER_MEMORY = 30 * DAY + ANCIENT + FUTURE
TERMINAL_MEMORY = LABEL_DELAY + CUSTOMER_MEMORY

FEATURES = (
    "amount",
    "hour",
    "night",
    "weekend",
    "seconds_since_last",
    "distance_from_usual",
    "amount_ratio",
    *(f"customer_{days}d_count" for days in WINDOWS),
    *(f"customer_{days}d_mean_amount" for days in WINDOWS),
    *(f"terminal_{days}d_count" for days in WINDOWS),
    *(f"terminal_{days}d_risk" for days in WINDOWS),
)

FIELDS = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "amount", "x", "y")

REASONS = {
    "malformed": "not one JSON object in UTF-8",
    "too_long": f"longer than {MAX_BYTES} bytes",
    "missing_field": "a field is missing or null",
    "wrong_type": "a field's value is of another type, or is no time in ISO 8601 with its zone",
    "bad_id": f"an id is not between 0 and {MAX_ID}",
    "not_positive_amount": "the amount is less than one cent",
    "too_large_amount": f"the amount is over {MAX_AMOUNT:.0f} euros",
    "off_the_map": f"the terminal's place is not on the map of {MAP_SIDE:.0f} by {MAP_SIDE:.0f} km",
    "future": f"the time is more than {FUTURE} seconds after the arrival, or after 2099",
    "ancient": f"the time is more than {ANCIENT // DAY} days before the arrival, or before 2000",
}
"""Every reason code of a refusal, in words. Quarantine keeps its records by these codes."""

Transaction = dict[str, Any]
State = dict[str, Any]


class Refused(ValueError):
    """A record that is no transaction: `reason` is a key of REASONS, `text` names the field and the value."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text


def parse(record: bytes, now: float | None = None) -> Transaction:
    """The transaction in a record: exactly FIELDS, the amount in whole cents, the time in whole seconds with `Z`.

    `now` is when the record arrived, in seconds since 1970: the times allowed are from ANCIENT before it to FUTURE
    after it. Without it any time from 2000 to 2099 will do, as for a replay. Other members of the object are left out,
    a label among them. Raises Refused.
    """
    if len(record) > MAX_BYTES:
        raise Refused("too_long", f"The record has {len(record)} bytes, more than {MAX_BYTES}.")
    try:
        found = json.loads(record.decode("utf-8"), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", f"The record is no JSON in UTF-8: {error}.") from None
    if not isinstance(found, dict):
        raise Refused("malformed", f"The record is a JSON {type(found).__name__}, not an object.")
    return checked(found, now)


def no_number(name: str) -> float:
    raise ValueError(f"{name} is not in JSON")


def checked(found: Mapping[str, Any], now: float | None = None) -> Transaction:
    """As `parse`, of an object that was read already. Raises Refused."""
    if missing := [name for name in FIELDS if found.get(name) is None]:
        raise Refused("missing_field", f"{', '.join(missing)}: missing; a transaction has {', '.join(FIELDS)}.")
    ids = {name: identifier(name, found[name]) for name in ("transaction_id", "customer_id", "terminal_id")}
    amount, x, y = (number(name, found[name]) for name in ("amount", "x", "y"))
    if amount > MAX_AMOUNT:
        raise Refused("too_large_amount", f"amount = {amount}: at most {MAX_AMOUNT:.0f} euros are taken.")
    if amount < 0 or cents(amount) < 1:
        raise Refused("not_positive_amount", f"amount = {amount}: at least 0.01 euros are needed.")
    if not (0 <= x <= MAP_SIDE and 0 <= y <= MAP_SIDE):
        raise Refused("off_the_map", f"x, y = {x}, {y}: the map is {MAP_SIDE:.0f} by {MAP_SIDE:.0f} km.")
    time = moment(found["transaction_time"], now)
    return {
        "transaction_id": ids["transaction_id"],
        "transaction_time": written(time),
        "customer_id": ids["customer_id"],
        "terminal_id": ids["terminal_id"],
        "amount": cents(amount) / 100,
        "x": x,
        "y": y,
    }


def identifier(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("wrong_type", f"{name} = {value!r}: a whole number is needed.")
    if not 0 <= value <= MAX_ID:
        raise Refused("bad_id", f"{name} = {value}: not between 0 and {MAX_ID}.")
    return value


def number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("wrong_type", f"{name} = {value!r}: a number is needed.")
    try:
        # 1e999 is a number to JSON, and infinite here.
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def moment(value: Any, now: float | None) -> int:
    """Seconds since 1970 of an ISO 8601 time with `Z` or an offset; a fraction of a second is dropped."""
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError("no zone")
        found = math.floor(time.timestamp())
    except (ValueError, TypeError, OverflowError) as error:
        said = f"transaction_time = {value!r}: no ISO 8601 time with its zone ({error})."
        raise Refused("wrong_type", said) from None
    first, last = (EARLIEST, LATEST) if now is None else (max(EARLIEST, now - ANCIENT), min(LATEST, now + FUTURE))
    if found < first:
        raise Refused("ancient", f"transaction_time = {value}: before {written(math.ceil(first))}.")
    if found > last:
        raise Refused("future", f"transaction_time = {value}: after {written(math.floor(last))}.")
    return found


EARLIEST = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) - 1


def written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(time: str) -> int:
    """Seconds since 1970 of a `transaction_time` as `parse` gives it."""
    return math.floor(datetime.fromisoformat(time).timestamp())


def cents(amount: float) -> int:
    return round(amount * 100)


def metres(place: float) -> int:
    return round(place * 1000)


def features(
    transaction: Transaction, customer: State | None, terminal: State | None
) -> tuple[dict[str, float], State, State]:
    """FEATURES of a transaction that `parse` gave, then the customer's and the terminal's new state.

    The given states are not changed; None is a customer or terminal never seen. Windows hold what the states hold with
    an earlier time (of one second: a smaller `transaction_id`), and the customer's the transaction itself, so a
    transaction that comes late, or from a clock that went back, is scored as of its own time, and those scored before
    it came stay as they are. A transaction that is in the states already is neither counted nor stored again: without a
    late one in between it gets the same features. Of two that share an id, the first stays.
    """
    known, dealt = events(customer), events(terminal)
    time, paid = seconds(transaction["transaction_time"]), cents(transaction["amount"])
    own = [transaction["transaction_id"], time, paid, metres(transaction["x"]), metres(transaction["y"])]
    before = [event for event in known[: position(known, own)] if event[0] != own[0]]
    hour = time // 3600 % 24
    found: dict[str, float] = {
        "amount": paid / 100,
        "hour": hour,
        "night": int(hour <= 6),
        "weekend": int((time // DAY + 3) % 7 >= 5),  # 1970-01-01 was a Thursday
        **habits(own, before),
        **spending(own, before),
        **risks(time, dealt),
    }
    values = {name: found[name] for name in FEATURES}
    return values, added(known, own, CUSTOMER_MEMORY), added(dealt, [own[0], time, 0], TERMINAL_MEMORY)


def events(state: State | None) -> list[list[int]]:
    return state["events"] if state else []


def position(known: list[list[int]], event: list[int]) -> int:
    return bisect_left(known, (event[1], event[0]), key=lambda other: (other[1], other[0]))


def habits(own: list[int], before: list[list[int]]) -> dict[str, float]:
    """How the transaction differs from the customer's others of the 30 days before it.

    A customer without any: the longest time that is told apart, no distance, and an amount that is as usual.
    """
    _, time, paid, x, y = own
    recent = within(before, time - 30 * DAY, time)
    if not recent:
        return {"seconds_since_last": LAST_AT_MOST, "distance_from_usual": 0.0, "amount_ratio": 1.0}
    count = len(recent)
    east = (x * count - sum(event[3] for event in recent)) / (1000 * count)
    north = (y * count - sum(event[4] for event in recent)) / (1000 * count)
    return {
        "seconds_since_last": time - recent[-1][1],
        "distance_from_usual": math.sqrt(east * east + north * north),
        "amount_ratio": paid * count / sum(event[2] for event in recent),
    }


def spending(own: list[int], before: list[list[int]]) -> dict[str, float]:
    """Count and mean amount (euros) of the customer's transactions in the days up to this one, itself among them."""
    found: dict[str, float] = {}
    for days in WINDOWS:
        recent = within(before, own[1] - days * DAY, own[1])
        count = len(recent) + 1
        found[f"customer_{days}d_count"] = count
        found[f"customer_{days}d_mean_amount"] = (sum(event[2] for event in recent) + own[2]) / (100 * count)
    return found


def risks(time: int, dealt: list[list[int]]) -> dict[str, float]:
    """Count and share of fraud of the terminal's transactions in the days up to LABEL_DELAY ago; none: 0 and 0."""
    found: dict[str, float] = {}
    until = time - LABEL_DELAY
    for days in WINDOWS:
        settled = within(dealt, until - days * DAY, until)
        found[f"terminal_{days}d_count"] = len(settled)
        found[f"terminal_{days}d_risk"] = sum(event[2] for event in settled) / len(settled) if settled else 0.0
    return found


def within(known: list[list[int]], after: int, until: int) -> list[list[int]]:
    """Events with after < time <= until."""
    start = bisect_left(known, after + 1, key=time_of)
    return known[start : bisect_left(known, until + 1, start, key=time_of)]


def time_of(event: list[int]) -> int:
    return event[1]


def added(known: list[list[int]], event: list[int], memory: int) -> State:
    """The state with the event in its place, once, and without what no window reaches any more."""
    if any(other[0] == event[0] for other in known):
        return {"events": known}
    place = position(known, event)
    grown = [*known[:place], event, *known[place:]]
    oldest = bisect_left(grown, grown[-1][1] - memory + 1, key=time_of)
    return {"events": grown[max(oldest, len(grown) - MAX_EVENTS) :]}


def labelled(terminal: State | None, transaction_id: int, fraud: bool) -> State:
    """The terminal's state with a transaction's label; a later label replaces an earlier one.

    It counts in `terminal_*_risk` once the transaction is LABEL_DELAY old. A label for a transaction that the state
    does not hold (never scored, or too old for any window) changes nothing. Until labelled, a transaction counts as
    genuine.
    """
    return {"events": [[*event[:2], int(fraud)] if event[0] == transaction_id else event for event in events(terminal)]}
