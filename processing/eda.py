"""Any table in, CSV or Parquet; a clean one out, and a report of what was found and what was done about it.

    python processing/eda.py --raw DIR --table DIR --quality DIR [--target COLUMN]

The clean table is `table.parquet`: each column with its type, and its kind (number, category, boolean, time, text or
identifier) as the field's metadata. Two passes over the input, a batch in memory at a time: one to find what each
column is, one to write it.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import eda_quality
import numpy as np
import pyarrow as pa
import tabular
from eda_cleaning import Done, Repeats, clean, column_hashes, row_hashes
from eda_columns import Column, Reading, reading
from eda_reading import ROWS, Source, read, sources
from pyarrow import parquet
from tabular import InputError

NONE = "none"  # a parameter of a pipeline can't be empty


@dataclass
class Args:
    raw: str = "/opt/ml/processing/input/raw"
    """file, or folder of CSV or Parquet files that together hold the table"""
    table: str = "/opt/ml/processing/table"
    """folder for table.parquet"""
    quality: str = "/opt/ml/processing/quality"
    """folder for quality.json and quality.md"""
    target: str = NONE
    """column that is to be explained by the others, if there is one"""
    corrupt_share: float = 0.05
    """share of a column's values that may be of another type than the rest: they are corrupt and become missing; with
    more of them the column is text"""


def main(args: Args) -> None:
    files = sources(Path(args.raw))
    names = files[0].names
    target = chosen(args.target, names)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        columns = profile(files, pool)
        if not columns[names[0]].rows:
            raise InputError(f"{files[0].path.name} has a header and no rows. Give a table with records in it.")
        if target and not columns[target].present:
            raise InputError(f"The target {target!r} has no value at all. Choose another column, or none.")
        readings = {name: reading(column, args.corrupt_share) for name, column in columns.items()}
        done, repeats = write(files, readings, Path(args.table), target, pool)
    found = eda_quality.found(files, columns, done, repeats, target, args.corrupt_share)
    eda_quality.write(found, Path(args.quality))


def chosen(target: str, names: list[str]) -> str:
    """Empty if there is none. Raises InputError for a target that the table lacks."""
    if target == NONE:
        return ""
    if target not in names:
        raise InputError(f"There is no column {target!r} to explain. The table has {', '.join(names[:30])}.")
    return target


def profile(files: list[Source], pool: ThreadPoolExecutor) -> dict[str, Column]:
    columns = {name: Column(name) for name in files[0].names}
    for batch in batches(files):
        list(pool.map(lambda pair: pair[0].add(pair[1]), zip(columns.values(), batch.columns, strict=True)))
    return columns


def batches(files: list[Source]) -> Iterator[pa.RecordBatch]:
    """One is read while the one before it is worked on."""
    following = (batch for file in files for batch in read(file))
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(next, following, None)
        while (batch := reading.result()) is not None:
            reading = reader.submit(next, following, None)
            yield batch


def write(
    files: list[Source], readings: dict[str, Reading], folder: Path, target: str, pool: ThreadPoolExecutor
) -> tuple[dict[str, Done], dict[str, Repeats]]:
    """The clean table; what was done to each column, and how many rows repeat others, as a whole and but for
    identifiers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = {name: Done(each) for name, each in readings.items()}
    repeats = {"rows": Repeats(), "rows but for identifiers": Repeats()}
    telling = [name for name, each in readings.items() if each.kind != "identifier"]
    schema = pa.schema([field_of(name, each) for name, each in readings.items()], {"target": target})

    def column(name: str, values: pa.Array) -> tuple[pa.Array, np.ndarray]:
        found = clean(values, done[name])
        return found, column_hashes(found)

    partial = folder / ".table.parquet"
    texts = [each.name for each in schema if pa.types.is_string(each.type)]
    with parquet.ParquetWriter(partial, schema, compression="lz4", use_dictionary=texts) as file:
        waiting: list[pa.RecordBatch] = []
        for batch in batches(files):
            found = dict(zip(readings, pool.map(column, readings, batch.columns), strict=True))
            waiting.append(pa.record_batch([values for values, _ in found.values()], schema=schema))
            if sum(map(len, waiting)) >= ROWS:
                file.write_table(pa.Table.from_batches(waiting))
                waiting = []
            repeats["rows"].add(row_hashes([each for _, each in found.values()]))
            if telling and len(telling) < len(readings):
                repeats["rows but for identifiers"].add(row_hashes([found[name][1] for name in telling]))
        if waiting:
            file.write_table(pa.Table.from_batches(waiting))
    shutil.move(partial, folder / "table.parquet")  # all of it or nothing
    return done, repeats


def field_of(name: str, found: Reading) -> pa.Field:
    return pa.field(name, found.type, metadata={"kind": found.kind})


def parse(argv: list[str] | None = None) -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for each in fields(Args):
        flag = "--" + each.name.replace("_", "-")
        parser.add_argument(flag, dest=each.name, type=type(each.default), default=each.default)  # type: ignore[arg-type]
    return Args(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
