"""A model's answers as columns `predicted_label` and `probability`, whatever they look like.

An attribute is a column of a CSV answer by name or index, a member of a JSON record by name, or, for other JSON, a
JMESPath expression over the whole answer that gives a value or a list with one for each record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import capture_rows
import jmespath
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from capture_rows import Layout, Rows
from jmespath.exceptions import JMESPathError

PREDICTED, PROBABILITY = "predicted_label", "probability"
NOTHING = pa.table({PREDICTED: pa.array([], pa.string()), PROBABILITY: pa.array([], pa.string())})
NAME = re.compile(r"[\w \-]*")


@dataclass(frozen=True)
class Answer:
    layout: Layout
    attributes: dict[str, str]  # our column to the answer's attribute
    threshold: float

    @classmethod
    def make(cls, columns: str, inference: str, probability: str, threshold: str) -> Answer:
        """From options. Raises ValueError for a threshold that is no number or a path that is no JMESPath."""
        given = {PREDICTED: inference, PROBABILITY: probability}
        attributes = {name: attribute for name, attribute in given.items() if attribute}
        if not attributes:
            raise ValueError("give an inference_attribute or a probability_attribute: one says what was predicted")
        try:
            limit = float(threshold)
        except ValueError as error:
            raise ValueError(f"probability_threshold_attribute is {threshold!r}: a number is expected") from error
        for attribute in attributes.values():
            if not NAME.fullmatch(attribute):
                _compiled(attribute)
        return cls(Layout(tuple(filter(None, columns.split(","))), scalars=True), attributes, limit)

    def rows(self, payloads: pa.Table, reject: capture_rows.Reject) -> Rows:
        """Columns `predicted_label` and `probability` of the answers; null where one lacks it.

        Raises:
            ValueError: no answer has any of the attributes.
        """
        searched = [name for name, attribute in self.attributes.items() if not NAME.fullmatch(attribute)]
        if searched:
            found = self._searched(payloads, reject)
        else:
            parts = list(capture_rows.read(payloads, self.layout, reject))
            if parts and not any(self._chosen(part.table) for part in parts):
                raise ValueError(self._unknown(payloads["file"][0].as_py(), [part.table for part in parts]))
            found = capture_rows.together([Rows(self._complete(part.table), part.payload) for part in parts])
        return Rows(self._labelled(found.table), found.payload)

    def _chosen(self, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        columns = {}
        for name, attribute in self.attributes.items():
            if attribute in table.column_names:
                columns[name] = table[attribute]
            elif attribute.isdigit() and int(attribute) < table.num_columns:
                columns[name] = table[int(attribute)]
        return columns

    def _searched(self, payloads: pa.Table, reject: capture_rows.Reject) -> Rows:
        payloads = reject(payloads, pc.not_equal(payloads["kind"], "json"), "not JSON, as JMESPath needs")
        values = capture_rows.json_values(payloads["data"].to_pylist())
        columns = {name: values.map(_search(attribute)) for name, attribute in self.attributes.items()}
        lists = {name: column.map(_as_list) for name, column in columns.items()}
        lengths = np.array([column.map(len).to_numpy() for column in lists.values()])
        broken = (lengths != lengths[0]).any(axis=0) | (lengths[0] == 0) | values.isna().to_numpy()
        payloads = reject(payloads, broken, "without what the JMESPath asks for")
        kept = pd.DataFrame({name: column[~broken].explode() for name, column in lists.items()})
        numbers = np.repeat(payloads["number"].to_numpy(), lengths[0][~broken].astype(int))
        table = capture_rows.as_text(kept)
        nothing = pa.nulls(len(numbers), pa.string())
        return Rows(
            pa.table({name: table[name] if name in kept else nothing for name in (PREDICTED, PROBABILITY)}), numbers
        )

    def of(self, table: pa.Table, file: str) -> pa.Table:
        """The same of answers whose columns have names. Raises ValueError."""
        if not self._chosen(table):
            raise ValueError(self._unknown(file, [table]))
        return self._labelled(self._complete(table))

    def _unknown(self, file: str, tables: Sequence[pa.Table]) -> str:
        columns = ", ".join(dict.fromkeys(name for table in tables for name in table.column_names))
        return (
            f"no answer in {file} and the files read with it has {' or '.join(self.attributes.values())}: their "
            f"columns are {columns}; inference_attribute and probability_attribute name the ones to take"
        )

    def _complete(self, table: pa.Table) -> pa.Table:
        chosen = self._chosen(table)
        nothing = pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
        return pa.table({name: chosen.get(name, nothing) for name in (PREDICTED, PROBABILITY)})

    def _labelled(self, table: pa.Table) -> pa.Table:
        """Where no answer has a label it is the threshold's."""
        if not table.num_columns:
            return NOTHING
        if table[PREDICTED].null_count < table.num_rows:
            return table
        numbers = pd.to_numeric(table[PROBABILITY].to_pandas(), errors="coerce")
        labels = pa.array(np.where(numbers >= self.threshold, "1", "0"), pa.string(), mask=numbers.isna().to_numpy())
        return table.set_column(0, PREDICTED, labels)


def _compiled(expression: str) -> jmespath.parser.ParsedResult:
    try:
        return jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"{expression!r} is neither a column nor JMESPath: {error}") from error


def _search(attribute: str) -> Callable[[object], object]:
    # A name is an expression, too, but for one with a hyphen or a space in it.
    return _compiled(f'"{attribute}"' if NAME.fullmatch(attribute) else attribute).search


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
