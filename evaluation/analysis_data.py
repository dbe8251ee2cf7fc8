"""The dataset of a bias or explanation analysis: a table on disk that is read in parts, or as a whole.

CSV and Parquet are read in parts, of which only the wanted columns are parsed. JSON has its columns at the ends of
JMESPaths, so JSON datasets are read as a whole.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

CSV, JSON_LINES, JSON, PARQUET = "text/csv", "application/jsonlines", "application/json", "application/x-parquet"
BLOCK = 1 << 22  # bytes of CSV that are parsed at a time; Arrow reads 32 ahead
ROWS = 50_000  # of a part of other formats
Config = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns by name; the roles of some of them are as the analysis config says."""

    kind: str  # MIME type
    columns: list[str]
    label: str | None
    predicted: str | None
    excluded: list[str]
    files: list[Path] = field(default_factory=list)
    headers: list[str] | None = None  # names for CSV files that have none
    frame: pd.DataFrame | None = None  # all of it, where it had to be read already
    folder: tempfile.TemporaryDirectory[str] | None = None  # where it was fetched to; goes with the table

    @property
    def features(self) -> list[str]:
        """What a model sees."""
        return [name for name in self.columns if name not in {self.label, self.predicted, *self.excluded}]

    def column(self, name_or_index: str | int) -> str:
        """Raises:
        ValueError: no such column.
        """
        return column(self.columns, name_or_index)

    def parts(self, wanted: Sequence[str]) -> Iterator[pd.DataFrame]:
        """A few of the columns. A CSV's are categoricals of texts; blanks and words for that, as NaN, are missing."""
        names = list(dict.fromkeys(wanted))
        if self.frame is not None:
            yield self.frame[names]
            return
        read = _parquet_parts if self.kind == PARQUET else _csv_parts
        for path in self.files:
            yield from read(path, names, self.headers)

    def read(self) -> pd.DataFrame:
        """All of it; a CSV's columns as numbers where all their values are."""
        if self.frame is not None:
            return self.frame
        if self.kind == PARQUET:
            return pd.concat([pd.read_parquet(path) for path in self.files], ignore_index=True)
        tables = [
            pd.read_csv(path, header=0 if not self.headers or _headed(path, self.headers) else None, names=self.headers)
            for path in self.files
        ]
        return pd.concat(tables, ignore_index=True)


def load(config: Config, folder: Path, need_roles: bool = True) -> Table:
    """The config's `dataset_uri`, else the folder or file.

    Args:
        need_roles: whether labels and excluded columns must be there; captured traffic, for one, has no label.

    Raises:
        ValueError: no data, a type that is not read here, or a column that isn't there.
    """
    kind = config.get("dataset_type", CSV)
    if kind not in (CSV, JSON_LINES, JSON, PARQUET):
        raise ValueError(f"dataset_type {kind} is not supported here: {CSV}, {JSON_LINES}, {JSON} and {PARQUET} are")
    fetched = tempfile.TemporaryDirectory() if config.get("dataset_uri") else None
    where = _fetch(config["dataset_uri"], Path(fetched.name)) if fetched else folder
    files = [where] if where.is_file() else sorted(path for path in where.rglob("*") if path.is_file())
    if not files:
        raise ValueError(f"there is no dataset under {config.get('dataset_uri') or folder}")
    frame, headers = None, config.get("headers")
    if kind in (JSON_LINES, JSON):
        frame, config = _json(files, kind, config)
        columns = [str(name) for name in frame]
    else:
        columns = _parquet_names(files[0]) if kind == PARQUET else headers or _csv_names(files[0])
    given = [config.get("label"), config.get("predicted_label"), *(config.get("excluded_columns") or [])]
    label, predicted, *excluded = (
        None if each is None or not (need_roles or each in columns or isinstance(each, int)) else column(columns, each)
        for each in given
    )
    return Table(kind, columns, label, predicted, list(filter(None, excluded)), files, headers, frame, fetched)


def column(columns: Sequence[str], name_or_index: str | int) -> str:
    """The name of a column as an analysis config gives it. Raises ValueError naming those that there are."""
    if isinstance(name_or_index, int) and -len(columns) <= name_or_index < len(columns):
        return columns[name_or_index]
    if name_or_index not in columns:
        raise ValueError(
            f"{name_or_index!r} of the analysis config is no column; the dataset has {', '.join(map(str, columns))}"
        )
    return str(name_or_index)


def _fetch(uri: str, folder: Path) -> Path:
    import boto3

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]
    for number, key in enumerate(keys):
        s3.download_file(bucket, key, str(folder / f"{number:06}"))
    return folder


def _parquet_names(path: Path) -> list[str]:
    import pyarrow.parquet

    return list(pyarrow.parquet.read_schema(path).names)


def _parquet_parts(path: Path, names: list[str], headers: list[str] | None) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=names):
            yield batch.to_pandas()[names]


def _csv_names(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return next(csv.reader(lines), [])


def _headed(path: Path, headers: list[str]) -> bool:
    """Whether the first line is those names; else it is data."""
    return [name.strip() for name in _csv_names(path)] == list(map(str, headers))


def _csv_parts(path: Path, names: list[str], headers: list[str] | None) -> Iterator[pd.DataFrame]:
    from pyarrow import ArrowInvalid, dictionary, int32, string
    from pyarrow import csv as arrow_csv

    # As text, because Arrow settles a column's type by its first block; each distinct one is an object once in a part.
    texts = dict.fromkeys(names, dictionary(int32(), string()))
    convert = arrow_csv.ConvertOptions(include_columns=names, column_types=texts, strings_can_be_null=True)
    known = [*headers] if headers else _csv_names(path)
    skip = 0 if headers and not _headed(path, headers) else 1
    read = arrow_csv.ReadOptions(block_size=BLOCK, column_names=known, skip_rows=skip)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    try:
        with arrow_csv.open_csv(path, read, parse, convert) as batches:
            for batch in batches:
                yield batch.to_pandas()[names]
    except ArrowInvalid as error:
        if "Empty CSV file" not in str(error):
            raise ValueError(f"{path.name} of the dataset cannot be read: {error}") from error


def _json(files: list[Path], kind: str, config: Config) -> tuple[pd.DataFrame, Config]:
    """The table, and the config with columns' names for JMESPaths.

    `headers` name the columns of `features`, the label and the predicted label, in this order. In JSON Lines a path
    leads from a record to its values; in JSON from the document to a list with an element for each record.
    """
    import jmespath

    if not config.get("features"):
        raise ValueError(f"features is required for dataset_type {kind}: a JMESPath expression")
    extra = [role for role in ("label", "predicted_label") if config.get(role) is not None]
    rows: list[list[Any]] = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        if kind == JSON:
            document = json.loads(text)
            parts = [jmespath.search(str(config[role]), document) for role in ("features", *extra)]
        else:
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
            parts = [[jmespath.search(str(config[role]), each) for each in records] for role in ("features", *extra)]
        lengths = {role: len(part or []) for role, part in zip(("features", *extra), parts, strict=True)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the paths of the analysis config find unequal numbers of records: {lengths}")
        rows += [[*(first or []), *others] for first, *others in zip(*(part or [] for part in parts), strict=True)]
    width = max(map(len, rows), default=0)
    headers = config.get("headers") or [f"column_{position}" for position in range(width)]
    if width != len(headers):
        raise ValueError(f"headers of the analysis config has {len(headers)} names for {width} columns")
    names = {role: headers[width - len(extra) + position] for position, role in enumerate(extra)}
    return pd.DataFrame(rows, columns=headers), config | names
