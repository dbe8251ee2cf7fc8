"""The rows of captured payloads: CSV with or without a header, JSON records, JSON Lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import json_lines
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

QUOTED = r'"[^"]*"'
CONTAINERS = ("instances", "predictions")  # members of a JSON payload that hold its records
Reject = Callable[[pa.Table, "pa.Array | np.ndarray", str], pa.Table]


@dataclass(frozen=True)
class Layout:
    """What the fields of a row without names are called, in order.

    `optional` may come before the columns (an id that the model ignores, say); other fields are `_c<position>`.
    """

    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    scalars: bool = False  # whether a bare number or text in a JSON list is a row of one field, as in an answer

    def names(self, width: int) -> list[str]:
        if width == len(self.optional) + len(self.columns):
            return [*self.optional, *self.columns]
        return [*self.columns[:width], *(f"_c{position}" for position in range(len(self.columns), width))]


@dataclass(frozen=True)
class Rows:
    table: pa.Table  # of text; null where a row has no such field
    payload: np.ndarray  # of each row: the `number` of its payload


def read(payloads: pa.Table, layout: Layout, reject: Reject) -> Iterator[Rows]:
    """Rows of the payloads (columns `file`, `number`, `data`, `kind`), those of one layout together.

    `reject` gets payloads, which of them are broken and why, and gives back the others.
    """
    kind = payloads["kind"]
    yield from _csv(payloads.filter(pc.equal(kind, "csv")), layout, reject)
    yield from _json(payloads.filter(pc.equal(kind, "json")), layout, reject)


def together(parts: Sequence[Rows]) -> Rows:
    """One table in the payloads' order, with all columns that any part has."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Rows(pa.table({}), np.empty(0, int))
    whole = pa.concat_tables([part.table for part in parts], promote_options="default")
    payload = np.concatenate([part.payload for part in parts])
    order = np.argsort(payload, kind="stable")
    return Rows(whole.take(pa.array(order)), payload[order])


def _csv(payloads: pa.Table, layout: Layout, reject: Reject) -> Iterator[Rows]:
    texts = pc.utf8_trim(_tidy(payloads["data"]), "\n")
    payloads = payloads.set_column(payloads.schema.get_field_index("data"), "data", texts)
    # an unclosed quote would swallow the payloads after it
    quotes = pc.count_substring(texts, '"')
    odd = pc.not_equal(pc.bit_wise_and(quotes, 1), 0)
    broken = pc.or_(odd, pc.equal(pc.utf8_trim_whitespace(texts), ""))
    payloads = reject(payloads, broken, "with broken CSV")
    if not payloads.num_rows:
        return
    first = _first_lines(payloads["data"])
    headed = _headed(first, [*layout.columns, *layout.optional], len(layout.columns))
    if pc.any(headed).as_py():
        yield from _with_headers(payloads.filter(headed), first.filter(headed))
        payloads = payloads.filter(pc.invert(headed))
    if payloads.num_rows:
        yield from _by_width(payloads["data"], payloads["number"].to_numpy(), layout)


def _tidy(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.match_substring(texts, "\r")).as_py():
        texts = pc.replace_substring(texts, "\r\n", "\n")
    if pc.any(pc.match_substring(texts, "\n\n")).as_py():
        texts = pc.replace_substring_regex(texts, "\n{2,}", "\n")
    return texts


