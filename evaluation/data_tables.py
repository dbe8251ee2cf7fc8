"""Tables of a monitoring job as Arrow batches, in the formats that Model Monitor's `dataset_format` names.

    {"csv": {"header": true}}   {"csv": {"header": false}}   {"json": {"lines": true}}   {"parquet": {}}

Only one piece is in memory, but of a JSON array. Without a header the columns are called _c0, _c1 … as Spark calls
them; nested records are flattened with dots. CSV stays text, and blank where a value is missing: what a value is
called depends on how it was written. Text that is neither UTF-8 nor UTF-16 is taken for Latin-1.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

CHUNK_ROWS = 65_536
CHUNK_BYTES = 2**22  # of text
READ_BYTES = 2**16  # of a column of a Parquet file at a time; without, a whole row group's are in memory
FORMATS = '{"csv": {"header": true}}, {"json": {"lines": true}}, {"parquet": {}}'
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_table(source: Path, kind: str, options: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """
    Raises:
        ValueError: no file, one that isn't of the format, or no record in any of them.
    """
    rows = 0
    files = table_files(source, kind)
    for file in files:
        try:
            for batch in _read(file, kind, options):
                rows += len(batch)
                yield batch
        except (ValueError, OSError, NotImplementedError) as error:
            raise ValueError(f"{file} is not a table of dataset_format {kind} with {options}: {error}") from error
    if not rows:
        raise ValueError(f"no records under {source} ({len(files)} files)")


def table_files(source: Path, kind: str) -> list[Path]:
    """Those with the format's suffix if there are any, else all: a prefix's parts are often named part-00000."""
    if not source.is_dir():
        return [source]
    every = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    return [path for path in every if path.suffix.startswith(f".{kind}")] or every


def _read(file: Path, kind: str, options: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    if kind == "csv":
        return _read_csv(file, bool(options.get("header", True)))
    if kind == "parquet":
        return _read_parquet(file)
    if options.get("lines", options.get("line", False)):
        return _read_json_lines(file)
    document = json.loads(file.read_bytes())  # finds UTF-16 by itself
    return iter([batch_of(pd.json_normalize(document if isinstance(document, list) else [document]))])


def _read_parquet(file: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow import parquet

    schema = parquet.read_schema(file)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    with parquet.ParquetFile(
        file, read_dictionary=texts, buffer_size=READ_BYTES, pre_buffer=False
    ) as table:  # texts come counted, nearly
        for batch in table.iter_batches(CHUNK_ROWS):
            yield flat(batch)


def _read_csv(file: Path, header: bool) -> Iterator[pa.RecordBatch]:
    """Without type inference, which would take "34.0" and "34" for the same."""
    from pyarrow import csv

    encoding = encoding_of(file)
    reading = csv.ReadOptions(block_size=CHUNK_BYTES, encoding=encoding, autogenerate_column_names=not header)
    parsing = csv.ParseOptions(newlines_in_values=True)
    if file.stat().st_size <= len(codecs.BOM_UTF8):
        return
    with csv.open_csv(file, read_options=reading, parse_options=parsing) as table:  # a first block, for the names
        names = table.schema.names
    texts = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=["", "NaN", "nan"]
    )
    with csv.open_csv(file, read_options=reading, parse_options=parsing, convert_options=texts) as table:
        for batch in table:
            yield batch if header else batch.rename_columns([f"_c{place}" for place in range(len(names))])


def encoding_of(file: Path) -> str:
    """By its first bytes, and by whether all of it is UTF-8."""
    with file.open("rb") as content:
        head = content.read(4096)
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if head.startswith(mark):
                return encoding
        if head[1::2].count(0) > len(head) / 4:  # Latin letters in two bytes each
            return "utf-16-le"
        if head[::2].count(0) > len(head) / 4:
            return "utf-16-be"
        content.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece := content.read(CHUNK_BYTES):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            print(f"{file} is not UTF-8 ({error.reason} at byte {error.start}): read as Latin-1")
            return "latin-1"
    return "utf-8"


def _read_json_lines(file: Path) -> Iterator[pa.RecordBatch]:
    with file.open(encoding=encoding_of(file)) as lines:
        while text := "".join(lines.readlines(CHUNK_BYTES)):
            yield _records(text)


def _records(text: str) -> pa.RecordBatch:
    """Arrow reads records of one shape; those whose values differ in type are read one by one."""
    from pyarrow import json as arrow_json

    try:
        table = arrow_json.read_json(
            io.BytesIO(text.encode()), read_options=arrow_json.ReadOptions(block_size=2 * CHUNK_BYTES)
        )
        return flat(table.combine_chunks().to_batches()[0])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, IndexError):
        records = json.loads(f"[{','.join(line for line in text.splitlines() if line.strip())}]")
        return batch_of(pd.json_normalize(records))


def flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Members of nested records as columns, `address.city`."""
    if not any(pa.types.is_struct(field.type) for field in batch.schema):
        return batch
    return flat(pa.Table.from_batches([batch]).flatten().combine_chunks().to_batches()[0])


def batch_of(frame: pd.DataFrame) -> pa.RecordBatch:
    """A frame as text. Integers that a missing value made floats are written as integers again."""
    texts = frame.convert_dtypes().astype("string")
    columns = [pa.array(texts.iloc[:, place], pa.string(), from_pandas=True) for place in range(texts.shape[1])]
    return pa.RecordBatch.from_arrays(columns, names=[str(name) for name in frame.columns])
