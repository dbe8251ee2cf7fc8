"""The producer of events: rate, order, what is put again, what is given up; and what it sends."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from data import fraud_stream
from data.fraud_simulation import Simulation
from mlops import producer
from processing import fraud_windows

SMALL = Simulation(customers=50, terminals=100, days=40)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Sink:
    """Takes records; refuses a share of them, and all while `closed`."""

    def __init__(self, clock: Clock, refuse: float = 0.0, took: float = 0.004) -> None:
        self.clock, self.refuse, self.took = clock, refuse, took
        self.puts: list[tuple[float, int]] = []
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.never: set[str] = set()
        self._chance = random.Random(0)

    def put(self, records: Sequence[tuple[str, bytes]]) -> list[int]:
        keys = [key for key, _ in records]
        assert len(keys) == len(set(keys)) <= 500
        self.puts.append((self.clock.now, len(records)))
        self.clock.now += self.took
        refused = []
        for number, (key, data) in enumerate(records):
            if key in self.never or self._chance.random() < self.refuse:
                refused.append(number)
            else:
                self.taken.append((key, json.loads(data)))
        return refused


def events(count: int, keys: int = 20) -> Iterator[dict[str, Any]]:
    return ({"id": number, "card": number % keys, "time": ""} for number in range(count))


def run(sink: Sink, count: int, rate: float, keys: int = 20) -> producer.Result:
    return producer.produce(sink, events(count, keys), rate, "card", "time", clock=sink.clock, sleep=sink.clock.sleep)


def numbers(sink: Sink) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for key, event in sink.taken:
        found[key].append(event["id"])
    return found


def test_it_holds_its_rate_with_few_calls() -> None:
    sink = Sink(Clock())
    result = run(sink, 2000, 200)
    assert (result.sent, result.retried, result.failed) == (2000, 0, 0)
    assert result.rate == pytest.approx(200, rel=0.02)
    assert len(sink.puts) <= 210
    for moment, _ in sink.puts:  # never ahead of what is due
        before = sum(count for at, count in sink.puts if at <= moment)
        assert before <= moment * 200 + 1


def test_a_slow_rate_waits_for_each() -> None:
    sink = Sink(Clock())
    assert run(sink, 4, 0.5).seconds == pytest.approx(8.0, abs=0.2)
    assert [round(at, 1) for at, count in sink.puts if count] == [0.0, 2.0, 4.0, 6.0]


def test_behind_its_rate_it_goes_as_fast_as_it_can_and_says_so() -> None:
    sink = Sink(Clock(), took=1.0)
    result = run(sink, 2000, 1000, keys=2000)
    assert result.sent == 2000
    assert result.rate < 500


@pytest.mark.parametrize("refuse", [0.05, 0.4])
def test_refused_records_are_put_again_and_each_keys_order_holds(refuse: float) -> None:
    sink = Sink(Clock(), refuse)
    result = run(sink, 1000, 500)
    assert (result.sent, result.failed) == (1000, 0)
    assert result.retried > 0
    found = numbers(sink)
    assert sum(map(len, found.values())) == 1000
    assert all(each == sorted(each) for each in found.values())


def test_what_is_always_refused_is_given_up_and_counted_and_holds_up_no_other_key() -> None:
    sink = Sink(Clock())
    sink.never = {"3"}
    result = run(sink, 100, 1000)
    assert (result.sent, result.failed) == (95, 5)
    assert "3" not in numbers(sink)


def test_the_events_of_a_stream_are_transactions_of_known_customers() -> None:
    found = fraud_stream.events(300, base=SMALL)
    assert len(found) == 300
    assert found["customer_id"].between(0, 49).all()
    assert found["transaction_time"].is_monotonic_increasing
    assert found.equals(fraud_stream.events(300, base=SMALL))
    assert not found["amount"].equals(fraud_stream.events(300, seed=1, base=SMALL)["amount"])
    found["transaction_id"] = producer.fresh_ids(300)
    for event in producer._events(found.drop(columns=list(fraud_stream.LABELS))):
        data = producer._encoded(event, fraud_stream.TIME)
        assert set(fraud_windows.parse(data, producer.time.time())) == set(fraud_windows.FIELDS)
        assert set(json.loads(data)) == set(fraud_windows.FIELDS)


def test_a_drift_begins_with_the_stream() -> None:
    drifted = fraud_stream.events(3000, drift="concept", base=Simulation(customers=500, terminals=500, days=3))
    assert (drifted["scenario"] == 4).any()
    with pytest.raises(ValueError, match="concept or covariate"):
        fraud_stream.events(10, drift="sideways", base=SMALL)


def test_ids_rise_and_every_json_reader_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_780_000_000.0
    monkeypatch.setattr(producer.time, "time", lambda: now)
    first = producer.fresh_ids(12_000)
    now += 60
    second = producer.fresh_ids(12_000)
    assert first[0] < first[-1] < second[0] < second[-1] <= fraud_windows.MAX_ID
