"""A table of raw transactions as features need it: typed, without blanks and repeats, or refused with what to change.

The rules are those of `fraud_windows.checked`, which sees one transaction at a time: what a stream would put into
quarantine is refused here as a whole table, because a lake that validated what came in holds none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tabular
from fraud_windows import EARLIEST, FIELDS, LATEST, MAP_SIDE, MAX_AMOUNT, MAX_ID, written
from tabular import InputError, Schema, named

SCHEMA = Schema(
    features={
        "transaction_id": int,
        "customer_id": int,
        "terminal_id": int,
        "amount": float,
        "x": float,
        "y": float,
    },
    label="fraud",
    flags=("fraud",),
)
# What may be there and is none of a model's business; `labelled_at` is of a simulation with a label delay.
SCENARIO, IGNORED = "scenario", ("labelled_at",)
UNKNOWN = -1  # of a scenario
WHOLE = ("transaction_id", "customer_id", "terminal_id", SCENARIO)
REPEATED = "repeated transaction_id"
NEEDED = (*FIELDS, SCHEMA.label)


@dataclass(frozen=True)
class Known:
    """What is known of a whole table of transactions."""

    rows_in: int
    rows: int
    first: pd.Timestamp
    last: pd.Timestamp
    frauds: int
    unlabelled: int
    dropped: dict[str, int]
    unlabelled_days: tuple[np.datetime64, ...] = ()  # on which a label is missing, in order


def read(folder: Path) -> pd.DataFrame:
    """All files of the folder as one table, parquet's columns as they are and CSV's as text.

    Raises InputError for no file, one that is not readable, and columns that are missing or unknown.
    """
    return pd.concat([read_file(path) for path in files(folder)], ignore_index=True)


def files(folder: Path) -> list[Path]:
    """Raises InputError for none."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    if not found:
        raise InputError(f"No input: {folder} holds no file. Point InputDataUrl at the raw table, CSV or parquet.")
    return found


def read_file(path: Path) -> pd.DataFrame:
    # A parquet file knows its types; as text, 1.7 million transactions would take a minute and gigabytes.
    table = parquet(path) if path.suffix == ".parquet" else tabular.read_file(path)
    check_columns(list(table.columns), path.name)
    return table


def parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:  # pyarrow's errors are of these kinds
        raise InputError(f"{path.name} is not readable as parquet: {str(error).splitlines()[0]}") from error


def check_columns(columns: list[str], where: str) -> None:
    if missing := [name for name in NEEDED if name not in columns]:
        raise InputError(f"{where}: column {named(missing)} is missing. Needed are {', '.join(NEEDED)}.")
    if extra := [name for name in columns if name not in (*NEEDED, SCENARIO, *IGNORED)]:
        raise InputError(f"{where}: column {named(extra)} is unknown. Remove it.")


def clean(raw: pd.DataFrame) -> tuple[pd.DataFrame, Known]:
    """Transactions by time, each once, with their types; the label is NaN where it is unknown.

    Rows with a blank field go, and those whose `transaction_id` was there before; both are counted. Raises InputError
    for a table without rows and for values that no transaction has.
    """
    if raw.empty:
        raise InputError("The raw table has no rows. Point InputDataUrl at a table with transactions in it.")
    dropped: dict[str, int] = {}
    table = typed(raw)
    for name in FIELDS:
        table = tabular.keep(table, table[name].notna(), dropped, f"blank {name}")
    table = tabular.keep(table, ~table["transaction_id"].duplicated(), dropped, REPEATED)
    if table.empty:
        raise InputError(f"No transaction has all of its fields, which are {', '.join(FIELDS)}. Fill them.")
    table = table.astype(dict.fromkeys(WHOLE, np.int64)).sort_values(["transaction_time", "transaction_id"])
    return table.reset_index(drop=True), known(table, len(raw), dropped)


def typed(raw: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float64, times as whole seconds, NaN and NaT where there is none. Raises InputError as `clean`."""
    written = raw.apply(stripped)
    table = pd.DataFrame({name: tabular.numbers(written[name], SCHEMA) for name in (*SCHEMA.features, SCHEMA.label)})
    table["transaction_time"] = times(written["transaction_time"])
    table[SCENARIO] = tabular.numbers(written[SCENARIO], SCHEMA).fillna(UNKNOWN) if SCENARIO in written else UNKNOWN
    check(table)
    return table


def stripped(column: pd.Series) -> pd.Series:
    if not (pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)):
        return column
    return column.astype("string").str.strip().replace("", pd.NA)


def known(table: pd.DataFrame, rows_in: int, dropped: dict[str, int]) -> Known:
    time, label = table["transaction_time"], table[SCHEMA.label]
    days = tuple(np.unique(time[label.isna()].to_numpy().astype("datetime64[D]")))
    return Known(rows_in, len(table), time.min(), time.max(), int(label.sum()), int(label.isna().sum()), dropped, days)


def times(column: pd.Series) -> pd.Series:
    """Whole seconds of UTC, without a zone; blank is NaT. Text is ISO 8601, of UTC where it names no zone.

    Raises InputError for what is no time, and for years that no stream would take.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        found = pd.to_datetime(column, utc=True)
    else:
        found = pd.to_datetime(column.astype("string"), utc=True, format="ISO8601", errors="coerce")
    wrong = column[column.notna() & found.isna()]
    if len(wrong):
        raise InputError(
            f"Column 'transaction_time' holds {named(wrong)}, {len(wrong)} rows, where a time in ISO 8601 is needed, "
            "such as 2026-06-01T12:34:56Z."
        )
    found = found.dt.tz_localize(None).astype("datetime64[s]")
    wrong = found[(found < pd.Timestamp(EARLIEST, unit="s")) | (found > pd.Timestamp(LATEST, unit="s"))]
    if len(wrong):
        raise InputError(
            f"Column 'transaction_time' holds {named(wrong)}, {len(wrong)} rows. It must be between "
            f"{written(EARLIEST)} and {written(LATEST)}."
        )
    return found


def check(table: pd.DataFrame) -> None:
    """Raises InputError for amounts, places and ids that `fraud_windows.checked` refuses."""
    rules = {
        "amount": (0.0050001, MAX_AMOUNT, f"at least 0.01 and at most {MAX_AMOUNT:.0f} euros"),
        "x": (0, MAP_SIDE, f"on the map of {MAP_SIDE:.0f} by {MAP_SIDE:.0f} km"),
        "y": (0, MAP_SIDE, f"on the map of {MAP_SIDE:.0f} by {MAP_SIDE:.0f} km"),
        **dict.fromkeys(WHOLE[:3], (0, MAX_ID, f"between 0 and {MAX_ID}")),
    }
    for name, (least, most, rule) in rules.items():
        column = table[name]
        wrong = column[column.notna() & ~column.between(least, most)]
        if len(wrong):
            raise InputError(f"Column {name!r} holds {named(wrong)}, {len(wrong)} rows. It must be {rule}.")
