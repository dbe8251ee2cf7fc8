"""JSON Lines as an Arrow table of texts: captures and ground truth, a batch of files at a time.

Arrow's own parser reads a batch of well-formed records (600 MB take two seconds). Where it refuses, the batch is parsed
again so that one broken line costs that line alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import json as arrow_json

File = tuple[str, bytes]  # name, content
Paths = Mapping[str, tuple[str, ...]]  # column to where the text stands in a record
BLOCK = 32 * 2**20  # bytes that the parser takes at once; a longer line is parsed the slow way


def read(files: Sequence[File], paths: Paths) -> pa.Table:
    """Columns `file` and those of `paths`, one row a line; null where a line is broken or holds no text there."""
    contents = [content.strip() for _, content in files]
    counts = [content.count(b"\n") + 1 if content else 0 for content in contents]
    whole = b"\n".join(content for content in contents if content)
    table = _parsed(whole, paths) if whole else None
    if table is None or table.num_rows != sum(counts):  # a line is broken, or blank
        lines = [[line for line in content.split(b"\n") if line.strip()] for content in contents]
        counts = [len(each) for each in lines]
        table = _salvaged([line.decode(errors="replace") for each in lines for line in each], paths)
    at = pa.array(np.repeat(np.arange(len(files)), counts), pa.int32())
    names = pa.DictionaryArray.from_arrays(at, pa.array([name for name, _ in files], pa.string()))
    return table.add_column(0, "file", names).combine_chunks()


def _parsed(content: bytes, paths: Paths) -> pa.Table | None:
    """None where Arrow refuses a line."""
    nested: dict[str, Any] = {}
    for path in paths.values():
        level = nested
        for member in path:
            level = level.setdefault(member, {})
    options = arrow_json.ParseOptions(explicit_schema=pa.schema(_fields(nested)), unexpected_field_behavior="ignore")
    try:
        content.decode()
        found = arrow_json.read_json(
            io.BytesIO(content), read_options=arrow_json.ReadOptions(block_size=BLOCK), parse_options=options
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    return pa.table({name: _leaf(found, path) for name, path in paths.items()})


def _fields(nested: Mapping[str, Any]) -> list[pa.Field]:
    return [pa.field(name, pa.struct(_fields(inner)) if inner else pa.string()) for name, inner in nested.items()]


def _leaf(table: pa.Table, path: Sequence[str]) -> pa.ChunkedArray:
    column = table.column(path[0])
    for member in path[1:]:
        field = column.type.get_field_index(member)
        column = pa.chunked_array([chunk.flatten()[field] for chunk in column.chunks], column.type.field(field).type)
    return column


def _salvaged(lines: Sequence[str], paths: Paths) -> pa.Table:
    records = pd.Series(parse(lines), dtype=object)
    columns = {}
    for name, path in paths.items():
        values = records
        for step in path:
            values = member(values, step)
        columns[name] = pa.array(values.where(values.map(type).eq(str), None), pa.string(), from_pandas=True)
    return pa.table(columns)


def parse(texts: Sequence[str]) -> list[Any]:
    """The JSON value of each text, None for a broken one; halves are retried, so a few broken ones cost little."""
    try:
        values = json.loads(f"[{','.join(texts)}]")
        if len(values) == len(texts):
            return list(values)
    except (ValueError, RecursionError):
        pass
    if len(texts) <= 1:
        return [None] * len(texts)
    middle = len(texts) // 2
    return parse(texts[:middle]) + parse(texts[middle:])


def member(objects: pd.Series, name: str) -> pd.Series:
    """One member of each object, missing where there is none."""
    are_dicts = objects.map(type).eq(dict).to_numpy(dtype=bool)
    members = pd.DataFrame(objects[are_dicts].tolist())
    found = pd.Series(None, index=objects.index, dtype=object)
    if name in members:
        found[are_dicts] = members[name].to_numpy(dtype=object)
    return found
