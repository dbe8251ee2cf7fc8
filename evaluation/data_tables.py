"""Tables of a monitoring job as frames of text, in the formats that Model Monitor's `dataset_format` names.

    {"csv": {"header": true}}   {"csv": {"header": false}}   {"json": {"lines": true}}   {"parquet": {}}

Only one piece is in memory, but of a JSON array and of a Parquet row group. Without a header the columns are called
_c0, _c1 … as Spark calls them; nested JSON is flattened with dots.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

CHUNK_ROWS = 200_000
FORMATS = '{"csv": {"header": true}}, {"json": {"lines": true}}, {"parquet": {}}'


def read_table(source: Path, kind: str, options: dict[str, Any]) -> Iterator[pd.DataFrame]:
    """Frames of text with blanks where a value is missing.

    Raises:
        ValueError: no file, one that isn't of the format, or no record in any of them.
    """
    rows = 0
    files = _files(source, {"csv": ".csv", "json": ".json", "parquet": ".parquet"}[kind])
    for file in files:
        try:
            for frame in _read(file, kind, options):
                rows += len(frame)
                yield frame
        except (ValueError, OSError) as error:
            raise ValueError(f"{file} is not a table of dataset_format {kind} with {options}: {error}") from error
    if not rows:
        raise ValueError(f"no records under {source} ({len(files)} files)")


def _files(source: Path, suffix: str) -> list[Path]:
    """Those with the format's suffix if there are any, else all: a prefix's parts are often named part-00000."""
    if not source.is_dir():
        return [source]
    every = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    return [path for path in every if path.suffix.startswith(suffix)] or every


def _read(file: Path, kind: str, options: dict[str, Any]) -> Iterator[pd.DataFrame]:
    if kind == "csv":
        yield from _read_csv(file, bool(options.get("header", True)))
    elif kind == "parquet":
        from pyarrow import parquet

        for batch in parquet.ParquetFile(file).iter_batches(CHUNK_ROWS):
            yield _text(batch.to_pandas())
    elif options.get("lines", options.get("line", False)):
        with file.open(encoding="utf-8") as lines:
            while records := [json.loads(line) for line in _next(lines, CHUNK_ROWS) if line.strip()]:
                yield _text(pd.json_normalize(records))
    else:
        document = json.loads(file.read_text(encoding="utf-8"))
        yield _text(pd.json_normalize(document if isinstance(document, list) else [document]))


def _read_csv(file: Path, header: bool) -> Iterator[pd.DataFrame]:
    with pd.read_csv(
        file, header=0 if header else None, dtype=str, keep_default_na=False, chunksize=CHUNK_ROWS
    ) as frames:
        for frame in frames:
            yield frame if header else frame.set_axis([f"_c{position}" for position in frame.columns], axis=1)


def _next(lines: Iterator[str], count: int) -> list[str]:
    return [line for _, line in zip(range(count), lines, strict=False)]


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    """Integers that a missing value made floats are written as integers again."""
    return frame.convert_dtypes().astype("string").astype(object).fillna("")
