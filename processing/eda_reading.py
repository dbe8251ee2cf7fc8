"""Any CSV or Parquet files as Arrow batches: text as written where a file is text, its own types where it has them.

What a CSV is written in is found out: encoding, separator, and whether its first line has names. Rows with another
number of fields than the first are skipped and counted. Only a piece is in memory at a time.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet
from tabular import InputError

ROWS = 65_536  # of a batch of Parquet
BLOCK = 2**23  # bytes of text
HEAD = 2**18  # bytes that tell separator and header
SEPARATORS = ",;\t|"
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # the rows' numbers, which pandas writes along
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass
class Source:
    """One file and how it is written."""

    path: Path
    form: str  # csv or parquet
    names: list[str]
    encoding: str = "utf-8"
    separator: str = ","
    header: bool = True
    notes: list[str] = field(default_factory=list)  # what a reader should know of it
    skipped: int = 0  # rows that have too many or too few fields


def sources(folder: Path) -> list[Source]:
    """The files that together hold the table.

    Raises InputError: no file, one without columns or of another kind, or files that differ in their columns.
    """
    listed = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in listed if not path.name.startswith((".", "_"))]
    if not files:
        raise InputError(f"No input: {folder} holds no file. Point InputDataUrl at a table, CSV or Parquet.")
    found = [opened(path) for path in files]
    for other in found[1:]:
        if other.names != found[0].names:
            odd = sorted(set(other.names) ^ set(found[0].names)) or ["the same ones in another order"]
            raise InputError(
                f"{other.path.name} and {found[0].path.name} have different columns ({', '.join(odd[:5])}): give the "
                "parts of one table, or one file."
            )
    return found


def opened(path: Path) -> Source:
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise InputError(f"{path.name} is neither CSV nor Parquet ({', '.join(SUFFIXES)}). Convert it first.")
    if not path.stat().st_size:
        raise InputError(f"{path.name} is empty: it has no rows, not even a header. Give a table.")
    source = open_parquet(path) if form == "parquet" else open_csv(path)
    if not source.names:
        raise InputError(f"{path.name} has no columns. Give a table with a header.")
    return source


def open_parquet(path: Path) -> Source:
    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path.name} is not readable as Parquet: {str(error).splitlines()[0]}") from error
    names = [name for name in flat_names(schema) if not PANDAS_INDEX.fullmatch(name)]
    return Source(path, "parquet", names)


def open_csv(path: Path) -> Source:
    encoding = encoding_of(path)
    with path.open(encoding=encoding, newline="", errors="replace") as content:
        head = content.read(HEAD)
    if not head.strip():
        raise InputError(f"{path.name} is empty: it has no rows, not even a header. Give a table.")
    separator = separator_of(head)
    first = next(csv.reader(io.StringIO(head), delimiter=separator))
    header = not (len(first) > 1 and all(NUMBER.fullmatch(name) for name in first))
    notes = []
    if encoding != "utf-8":
        notes.append(f"{path.name} is written in {encoding}, not in UTF-8.")
    if not header:
        notes.append(f"{path.name} has only numbers in its first line: its columns have no names and are numbered.")
    names = unique(first if header else [""] * len(first), notes)
    return Source(path, "csv", names, encoding, separator, header, notes)


def unique(names: Iterable[str], notes: list[str]) -> list[str]:
    """Each name once and none blank: `column_3` where there is none, `price_2` for the second `price`."""
    found: list[str] = []
    for place, name in enumerate(names, 1):
        clean = " ".join(name.split()) or f"column_{place}"
        again = 2
        chosen = clean
        while chosen in found:
            chosen, again = f"{clean}_{again}", again + 1
        if chosen != clean:
            notes.append(f"There are several columns {clean!r}: one of them is called {chosen!r} here.")
        found.append(chosen)
    return found


def encoding_of(path: Path) -> str:
    """By its first bytes, and by whether all of it is UTF-8; what is neither is taken for Windows' Latin letters."""
    with path.open("rb") as content:
        head = content.read(4096)
        for mark, encoding in MARKS.items():
            if head.startswith(mark):
                return encoding
        if len(head) > 1 and head[1::2].count(0) > len(head) / 4:
            return "utf-16-le"
        content.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece := content.read(BLOCK):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def separator_of(head: str) -> str:
    """The one that gives the most lines the same number of fields, more than one; of those the one with most fields."""
    lines = head.splitlines()[:50]
    lines = lines[:-1] if len(lines) > 1 and len(head) >= HEAD else lines  # the last one may be cut

    def merit(separator: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        common = max(set(counts), key=counts.count) if counts else 1
        return (counts.count(common), common) if common > 1 else (0, 1)

    return max(SEPARATORS, key=merit)


def read(source: Source) -> Iterator[pa.RecordBatch]:
    """Raises InputError for a file that isn't what its name says."""
    try:
        yield from read_parquet(source) if source.form == "parquet" else read_csv(source)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise InputError(f"{source.path.name} is not readable: {str(error).splitlines()[0][:300]}") from error


def read_csv(source: Source) -> Iterator[pa.RecordBatch]:
    source.skipped = 0

    def skip(row: arrow_csv.InvalidRow) -> str:
        source.skipped += 1
        return "skip"

    reading = arrow_csv.ReadOptions(
        block_size=BLOCK, encoding=source.encoding, column_names=source.names, skip_rows_after_names=int(source.header)
    )
    parsing = arrow_csv.ParseOptions(
        delimiter=source.separator, newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=True
    )
    texts = arrow_csv.ConvertOptions(column_types=dict.fromkeys(source.names, pa.string()), strings_can_be_null=False)
    with arrow_csv.open_csv(source.path, read_options=reading, parse_options=parsing, convert_options=texts) as table:
        yield from (batch for batch in table if len(batch))


def read_parquet(source: Source) -> Iterator[pa.RecordBatch]:
    with parquet.ParquetFile(source.path, buffer_size=2**16, pre_buffer=False) as table:
        for batch in table.iter_batches(ROWS):
            flat = flattened(batch).select(source.names)
            yield pa.RecordBatch.from_arrays([plain(each) for each in flat.columns], names=source.names)


def flattened(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Members of nested records as columns, `address.city`."""
    while any(pa.types.is_struct(each.type) for each in batch.schema):
        batch = pa.Table.from_batches([batch]).flatten().combine_chunks().to_batches()[0]
    return batch


def flat_names(schema: pa.Schema) -> list[str]:
    return list(flattened(pa.RecordBatch.from_pylist([], schema=schema)).schema.names) if len(schema) else []


def plain(values: pa.Array) -> pa.Array:
    """Numbers, truths, times and strings as they are; other types as text."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.dictionary_decode())
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind) or pa.types.is_float32(kind):
        return values.cast(pa.float64())
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us"), safe=False)
    if pa.types.is_uint64(kind):
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_integer(kind):
        return values.cast(pa.int64())
    if pa.types.is_boolean(kind) or pa.types.is_float64(kind) or pa.types.is_string(kind):
        return values
    if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_time(kind):
        return values.cast(pa.string())
    return pa.array([None if each is None else as_text(each) for each in values.to_pylist()], pa.string())


def as_text(value: Any) -> str:
    """A list or map as JSON, bytes as hex digits."""
    return value.hex() if isinstance(value, bytes) else json.dumps(value, default=str)
