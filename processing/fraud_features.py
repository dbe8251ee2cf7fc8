"""FEATURES of a whole table of transactions at once: what `fraud_windows` computes one by one, to the same bits.

A window's count and sums are differences of running sums between two places of the table in the order of customers, or
terminals, and times; a binary search for all rows at once finds the places. All sums are of whole numbers (cents,
metres, truths), so no rounding depends on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from fraud_windows import DAY, FEATURES, LABEL_DELAY, LAST_AT_MOST, WINDOWS

MARGIN = LABEL_DELAY + 31 * DAY  # more than any window reaches back
NEEDED = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "amount", "x", "y")


def batch(transactions: pd.DataFrame) -> pd.DataFrame:
    """FEATURES in order, a row for each of the given ones and with its index, whatever the order they come in.

    `transaction_time` is of datetime64 in UTC, without a zone; `fraud` is 0 or 1, and genuine where it is missing or
    there is no such column. A `transaction_id` that comes again has the first one's features and counts once. Labels
    count from LABEL_DELAY after the transaction on: one that came later than that looks a little ahead of its time.
    """
    codes, first = pd.factorize(transactions["transaction_id"])
    once = transactions if len(first) == len(transactions) else transactions[~duplicated(transactions)]
    found = pd.concat([own(once), by_customer(once), by_terminal(once)], axis="columns")[list(FEATURES)]
    return found.take(codes).set_axis(transactions.index)


def duplicated(transactions: pd.DataFrame) -> pd.Series:
    return transactions["transaction_id"].duplicated()


def own(transactions: pd.DataFrame) -> pd.DataFrame:
    """What a transaction says of itself."""
    time = seconds(transactions)
    hour = time // 3600 % 24
    return pd.DataFrame(
        {
            "amount": cents(transactions) / 100,
            "hour": hour,
            "night": (hour <= 6).astype(np.int64),
            "weekend": ((time // DAY + 3) % 7 >= 5).astype(np.int64),
        }
    )


@dataclass(frozen=True)
class Past:
    """Transactions in the order of their owners, times and ids: a search in it finds a place for each of them."""

    order: np.ndarray
    time: np.ndarray  # in that order, from 0
    keys: np.ndarray  # owner and time as one number, ascending

    @classmethod
    def of(cls, owner: pd.Series, time: np.ndarray, identifier: pd.Series) -> Past:
        code = pd.factorize(owner)[0].astype(np.int64)
        since = time - time.min() if len(time) else time
        order = np.lexsort((identifier.to_numpy(), since, code))
        length = int(since.max(initial=0)) + MARGIN
        return cls(order, since[order], code[order] * length + since[order])

    def until(self, ago: int) -> np.ndarray:
        """For each transaction how many stand before it in the order that are its owner's and at least `ago` seconds
        older, or another owner's: the end of a window that ends then, the start of one that begins after then.
        """
        return np.searchsorted(self.keys, self.keys - ago, side="right")

    def sums(self, values: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """A function of windows' starts and ends (the row after the last) to the sums of values in them."""
        running = np.concatenate([[0], np.cumsum(values[self.order])])
        return lambda start, end: running[end] - running[start]

    def table(self, columns: dict[str, np.ndarray]) -> pd.DataFrame:
        """Columns back in the order of the table that this is the past of."""
        back = np.empty_like(self.order)
        back[self.order] = np.arange(len(self.order))
        return pd.DataFrame({name: values[back] for name, values in columns.items()})


def by_customer(transactions: pd.DataFrame) -> pd.DataFrame:
    """What a transaction is beside its customer's others; needs all of the customer's."""
    past = Past.of(transactions["customer_id"], seconds(transactions), transactions["transaction_id"])
    paid = cents(transactions)
    here, money = np.arange(len(past.order)), past.sums(paid)
    found: dict[str, np.ndarray] = {}
    for days in WINDOWS:
        start = past.until(days * DAY)
        found[f"customer_{days}d_count"] = here + 1 - start
        found[f"customer_{days}d_mean_amount"] = money(start, here + 1) / (100 * (here + 1 - start))
    start = past.until(30 * DAY)
    before = here - start
    known, count = before > 0, np.maximum(before, 1)
    off = [away(past, metres(transactions[axis]), start, here, count) for axis in ("x", "y")]
    since = past.time - np.concatenate([past.time[:1], past.time[:-1]])
    found["seconds_since_last"] = np.where(known, since, LAST_AT_MOST)
    found["distance_from_usual"] = np.where(known, np.sqrt(off[0] * off[0] + off[1] * off[1]), 0.0)
    spent = np.where(known, money(start, here), 1)
    found["amount_ratio"] = np.where(known, paid[past.order] * count / spent, 1.0)
    return past.table(found)


def away(past: Past, place: np.ndarray, start: np.ndarray, end: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Kilometres along one axis from the mean place of a window."""
    return (place[past.order] * count - past.sums(place)(start, end)) / (1000 * count)


def by_terminal(transactions: pd.DataFrame) -> pd.DataFrame:
    """How risky the terminal was; needs all of the terminal's transactions."""
    past = Past.of(transactions["terminal_id"], seconds(transactions), transactions["transaction_id"])
    labels = transactions["fraud"].fillna(0).to_numpy() if "fraud" in transactions else np.zeros(len(transactions))
    frauds = past.sums(labels.astype(np.int64))
    end = past.until(LABEL_DELAY)
    found: dict[str, np.ndarray] = {}
    for days in WINDOWS:
        start = past.until(LABEL_DELAY + days * DAY)
        count = end - start
        found[f"terminal_{days}d_count"] = count
        found[f"terminal_{days}d_risk"] = frauds(start, end) / np.maximum(count, 1)
    return past.table(found)


def seconds(transactions: pd.DataFrame) -> np.ndarray:
    """Since 1970."""
    return transactions["transaction_time"].to_numpy().astype("datetime64[s]").astype(np.int64)


def cents(transactions: pd.DataFrame) -> np.ndarray:
    return np.rint(transactions["amount"].to_numpy() * 100).astype(np.int64)


def metres(place: pd.Series) -> np.ndarray:
    return np.rint(place.to_numpy() * 1000).astype(np.int64)
