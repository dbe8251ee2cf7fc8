"""Features of a history that one machine can't hold: Spark brings what belongs together into one place each.

A customer's features need all of the customer's transactions, a terminal's all of the terminal's, and nothing else. So
both halves of `fraud_features` run where Spark puts some customers, or some terminals, as a whole; the code that sees
values is the same as without Spark, and so are the values. Needs pyspark 4 and Java (the extra `spark`); workers need
the packages of this folder's scripts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fraud_features
import fraud_table
import fraud_windows
import numpy as np
import pandas as pd
import tabular
from fraud_windows import FEATURES, FIELDS
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from tabular import InputError

ROWS_A_BUCKET = 500_000  # customers or terminals that are worked on at once
CARRIED = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "x", "y", "fraud", "scenario")
OF_TERMINALS = tuple(name for name in FEATURES if name.startswith("terminal_"))
OF_CUSTOMERS = tuple(name for name in FEATURES if name not in OF_TERMINALS)
KINDS = {"transaction_time": "bigint", "fraud": "double", "x": "double", "y": "double", "amount": "double"}


def transactions_with_features(
    source: str, start: Callable[[fraud_table.Known], np.datetime64]
) -> tuple[pd.DataFrame, fraud_table.Known]:
    """As `fraud.in_memory`, of transactions from `start` on, which is told what is known of the whole table.

    `source` is a file or folder that every worker can read, such as an S3 URI. Of transactions that share an id one
    stays: the first in time. Raises InputError as `fraud_table.clean` does.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers take any python3 otherwise
    spark = SparkSession.builder.appName("fraud").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    for file in (tabular.__file__, fraud_windows.__file__, fraud_table.__file__, fraud_features.__file__, __file__):
        spark.sparkContext.addPyFile(str(file))
    try:
        table, known = cleaned(spark, source)
        return collected(table, known, int(start(known).astype("datetime64[s]").astype(np.int64))), known
    except PythonException as error:
        raise InputError(refusal(str(error))) from error
    finally:
        spark.stop()


def refusal(trace: str) -> str:
    """What a worker's InputError said. Raises RuntimeError for a worker that failed otherwise."""
    said = [line for line in trace.splitlines() if "InputError: " in line]
    if not said:
        raise RuntimeError(trace)
    return said[-1].split("InputError: ", 1)[1]


def cleaned(spark: SparkSession, source: str) -> tuple[DataFrame, fraud_table.Known]:
    raw = read(spark, source)
    fraud_table.check_columns(raw.columns, source)
    table = raw.mapInPandas(typed, schema((*FIELDS, "fraud", "scenario"), whole="double")).persist()
    rows_in, dropped = table.count(), dict[str, int]()
    if not rows_in:
        raise InputError("The raw table has no rows. Point InputDataUrl at a table with transactions in it.")
    for name in FIELDS:
        full = table.where(f.col(name).isNotNull())
        if blank := table.count() - full.count():
            dropped[f"blank {name}"] = blank
        table = full
    table = table.select(*(f.col(name).cast(kind_of(name)).alias(name) for name in table.columns))
    once = table.groupBy("transaction_id").agg(f.min(f.struct("transaction_time", *others(table))).alias("first"))
    once = once.select("transaction_id", "first.*").persist()
    facts = once.agg(
        f.count("*").alias("rows"),
        f.min("transaction_time").alias("first"),
        f.max("transaction_time").alias("last"),
        f.sum("fraud").alias("frauds"),
        f.count("fraud").alias("labelled"),
    ).collect()[0]
    if not facts["rows"]:
        raise InputError(f"No transaction has all of its fields, which are {', '.join(FIELDS)}. Fill them.")
    if repeated := rows_in - sum(dropped.values()) - facts["rows"]:
        dropped[fraud_table.REPEATED] = repeated
    first, last = (pd.Timestamp(facts[name], unit="s") for name in ("first", "last"))
    unlabelled, frauds = facts["rows"] - facts["labelled"], int(facts["frauds"] or 0)
    days = unlabelled_days(once) if unlabelled else ()
    return once, fraud_table.Known(rows_in, facts["rows"], first, last, frauds, unlabelled, dropped, days)


