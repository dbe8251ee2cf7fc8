"""What a broker says beside records, and what `deploy/sources_kafka.py` makes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from deploy import sources_kafka
from deploy.sources import Position
from deploy.sources_kafka import KafkaSource

ARRIVED = 1_780_000_000_250


class Message:
    """A record, or what librdkafka gives in place of one."""

    def __init__(self, offset: int = 0, code: int | None = None, moment: tuple[int, int] = (1, ARRIVED)) -> None:
        self._offset, self._moment = offset, moment
        self._error = None if code is None else KafkaError(code, f"error {code}")

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return "events"

    def partition(self) -> int:
        return 1

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"card"

    def value(self) -> bytes:
        return f"{self._offset}".encode()

    def timestamp(self) -> tuple[int, int]:
        return self._moment


class Consumer:
    def __init__(self, *messages: Message) -> None:
        self.messages, self.committed, self.refuse = list(messages), list[int](), list[int]()

    def subscribe(self, topics: Sequence[str]) -> None: ...

    def consume(self, count: int, timeout: float) -> list[Message]:
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def commit(self, offsets: Sequence[Any], asynchronous: bool) -> None:
        if self.refuse:
            raise KafkaException(KafkaError(self.refuse.pop()))
        self.committed += [each.offset for each in offsets]


def over(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> KafkaSource:
    monkeypatch.setattr(sources_kafka, "Consumer", lambda settings: consumer)
    return KafkaSource("127.0.0.1:1", "events", "scorer")


def offsets(source: KafkaSource) -> list[int]:
    return [int(record.position.number) for record in source.poll(0)]


FATAL = KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("code", sources_kafka._PASSING)
def test_what_passes_by_itself_is_no_error(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = over(Consumer(Message(code=code), Message(5), Message(6, code), Message(7)), monkeypatch)
    assert offsets(source) == []
    assert offsets(source) == [5, 7]
    assert offsets(source) == []


def test_an_error_is_raised_where_nothing_came_and_the_records_behind_it_come_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = over(Consumer(Message(code=FATAL), Message(5), Message(6)), monkeypatch)
    with pytest.raises(KafkaException, match=f"error {FATAL}"):
        source.poll(0)
    assert offsets(source) == [5, 6]


def test_records_outlive_an_error_between_them_which_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = over(Consumer(Message(5), Message(code=FATAL), Message(6)), monkeypatch)
    assert offsets(source) == [5, 6]
    assert f"error {FATAL}" in caplog.text


@pytest.mark.parametrize("code", [KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID])
def test_a_commit_to_a_partition_that_went_to_another_reader_is_no_error(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer()
    source, consumer.refuse = over(consumer, monkeypatch), [code]
    source.commit(Position("events/1", "41"))
    source.commit(Position("events/1", "42"))
    assert consumer.committed == [43]


def test_another_error_of_a_commit_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer()
    source, consumer.refuse = over(consumer, monkeypatch), [KafkaError._TRANSPORT]
    with pytest.raises(KafkaException):
        source.commit(Position("events/1", "41"))


def test_a_record_without_a_time_arrived_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1970, as librdkafka's -1 reads, every transaction would be from the future."""
    source = over(Consumer(Message(5), Message(6, moment=(0, -1))), monkeypatch)
    first, second = source.poll(0)
    assert first.arrived_at.timestamp() == ARRIVED / 1000
    assert second.arrived_at.timestamp() == pytest.approx(time.time(), abs=60)


def test_brokers_that_do_not_answer_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_kafka, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(LookupError, match=r"No Kafka-compatible broker answers at 127\.0\.0\.1:1: "):
        sources_kafka.check("127.0.0.1:1")
