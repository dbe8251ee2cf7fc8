"""A table's features are those of the stream, bit for bit, and know nothing of the future."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "processing"))

from fraud_features import batch
from fraud_windows import DAY, FEATURES, LABEL_DELAY, State, features, labelled, written

START = 1_780_272_000  # 2026-06-01T00:00:00Z


def transactions(seed: int, rows: int = 300, *, customers: int = 4, terminals: int = 3, days: int = 90) -> pd.DataFrame:
    """By time, several of them in one second, at the windows' very ends, and one customer that comes once."""
    draws = np.random.default_rng(seed)
    time = draws.integers(0, days * DAY, rows)
    # Some exactly a window after another: that is where an end belongs to the one side or the other.
    copied = draws.random(rows) < 0.5
    time = np.where(copied, draws.choice(time, rows) + draws.choice([0, 1, 7, 8, 14, 30, 37], rows) * DAY, time)
    table = pd.DataFrame(
        {
            "transaction_id": draws.permutation(rows),
            "transaction_time": (START + time).astype("datetime64[s]"),
            "customer_id": draws.integers(customers, size=rows),
            "terminal_id": draws.integers(terminals, size=rows),
            "amount": draws.lognormal(3, 1, rows).round(2),
            "x": draws.uniform(0, 100, rows).round(1),
            "y": draws.uniform(0, 100, rows).round(1),
            "fraud": (draws.random(rows) < 0.2).astype(int),
        }
    )
    table.loc[0, ["customer_id", "terminal_id"]] = [99, 99]
    return table.sort_values(["transaction_time", "transaction_id"], ignore_index=True)


class Stream:
    """Customers' and terminals' states, and each label seven days after its transaction."""

    def __init__(self) -> None:
        self.customers: dict[int, State] = {}
        self.terminals: dict[int, State] = {}
        self.labels: list[tuple[int, int, int, bool]] = []  # when, at which terminal, of which transaction

    def score(self, row: dict[str, Any]) -> dict[str, float]:
        time = int(row["transaction_time"].timestamp())
        for when, terminal, number, fraud in [each for each in self.labels if each[0] <= time]:
            self.terminals[terminal] = labelled(self.terminals[terminal], number, fraud)
            self.labels.remove((when, terminal, number, fraud))
        customer, terminal = row["customer_id"], row["terminal_id"]
        found, self.customers[customer], self.terminals[terminal] = features(
            row | {"transaction_time": written(time)}, self.customers.get(customer), self.terminals.get(terminal)
        )
        label = (time + LABEL_DELAY, terminal, row["transaction_id"], bool(row["fraud"]))
        if label not in self.labels:
            self.labels.append(label)
        return found


def streamed(table: pd.DataFrame) -> pd.DataFrame:
    stream = Stream()
    return pd.DataFrame([stream.score(row) for row in table.to_dict("records")])


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """To the last bit, in the same columns."""
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True)


@pytest.mark.parametrize("seed", range(4))
def test_a_table_and_a_stream_give_the_same_values(seed: int) -> None:
    table = transactions(seed)
    found = batch(table)
    assert tuple(found.columns) == FEATURES
    assert_same(found, streamed(table))
    assert found.notna().all(axis=None)
    assert (found.max() > found.min()).all()  # each of them says something in this table


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_a_table_does_not_matter(seed: int) -> None:
    table = transactions(seed)
    shuffled = table.sample(frac=1, random_state=seed)
    assert_same(batch(shuffled).loc[table.index], batch(table))


@pytest.mark.parametrize("seed", range(4))
def test_duplicates_have_the_same_values_and_count_once(seed: int) -> None:
    table = transactions(seed)
    places = np.sort(np.concatenate([np.arange(len(table)), np.random.default_rng(seed).integers(len(table), size=60)]))
    repeated = table.iloc[places].reset_index(drop=True)
    found = batch(repeated)
    assert_same(found, batch(table).iloc[places])
    assert_same(found, streamed(repeated))


@pytest.mark.parametrize("seed", range(2))
def test_late_ones_of_a_stream_know_what_a_table_would_know(seed: int) -> None:
    """A transaction's values are those of a table of all that came before it, whatever the order it came in."""
    table = transactions(seed, 60, customers=2, terminals=2, days=15).assign(fraud=0)
    delays = np.random.default_rng(seed).integers(0, 7 * DAY, len(table)) * (np.arange(len(table)) % 3 == 0)
    arrived = table.iloc[np.argsort(table["transaction_time"].to_numpy() + delays.astype("timedelta64[s]"))]
    assert not arrived["transaction_time"].is_monotonic_increasing
    known = [batch(arrived.iloc[: count + 1]).iloc[[-1]] for count in range(len(arrived))]
    assert_same(streamed(arrived), pd.concat(known))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_comes_from_the_future(seed: int) -> None:
    table = transactions(seed)
    whole = batch(table)
    for place in (len(table) // 3, len(table) // 2):
        time = table["transaction_time"].iloc[place]
        changed = table.copy()
        later = changed.index > place
        changed.loc[later, "amount"] *= 7
        changed.loc[later, ["x", "y"]] = 0.0
        # Labels of the last seven days are not known either.
        unknown = changed["transaction_time"] > time - pd.Timedelta(seconds=LABEL_DELAY)
        changed.loc[unknown, "fraud"] = 1 - changed.loc[unknown, "fraud"]
        assert_same(batch(changed).iloc[: place + 1], whole.iloc[: place + 1])
        assert_same(batch(table.iloc[: place + 1]), whole.iloc[: place + 1])


def test_a_label_that_is_not_known_counts_as_genuine() -> None:
    table = transactions(0)
    unknown = table.assign(fraud=table["fraud"].where(table["fraud"] == 1))
    assert_same(batch(unknown), batch(table))
    risks = [name for name in FEATURES if name.endswith("_risk")]
    assert (batch(table.drop(columns="fraud"))[risks] == 0).all(axis=None)


def test_neither_one_transaction_nor_none_is_a_problem() -> None:
    table = transactions(0)
    assert_same(batch(table.iloc[:1]), streamed(table.iloc[:1]))
    assert batch(table.iloc[:0]).shape == (0, len(FEATURES))


def test_the_index_of_the_table_stays() -> None:
    table = transactions(0, 20).set_index(pd.Index([f"row {place}" for place in range(20)]))
    assert list(batch(table).index) == list(table.index)


def test_all_orders_of_a_few_transactions_end_in_the_same_states() -> None:
    rows = transactions(1, 5, customers=1, terminals=1, days=3).to_dict("records")[1:]
    ends = []
    for order in itertools.permutations(rows):
        stream = Stream()
        for row in order:
            stream.score(row)
        ends.append((stream.customers, stream.terminals))
    assert all(end == ends[0] for end in ends)