def _first_lines(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The first line of texts that have several, null of the others."""
    several = pc.match_substring(texts, "\n")
    if not pc.any(several).as_py():
        return pa.chunked_array([pa.nulls(len(texts), pa.string())])
    return pc.if_else(several, pc.replace_substring_regex(texts, r"(?s)\n.*", ""), None)


def _headed(lines: pa.ChunkedArray, names: Sequence[str], most: int) -> pa.ChunkedArray:
    """Whether a line is a header: at least half of the column names stand in it."""
    if not names or lines.null_count == len(lines):
        return pa.chunked_array([pa.array(np.zeros(len(lines), bool))])
    found = np.zeros(len(lines), int)
    for name in names:
        found += pc.fill_null(pc.match_substring(lines, name), False).to_numpy().astype(int)
    return pa.chunked_array([pa.array(found >= max(1, most / 2))])


def _with_headers(payloads: pa.Table, headers: pa.ChunkedArray) -> Iterator[Rows]:
    for header in headers.unique():
        chosen = payloads.filter(pc.equal(headers, header))
        names = tuple(name.strip() for name in next(csv.reader([header.as_py()], skipinitialspace=True)))
        bodies = pc.replace_substring_regex(chosen["data"], r"^[^\n]*\n", "")
        yield from _by_width(bodies, chosen["number"].to_numpy(), Layout(names))


def _by_width(texts: pa.ChunkedArray, numbers: np.ndarray, layout: Layout) -> Iterator[Rows]:
    """Payloads with equal numbers of fields in all of their rows are read together."""
    bare = texts
    if pc.any(pc.match_substring(texts, '"')).as_py():
        bare = pc.replace_substring_regex(texts, QUOTED, "")
    lines = pc.split_pattern(bare, "\n").combine_chunks()
    lengths = pc.list_value_length(lines).to_numpy()
    widths = pc.count_substring(lines.flatten(), ",").to_numpy() + 1
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    widest, narrowest = np.maximum.reduceat(widths, starts), np.minimum.reduceat(widths, starts)
    even = widest == narrowest
    for width in np.unique(widest[even]):
        chosen = even & (widest == width)
        table = _even(texts.filter(pa.array(chosen)), layout.names(int(width)))
        yield Rows(table, np.repeat(numbers[chosen], lengths[chosen]))
    if not even.all():
        yield Rows(
            _ragged(texts.filter(pa.array(~even)), layout, int(widest[~even].max())),
            np.repeat(numbers[~even], lengths[~even]),
        )


def _even(texts: pa.ChunkedArray, names: Sequence[str]) -> pa.Table:
    whole = texts.combine_chunks()
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(whole)], pa.int32()), whole), "\n")
    quoted = pc.any(pc.match_substring(joined, '"')).as_py()
    places = [f"f{position}" for position in range(len(names))]  # a header may name a column twice
    table = arrow_csv.read_csv(
        pa.BufferReader(joined.buffers()[2]),
        read_options=arrow_csv.ReadOptions(column_names=places, block_size=2**24),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=quoted, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(places, pa.string())),
    )
    kept = {name: place for place, name in zip(places, names, strict=True)}
    return pa.table({name: table[place] for name, place in kept.items()})


def _ragged(texts: pa.ChunkedArray, layout: Layout, widest: int) -> pa.Table:
    rows = io.StringIO("\n".join(texts.to_pylist()))  # pandas fills short rows with blanks, which count as missing
    frame = pd.read_csv(rows, header=None, names=range(widest), dtype=str, keep_default_na=False, index_col=False)
    names = layout.names(widest)
    return pa.table({name: pa.array(frame[at], pa.string(), from_pandas=True) for at, name in enumerate(names)})


def _json(payloads: pa.Table, layout: Layout, reject: Reject) -> Iterator[Rows]:
    if not payloads.num_rows:
        return
    values = json_values(payloads["data"].to_pylist())
    for name in CONTAINERS:
        inside = json_lines.member(values, name)
        values = values.mask(inside.map(type).eq(list), inside)
    several = values.map(type).eq(list)
    values = pd.concat([values[~several], values[several].explode()])
    kinds = values.map(type)
    if layout.scalars:
        bare = ~kinds.isin([dict, list]) & values.notna()
        values = values.mask(bare, values[bare].map(lambda value: [value]))
        kinds = values.map(type)
    broken = np.zeros(payloads.num_rows, bool)
    broken[values.index[~kinds.isin([dict, list])]] = True
    reject(payloads, broken, "with JSON that is no record")
    values = values[~broken[values.index]].sort_index(kind="stable")
    numbers = payloads["number"].to_numpy()
    for kind in (dict, list):
        chosen = values[values.map(type).eq(kind)]
        if len(chosen):
            frame = pd.DataFrame(chosen.tolist(), dtype=object)
            names = list(map(str, frame.columns)) if kind is dict else layout.names(frame.shape[1])
            yield Rows(as_text(frame.set_axis(names, axis=1)), numbers[chosen.index])


def json_values(texts: list[str]) -> pd.Series:
    """The JSON value of each text. JSON Lines in one payload are a list, and None stands for what is not JSON."""
    values = pd.Series(json_lines.parse(texts), dtype=object)
    # an object on several lines would be split, so it is tried whole first
    lined = values.isna().to_numpy()
    if lined.any():
        lines = pd.Series(texts, dtype=object)[lined].str.strip().str.split("\n").explode()
        parsed = pd.Series(json_lines.parse(lines.tolist()), index=lines.index, dtype=object)
        values[lined] = parsed.groupby(level=0).agg(list)
    return values


def as_text(frame: pd.DataFrame) -> pa.Table:
    """Columns of JSON values as they were written: 1 is not 1.0."""
    return pa.table(
        {
            name: pa.array(column.where(column.isna(), column.astype(str)), pa.string(), from_pandas=True)
            for name, column in frame.items()
        }
    )
