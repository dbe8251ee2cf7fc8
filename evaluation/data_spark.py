"""The profile of a table that one machine can't hold: each Spark partition is profiled where it is, then merged.

The code that sees values is the same as without Spark, so both give the same statistics but for what sketches leave to
chance. Works in AWS's Spark images (Spark 3.3 and later) and, with `pyspark` and Java, in local mode. So that a large
CSV file can be split, a line break ends a record in it, even within quotes.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_columns
import data_statistics
import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def spark_profile(source: str, kind: str, options: dict[str, Any]) -> data_statistics.Profile:
    """
    Args:
        source: file or folder that every worker can read, such as an S3 URI.

    Raises:
        ValueError: no record.
    """
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers take any python3 otherwise
    spark = SparkSession.builder.appName("data-quality").getOrCreate()
    for file in (data_columns.__file__, data_statistics.__file__, __file__):  # workers have none of them
        spark.sparkContext.addPyFile(str(file))
    try:
        return merged(_read(spark, source, kind, options))
    finally:
        spark.stop()


def merged(table: DataFrame) -> data_statistics.Profile:
    """Raises ValueError for a table without records."""
    whole, columns = data_statistics.Profile(), flat(table)
    names = columns.columns
    numbered = columns.toDF(*[f"_{place}" for place in range(len(names))])  # mapInArrow takes `a.b` for a member of `a`
    parts = numbered.mapInArrow(functools.partial(_profiled, names), "part binary")
    for row in parts.toLocalIterator():
        whole.merge(pickle.loads(row["part"]))
    if not whole.item_count:
        raise ValueError("no records in the table that Spark read")
    return whole


def _profiled(names: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One partition's profile, where the partition is."""
    found = data_statistics.profile(batch.rename_columns(names) for batch in batches)
    yield pa.RecordBatch.from_pydict({"part": [pickle.dumps(found)]})


def _read(spark: SparkSession, source: str, kind: str, options: dict[str, Any]) -> DataFrame:
    # Not `as_uri`: Hadoop takes a path as it is, and would look for a folder with %20 in its name.
    uri = f"file:{Path(source).absolute()}" if "://" not in source else source
    if kind == "csv":  # all text, as in data_tables
        header = bool(options.get("header", True))
        return spark.read.csv(uri, header=header, inferSchema=False, multiLine=False, escape='"')
    if kind == "json":
        return spark.read.json(uri, multiLine=not options.get("lines", options.get("line", False)))
    return spark.read.parquet(uri)


def flat(table: DataFrame) -> DataFrame:
    """Members of nested records as columns, `address.city`."""
    from pyspark.sql import functions
    from pyspark.sql.types import StructType

    while any(isinstance(field.dataType, StructType) for field in table.schema.fields):
        chosen = []
        for field in table.schema.fields:
            name = f"`{field.name}`"
            inner = field.dataType.names if isinstance(field.dataType, StructType) else [None]
            chosen += [
                functions.col(f"{name}.`{each}`").alias(f"{field.name}.{each}") if each else functions.col(name)
                for each in inner
            ]
        table = table.select(*chosen)
    return table
