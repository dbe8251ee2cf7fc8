"""Truth and predictions of a table, or of Model Monitor's merged captures, as what the metrics are made of.

A table is read piece by piece, and of each only the columns that are named; what stays is a class or a number a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import data_capture
import ground_truth
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from captured_answers import PREDICTED, PROBABILITY, Answer
from data_capture import OUTPUT, TRUTH, NoRecordsError, Tally, Window
from data_tables import read_table
from model_quality_forecasting import Forecasts
from model_quality_metrics import Array, Classified, Numbers
from model_quality_ranking import Ranked

POSITIVE, NEGATIVE = {"1", "true", "yes"}, {"0", "false", "no"}
WHOLE = re.compile(r"(-?\d+)\.0+")
Columns = Mapping[str, pa.Array]  # `truth`, `predicted` and others by what they are


class Problem:
    """Collects records; those without a truth or a prediction are left out and counted in `skipped`."""

    def __init__(self) -> None:
        self.records = 0
        self.skipped = 0

    def known(self, columns: Columns) -> tuple[Columns, Array]:
        """The columns of the records that have truth and prediction, and their positions from the first."""
        there = pc.and_(*(_present(columns[name]) for name in ("truth", "predicted")))
        rows = self.records + np.flatnonzero(there.to_numpy(zero_copy_only=False))
        self.records += len(there)
        self.skipped += len(there) - len(rows)
        return {name: values.filter(there) for name, values in columns.items()}, rows


@dataclass
class Attributes:
    """Columns of a table by name or index; "" for what it has not."""

    truth: str
    predicted: str
    probability: str = ""
    threshold: float = 0.5
    more: Mapping[str, str] = field(default_factory=dict)

    def of(self, batch: pa.RecordBatch) -> Columns:
        """Raises ValueError naming the option and the columns that there are."""
        named = {"truth": ("ground_truth_attribute", self.truth), "predicted": ("inference_attribute", self.predicted)}
        named["probability"] = ("probability_attribute", self.probability)
        named |= {name: (name, column) for name, column in self.more.items()}
        found = {name: _column(batch, wanted, option) for name, (option, wanted) in named.items() if wanted}
        return self.completed(found)

    def completed(self, found: dict[str, pa.Array]) -> Columns:
        """With the label that the threshold gives where none was predicted."""
        if "predicted" in found:
            return found
        if "probability" not in found:
            raise ValueError("give an inference_attribute or a probability_attribute: one says what was predicted")
        numbers = numeric(found["probability"], "probability_attribute", np.arange(len(found["probability"])), True)
        labels = pa.array(np.where(numbers >= self.threshold, "1", "0"), pa.string(), mask=np.isnan(numbers))
        return found | {"predicted": labels}


def _column(batch: pa.RecordBatch, wanted: str, option: str) -> pa.Array:
    """By name, or by index as SageMaker's examples also give it."""
    names = batch.schema.names
    if wanted in names:
        return batch.column(names.index(wanted))
    if wanted.isdigit() and int(wanted) < len(names):
        return batch.column(int(wanted))
    raise ValueError(f"{option} is {wanted!r}, and the columns are {', '.join(names)}")


def _present(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        return pc.fill_null(pc.invert(pc.is_nan(values)), False)
    text = pc.is_in(_text(values), value_set=pa.array(["", "nan", "NaN"]))
    return pc.and_(pc.is_valid(values), pc.invert(text))


def _text(values: pa.Array) -> pa.Array:
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def numeric(values: pa.Array, option: str, rows: Array, blanks: bool = False) -> Array:
    """As floats. Raises ValueError naming row (counted from 1) and value of what is none; `blanks` may be NaN."""
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        found = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    else:
        found = pd.to_numeric(_text(values).to_pandas(), errors="coerce").to_numpy(dtype=float)
    wrong = np.isnan(found)
    if blanks and wrong.any():
        wrong &= _present(values).to_numpy(zero_copy_only=False)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"{option}: record {rows[at] + 1} has {values[at].as_py()!r} where a number is needed")
    return found


