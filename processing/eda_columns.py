"""What one column holds, found a batch at a time, and what it is therefore taken for.

Whatever is kept has a bound: counts, at most MOST_CATEGORIES texts, and the smallest K hashes of the values, which tell
the number of distinct ones exactly up to K and beyond it within about one per cent (Bar-Yossef et al. 2002; Beyer et
al. 2007: K minimum values).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import eda_values as v
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MOST_CATEGORIES = 1000  # texts that are counted one by one
EXAMPLES = 5
K = 10_000
EXACT = 2**53  # beyond it not every whole number is a float64
FEW = 50  # different texts that are always categories
CATEGORY_SHARE = 0.05  # of the rows, up to which more of them are
IDENTIFIER_SHARE = 0.95  # of the values are different: each names one thing
WORDS = 2.5  # on average, from which different texts are prose
RUN = 20  # rows from which different whole numbers without a gap are a count of the rows
DECIMAL_COMMA, PERCENT = "a decimal comma", "a percent sign"
EPOCHS = {"s": (6e8, 4.2e9), "ms": (6e11, 4.2e12), "us": (6e14, 4.2e15)}  # 1989 to 2103


@dataclass
class Distinct:
    """The K smallest of the values' hashes."""

    smallest: np.ndarray = field(default_factory=lambda: np.array([], np.uint64))

    def add(self, hashes: np.ndarray) -> None:
        if len(self.smallest) == K:
            hashes = hashes[hashes < self.smallest[-1]]
        if len(hashes):
            together = np.sort(np.concatenate([self.smallest, hashes]))
            self.smallest = together[np.append(True, together[1:] != together[:-1])][:K]

    @property
    def exact(self) -> bool:
        return len(self.smallest) < K

    @property
    def count(self) -> int:
        if self.exact:
            return len(self.smallest)
        return round((K - 1) / (float(self.smallest[-1]) / 2.0**64))


def mixed(bits: np.ndarray) -> np.ndarray:
    """Hashes of 64-bit patterns: splitmix64's finaliser (Steele, Lea and Flood 2014)."""
    found = bits.astype(np.uint64, copy=True)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        found ^= found >> np.uint64(shift)
        found *= np.uint64(factor)
    found ^= found >> np.uint64(31)
    return found


def hashes(values: pa.Array) -> np.ndarray:
    """One for each value, equal for equal values; null has one too."""
    kind = values.type
    if pa.types.is_string(kind):
        return pd.util.hash_array(values.to_numpy(zero_copy_only=False), categorize=False)
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.int64())
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    plain = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return mixed((plain + 0.0).view(np.uint64))  # so that -0.0 is 0.0


