"""Scored transactions whose truth is known, off the table of scores, as the raw table that processing/fraud.py takes.

    python processing/fraud_recent.py --table fraud-scores --window P135D --output-path DIR
        [--as-of 2026-06-20T12:00:00Z] [--history s3://bucket/older.parquet] [--region eu-west-1]

The last days up to the one that is a whole LABEL_DELAY old: of younger ones only the frauds that somebody noticed are
known. All of a day is taken or none. Writes

    recent/recent.parquet    fraud_windows.FIELDS with `fraud` (1, 0), by time; no `scenario`, which nobody knows
    recent/history.parquet   the table of --history, of transactions before those scored
    summary.json             labelled and frauds (of recent.parquet), first and last day

Without any such transaction `labelled` is 0, and there is no table. Memory holds the table, about 100 bytes a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fraud_outcomes
import numpy as np
import pandas as pd
import tabular
from fraud_windows import FIELDS, LABEL_DELAY
from tabular import InputError

DAYS_AT_ONCE = 8
WHOLE = ("transaction_id", "customer_id", "terminal_id")
MEASURED = ("amount", "x", "y")


@dataclass
class Args:
    table: str = "fraud-scores"
    """DynamoDB table of scores"""
    window: str = "P135D"
    """ISO 8601 duration, whole days, up to the last one that is taken"""
    as_of: str = ""
    """ISO 8601: what was known then is true; none: now"""
    history: str = ""
    """S3 URI of a parquet table of transactions before those scored"""
    region: str = ""
    """of the table; none: the surroundings' own"""
    output_path: str = "/opt/ml/processing/output"
    """folder for recent/ and summary.json"""


def main(args: Args) -> None:
    import boto3

    as_of = moment(args.as_of)
    days = fraud_outcomes.days(fraud_outcomes.settled(as_of, LABEL_DELAY), whole_days(args.window))
    found = table(boto3.client("dynamodb", region_name=args.region or None), args.table, days, as_of)
    folder = Path(args.output_path) / "recent"
    folder.mkdir(parents=True, exist_ok=True)
    if len(found):
        found.to_parquet(folder / "recent.parquet", index=False)
        if args.history:
            bucket, _, key = args.history.removeprefix("s3://").partition("/")
            boto3.client("s3").download_file(bucket, key, str(folder / "history.parquet"))
    told = summary(found, days)
    (folder.parent / "summary.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"{told['labelled']:,} labelled transactions of {days[0]} to {days[-1]}, {told['frauds']:,} of them fraud")


def moment(text: str) -> datetime:
    """Raises InputError for what is no time."""
    try:
        found = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise InputError(f"--as-of is {text!r}, and no time in ISO 8601, such as 2026-06-20T12:00:00Z.") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def whole_days(window: str) -> int:
    """Raises InputError for a window that is no duration of whole days."""
    if not (found := re.fullmatch(r"P([1-9]\d*)D", window)):
        raise InputError(f"--window is {window!r}: a number of whole days, such as P135D, is needed.")
    return int(found[1])


def table(dynamodb: Any, name: str, days: Iterable[str], as_of: datetime) -> pd.DataFrame:
    """Transactions of the days by time, in the lake's form with their truth. Raises ClientError."""

    def of_day(day: str) -> pd.DataFrame:
        items = fraud_outcomes.items(dynamodb, name, day, (*FIELDS, "label"))
        return frame(items, as_of)

    with ThreadPoolExecutor(DAYS_AT_ONCE) as pool:
        found = pd.concat(list(pool.map(of_day, days)), ignore_index=True)
    return found.sort_values(["transaction_time", "transaction_id"], ignore_index=True)


def frame(items: Iterable[dict[str, Any]], as_of: datetime) -> pd.DataFrame:
    """Items in DynamoDB's form, whose truth is known as of then, as a table."""
    rows = [
        (
            *(each[name]["S" if name == "transaction_time" else "N"] for name in FIELDS),
            fraud_outcomes.truth(each.get("label", {}).get("S"), each["transaction_time"]["S"], LABEL_DELAY, as_of),
        )
        for each in items
    ]
    found = pd.DataFrame(rows, columns=[*FIELDS, "fraud"])
    times = pd.to_datetime(found["transaction_time"], utc=True, format="ISO8601").dt.tz_localize(None)
    kinds: dict[str, Any] = {**dict.fromkeys((*WHOLE, "fraud"), np.int64), **dict.fromkeys(MEASURED, np.float64)}
    return found.assign(transaction_time=times.astype("datetime64[us]")).astype(kinds)


def summary(found: pd.DataFrame, days: list[str]) -> dict[str, Any]:
    return {"labelled": len(found), "frauds": int(found["fraud"].sum()), "first": days[0], "last": days[-1]}


def parse(argv: list[str] | None = None) -> Args:
    args: Args = tabular.parse(__doc__, argv, Args)
    return args


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
