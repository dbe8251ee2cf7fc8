"""Scores a stream of card transactions: the core that the Lambda function and the worker share.

    batch = scorer.score(records)  # reads states, asks the model; changes nothing
    scorer.keep(batch)             # table, then stream, alerts, quarantine and states

The caller acknowledges the records (a checkpoint, or Lambda's answer) after `keep` has returned, or both of its halves,
`tell` and `remember`, so each is handled at least once. Whatever is handled again ends the same: the table keeps a
transaction's first item, the stream and the topic are told what the table holds, and a state counts a transaction once.
What a reader can see twice, after a kill between the effect and its acknowledgement, is a message of the stream or an
alert, each with its transaction_id.

Records are scored in the order in which they come, so those of one customer are. `score` of the next batch may run
while the last ones are kept: states on their way to the Feature Store are taken from here. One scorer at a time
may work on a stream, however many shards it has, as customers of several shards pay at one terminal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from deploy import fraud_reasons, scoring_states, streams
from deploy.scoring_metrics import Metrics
from deploy.scoring_model import Answer, Model, Row
from deploy.scoring_quarantine import Quarantine, Refusal
from deploy.scoring_results import Item, Stream, Table, Topic
from deploy.scoring_states import Held, Key, States, written
from deploy.sources import Record
from processing import fraud_windows
from processing.fraud_windows import FEATURES, Refused, Transaction

log = logging.getLogger(__name__)
AT_ONCE = 100  # records of a batch: what one call reads of states, and one transaction writes
UNANSWERED = "unanswered"  # the quarantine's reason for a transaction that the model alone refuses
_CUSTOMER = tuple(name for name in FEATURES if name.startswith("customer_"))  # of the feature group of customers
_TERMINAL = tuple(name for name in FEATURES if name.startswith("terminal_"))


@dataclass
class Batch:
    """What `score` found: nothing of it is kept yet."""

    items: list[Item] = field(default_factory=list)
    states: dict[Key, Held] = field(default_factory=dict)
    passed: list[tuple[Key, Held]] = field(default_factory=list)  # what these replaced within the batch
    refused: list[Refusal] = field(default_factory=list)


@dataclass
class Scorer:
    model: Model
    states: States
    table: Table
    stream: Stream
    topic: Topic
    quarantine: Quarantine
    metrics: Metrics
    pool: Executor  # for effects that don't wait for each other
    customers: str  # feature groups
    terminals: str
    validated: bool = True  # whether what `parse` refuses is quarantined on the stream's way into the lake, too
    version: str = ""  # of the model, as the table names it
    _unwritten: dict[Key, Held] = field(default_factory=dict)

    def score(self, records: Sequence[Record]) -> Batch:
        """Of at most AT_ONCE records. Raises what the Feature Store's and the endpoint's clients do, and
        UnavailableError; then it can be called again with the same records.
        """
        batch, taken = Batch(), dict[int, tuple[Record, Transaction]]()
        for record in records:
            try:
                transaction = fraud_windows.parse(record.data, record.arrived_at.timestamp())
            except Refused as error:
                batch.refused.append(Refusal(record, error.reason, error.text))
            else:  # of two with the same id the first counts
                taken.setdefault(transaction["transaction_id"], (record, transaction))
        rows = self._features([transaction for _, transaction in taken.values()], batch)
        # The model ignores the ids; in what the endpoint captures they say which transactions it was asked about.
        asked: list[Row] = [{"transaction_id": number, **row} for number, row in zip(taken, rows, strict=True)]
        for (record, transaction), row, answer in zip(taken.values(), rows, self.model.ask(asked), strict=True):
            if answer is None:
                text = f"Endpoint {self.model.endpoint} answers others, but not this one: {dict(row)}."
                batch.refused.append(Refusal(record, UNANSWERED, text))
            else:
                batch.items.append(self._item(record, transaction, row, answer))
        self._unwritten.update(batch.states)
        return batch

    def keep(self, batch: Batch) -> None:
        """`tell` and `remember` at the same time, once the table has the items."""
        _together(self.pool, [*self._effects(batch), partial(self.remember, batch)])

    def tell(self, batch: Batch) -> None:
        """All but the states. Raises what the services' clients do, NotTakenError; then it can be called again."""
        _together(self.pool, self._effects(batch))

    def remember(self, batch: Batch) -> None:
        """The states, of batches in their order; may be behind `tell` of later ones, as `score` takes them from here.

        Raises UnavailableError, ClientError; then it can be called again.
        """
        self.states.write(batch.states, batch.passed)
        self._written(batch.states)

    def _effects(self, batch: Batch) -> list[Callable[[], Any]]:
        """Of items, once the table has them."""
        stored, new = self.table.keep(batch.items)
        self._count(new, datetime.now(UTC))
        alerts = [each for each in stored if each["alert"] and "alerted_at" not in each]
        return [
            partial(self.stream.put, stored),
            *([partial(self._alert, alerts)] if alerts else ()),
            *([partial(self._set_aside, batch.refused)] if batch.refused else ()),
        ]

    def forget(self) -> None:
        """Before records are scored again that were not kept: what is not in the Feature Store doesn't count."""
        self._unwritten.clear()

    def _features(self, transactions: Sequence[Transaction], batch: Batch) -> list[Row]:
        keys = {key for each in transactions for key in self._keys(each)}
        held = {key: found for key in keys if (found := self._unwritten.get(key))}
        held |= self.states.fetch(keys - held.keys())
        rows: list[Row] = []
        for each in transactions:
            customer, terminal = (held.get(key) for key in self._keys(each))
            row, *states = fraud_windows.features(each, _state(customer), _state(terminal))
            rows.append(row)
            for key, state, names in zip(self._keys(each), states, (_CUSTOMER, _TERMINAL), strict=True):
                before = held.get(key)
                if before is None or state != before.state:
                    windows = {name: row[name] for name in names}
                    if key in batch.states:
                        batch.passed.append((key, batch.states[key]))
                    held[key] = scoring_states.after(before, state, each["transaction_time"], windows)
                    batch.states[key] = held[key]
        return rows

    def _keys(self, transaction: Transaction) -> tuple[Key, Key]:
        return (self.customers, transaction["customer_id"]), (self.terminals, transaction["terminal_id"])

    def _item(self, record: Record, transaction: Transaction, row: Row, answer: Answer) -> Item:
        day, alert = transaction["transaction_time"][:10], bool(answer["predicted_label"])
        named = [each["feature"] for each in answer["reasons"]]
        return {
            **transaction,
            "score": float(answer["probability"]),
            "alert": alert,
            "reasons": fraud_reasons.reasons(transaction, row, named),
            "features": dict(row),
            "model": self.version,
            "put_at": written(record.arrived_at),
            "scored_at": written(datetime.now(UTC)),
            "day": day,
            **({"alert_day": day} if alert else {}),
        }

    def _alert(self, items: Sequence[Item]) -> None:
        """Told first and noted then: killed in between, an alert is told twice, and never not at all."""
        self.topic.tell(items)
        self.table.note_alerts(items)

    def _written(self, states: Mapping[Key, Held]) -> None:
        for key, held in states.items():
            if self._unwritten.get(key) is held:  # else a later batch has gone on from it
                del self._unwritten[key]

    def _set_aside(self, refused: Sequence[Refusal]) -> None:
        ours = [each for each in refused if not (self.validated and each.reason in fraud_windows.REASONS)]
        self.metrics.count(streams.UNSCORED, self.quarantine.put(ours))

    def _count(self, new: Sequence[Item], now: datetime) -> None:
        """Here and nowhere later, as only now it is known which are new: a kill can lose a count, none comes twice."""
        self.metrics.count(streams.SCORED, len(new))
        self.metrics.count(streams.ALERTS, sum(each["alert"] for each in new))
        self.metrics.count(streams.UNSCORED, 0)  # none is a count, too, and no silence
        for each in new:
            self.metrics.latency((now - datetime.fromisoformat(each["put_at"])).total_seconds() * 1e3)


def _state(held: Held | None) -> dict[str, Any] | None:
    return held.state if held else None


def _together(pool: Executor, effects: Sequence[Callable[[], Any]]) -> None:
    """At the same time, the first one in this thread. Until all have ended, so that none goes on behind the caller's
    back; then raises the first one's error.
    """
    first, *others = effects
    running = [pool.submit(each) for each in others]
    mine: BaseException | None = None
    try:
        first()
    except BaseException as error:
        mine = error
    errors = [mine, *(each.exception() for each in running)]
    for found in filter(None, errors):
        raise found