@dataclass
class Column:
    """Counts of values by what they look like; texts are counted without the whitespace around them."""

    name: str
    typed: str = ""  # as the file has it: number, boolean or time; none for text
    rows: int = 0
    missing: int = 0  # null, blank, or a word for nothing
    vague: int = 0  # words that may mean nothing or be a category: none, unknown
    padded: int = 0  # with whitespace around them
    whole: int = 0
    fractional: int = 0
    infinite: int = 0
    leading_zeros: int = 0
    long: int = 0  # whole numbers that a float64 cannot hold exactly
    styled: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    day_first: int = 0
    month_first: int = 0
    words: int = 0
    texts: int = 0  # that are none of the above
    low: float = np.inf
    high: float = -np.inf
    categories: Counter[str] | None = field(default_factory=Counter)
    missing_words: Counter[str] = field(default_factory=Counter)
    distinct: Distinct = field(default_factory=Distinct)
    wide: bool = False  # whether most values of the last batch were different

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def numbers(self) -> int:
        return self.whole + self.fractional + self.infinite

    def add(self, values: pa.Array) -> None:
        self.rows += len(values)
        if pa.types.is_string(values.type):
            self._add_texts(values)
        else:
            self._add_typed(values)

    def _add_typed(self, values: pa.Array) -> None:
        kind = values.type
        truth, time = pa.types.is_boolean(kind), pa.types.is_timestamp(kind)
        self.typed = "boolean" if truth else "time" if time else "number"
        found = values.drop_null()
        if pa.types.is_floating(kind):
            found = found.filter(pc.invert(pc.is_nan(found)))
        self.missing += len(values) - len(found)
        if not len(found):
            return
        self.distinct.add(hashes(found))
        if self.typed == "number":
            self.long += int((np.abs(found.to_numpy().astype(np.float64)) >= EXACT).sum()) * pa.types.is_integer(kind)
            self._add_numbers(found.cast(pa.float64(), safe=False).to_numpy(), None)

    def _add_texts(self, values: pa.Array) -> None:
        texts, weights = values, None
        if not self.wide or self.rows == len(values):
            counted = values.dictionary_encode(null_encoding="mask")
            self.wide = len(counted.dictionary) > len(values) / 2
            if not self.wide:
                codes = pc.fill_null(counted.indices, -1).to_numpy()
                self.missing += int((codes < 0).sum())
                texts, weights = counted.dictionary, np.bincount(codes[codes >= 0], minlength=len(counted.dictionary))
        if weights is None:
            self.missing += texts.null_count
            texts, weights = texts.drop_null(), np.ones(len(texts) - texts.null_count, np.int64)
        bare = v.trimmed(texts)
        changed = pc.binary_length(bare).to_numpy() != pc.binary_length(texts).to_numpy()
        self.padded += int(weights[changed].sum())
        blank = v.among(bare, v.BLANKS)
        self.missing += int(weights[blank].sum())
        if blank.any():
            self._count(self.missing_words, bare.filter(pa.array(blank)), weights[blank])
            bare, weights = bare.filter(pa.array(~blank)), weights[~blank]
        if len(bare):
            self._add_known(bare, weights)

    def _add_known(self, texts: pa.Array, weights: np.ndarray) -> None:
        plain = v.numbers(texts)
        if plain is None:
            number = v.matches(texts, v.NUMBER)
            rest = texts.filter(pa.array(~number))
            self._add_others(rest, weights[~number])
            if not number.any():
                return
            texts, weights = texts.filter(pa.array(number)), weights[number]
            plain = v.numbers(texts)
            assert plain is not None
        finite = np.isfinite(plain)
        self.infinite += int(weights[~finite].sum())
        zeros = pc.starts_with(texts, "0").to_numpy(zero_copy_only=False)
        if zeros.any():
            led = v.matches(texts.filter(pa.array(zeros)), v.LEADING_ZERO)
            self.leading_zeros += int(weights[zeros][led].sum())
        large = np.abs(plain) >= EXACT
        if large.any():
            self.long += int(weights[large][v.matches(texts.filter(pa.array(large)), v.LONG_INTEGER)].sum())
        self.distinct.add(mixed((plain + 0.0).view(np.uint64)) if not self.leading_zeros else hashes(texts))
        self._add_numbers(plain, weights)
        self._count_categories(texts, weights)

    def _add_numbers(self, plain: np.ndarray, weights: np.ndarray | None) -> None:
        finite = np.isfinite(plain)
        if not finite.all():
            if weights is None:
                self.infinite += int((~finite).sum())
            else:
                weights = weights[finite]
            plain = plain[finite]
        if not len(plain):
            return
        whole = plain == np.floor(plain)
        count = int(whole.sum() if weights is None else weights[whole].sum())
        self.whole += count
        self.fractional += int(len(plain) if weights is None else weights.sum()) - count
        self.low, self.high = min(self.low, float(plain.min())), max(self.high, float(plain.max()))

    def _add_others(self, texts: pa.Array, weights: np.ndarray) -> None:
        """What is no plain number."""
        self.distinct.add(hashes(texts))
        self._count_categories(texts, weights)
        endless = v.matches(texts, v.INFINITE)
        self.infinite += int(weights[endless].sum())
        self.vague += int(weights[v.among(texts, v.VAGUES)].sum())
        known = endless
        for style in v.likely(texts, v.STYLES):
            found = v.matches(texts, v.STYLES[style][0]) & ~known
            self.styled[style] += int(weights[found].sum())
            known = known | found
        for name in v.likely(texts, v.TIMES):
            found = v.matches(texts, v.TIMES[name][0]) & ~known
            self.times[name] += int(weights[found].sum())
            if name in v.SLASHED:
                first, second = v.days_and_months(texts.filter(pa.array(found)))
                self.day_first, self.month_first = self.day_first + first, self.month_first + second
            known = known | found
        left = ~known
        self.texts += int(weights[left].sum())
        spaces = pc.count_substring(texts, " ").to_numpy()
        self.words += int(((spaces + 1) * weights)[left].sum())

    def _count(self, counter: Counter[str], texts: pa.Array, weights: np.ndarray) -> None:
        counted = texts.dictionary_encode()
        totals = np.bincount(counted.indices.to_numpy(), weights, len(counted.dictionary)).astype(np.int64)
        for text, total in zip(counted.dictionary.to_pylist(), totals.tolist(), strict=True):
            counter[text] += total

    def _count_categories(self, texts: pa.Array, weights: np.ndarray) -> None:
        if self.categories is None:
            return
        if len(texts) > MOST_CATEGORIES and len(weights) and weights.max() == 1:
            self.categories = None
            return
        self._count(self.categories, texts, weights)
        if len(self.categories) > MOST_CATEGORIES:
            self.categories = None


@dataclass(frozen=True)
class Reading:
    """How a column is read, by what most of its values look like."""

    kind: str  # number, category, boolean, time, text or identifier
    type: pa.DataType
    styles: tuple[str, ...] = ()  # of numbers: among eda_values.STYLES
    times: tuple[str, ...] = ()  # formats that occur
    month_first: bool = False
    epoch: str = ""  # unit of times that are numbers since 1970
    truths: tuple[str, str] = ("", "")
    unified: dict[str, str] = field(default_factory=dict)  # spelling to the most frequent one
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        return {"kind": self.kind, "type": str(self.type)}


