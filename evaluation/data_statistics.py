"""What a table holds: types, completeness, moments and distributions of columns, as Model Monitor's statistics.json.

Tables arrive as frames of text, so that a type is what the sender wrote ("34" is Integral, "34.0" Fractional), and in
pieces, so that only one piece is in memory. Everything kept between pieces has a bound: a KLL sketch per column
(Karnin, Lang and Liberty 2016, https://arxiv.org/abs/1603.05346, from Apache DataSketches), at most MAX_CATEGORIES
counts, and beyond them a HyperLogLog sketch of the number of distinct values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from datasketches import hll_sketch, kll_doubles_sketch

SKETCH_K = 2048  # as Model Monitor; rank error about 0.14 %
SKETCH_SHRINK = 2 / 3  # DataSketches' fixed capacity ratio between levels; Model Monitor's own sketch uses 0.64
BUCKETS = 10  # fixed in Model Monitor's schema
MAX_CATEGORIES = 1000
MISSING = frozenset({"", "nan", "null"})
INTEGRAL = r"[+-]?\d+"
NUMERIC = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass
class Column:
    """What is known of one column after any number of pieces."""

    present: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: {"Integral": 0, "Fractional": 0, "String": 0})
    mean: float = 0.0
    squares: float = 0.0  # sum of squared differences from the mean
    minimum: float = float("inf")
    maximum: float = float("-inf")
    sketch: Any = field(default_factory=lambda: kll_doubles_sketch(SKETCH_K))
    categories: pd.Series | None = field(default_factory=lambda: pd.Series(dtype="int64"))
    distinct: Any = None  # HyperLogLog, once the categories are too many to keep

    @property
    def numbers(self) -> int:
        """How many values could be read as a number."""
        return int(self.sketch.n)

    @property
    def inferred_type(self) -> str:
        """The narrowest type that holds every value, as Deequ and Model Monitor infer it."""
        for kind in ("String", "Fractional", "Integral"):
            if self.kinds[kind]:
                return kind
        return "Unknown"

    @property
    def distinct_count(self) -> float:
        """Exact up to MAX_CATEGORIES values, then an estimate within about 2 %."""
        return float(len(self.categories)) if self.categories is not None else round(self.distinct.get_estimate())

    def add(self, values: pd.Series) -> None:
        """Take in a piece of the column: text, with missing values as NaN, blank, `nan` or `null`."""
        codes, uniques = pd.factorize(values)
        texts = pd.Series(uniques, dtype="object").str.strip()
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        here = ~texts.str.lower().isin(MISSING).to_numpy(dtype=bool)
        integral = here & texts.str.fullmatch(INTEGRAL).to_numpy(dtype=bool)
        numeric = here & texts.str.fullmatch(NUMERIC).to_numpy(dtype=bool)
        self.present += int(counts[here].sum())
        self.kinds["Integral"] += int(counts[integral].sum())
        self.kinds["Fractional"] += int(counts[numeric & ~integral].sum())
        self.kinds["String"] += int(counts[here & ~numeric].sum())
        self._add_numbers(texts[numeric].to_numpy().astype(float), counts[numeric])
        self._add_categories(pd.Series(counts[here], index=texts[here].to_numpy()))

    def _add_numbers(self, numbers: np.ndarray, counts: np.ndarray) -> None:
        # parallel mean and variance: Chan, Golub and LeVeque 1979, equation 2.1
        if not len(numbers):
            return
        before, added = self.numbers, int(counts.sum())
        mean = float(np.average(numbers, weights=counts))
        gap = mean - self.mean
        self.squares += float(np.sum(counts * (numbers - mean) ** 2)) + gap**2 * before * added / (before + added)
        self.mean += gap * added / (before + added)
        self.minimum = min(self.minimum, float(numbers.min()))
        self.maximum = max(self.maximum, float(numbers.max()))
        self.sketch.update(np.repeat(numbers, counts))

    def _add_categories(self, counts: pd.Series) -> None:
        if self.categories is not None:
            counts = pd.concat([self.categories, counts])
            counts = counts.groupby(level=0).sum()  # also joins values that differ only in blanks around them
            if len(counts) <= MAX_CATEGORIES:
                self.categories = counts
                return
            self.categories, self.distinct = None, hll_sketch(12)
        deque(map(self.distinct.update, counts.index), maxlen=0)  # the sketch takes one value at a time


@dataclass
class Profile:
    """A table's columns, in order of appearance, and its number of records."""

    item_count: int = 0
    columns: dict[str, Column] = field(default_factory=dict)

    def completeness(self, name: str) -> float:
        """Share of records in which the column holds a value."""
        return self.columns[name].present / self.item_count if self.item_count else 0.0


def profile(frames: Iterable[pd.DataFrame]) -> Profile:
    """Read a table given as frames of text; a column absent from one frame counts as missing there."""
    found = Profile()
    for frame in frames:
        found.item_count += len(frame)
        for name in frame.columns:
            found.columns.setdefault(str(name), Column()).add(frame[name])
    return found


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
    edges = np.linspace(column.minimum, column.maximum, BUCKETS + 1)
    counts, _ = np.histogram(values, bins=edges, weights=weights)
    levels = [values[weights == 2**level].tolist() for level in range(int(np.log2(weights.max())) + 1)]
    buckets = [
        {"lower_bound": float(low), "upper_bound": float(high), "count": float(count)}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    sketch = {"parameters": {"c": SKETCH_SHRINK, "k": float(SKETCH_K)}, "data": levels}
    return {
        "mean": column.mean,
        "sum": column.mean * column.numbers,
        "std_dev": float(np.sqrt(column.squares / column.numbers)),
        "min": column.minimum,
        "max": column.maximum,
        "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
    }


def points(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """The sketch as sorted values and the number of values (a power of two) that each stands for."""
    pairs = np.array(list(column.sketch), dtype=float).reshape(-1, 2)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return pairs[:, 0], pairs[:, 1]
