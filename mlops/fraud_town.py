"""The town in which `mlops demo fraud` plays: its people, their payments day by day, and what becomes of them.

Small, and with more fraud than the Handbook's world (about 2.5 %), so that a day of 800 payments says something. The
last day is yesterday: the newest days can go through the real stream, which takes nothing older than a week.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from data.fraud_simulation import Simulation, simulate
from deploy.scoring_states import Held, Key
from deploy.sources import Position, Record
from processing import fraud_windows
from processing.fraud_windows import FIELDS

# Days of the story, from 0: the champion begins, cards are tested, a challenger is made and takes over; what is paid
# from the last one on comes by the stream.
OPENING, NEW_FRAUD, RETRAINING, PROMOTION, STREAMED = 70, 77, 91, 100, 102
DAYS = 107
LABELS = 7  # days until all of them are known
SIMULATION = Simulation(
    customers=400,
    terminals=800,
    days=DAYS,
    seed=0,
    concept_drift_day=NEW_FRAUD,
    label_delay=LABELS,
    fraud_rate=4,
    tests_rate=16,
)
IDS = ("customer_id", "terminal_id")
_FIRST_RUN = datetime(2026, 1, 1, tzinfo=UTC)
A_RUN = 1_000_000  # transaction ids


@dataclass(frozen=True)
class Town:
    """Each run has people and payments with ids of their own, beside which a stream's other ones stay what they are."""

    table: pd.DataFrame  # data.fraud_simulation.COLUMNS and labelled_at
    start: datetime

    @classmethod
    def now(cls, simulation: Simulation = SIMULATION, moment: datetime | None = None) -> Town:
        moment = moment or datetime.now(UTC)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight - timedelta(days=simulation.days)
        table = simulate(replace(simulation, start=start.date().isoformat()))
        run = int((moment - _FIRST_RUN).total_seconds()) // 60
        apart = {name: table[name] + run * 10_000 for name in IDS}
        return cls(table.assign(transaction_id=table["transaction_id"] + run * A_RUN, **apart), start)

    def moment(self, day: int) -> datetime:
        """Its beginning."""
        return self.start + timedelta(days=day)

    def name(self, day: int) -> str:
        return self.moment(day).date().isoformat()

    def of(self, first: int, end: int) -> pd.DataFrame:
        """The payments of days from `first` to before `end`."""
        return self.table[(self._days >= first) & (self._days < end)]

    def reported(self, after: int, until: int) -> pd.DataFrame:
        """Frauds that become known between the beginnings of two days."""
        at = self.table["labelled_at"]
        start, end = (pd.Timestamp(self.name(day)) for day in (after, until))
        return self.table[(self.table["fraud"] == 1) & (at > start) & (at <= end)]

    @cached_property
    def _days(self) -> np.ndarray:
        since = self.table["transaction_time"] - pd.Timestamp(self.start.date())
        return np.asarray(since // pd.Timedelta(days=1))

    @cached_property
    def truth(self) -> dict[int, int]:
        """1 fraud, 0 genuine, by transaction: what an analyst finds out."""
        return dict(zip(self.table["transaction_id"].tolist(), self.table["fraud"].tolist(), strict=True))


def records(payments: pd.DataFrame) -> list[Record]:
    """As a stream would have brought each, the moment it was made."""
    found = []
    for number, payment in enumerate(events(payments)):
        arrived = datetime.fromisoformat(payment["transaction_time"])
        data = json.dumps(payment).encode()
        found.append(Record(str(payment["customer_id"]), data, arrived, Position("replay", str(number))))
    return found


def events(payments: pd.DataFrame) -> list[dict[str, Any]]:
    """Raw transactions, as a stream's records hold them."""
    times = payments["transaction_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return payments[list(FIELDS)].assign(transaction_time=times).to_dict("records")


def states(payments: pd.DataFrame, customers: str, terminals: str) -> dict[Key, Held]:
    """What a scorer that had seen these payments would have left in the two feature groups, labels included."""
    known = payments.assign(
        at=payments["transaction_time"].astype("datetime64[s]").astype("int64"),
        paid=np.rint(payments["amount"] * 100).astype("int64"),
        east=np.rint(payments["x"] * 1000).astype("int64"),
        north=np.rint(payments["y"] * 1000).astype("int64"),
    )
    found: dict[Key, Held] = {}
    for group, name, columns, memory in (
        (customers, "customer_id", ["transaction_id", "at", "paid", "east", "north"], fraud_windows.CUSTOMER_MEMORY),
        (terminals, "terminal_id", ["transaction_id", "at", "fraud"], fraud_windows.TERMINAL_MEMORY),
    ):
        for owner, part in known.groupby(name):
            kept = part[part["at"] > part["at"].max() - memory]
            last = fraud_windows.written(int(part["at"].max())).replace("Z", ".000Z")
            found[group, int(owner)] = Held({"events": kept[columns].to_numpy().tolist()}, last)
    return found
