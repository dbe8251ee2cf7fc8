"""What becomes of transactions, and how their terminals' states and captured requests learn of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from deploy import fraud_captures, fraud_outcomes, fraud_terminals, scoring_states
from deploy.fraud_captures import Captured
from deploy.scoring_states import Held, Key
from processing import fraud_windows

GROUP = "fraud-terminals"
NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)


def item(**more: Any) -> dict[str, Any]:
    return {"transaction_time": "2026-06-10T12:00:00Z", **more}


def test_nobody_says_that_a_payment_was_genuine_so_silence_counts_after_the_delay() -> None:
    settled = datetime(2026, 6, 17, 12, tzinfo=UTC)
    assert fraud_outcomes.truth(item(), settled) == 0
    assert fraud_outcomes.truth(item(), settled - timedelta(seconds=1)) is None
    assert fraud_outcomes.truth(item(label="fraud"), settled - timedelta(days=5)) == 1
    assert fraud_outcomes.truth(item(label="genuine"), settled - timedelta(days=5)) == 0
    assert fraud_outcomes.days(date(2026, 3, 1), 2) == ["2026-02-28", "2026-03-01"]


def payment(number: int, day: int) -> dict[str, Any]:
    time = f"2026-06-{day:02}T12:00:00Z"
    return {
        "transaction_id": number,
        "transaction_time": time,
        "customer_id": 1,
        "terminal_id": 7,
        "amount": 10.0,
        "x": 1.0,
        "y": 2.0,
    }


def terminal(*days: int) -> Held:
    state = None
    for number, day in enumerate(days):
        _, _, state = fraud_windows.features(payment(number, day), None, state)
    assert state is not None
    return Held(state, f"2026-06-{days[-1]:02}T12:00:00.000Z")


class Store:
    """The online store: a record stays unless one with a later event time comes. `meanwhile` is done after reads."""

    def __init__(self, held: Mapping[Key, Held], meanwhile: Iterable[Callable[[Store], None]] = ()) -> None:
        self.held = dict(held)
        self.meanwhile = list(meanwhile)
        self.writes = 0

    def fetch(self, keys: Iterable[Key]) -> dict[Key, Held]:
        found = {key: self.held[key] for key in keys if key in self.held}
        if self.meanwhile:
            self.meanwhile.pop(0)(self)
        return found

    def write(self, changed: Mapping[Key, Held]) -> None:
        self.writes += len(changed)
        for key, held in changed.items():
            if held.event_time > self.held[key].event_time:
                self.held[key] = held


KEY = (GROUP, 7)


def test_of_a_score_and_a_label_after_the_same_state_the_score_stays_and_the_label_is_brought_again() -> None:
    """With equal event times whichever came second would be lost, and a payment with it."""
    before = terminal(1, 2)
    store: Any = Store({KEY: before})
    assert fraud_terminals.bring(store, GROUP, [(7, 0, True)], pause=0) == 1
    scored = scoring_states.after(before, terminal(1, 2, 3).state, before.event_time, {})
    store.write({KEY: scored})
    assert store.held[KEY] is scored
    assert fraud_terminals.bring(store, GROUP, [(7, 0, True)], pause=0) == 1
    assert [event[2] for event in store.held[KEY].state["events"]] == [1, 0, 0]


def test_a_label_is_in_the_terminals_state_once_and_its_risk_counts_it_when_it_is_due() -> None:
    store: Any = Store({KEY: terminal(1, 2, 10)})
    labels = [(7, 0, True), (7, 99, True), (8, 5, True)]  # of transactions and terminals nobody knows, too
    assert fraud_terminals.bring(store, GROUP, labels, pause=0) == 1
    held = store.held[KEY]
    assert [event[2] for event in held.state["events"]] == [1, 0, 0]
    assert held.event_time == "2026-06-10T12:00:00.001Z"
    assert (held.features["terminal_7d_count"], held.features["terminal_7d_risk"]) == (2, 0.5)
    assert fraud_terminals.bring(store, GROUP, labels, pause=0) == 0
    assert store.writes == 1


def test_neither_label_nor_payment_is_lost_when_the_scorer_writes_at_the_same_time() -> None:
    def scorer(store: Store) -> None:
        _, _, state = fraud_windows.features(payment(3, 11), None, store.held[KEY].state)
        store.held[KEY] = Held(state, "2026-06-11T12:00:00.000Z")

    before = terminal(1, 2, 10)
    store: Any = Store({KEY: before}, [scorer])  # between the label's read and its write
    assert fraud_terminals.bring(store, GROUP, [(7, 0, True)], sleep=lambda _: None) == 1
    assert told(store) == [(0, 1), (1, 0), (2, 0), (3, 0)]

    stale, waited = Store({KEY: before}), list[float]()
    scorer(stale)
    store = Store({KEY: before})

    def late(seconds: float) -> None:
        """The scorer had read the state before the label was in it, and writes it now."""
        if not waited:
            store.held[KEY] = stale.held[KEY]
        waited.append(seconds)

    assert fraud_terminals.bring(store, GROUP, [(7, 0, True)], sleep=late) == 1
    assert told(store) == [(0, 1), (1, 0), (2, 0), (3, 0)]
    assert waited == [fraud_terminals.PAUSE] * 2


def told(store: Store) -> list[tuple[int, int]]:
    """Transactions and labels of the terminal's state."""
    return [(event[0], event[2]) for event in store.held[KEY].state["events"]]


