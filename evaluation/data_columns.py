"""What is known of one column after any number of pieces, from typed values or from text; two of them can be merged.

A type is what the sender wrote. In text, "34" is Integral, "34.0" Fractional; in a typed column a number without a
fraction is Integral, whatever its type, as a missing value makes floats of whole numbers. Infinities are present and
of no type, so that they are what a check of types finds. Booleans are the texts "true" and "false", as Spark has them.

Everything kept has a bound: a KLL sketch (Karnin, Lang and Liberty 2016, https://arxiv.org/abs/1603.05346, from Apache
DataSketches), at most MAX_CATEGORIES counts, and beyond them a HyperLogLog sketch of the number of distinct texts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from datasketches import hll_sketch, hll_union, kll_doubles_sketch

SKETCH_K = 2048  # as Model Monitor; rank error about 0.14 %
LOG_DISTINCT = 12  # HyperLogLog's registers: an error of about 2 %
MAX_CATEGORIES = 1000
PROBE = 8192  # values that tell whether counting different numbers is worth it
MISSING = ("", "nan", "null")
INTEGRAL = r"^[+-]?\d+$"
NUMERIC = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_WORDS = pa.array(sorted({form for word in MISSING for form in (word, word.title(), word.upper(), "NaN")}))


@dataclass
class Column:
    """`categories` counts texts, as long as they are few; numbers too, as other pieces may hold text."""

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
        """Of texts: exact up to MAX_CATEGORIES values, then an estimate within about 2 %."""
        return float(len(self.categories)) if self.categories is not None else round(self.distinct.get_estimate())

    def add(self, values: pa.Array) -> None:
        """Take in a piece of the column; missing are nulls, not-a-number and texts that are blank, `nan` or `null`."""
        kind = values.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            self._add_typed(values.drop_null())
        elif pa.types.is_dictionary(kind):
            counts = np.bincount(values.indices.drop_null(), minlength=len(values.dictionary))
            used = counts > 0
            self._add_counted(_texts(values.dictionary.filter(pa.array(used))), counts[used])
        elif pa.types.is_boolean(kind):
            true = values.true_count
            counts = np.array([len(values) - values.null_count - true, true])
            self._add_counted(pa.array(["false", "true"]).filter(pa.array(counts > 0)), counts[counts > 0])
        elif not pa.types.is_null(kind):
            self._add_texts(_texts(values.drop_null()))

    def merge(self, other: Column) -> None:
        """Take in what another one knows of other rows."""
        self._add_moments(other.mean, other.squares, other.numbers)
        self.present += other.present
        for kind, count in other.kinds.items():
            self.kinds[kind] += count
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        self.sketch.merge(other.sketch)
        if other.categories is not None:
            self._add_categories(other.categories)
        else:
            self._forget_categories()
            both = hll_union(LOG_DISTINCT)
            both.update(self.distinct)
            both.update(other.distinct)
            self.distinct = both.get_result()

    def __getstate__(self) -> dict[str, Any]:
        """Sketches as bytes: one machine's part of a table travels to another's."""
        distinct = self.distinct.serialize_compact() if self.distinct is not None else None
        return self.__dict__ | {"sketch": self.sketch.serialize(), "distinct": distinct}

    def __setstate__(self, state: dict[str, Any]) -> None:
        distinct = hll_sketch.deserialize(state["distinct"]) if state["distinct"] is not None else None
        self.__dict__ |= state | {"sketch": kll_doubles_sketch.deserialize(state["sketch"]), "distinct": distinct}

    def _add_typed(self, values: pa.Array) -> None:
        numbers = np.asarray(values.cast(pa.float64(), safe=False))
        finite = np.isfinite(numbers)
        if not finite.all():
            self.present += int(np.isinf(numbers).sum())
            values, numbers = values.filter(pa.array(finite)), numbers[finite]
        whole = pa.types.is_integer(values.type) or numbers == np.floor(numbers)
        self._add_numbers(values, numbers, len(numbers) if whole is True else int(np.count_nonzero(whole)))

    def _add_texts(self, texts: pa.Array) -> None:
        numbers = None if self.kinds["String"] else _plain_numbers(texts)
        if numbers is None and not self.kinds["String"]:
            texts = texts.filter(pc.invert(pc.is_in(texts, _WORDS)))
            numbers = _plain_numbers(texts)
        if numbers is not None:
            fractional = pc.or_(pc.match_substring(texts, "."), pc.match_substring(texts, "e", ignore_case=True))
            return self._add_numbers(texts, numbers, len(numbers) - (pc.sum(fractional).as_py() or 0))
        encoded = texts.dictionary_encode()
        return self._add_counted(encoded.dictionary, np.bincount(encoded.indices, minlength=len(encoded.dictionary)))

    def _add_counted(self, texts: pa.Array, counts: np.ndarray) -> None:
        """Different texts, and how often each is there."""
        texts = pc.utf8_trim_whitespace(texts)
        lower = pc.utf8_lower(texts)
        texts = pc.if_else(pc.is_in(lower, pa.array(["true", "false"])), lower, texts)
        here = ~_mask(pc.is_in(lower, pa.array(MISSING)))
        numeric = here & _mask(pc.match_substring_regex(texts, NUMERIC))
        numbers = texts.filter(pa.array(numeric)).to_numpy(zero_copy_only=False).astype(float)
        infinite = here & _mask(pc.is_in(lower, pa.array(INFINITE)))
        infinite[np.flatnonzero(numeric)[np.isinf(numbers)]] = True  # 1e999
        numeric &= ~infinite
        integral = numeric & _mask(pc.match_substring_regex(texts, INTEGRAL))
        self.present += int(counts[here].sum())
        self.kinds["Integral"] += int(counts[integral].sum())
        self.kinds["Fractional"] += int(counts[numeric & ~integral].sum())
        self.kinds["String"] += int(counts[here & ~numeric & ~infinite].sum())
        self._add_sorted(np.sort(np.repeat(numbers[np.isfinite(numbers)], counts[numeric])))
        self._add_categories(pd.Series(counts[here], index=texts.filter(pa.array(here)).to_pylist(), dtype="int64"))

    def _add_numbers(self, values: pa.Array, numbers: np.ndarray, whole: int) -> None:
        """`values` as they came, the same as finite numbers, and how many of them are Integral."""
        self.present += len(numbers)
        self.kinds["Integral"] += whole
        self.kinds["Fractional"] += len(numbers) - whole
        self._add_sorted(np.sort(numbers))
        if self.categories is None:
            return None
        if pc.count_distinct(values.slice(0, PROBE)).as_py() > MAX_CATEGORIES:
            return self._forget_categories()
        counted = values.value_counts()
        texts = counted.field("values").cast(pa.string()).to_pylist()
        return self._add_categories(pd.Series(np.asarray(counted.field("counts")), index=texts, dtype="int64"))

    def _add_sorted(self, numbers: np.ndarray) -> None:
        """Sorted, as the sketch takes them three times as fast then."""
        if not len(numbers):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float((numbers / len(numbers)).sum())  # a plain sum may overflow
            self._add_moments(mean, float(np.square(numbers - mean).sum()), len(numbers))
        self.minimum, self.maximum = min(self.minimum, float(numbers[0])), max(self.maximum, float(numbers[-1]))
        self.sketch.update(numbers)

    def _add_moments(self, mean: float, squares: float, added: int) -> None:
        """Before the sketch has them. Parallel mean and variance: Chan, Golub and LeVeque 1979, equation 2.1."""
        if not added:
            return
        if not (before := self.numbers):
            self.mean, self.squares = mean, squares
            return
        gap = mean - self.mean
        self.squares += squares + gap * gap * (before * added / (before + added))
        self.mean += gap * (added / (before + added))

    def _add_categories(self, counts: pd.Series) -> None:
        if self.categories is not None:
            joined = pd.concat([self.categories, counts])
            joined = joined.groupby(level=0).sum()  # also joins values that differ only in blanks around them
            if len(joined) <= MAX_CATEGORIES:
                self.categories = joined
                return
            self._forget_categories()
        deque(map(self.distinct.update, counts.index), maxlen=0)  # the sketch takes one value at a time

    def _forget_categories(self) -> None:
        if self.categories is not None:
            kept, self.categories, self.distinct = self.categories, None, hll_sketch(LOG_DISTINCT)
            deque(map(self.distinct.update, kept.index), maxlen=0)


def _plain_numbers(texts: pa.Array) -> np.ndarray | None:
    """All of them as finite numbers; None if one is anything else."""
    try:
        numbers = np.asarray(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_string(values.type):
        return values
    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists, maps, and bytes that are no text
        return pa.array(values.to_pandas().map(str), pa.string())


def _mask(flags: Any) -> np.ndarray:
    return flags.to_numpy(zero_copy_only=False).astype(bool)
