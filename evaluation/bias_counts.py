"""How many records each group has by label, predicted label and subgroup: all that metrics of bias ask of a dataset.

Two passes over the few columns concerned: what the columns hold, then the counts. Memory goes with the distinct values,
not with the records.

A listed value is a category, or of a continuous column a lower bound that is itself outside (developer guide,
"Configure the analysis"). A column is continuous when it has one listed value and numbers that are fractions, or whole
ones with more than FEW values; a value listed twice is a category of such a column, too. The library smclarify takes
whole numbers for continuous when at least 5 % of them are distinct, so that the labels 0 and 1 of 30 records are, and
the ages of a large dataset are not. Records without a label, predicted label, facet or group are left out where that
is needed, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from analysis_config import Config, listed
from analysis_data import Table

FEW = 10  # whole numbers with no more values are categories
MOST_GROUPS = 200  # of a facet that lists no value: one against the rest each
MOST_SUBGROUPS = 10_000
TRACKED = 100_000  # distinct values of a column that are kept
SENSITIVE = 1  # the listed group's number


@dataclass
class Column:
    """What a column holds, over all parts."""

    name: str
    values: set[Any] | None = field(default_factory=set)  # None beyond TRACKED
    records: int = 0
    missing: int = 0
    numeric: bool = True
    whole: bool = True
    largest: float = -math.inf

    def add(self, series: pd.Series) -> None:
        found = series.dropna()
        values = pd.unique(found)
        self.records += len(series)
        self.missing += len(series) - len(found)
        numbers = _numbers(values)
        self.numeric = self.numeric and not np.isnan(numbers).any()
        self.whole = self.whole and bool((numbers == np.floor(numbers)).all())
        self.largest = max(self.largest, np.max(numbers, initial=-math.inf, where=~np.isnan(numbers)))
        if self.values is not None:
            self.values = self.values | set(values.tolist()) if len(values) <= TRACKED else None
        if self.values is not None and len(self.values) > TRACKED:
            self.values = None

    def continuous(self, given: Sequence[Any]) -> bool:
        """Whether the listed value is a lower bound."""
        if len(given) != 1 or not self.numeric:
            return False
        if self.values is None:
            return True
        return not self.whole or len(np.unique(_numbers(self.values))) > FEW


@dataclass(frozen=True)
class Facet:
    """Groups of records. Of a facet with listed values the group 0 is all others, and only 1 is reported."""

    name: str
    groups: list[tuple[str, str]]  # of the reported ones: text in results, and value as the config lists it
    columns: list[str]
    codes: Callable[[pd.DataFrame], np.ndarray]  # a group's number for each record, -1 for none
    one_against_rest: bool  # every value is a group


@dataclass(frozen=True)
class Counts:
    """`cells` of each facet: shape (groups, label, predicted label, subgroup); all predicted 0 without predictions."""

    cells: list[np.ndarray]
    facets: list[Facet]
    label: str  # of the positive label, or its bound
    records: int
    left_out: dict[str, int]  # column to records without a value there
    positive: Callable[[pd.Series], np.ndarray]  # whether labels, true or predicted, are positive

    def groups(self) -> Iterator[tuple[Facet, tuple[str, str], np.ndarray]]:
        """Each reported group of each facet: its texts, and counts by (rest or group, label, predicted, subgroup)."""
        for facet, cells in zip(self.facets, self.cells, strict=True):
            for number, texts in enumerate(facet.groups):
                group = cells[number if facet.one_against_rest else SENSITIVE]
                yield facet, texts, np.stack([cells.sum(axis=0) - group, group])


def count(config: Config, table: Table, predicted: bool, intersections: bool = False) -> Counts:
    """Counts of the label alone, or of label and predicted label together.

    Raises:
        ValueError: the config lacks label, label_values_or_threshold or facet, or a column does not fit them.
    """
    for name in ("label_values_or_threshold", "facet"):
        if config.get(name) in (None, []):
            raise ValueError(f"{name} is required for bias metrics, and the analysis config has none")
    if table.label is None:
        raise ValueError("label is required for bias metrics, and the analysis config has none")
    group = table.column(config["group_variable"]) if config.get("group_variable") is not None else None
    named = [table.column(each["name_or_index"]) for each in config["facet"]]
    roles = [table.label, *([table.predicted] if predicted and table.predicted else [])]
    wanted = list(dict.fromkeys([*roles, *named, *([group] if group else [])]))
    columns = {name: Column(name) for name in wanted}
    for part in table.parts(wanted):
        for name, column in columns.items():
            column.add(part[name])
    if not columns[table.label].records:
        raise ValueError("the dataset has no records")
    given = listed(config["label_values_or_threshold"])
    positive, text = _members(columns[table.label], given)
    _check_labels(columns, roles, given)
    facets = [_facet(columns[name], each) for name, each in zip(named, config["facet"], strict=True)]
    facets += [_both(*pair) for pair in combinations(facets, 2)] if intersections else []
    subgroups = _subgroups(columns[group]) if group else {}
    cells = [np.zeros((_size(each), 2, 2, max(1, len(subgroups))), np.int64) for each in facets]
    for part in table.parts(wanted):
        label = _lookup(part[table.label], positive)
        answer = _lookup(part[table.predicted], positive) if len(roles) > 1 else np.zeros(len(part), np.int64)
        subgroup = _lookup(part[group], lambda values: [subgroups[each] for each in values]) if group else 0 * answer
        for counts, facet in zip(cells, facets, strict=True):
            counts += _cross(counts.shape, facet.codes(part), label, answer, subgroup)
    left_out = {name: column.missing for name, column in columns.items() if column.missing}
    records = columns[table.label].records
    return Counts(cells, facets, text, records, left_out, lambda labels: _lookup(labels, positive) == 1)


def _cross(shape: tuple[int, ...], *codes: np.ndarray) -> np.ndarray:
    """Records by all the codes together; one that is negative leaves its record out."""
    known = np.logical_and.reduce([each >= 0 for each in codes])
    at = np.ravel_multi_index([each[known] for each in codes], shape)
    return np.bincount(at, minlength=math.prod(shape)).reshape(shape)


def _lookup(series: pd.Series, code: Callable[[Any], Iterable[int]]) -> np.ndarray:
    """A code for each record, worked out once for each distinct value; -1 where the value is missing."""
    at, values = pd.factorize(series)
    return np.append(np.fromiter(code(values), np.int64, len(values)), -1)[at]


def _facet(column: Column, declared: Config) -> Facet:
    given = declared.get("value_or_threshold")
    if given not in (None, []):
        members, text = _members(column, listed(given))
        texts = (text, ",".join(map(str, listed(given))))
        return Facet(column.name, [texts], [column.name], lambda part: _lookup(part[column.name], members), False)
    if column.values is None or len(column.values) > MOST_GROUPS:
        many = f"{len(column.values)}" if column.values else f"more than {TRACKED}"
        raise ValueError(
            f"facet {column.name} has {many} values, and {MOST_GROUPS} at most are compared one by one: "
            "give its value_or_threshold"
        )
    values = sorted(column.values, key=str)
    at = {value: number for number, value in enumerate(values)}
    codes = lambda part: _lookup(part[column.name], lambda found: [at[each] for each in found])  # noqa: E731
    return Facet(column.name, [(_text(each), _text(each)) for each in values], [column.name], codes, True)


def _both(one: Facet, other: Facet) -> Facet:
    """Those who are in the listed groups of both facets, against all others."""
    for each in (one, other):
        if each.one_against_rest:
            raise ValueError(f"intersections need a value_or_threshold of each facet; {each.name} has none")

    def codes(part: pd.DataFrame) -> np.ndarray:
        first, second = one.codes(part), other.codes(part)
        return np.where((first < 0) | (second < 0), -1, first * second)

    texts = [f"{mine} & {others}" for mine, others in zip(one.groups[0], other.groups[0], strict=True)]
    return Facet(f"{one.name} & {other.name}", [(texts[0], texts[1])], [*one.columns, *other.columns], codes, False)


def _size(facet: Facet) -> int:
    return len(facet.groups) if facet.one_against_rest else 2


def _subgroups(column: Column) -> dict[Any, int]:
    if column.values is None or len(column.values) > MOST_SUBGROUPS:
        raise ValueError(f"group_variable {column.name} has more than {MOST_SUBGROUPS} values: no subgroups")
    return {value: number for number, value in enumerate(sorted(column.values, key=str))}


def _members(column: Column, given: list[Any]) -> tuple[Callable[[Any], Iterable[int]], str]:
    """Whether values are among the listed ones, or above the listed bound; and the text of those in smclarify's words.

    Raises:
        ValueError: text is listed for numbers.
    """
    if column.continuous(given):
        bound = _number(given[0])
        if math.isnan(bound):
            raise ValueError(f"{column.name} has continuous numbers, so its threshold {given[0]!r} must be one")
        ends = [int(end) if column.whole and bound.is_integer() else float(end) for end in (bound, column.largest)]
        return lambda values: (_numbers(values) > bound).astype(int), f"({ends[0]}, {ends[1]}]"
    keys = {_key(each, column.numeric) for each in given}
    return lambda values: [_key(each, column.numeric) in keys for each in values], ",".join(map(str, given))


def _check_labels(columns: dict[str, Column], roles: list[str], given: list[Any]) -> None:
    """Raises ValueError for predictions that are no labels, such as probabilities."""
    if len(roles) < 2 or columns[roles[0]].continuous(given):
        return
    label, predicted = (columns[name] for name in roles)
    known = {_key(each, label.numeric) for each in label.values or {}}
    if predicted.values is None or not known & {_key(each, label.numeric) for each in predicted.values}:
        some = ", ".join(sorted(map(str, predicted.values or []))[:3]) or f"more than {TRACKED} values"
        raise ValueError(f"predicted label {predicted.name} has none of the values of {label.name}; it has {some}")


def _key(value: Any, numeric: bool) -> Any:
    """What makes values of a column and of a config equal: 1, 1.0 and "1" are, and True and "true"."""
    if isinstance(value, bool | np.bool_):
        return float(value) if numeric else str(value).lower()
    if numeric:
        return _number(value)
    text = str(value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _numbers(values: Iterable[Any]) -> np.ndarray:
    """NaN for what is no number."""
    found = list(values)
    try:
        return np.array(found, dtype=object).astype(float)
    except (TypeError, ValueError):
        return np.array([_number(each) for each in found], float)
