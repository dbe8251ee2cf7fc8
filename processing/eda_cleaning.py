"""Batches as their columns are read: values of the right type, nothing where one was corrupt, and a count of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import eda_values as v
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from eda_columns import EXAMPLES, Reading, hashes

MOST_HASHES = 4_000_000  # rows that are compared with each other, 8 bytes each


@dataclass
class Done:
    """What was done to one column's values, by why; and a few of those that were lost."""

    reading: Reading
    missing: int = 0  # values that are missing in the clean table
    rows: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, reason: str, texts: pa.Array) -> None:
        if len(texts):
            self.rows[reason] += len(texts)
            shown = self.examples.setdefault(reason, [])
            for text in texts.slice(0, 1000).unique().to_pylist():
                if len(shown) < EXAMPLES and str(text) not in shown:
                    shown.append(str(text))

    @property
    def corrupt(self) -> int:
        return sum(rows for reason, rows in self.rows.items() if reason in CORRUPT)


CORRUPT = ("not a number", "not a time", "no such day", "infinite", "neither of the two")


def clean(values: pa.Array, done: Done) -> pa.Array:
    """The column's values of `done.reading.type`."""
    found = clean_texts(values, done) if pa.types.is_string(values.type) else clean_typed(values, done)
    done.missing += found.null_count
    return found


def clean_typed(values: pa.Array, done: Done) -> pa.Array:
    if pa.types.is_floating(values.type):
        plain = values.to_numpy(zero_copy_only=False)
        endless = np.isinf(plain)
        done.note("infinite", values.filter(pa.array(endless)))
        values = pa.array(plain, mask=endless | np.isnan(plain))
    if done.reading.epoch:
        return values.cast(pa.int64(), safe=False).cast(pa.timestamp(done.reading.epoch)).cast(pa.timestamp("us"))
    return values.cast(done.reading.type)


def clean_texts(values: pa.Array, done: Done) -> pa.Array:
    bare = v.trimmed(values)
    vague = done.reading.kind in ("number", "time", "boolean")
    blank = pc.is_in(bare, value_set=v.VAGUES if vague else v.BLANKS)
    bare = pc.if_else(pc.fill_null(blank, True), pa.scalar(None, pa.string()), bare)
    return AS_KIND.get(done.reading.kind, as_text)(bare, done)


def as_text(bare: pa.Array, done: Done) -> pa.Array:
    if not pa.types.is_string(done.reading.type):  # numbers that name things
        return as_numbers(bare, done)
    unified = done.reading.unified
    if not unified:
        return bare
    counted = bare.dictionary_encode()
    forms = counted.dictionary.to_pylist()
    done.note("another spelling", bare.filter(v.among(bare, pa.array(list(unified)))))
    return pc.take(pa.array([unified.get(form, form) for form in forms], pa.string()), counted.indices)


def as_numbers(bare: pa.Array, done: Done) -> pa.Array:
    reading = done.reading
    for style in reading.styles:
        decorated = v.matches(bare, v.STYLES[style][0])
        done.note(f"written with {style}", bare.filter(pa.array(decorated)))
        bare = pc.if_else(pa.array(decorated), v.undecorated(bare, style), bare)
    known = bare.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_integer(reading.type) and (exact := exact_integers(bare)) is not None:
        return exact
    plain = v.numbers(bare)
    if plain is None:
        number = v.matches(bare, v.NUMBER) | v.matches(bare, v.INFINITE)
        done.note("not a number", bare.filter(pa.array(known & ~number)))
        plain = v.numbers(pc.if_else(pa.array(number), bare, pa.scalar(None, pa.string())))
        assert plain is not None
        known = number
    endless = known & ~np.isfinite(plain)
    done.note("infinite", bare.filter(pa.array(endless)))
    return pa.array(plain, mask=~known | endless).cast(reading.type, safe=False)