def unlabelled_days(table: DataFrame) -> tuple[np.datetime64, ...]:
    day = f.floor(f.col("transaction_time") / fraud_windows.DAY).alias("day")
    found = table.where(f.col("fraud").isNull()).select(day).distinct().collect()
    return tuple(np.datetime64(number, "D") for number in sorted(row["day"] for row in found))


def read(spark: SparkSession, source: str) -> DataFrame:
    """All CSV or all parquet; behind a URI parquet, whatever the names."""
    if "://" in source:
        return spark.read.parquet(source)
    # Not `as_uri`: Hadoop takes a path as it is, and would look for a folder with %20 in its name.
    uri, kinds = f"file:{Path(source).absolute()}", {path.suffix for path in fraud_table.files(Path(source))}
    if kinds == {".csv"}:
        return spark.read.csv(uri, header=True, inferSchema=False, escape='"')
    if kinds == {".parquet"}:
        return spark.read.parquet(uri)
    raise InputError(f"{source} holds files of {', '.join(sorted(kinds))}. On Spark all are .csv, or all are .parquet.")


def others(table: DataFrame) -> list[str]:
    return [name for name in table.columns if name not in ("transaction_id", "transaction_time")]


def kind_of(name: str, whole: str = "bigint") -> str:
    return KINDS.get(name, whole)


def schema(names: tuple[str, ...], whole: str = "bigint") -> str:
    return ", ".join(f"{name} {kind_of(name, whole)}" for name in names)


def typed(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """`fraud_table.typed` of each part, times as whole seconds since 1970."""
    for part in parts:
        found = fraud_table.typed(part)
        time = found["transaction_time"]
        since = pd.Series(time.astype("datetime64[s]").astype(np.int64), dtype="Int64").where(time.notna())
        yield found.assign(transaction_time=since)[[*FIELDS, "fraud", "scenario"]]


def collected(table: DataFrame, known: fraud_table.Known, start: int) -> pd.DataFrame:
    """The transactions from `start` on with their features, by time, as `fraud.in_memory` gives them."""
    buckets = known.rows // ROWS_A_BUCKET + 2
    table = table.withColumn("customers", f.pmod("customer_id", f.lit(buckets)))
    table = table.withColumn("terminals", f.pmod("terminal_id", f.lit(buckets)))

    def of_customers(part: pd.DataFrame) -> pd.DataFrame:
        timed = with_times(part)
        both = [part[list(CARRIED)], fraud_features.own(timed), fraud_features.by_customer(timed)]
        return pd.concat(both, axis="columns").loc[part["transaction_time"] >= start, [*CARRIED, *OF_CUSTOMERS]]

    def of_terminals(part: pd.DataFrame) -> pd.DataFrame:
        found = pd.concat([part["transaction_id"], fraud_features.by_terminal(with_times(part))], axis="columns")
        return found.loc[part["transaction_time"] >= start, ["transaction_id", *OF_TERMINALS]]

    left = table.groupBy("customers").applyInPandas(of_customers, features_schema((*CARRIED, *OF_CUSTOMERS)))
    right = table.groupBy("terminals").applyInPandas(of_terminals, features_schema(("transaction_id", *OF_TERMINALS)))
    found = with_times(left.join(right, "transaction_id").toPandas())
    ordered = found.sort_values(["transaction_time", "transaction_id"], ignore_index=True)
    return ordered[[*FEATURES, *(name for name in CARRIED)]]


def with_times(part: pd.DataFrame) -> pd.DataFrame:
    return part.assign(transaction_time=part["transaction_time"].to_numpy().astype("datetime64[s]"))


def features_schema(names: tuple[str, ...]) -> str:
    floats = ("_amount", "_risk", "_ratio", "_usual")
    return ", ".join(f"{name} {'double' if name.endswith(floats) else kind_of(name)}" for name in names)