def test_a_label_that_is_overwritten_again_and_again_is_said_so() -> None:
    def forgetful(store: Store) -> None:
        store.held[KEY] = Held(terminal(1, 2, 10).state, store.held[KEY].event_time)

    store: Any = Store({KEY: terminal(1, 2, 10)})
    with pytest.raises(RuntimeError, match="1 terminals in fraud-terminals were overwritten 4 times"):
        fraud_terminals.bring(store, GROUP, [(7, 0, True)], sleep=lambda _: forgetful(store))


def captured(event: str, moment: str, asked: Any, answered: Any) -> str:
    data = {"endpointInput": {"data": json.dumps(asked)}, "endpointOutput": {"data": json.dumps(answered)}}
    return json.dumps({"captureData": data, "eventMetadata": {"eventId": event, "inferenceTime": moment}})


class S3:
    def __init__(self, objects: dict[str, str]) -> None:
        self.objects = objects

    def get_paginator(self, _: str) -> S3:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]}]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[Key].encode())}


def test_captured_requests_name_their_transactions_and_have_labels_when_all_of_these_do() -> None:
    answers = {"predictions": [{"probability": 0.9, "predicted_label": 1}, {"probability": 0.1, "predicted_label": 0}]}
    asked = {"instances": [{"transaction_id": 1, "amount": 2.0}, {"transaction_id": 2, "amount": 3.0}]}
    single = {"instances": [{"transaction_id": 3, "amount": 2.0}]}
    lines = [
        captured("a", "2026-06-20T11:59:59Z", asked, answers),
        captured("b", "2026-06-20T12:00:00Z", asked, answers),
        captured("c", "2026-06-20T12:30:00Z", {"instances": [{"amount": 2.0}]}, answers),  # somebody else's
        captured("d", "2026-06-20T12:40:00Z", single, {"error": "no"}),
        captured("e", "2026-06-20T12:50:00Z", single, {"predictions": answers["predictions"][:1]}),
        captured("f", "2026-06-20T14:00:00Z", asked, answers),
    ]
    s3 = S3({"data-capture/fraud-x/AllTraffic/2026/06/20/12/1.jsonl": "\n".join(lines)})
    found = list(
        fraud_captures.read(s3, "s3://bucket/data-capture/fraud-x", "AllTraffic", NOON, NOON + timedelta(hours=2))
    )
    assert found == [Captured("b", [1, 2], [0.9, 0.1], [True, False]), Captured("e", [3], [0.9], [True])]
    assert fraud_captures.ground_truth(iter(found), {1: 1, 2: 0}) == {"b": ["1", "0"]}
