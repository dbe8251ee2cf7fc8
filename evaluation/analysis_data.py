"""The dataset of a bias or explanation analysis: features, label, and predicted label where the data holds it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

CSV, JSON_LINES, PARQUET = "text/csv", "application/jsonlines", "application/x-parquet"


@dataclass
class Dataset:
    """Rows in their order; `table` is all but the predicted label, `features` is what the model sees."""

    kind: str  # MIME type
    table: pd.DataFrame
    features: pd.DataFrame
    label: str | None
    predicted: pd.Series | None = None

    def column(self, name_or_index: str | int) -> str:
        """Raises:
        ValueError: no such column.
        """
        return column(self.table, name_or_index)


def load(config: dict[str, Any], folder: Path) -> Dataset:
    """Raises:
    ValueError: no data, another type than CSV, JSON Lines or Parquet, or a column that isn't there.
    """
    kind = config["dataset_type"]
    if kind not in (CSV, JSON_LINES, PARQUET):
        raise ValueError(f"dataset_type {kind} is not supported here: {CSV}, {JSON_LINES} and {PARQUET} are")
    files = _fetched(config["dataset_uri"]) if config.get("dataset_uri") else _files(folder)
    if not files:
        raise ValueError(f"there is no dataset under {config.get('dataset_uri') or folder}")
    if kind == JSON_LINES:
        table = _json_lines([line for body in files for line in body.decode().splitlines()], config)
    else:
        read = pd.read_parquet if kind == PARQUET else lambda body: _csv(body, config.get("headers"))
        table = pd.concat([read(io.BytesIO(body)) for body in files], ignore_index=True)
    label = column(table, config["label"]) if config.get("label") is not None else None
    predicted = column(table, config["predicted_label"]) if config.get("predicted_label") is not None else None
    excluded = [column(table, each) for each in config.get("excluded_columns") or []]
    features = table.drop(columns=[each for each in {label, predicted, *excluded} if each])
    series = table[predicted] if predicted else None
    return Dataset(kind, table.drop(columns=[predicted] if predicted else []), features, label, series)


def _files(folder: Path) -> list[bytes]:
    if folder.is_file():
        return [folder.read_bytes()]
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def _fetched(uri: str) -> list[bytes]:
    import boto3

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]


def _csv(body: io.BytesIO, headers: list[str] | None) -> pd.DataFrame:
    """With `headers` a first line is data, unless it is just those headers."""
    if not headers:
        return pd.read_csv(body)
    first = [each.strip().strip('"') for each in body.readline().decode().strip().split(",")]
    body.seek(0)
    return pd.read_csv(body, header=0 if first == headers else None, names=headers)


def _json_lines(lines: list[str], config: dict[str, Any]) -> pd.DataFrame:
    """`features`, `label` and `predicted_label` are JMESPaths; `headers` name their columns, in this order."""
    import jmespath

    if not config.get("features"):
        raise ValueError(f"features is required for dataset_type {JSON_LINES}: a JMESPath expression")
    records = [json.loads(line) for line in lines if line.strip()]
    rows = [list(jmespath.search(config["features"], record) or []) for record in records]
    extra = [name for name in ("label", "predicted_label") if config.get(name) is not None]
    for name in extra:
        values = [jmespath.search(str(config[name]), record) for record in records]
        rows = [[*row, value] for row, value in zip(rows, values, strict=True)]
    width = len(rows[0]) if rows else 0
    headers = config.get("headers") or [f"column_{position}" for position in range(width)]
    table = pd.DataFrame(rows, columns=headers)
    for position, name in enumerate(extra):
        config[name] = headers[width - len(extra) + position]
    return table


def column(table: pd.DataFrame, name_or_index: str | int) -> str:
    """The name of a column as an analysis config gives it. Raises ValueError naming those that there are."""
    if isinstance(name_or_index, int) and -len(table.columns) <= name_or_index < len(table.columns):
        return str(table.columns[name_or_index])
    if name_or_index not in table.columns:
        columns = ", ".join(map(str, table.columns))
        raise ValueError(f"{name_or_index!r} of the analysis config is no column; the dataset has {columns}")
    return str(name_or_index)