def exact_integers(bare: pa.Array) -> pa.Array | None:
    """None where one of them is written another way: 34.0, 1e3."""
    try:
        return bare.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def as_truths(bare: pa.Array, done: Done) -> pa.Array:
    true, false = done.reading.truths
    if (true, false) == ("1", "0"):
        plain = v.numbers(bare)
        assert plain is not None
        return pa.array(plain == 1, mask=np.isnan(plain))
    lower = pc.utf8_lower(bare)
    said = pc.equal(lower, true)
    return pc.if_else(pc.or_(said, pc.equal(lower, false)), said, pa.scalar(None, pa.bool_()))


def as_times(bare: pa.Array, done: Done) -> pa.Array:
    reading = done.reading
    if reading.epoch:
        return clean_typed(pa.array(v.numbers(bare), from_pandas=True), done)
    counted = bare.dictionary_encode()
    texts = counted.dictionary
    found = np.full(len(texts), np.datetime64("NaT", "us"))
    known = np.zeros(len(texts), bool)
    for name in reading.times:
        mine = v.matches(texts, v.TIMES[name][0]) & ~known
        if mine.any():
            found[mine] = v.times(texts.filter(pa.array(mine)), name, reading.month_first)
            known |= mine
    codes = pc.fill_null(counted.indices, -1).to_numpy()
    lost = np.append(np.isnat(found), False)
    form = np.append(known, True)
    done.note("not a time", bare.filter(pa.array(~form[codes])))
    done.note("no such day", bare.filter(pa.array(lost[codes] & form[codes] & (codes >= 0))))
    for name in reading.times[1:]:
        mine = np.append(v.matches(texts, v.TIMES[name][0]), False)
        done.note(f"written as {name}, most as {reading.times[0]}", bare.filter(pa.array(mine[codes])))
    return pa.array(np.append(found, np.datetime64("NaT", "us"))[codes], pa.timestamp("us"))


AS_KIND: dict[str, Callable[[pa.Array, Done], pa.Array]] = {
    "number": as_numbers,
    "boolean": as_truths,
    "time": as_times,
}


@dataclass
class Repeats:
    """How many rows are equal to an earlier one, by 64-bit hashes of whole rows.

    Beyond MOST_HASHES rows only those with a small hash are kept, which keeps equal rows together: a sample of the
    distinct rows, all of whose repetitions are counted.
    """

    kept: list[np.ndarray] = field(default_factory=list)
    limit: int = 2**64 - 1  # largest hash that is kept
    held: int = 0

    def add(self, rows: np.ndarray) -> None:
        rows = rows[rows <= np.uint64(self.limit)]
        self.kept.append(rows)
        self.held += len(rows)
        while self.held > MOST_HASHES:
            self.limit //= 2
            together = np.concatenate(self.kept)
            self.kept = [together[together <= np.uint64(self.limit)]]
            self.held = len(self.kept[0])

    @property
    def share(self) -> float:
        """Of the distinct rows that were compared."""
        return (self.limit + 1) / 2**64

    def found(self) -> tuple[int, int, int]:
        """Rows that repeat an earlier one, different rows that are repeated, and how often the most frequent occurs."""
        counts = np.unique(np.concatenate(self.kept), return_counts=True)[1] if self.held else np.array([], int)
        repeated = counts[counts > 1]
        again = int((repeated - 1).sum() / self.share)
        return again, round(len(repeated) / self.share), int(counts.max(initial=0))


def row_hashes(columns: list[np.ndarray]) -> np.ndarray:
    """Of rows, from their values' hashes in order."""
    total = np.zeros(len(columns[0]), np.uint64)
    for values in columns:
        total = total * np.uint64(0x9E3779B97F4A7C15) + values
    total ^= total >> np.uint64(29)  # so that the low bits count in the order of hashes, too
    return total * np.uint64(0xBF58476D1CE4E5B9)


def column_hashes(values: pa.Array) -> np.ndarray:
    if pa.types.is_string(values.type):
        counted = values.dictionary_encode(null_encoding="encode")
        return hashes(counted.dictionary)[counted.indices.to_numpy()]
    return hashes(values)
