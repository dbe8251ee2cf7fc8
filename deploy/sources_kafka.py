"""A stream's records over a Kafka-compatible broker, behind the interface of `sources`: Apache Kafka, MSK, Redpanda …

Parts are partitions, positions the offsets that the group has to go on from. Brokers share the partitions of a topic
among the readers of one application (its consumer group): of two, each gets half of the keys, and not the same records
as over Kinesis. An application that needs all of a stream, as the scorer does, sees to it that it reads alone.

When a record arrived is what its timestamp says: the broker's clock if the topic's `message.timestamp.type` is
LogAppendTime, and else the producer's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from deploy.sources import Position, Record

log = logging.getLogger(__name__)
_LIMIT = 1000  # records of a poll
_FLUSH_SECONDS = 10.0
_ANSWER_SECONDS = 10.0


def check(brokers: str, more: Mapping[str, Any] | None = None) -> None:
    """Raises LookupError where no broker answers: librdkafka would go on trying, without a word to its caller."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "check", "log_level": 0, **(more or {})})
    try:
        consumer.list_topics(timeout=_ANSWER_SECONDS)
    except KafkaException as error:
        raise LookupError(f"No Kafka-compatible broker answers at {brokers}: {error.args[0].str()}.") from None
    finally:
        consumer.close()


class KafkaSource:
    """One topic for one consumer group; a group that has committed nothing begins with the oldest record.

    `more`: further settings of librdkafka, as security.protocol and sasl.mechanism for MSK.
    """

    def __init__(self, brokers: str, topic: str, application: str, more: Mapping[str, Any] | None = None) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": application,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,  # after which another one gets a dead reader's partitions
                "fetch.wait.max.ms": 50,
                **(more or {}),
            }
        )
        self._consumer.subscribe([topic])

    def poll(self, timeout: float = 1.0) -> list[Record]:
        """Raises KafkaException; a broker that cannot be reached for a while is not an error, there is nothing then."""
        found = self._consumer.consume(1, timeout)
        if found and found[0].error() is None:  # else an error would take with it what came behind it
            found += self._consumer.consume(_LIMIT, 0.005)
        records = [_record(message) for message in found if message.error() is None]
        for message in found:
            try:
                _check(message)
            except KafkaException:
                if not records:  # what has come is not lost for an error behind it
                    raise
                log.exception("%s", self._topic)
        return records

    def commit(self, position: Position) -> None:
        topic, _, partition = position.part.rpartition("/")
        after = TopicPartition(topic, int(partition), int(position.number) + 1)
        try:
            self._consumer.commit(offsets=[after], asynchronous=False)
        except KafkaException as error:
            # The partition is another reader's by now, which gets these records again.
            if error.args[0].code() not in (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID):
                raise

    def close(self) -> None:
        """Leaves the group, so that others get its partitions at once."""
        self._consumer.close()


class KafkaSink:
    """Puts records to a topic, in the order of their keys."""

    def __init__(self, brokers: str, topic: str, more: Mapping[str, Any] | None = None) -> None:
        settings = {"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5}
        self._topic = topic
        self._producer = Producer({**settings, "delivery.timeout.ms": int(_FLUSH_SECONDS * 1000), **(more or {})})

    def put(self, records: Sequence[tuple[str, bytes]]) -> list[int]:
        """The numbers of those that no broker took within ten seconds."""
        taken: set[int] = set()
        for number, (key, data) in enumerate(records):
            self._producer.produce(self._topic, data, key, on_delivery=_noting(taken, number))
        self._producer.flush(_FLUSH_SECONDS)
        return [number for number in range(len(records)) if number not in taken]


def _noting(taken: set[int], number: int) -> Any:
    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            taken.add(number)

    return delivered


_PASSING = (
    KafkaError._PARTITION_EOF,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # the first record makes it, or somebody does by hand
)


def _check(message: Message) -> None:
    """Raises KafkaException for what goes wrong for good."""
    error = message.error()
    if error is not None and error.code() not in _PASSING:
        raise KafkaException(error)


def _record(message: Message) -> Record:
    kind, milliseconds = message.timestamp()
    timed = kind != TIMESTAMP_NOT_AVAILABLE  # without, as by brokers before 0.10, what is read now arrived now
    arrived = datetime.fromtimestamp(milliseconds / 1000, UTC) if timed else datetime.now(UTC)
    position = Position(f"{message.topic()}/{message.partition()}", str(message.offset()))
    return Record((message.key() or b"").decode(errors="replace"), message.value() or b"", arrived, position)