class Classes(Problem):
    """Classification: counts by true and predicted class, and probabilities of a binary one."""

    def __init__(self, binary: bool) -> None:
        super().__init__()
        self.binary = binary
        self.codes: dict[str, int] = {"0": 0, "1": 1} if binary else {}
        self._counts = np.zeros((len(self.codes), len(self.codes)), np.int64)
        self._positive: list[Array] = []
        self._probability: list[Array] = []

    def add(self, columns: Columns) -> None:
        columns, rows = self.known(columns)
        if not len(rows):
            return
        truth = self._coded(columns["truth"], "ground_truth_attribute", rows)
        predicted = self._coded(columns["predicted"], "inference_attribute", rows)
        size = len(self.codes)
        counts = np.zeros((size, size), np.int64)
        counts[: len(self._counts), : len(self._counts)] = self._counts
        self._counts = counts + np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)
        if self.binary and "probability" in columns:
            self._probability.append(numeric(columns["probability"], "probability_attribute", rows))
            self._positive.append(truth == 1)

    def _coded(self, values: pa.Array, option: str, rows: Array) -> Array:
        coded = _text(values).dictionary_encode()
        names = [_plain(name) for name in coded.dictionary.to_pylist()]
        indices = coded.indices.to_numpy(zero_copy_only=False)
        if self.binary:
            names = [self._sign(name) for name in names]
            if "" in names:
                at = int(np.argmax(np.array([name == "" for name in names])[indices]))
                raise ValueError(
                    f"{option}: record {rows[at] + 1} has {values[at].as_py()!r}; a binary label is 1 or 0, true or "
                    "false, yes or no. MulticlassClassification takes any labels"
                )
        codes = np.array([self.codes.setdefault(name, len(self.codes)) for name in names])
        return codes[indices]

    @staticmethod
    def _sign(name: str) -> str:
        return "1" if name.lower() in POSITIVE else "0" if name.lower() in NEGATIVE else ""

    @property
    def data(self) -> Classified:
        order = np.argsort(np.array(list(self.codes), dtype=str))
        labels = [list(self.codes)[place] for place in order]
        found = Classified(labels, self._counts[np.ix_(order, order)])
        if self._probability:
            found.positive, found.probability = np.concatenate(self._positive), np.concatenate(self._probability)
        return found


def _plain(label: str) -> str:
    """1.0 is how a missing value elsewhere in the column makes 1 look."""
    label = label.strip()
    whole = WHOLE.fullmatch(label)
    return whole[1] if whole else label


class Figures(Problem):
    """Regression, ranking and forecasts: a number a record, and a group for the latter two."""

    def __init__(self, more: Mapping[str, str]) -> None:
        super().__init__()
        self._more = more
        self._groups: dict[str, int] = {}
        self._parts: dict[str, list[Array]] = {}

    def add(self, columns: Columns) -> None:
        columns, rows = self.known(columns)
        options = {"truth": "ground_truth_attribute", "predicted": "inference_attribute"}
        for name, values in columns.items():
            if name == "group_attribute":
                coded = _text(values).fill_null("").dictionary_encode()
                names = coded.dictionary.to_pylist()
                codes = np.array([self._groups.setdefault(each, len(self._groups)) for each in names], dtype=np.int64)
                found = codes[coded.indices.to_numpy(zero_copy_only=False)]
            elif name == "probability":
                continue
            else:
                found = numeric(values, options.get(name, name), rows)
            self._parts.setdefault(name, []).append(found)

    def _all(self, name: str) -> Array:
        return np.concatenate(self._parts[name]) if self._parts.get(name) else np.empty(0)

    @property
    def numbers(self) -> Numbers:
        return Numbers(self._all("truth"), self._all("predicted"))

    @property
    def ranked(self) -> Ranked:
        return Ranked(self._all("group_attribute"), self._all("truth"), self._all("predicted"))

    def forecasts(self, levels: Mapping[str, float], season: int) -> Forecasts:
        series = self._all("group_attribute") if "group_attribute" in self._parts else np.zeros(len(self._all("truth")))
        quantiles = {level: self._all(name) for name, level in levels.items()}
        scale = self._all("scale_attribute") if "scale_attribute" in self._parts else None
        return Forecasts(series, self._all("truth"), self._all("predicted"), quantiles, scale, season)


def table(source: Path, kind: str, options: dict[str, Any], attributes: Attributes) -> Iterator[Columns]:
    """Raises ValueError for a table without records or without the columns."""
    for batch in read_table(source, kind, options):
        yield attributes.of(batch)


def merged(source: Path, attributes: Attributes, window: Window, tally: Tally, prefix: str) -> Iterator[Columns]:
    """Of merged captures, records with `groundTruthData` beside `captureData`.

    Raises:
        NoRecordsError: there is none in the window, or none with its truth.
    """
    answer = Answer.make("", attributes.predicted, attributes.probability, str(attributes.threshold))
    found = 0
    for files in data_capture.file_batches(source):
        records = data_capture.records(files, (OUTPUT, TRUTH), window, tally)
        answers = answer.rows(data_capture.side_payloads(records, OUTPUT, tally), tally.reject)
        labels = ground_truth.decoded(records[TRUTH], records[f"{TRUTH}.encoding"])
        truth, number = ground_truth.lines_of(labels)
        sizes = (np.bincount(each, minlength=records.num_rows) for each in (number, answers.payload))
        given, predicted = sizes
        tally.reject(records, (predicted > 0) & (given == 0), f"without {TRUTH}")
        tally.reject(
            records, (predicted > 0) & (given > 0) & (predicted != given), "with more or fewer labels than answers"
        )
        fits = given == predicted
        chosen = answers.table.filter(pa.array(fits[answers.payload]))
        columns = {"truth": truth.filter(pa.array(fits[number]))}
        columns |= {
            "predicted": chosen[PREDICTED].combine_chunks(),
            "probability": chosen[PROBABILITY].combine_chunks(),
        }
        if not attributes.probability:
            del columns["probability"]
        found += len(columns["truth"])
        if len(columns["truth"]):
            yield columns
    if not found:
        raise NoRecordsError(f"no record with its truth under {prefix or source} from {window}: {tally}")
