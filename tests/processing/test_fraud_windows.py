"""What a record must be to be scored, and its features beside what came before; duplicates and late ones too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "processing"))

import fraud_windows
from fraud_windows import DAY, FEATURES, REASONS, Refused, State, Transaction, features, labelled, parse, seconds

GOOD: Transaction = {
    "transaction_id": 1203,
    "transaction_time": "2026-06-01T12:34:56Z",
    "customer_id": 42,
    "terminal_id": 1077,
    "amount": 57.16,
    "x": 12.3,
    "y": 88.0,
}
NOW = seconds(GOOD["transaction_time"])


def record(**changed: Any) -> bytes:
    return json.dumps(GOOD | changed).encode()


def transaction(number: int, time: str, amount: float = 10.0, place: tuple[float, float] = (10, 10)) -> Transaction:
    when = {"transaction_id": number, "transaction_time": time}
    return GOOD | when | {"amount": amount, "x": float(place[0]), "y": float(place[1])}


def scored(
    *transactions: Transaction, customer: State | None = None, terminal: State | None = None
) -> tuple[list[dict[str, float]], State, State]:
    """One after the other, all of one customer at one terminal."""
    found = []
    for each in transactions:
        values, customer, terminal = features(each, customer, terminal)
        found.append(values)
    assert customer is not None and terminal is not None
    return found, customer, terminal


def test_a_transaction_is_read_as_it_was_written() -> None:
    assert parse(record(), NOW) == parse(record()) == GOOD


def test_a_transaction_is_its_fields_only_in_cents_seconds_and_utc() -> None:
    odd = record(amount=57.1649, transaction_time="2026-06-01T14:34:56.9+02:00", fraud=1, scenario=3, note="x")
    assert parse(odd, NOW) == GOOD
    assert parse(record(amount=57, x=0, y=100)) == GOOD | {"amount": 57.0, "x": 0.0, "y": 100.0}


@pytest.mark.parametrize(
    ("reason", "bad"),
    [
        ("malformed", b""),
        ("malformed", b"{"),
        ("malformed", b"\xff\xfe{}"),
        ("malformed", b"[1]"),
        ("malformed", b'"text"'),
        ("malformed", b"null"),
        ("malformed", record() + record()),
        ("malformed", record(amount=float("nan"))),
        ("malformed", b"[" * 4000),
        ("too_long", record(note="x" * 5000)),
        ("missing_field", b"{}"),
        ("missing_field", record(terminal_id=None)),
        ("wrong_type", record(amount="57.16")),
        ("wrong_type", record(amount=True)),
        ("wrong_type", record(customer_id=4.2)),
        ("wrong_type", record(customer_id="42")),
        ("wrong_type", record(x=[1])),
        ("wrong_type", record(transaction_time=1780317296)),
        ("wrong_type", record(transaction_time="yesterday")),
        ("wrong_type", record(transaction_time="2026-06-01T12:34:56")),
        ("bad_id", record(customer_id=-1)),
        ("bad_id", record(transaction_id=2**53)),
        ("not_positive_amount", record(amount=0)),
        ("not_positive_amount", record(amount=-57.16)),
        ("not_positive_amount", record(amount=0.004)),
        ("too_large_amount", record(amount=100_000.01)),
        ("too_large_amount", record().replace(b"57.16", b"1e999")),
        ("not_positive_amount", record().replace(b"57.16", b"-1e999")),
        ("too_large_amount", record().replace(b"57.16", b"1" * 400)),
        ("not_positive_amount", record().replace(b"57.16", b"-" + b"1" * 400)),
        ("off_the_map", record(x=-0.1)),
        ("off_the_map", record(y=100.1)),
        ("off_the_map", record().replace(b"12.3", b"1e999")),
        ("future", record(transaction_time="2026-06-01T12:39:57Z")),
        ("ancient", record(transaction_time="2026-05-25T12:34:55Z")),
        ("ancient", record(transaction_time="0001-01-01T00:00:00+14:00")),
    ],
)
def test_what_is_no_transaction_is_refused_with_its_reason(reason: str, bad: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse(bad, NOW)
    assert refused.value.reason == reason
    assert refused.value.reason in REASONS and refused.value.text.endswith(".")


def test_every_reason_is_tested() -> None:
    cases = test_what_is_no_transaction_is_refused_with_its_reason.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {reason for reason, _ in cases} == set(REASONS)


def test_a_replay_takes_any_time_of_the_century() -> None:
    assert parse(record(transaction_time="2018-04-01T00:00:31Z"))["transaction_time"] == "2018-04-01T00:00:31Z"
    for time, reason in (("1999-12-31T23:59:59Z", "ancient"), ("2100-01-01T00:00:00Z", "future")):
        with pytest.raises(Refused, match=reason):
            parse(record(transaction_time=time))


def test_limits_of_time_are_within() -> None:
    for time in ("2026-06-01T12:39:56Z", "2026-05-25T12:34:56Z"):
        assert parse(record(transaction_time=time), NOW)["transaction_time"] == time


def test_an_unknown_customer_at_an_unknown_terminal() -> None:
    (found,), customer, terminal = scored(GOOD)
    assert tuple(found) == FEATURES
    assert found == {
        "amount": 57.16,
        "hour": 12,
        "night": 0,
        "weekend": 0,
        "seconds_since_last": 30 * DAY,
        "distance_from_usual": 0.0,
        "amount_ratio": 1.0,
        **{f"customer_{days}d_count": 1 for days in (1, 7, 30)},
        **{f"customer_{days}d_mean_amount": 57.16 for days in (1, 7, 30)},
        **{f"terminal_{days}d_count": 0 for days in (1, 7, 30)},
        **{f"terminal_{days}d_risk": 0.0 for days in (1, 7, 30)},
    }
    assert json.loads(json.dumps([customer, terminal])) == [customer, terminal]


@pytest.mark.parametrize(
    ("time", "night", "weekend"),
    [
        ("2026-06-05T23:59:59Z", 0, 0),  # a Friday
        ("2026-06-06T00:00:00Z", 1, 1),
        ("2026-06-07T06:59:59Z", 1, 1),
        ("2026-06-07T07:00:00Z", 0, 1),
        ("2026-06-08T06:00:00Z", 1, 0),
    ],
)
def test_night_and_weekend(time: str, night: int, weekend: int) -> None:
    (found,), *_ = scored(transaction(1, time))
    assert (found["night"], found["weekend"], found["hour"]) == (night, weekend, int(time[11:13]))


def test_windows_of_a_customer() -> None:
    found, *_ = scored(
        transaction(1, "2026-05-01T12:00:00Z", 10.0, (0, 0)),
        transaction(2, "2026-05-31T12:00:00Z", 20.0, (6, 0)),  # 30 days later: the first is no more in any window
        transaction(3, "2026-06-01T11:59:59Z", 30.0, (0, 8)),
        transaction(4, "2026-06-01T12:00:00Z", 100.0, (3, 4)),  # one day after the second
    )
    assert (found[1]["customer_30d_count"], found[1]["seconds_since_last"]) == (1, 30 * DAY)
    last = found[3]
    assert [last[f"customer_{days}d_count"] for days in (1, 7, 30)] == [2, 3, 3]
    assert [last[f"customer_{days}d_mean_amount"] for days in (1, 7, 30)] == [65.0, 50.0, 50.0]
    assert (last["seconds_since_last"], last["amount_ratio"], last["distance_from_usual"]) == (1, 4.0, 0.0)
    assert found[2]["distance_from_usual"] == 10.0


def test_a_terminals_risk_knows_no_label_of_the_last_seven_days() -> None:
    days = [transaction(day, f"2026-05-{day:02}T12:00:00Z") for day in range(1, 9)]
    _, customer, terminal = scored(*days)
    for fraud in (1, 2, 8):
        terminal = labelled(terminal, fraud, True)
    (found,), *_ = scored(transaction(9, "2026-05-08T12:00:01Z"), customer=customer, terminal=terminal)
    assert [found[f"terminal_{each}d_count"] for each in (1, 7, 30)] == [1, 1, 1]
    assert [found[f"terminal_{each}d_risk"] for each in (1, 7, 30)] == [1.0, 1.0, 1.0]
    (found,), *_ = scored(transaction(9, "2026-05-10T12:00:00Z"), customer=customer, terminal=terminal)
    assert [found[f"terminal_{each}d_count"] for each in (1, 7, 30)] == [1, 3, 3]
    assert [found[f"terminal_{each}d_risk"] for each in (1, 7, 30)] == [0.0, 2 / 3, 2 / 3]


def test_a_label_may_be_taken_back_and_one_for_an_unknown_transaction_changes_nothing() -> None:
    _, _, terminal = scored(transaction(1, "2026-05-01T12:00:00Z"))
    assert labelled(labelled(terminal, 1, True), 1, False) == terminal
    assert labelled(terminal, 2, True) == terminal
    assert labelled(None, 2, True) == {"events": []}


def test_a_duplicate_has_the_same_features_and_counts_once() -> None:
    first, second = transaction(1, "2026-06-01T12:00:00Z"), transaction(2, "2026-06-01T12:30:00Z", 70.0, (20, 20))
    found, *states = scored(first, second)
    again, *same = scored(first, second, second, first)
    assert again == [*found, found[1], found[0]]
    assert same == states
    _, customer, terminal = scored(first, second | {"transaction_id": 1, "amount": 99.0})
    assert (len(customer["events"]), customer["events"][0][2], len(terminal["events"])) == (1, 1000, 1)


def test_a_label_outlives_a_duplicate() -> None:
    first = transaction(1, "2026-06-01T12:00:00Z")
    _, customer, terminal = scored(first)
    _, _, terminal = scored(first, customer=customer, terminal=labelled(terminal, 1, True))
    assert terminal["events"] == [[1, seconds(first["transaction_time"]), 1]]


def test_a_late_one_and_a_clock_that_goes_back_are_scored_as_of_their_own_time() -> None:
    times = ["2026-06-01T12:00:00Z", "2026-06-01T13:00:00Z", "2026-06-01T14:00:00Z"]
    first, second, third = (transaction(number, time, 10.0 * number) for number, time in enumerate(times, 1))
    in_order, *states = scored(first, second, third)
    late, *after = scored(first, third, second)
    assert late[2] == in_order[1]
    assert late[2]["seconds_since_last"] == 3600  # never negative
    assert late[1] != in_order[2]  # it was scored before the second came, and stays as it is
    assert after == states


def test_of_one_second_the_smaller_id_comes_first() -> None:
    first, second = (transaction(number, "2026-06-01T12:00:00Z") for number in (1, 2))
    in_order, *states = scored(first, second)
    found, *after = scored(second, first)
    assert [each["customer_1d_count"] for each in in_order] == [1, 2]
    assert [each["customer_1d_count"] for each in found] == [1, 1]
    assert after == states


def test_given_states_are_not_changed() -> None:
    _, customer, terminal = scored(transaction(1, "2026-06-01T12:00:00Z"))
    before = json.dumps([customer, terminal])
    features(transaction(2, "2026-06-01T13:00:00Z"), customer, terminal)
    labelled(terminal, 1, True)
    assert json.dumps([customer, terminal]) == before


def test_states_keep_what_a_window_can_reach_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    first, late = transaction(1, "2026-04-01T12:00:00Z"), transaction(4, "2026-04-08T12:00:00Z")
    _, customer, terminal = scored(first, transaction(2, "2026-05-08T12:00:00Z"), late)
    assert [event[0] for event in customer["events"]] == [1, 4, 2]  # the late one's windows are whole
    _, customer, terminal = scored(transaction(3, "2026-05-16T12:00:00Z"), customer=customer, terminal=terminal)
    assert [event[0] for event in customer["events"]] == [2, 3]
    assert [event[0] for event in terminal["events"]] == [4, 2, 3]
    monkeypatch.setattr(fraud_windows, "MAX_EVENTS", 2)
    busy = [transaction(number, f"2026-06-01T12:00:0{number}Z") for number in range(5)]
    _, customer, terminal = scored(*busy)
    assert [event[0] for event in customer["events"]] == [event[0] for event in terminal["events"]] == [3, 4]


def test_one_older_than_the_state_reaches_is_scored_from_what_is_left_and_not_kept() -> None:
    _, customer, terminal = scored(transaction(1, "2026-06-01T12:00:00Z"))
    (found,), *after = scored(transaction(2, "2026-01-01T12:00:00Z"), customer=customer, terminal=terminal)
    assert found["customer_30d_count"] == 1
    assert after == [customer, terminal]
