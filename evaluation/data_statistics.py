"""What a table holds: types, completeness, moments and distributions of columns, as Model Monitor's statistics.json.

Tables arrive in pieces, so that only some of them are in memory, and parts profiled apart can be merged.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from data_columns import SKETCH_K, Column

SKETCH_SHRINK = 2 / 3  # DataSketches' fixed capacity ratio between levels; Model Monitor's own sketch uses 0.64
BUCKETS = 10  # fixed in Model Monitor's schema
FEW_ROWS = 10_000  # of which threads cost more than they save
LARGEST = sys.float_info.max


@dataclass
class Profile:
    """A table's columns, in order of appearance, and its number of records."""

    item_count: int = 0
    columns: dict[str, Column] = field(default_factory=dict)

    def completeness(self, name: str) -> float:
        """Share of records in which the column holds a value."""
        return self.columns[name].present / self.item_count if self.item_count else 0.0

    def merge(self, other: Profile) -> None:
        """Take in another part of the same table."""
        self.item_count += other.item_count
        for name, column in other.columns.items():
            self.columns.setdefault(name, Column()).merge(column)


def profile(pieces: Iterable[pa.RecordBatch | pd.DataFrame]) -> Profile:
    """Read a table given as batches, or as frames of text; a column absent from one piece counts as missing there.

    Columns of one name are told apart as pandas does: `a`, `a.1`.
    """
    found = Profile()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # sorting and Arrow's kernels run beside each other
        for piece in pieces:
            found.item_count += len(piece)
            columns = [found.columns.setdefault(name, Column()) for name in distinct_names(piece)]
            apply = pool.map if len(piece) > FEW_ROWS else map
            deque(apply(Column.add, columns, _arrays(piece)), maxlen=0)
    return found


def distinct_names(piece: pa.RecordBatch | pd.DataFrame) -> list[str]:
    """The columns' names, with a number after those that were there before."""
    names: dict[str, None] = {}
    for name in map(str, piece.schema.names if isinstance(piece, pa.RecordBatch) else piece.columns):
        numbered = (f"{name}.{number}" for number in itertools.count(1))
        names[next(each for each in itertools.chain([name], numbered) if each not in names)] = None
    return list(names)


def _arrays(piece: pa.RecordBatch | pd.DataFrame) -> list[pa.Array]:
    if isinstance(piece, pa.RecordBatch):
        return piece.columns
    return [pa.array(piece.iloc[:, place], pa.string(), from_pandas=True) for place in range(piece.shape[1])]


def describe(table: Profile) -> dict[str, Any]:
    """The table as statistics.json (SageMaker developer guide, "Schema for statistics")."""
    return {
        "version": 0,
        "dataset": {"item_count": table.item_count},
        "features": [_feature(name, column, table.item_count) for name, column in table.columns.items()],
    }


def _feature(name: str, column: Column, item_count: int) -> dict[str, Any]:
    kind = column.inferred_type
    common = {"num_present": column.present, "num_missing": item_count - column.present}
    head = {"name": name, "inferred_type": kind}
    if kind in ("Integral", "Fractional"):
        return head | {"numerical_statistics": {"common": common} | _numerical(column)}
    categories = column.categories if column.categories is not None else pd.Series(dtype="int64")
    ordered = categories.sort_values(ascending=False, kind="stable")
    buckets = [{"value": str(value), "count": int(count)} for value, count in ordered.items()]
    return head | {
        "string_statistics": {
            "common": common,
            "distinct_count": column.distinct_count,
            "distribution": {"categorical": {"buckets": buckets}},
        }
    }


def _numerical(column: Column) -> dict[str, Any]:
    values, weights = points(column)
    edges = 2 * np.linspace(column.minimum / 2, column.maximum / 2, BUCKETS + 1)  # halves: a difference may overflow
    edges[[0, -1]] = column.minimum, column.maximum
    counts, _ = np.histogram(values, bins=edges, weights=weights)
    levels = [values[weights == 2**level].tolist() for level in range(int(np.log2(weights.max())) + 1)]
    buckets = [
        {"lower_bound": float(low), "upper_bound": float(high), "count": float(count)}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    sketch = {"parameters": {"c": SKETCH_SHRINK, "k": float(SKETCH_K)}, "data": levels}
    return {
        "mean": column.mean,
        "sum": float(np.clip(column.mean * column.numbers, -LARGEST, LARGEST)),
        "std_dev": min(float(np.sqrt(column.squares / column.numbers)), LARGEST),
        "min": column.minimum,
        "max": column.maximum,
        "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
    }


def points(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """The sketch as sorted values and the number of values (a power of two) that each stands for."""
    pairs = np.array(list(column.sketch), dtype=float).reshape(-1, 2)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return pairs[:, 0], pairs[:, 1]