def reading(column: Column, corrupt_share: float) -> Reading:
    """What the column is taken for; up to `corrupt_share` of its values may be something else, and are corrupt then."""
    if column.typed in ("boolean", "time"):
        return Reading(column.typed, pa.bool_() if column.typed == "boolean" else pa.timestamp("us"))
    sure = column.present - column.vague  # values that say something
    if not sure:
        return Reading("category", pa.string(), notes=("has no value at all",) if not column.present else ())
    if truths := truths_of(column):
        return Reading("boolean", pa.bool_(), truths=truths)
    enough = (1 - corrupt_share) * sure
    decorated = sum(column.styled.values())
    if column.numbers + decorated >= enough and column.numbers + decorated:
        return reading_of_numbers(column)
    if sum(column.times.values()) >= enough:
        return reading_of_times(column)
    return reading_of_texts(column)


def truths_of(column: Column) -> tuple[str, str] | None:
    """The words for true and false, where a column has both and nothing else."""
    if column.categories is None or (column.numbers and column.texts):
        return None
    words = {text.casefold() for text in column.categories}
    return next((pair for pair in v.TRUTHS if words == set(pair)), None)


def reading_of_numbers(column: Column) -> Reading:
    if column.leading_zeros > 0.01 * column.numbers:
        kind = "identifier" if v.id_like(column.name) or is_unique(column) else "category"
        return Reading(kind, pa.string(), notes=("codes with leading zeros: kept as text",))
    if column.long and not column.fractional:
        return Reading("identifier", pa.string(), notes=("more digits than a number holds exactly: kept as text",))
    styles = styles_of(column)
    whole = not column.fractional and not styles
    if whole and not column.infinite and column.distinct.count == 2 and (column.low, column.high) == (0, 1):
        return Reading("boolean", pa.bool_(), truths=("1", "0"))
    for unit, (first, last) in EPOCHS.items():
        if whole and v.time_like(column.name) and first <= column.low and column.high <= last:
            return Reading("time", pa.timestamp("us"), epoch=unit, notes=(f"counts {unit} since 1970: read as times",))
    return Reading("identifier" if numbers_rows(column, whole) else "number", number_type(column, whole), styles=styles)


def styles_of(column: Column) -> tuple[str, ...]:
    """How decorated numbers are to be read. A comma is a decimal one only if that is how most have it, and a percent
    sign among bare numbers is another unit: such values are corrupt."""
    if not column.styled:
        return ()
    main = column.styled.most_common(1)[0][0]
    if main == DECIMAL_COMMA or (main == PERCENT and column.styled[PERCENT] > column.numbers):
        return (main,)
    return tuple(style for style in column.styled if style not in (DECIMAL_COMMA, PERCENT))


def number_type(column: Column, whole: bool) -> pa.DataType:
    return pa.int64() if whole and max(-column.low, column.high) < 2**63 else pa.float64()


def numbers_rows(column: Column, whole: bool) -> bool:
    """Whether whole numbers only name things: their column says so, or they count the rows."""
    if not whole:
        return False
    span = column.high - column.low + 1
    run = column.rows >= RUN and not column.missing and is_unique(column) and span <= 1.02 * column.rows
    return run or (v.id_like(column.name) and column.distinct.count > FEW)


def is_unique(column: Column) -> bool:
    return column.present >= RUN and column.distinct.count >= (1 if column.distinct.exact else 0.97) * column.present


def reading_of_times(column: Column) -> Reading:
    found = tuple(name for name, _ in column.times.most_common())
    notes: tuple[str, ...] = ()
    month_first = column.month_first > column.day_first
    if set(found) & set(v.SLASHED) and not column.day_first and not column.month_first:
        month_first = True
        notes = ("no day is above 12, so day and month cannot be told apart: read as MM/DD/YYYY",)
    return Reading("time", pa.timestamp("us"), times=found, month_first=month_first, notes=notes)


def reading_of_texts(column: Column) -> Reading:
    notes: tuple[str, ...] = ()
    if column.numbers > 0.05 * column.present:
        share = column.numbers / column.present
        notes = (f"mixes numbers ({share:.0%}) with text: kept as text",)
    distinct, present = column.distinct.count, column.present
    if distinct <= min(FEW, max(present - 1, 1)) or distinct <= CATEGORY_SHARE * present:
        return Reading("category", pa.string(), unified=unified(column), notes=notes)
    words = column.words / max(column.texts, 1)
    if words < 1.5 and (distinct >= IDENTIFIER_SHARE * present or v.id_like(column.name)):
        return Reading("identifier", pa.string(), notes=notes)
    if words < WORDS and column.categories is not None and distinct <= 0.2 * present:
        return Reading("category", pa.string(), unified=unified(column), notes=notes)
    return Reading("text", pa.string(), notes=notes)


def unified(column: Column) -> dict[str, str]:
    """Spellings that differ only in case or in the whitespace between words, to the most frequent of them."""
    groups: dict[str, list[str]] = {}
    for text, _ in (column.categories or Counter()).most_common():
        groups.setdefault(" ".join(text.casefold().split()), []).append(text)
    return {other: group[0] for group in groups.values() for other in group[1:]}
