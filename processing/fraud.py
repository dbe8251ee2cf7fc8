"""Raw card transactions in; their features out, split by time into train, validation and test sets.

    python processing/fraud.py --raw DIR --train DIR --validation DIR --test DIR --report DIR
        [--train-days 42] [--delay-days 7] [--validation-days 14] [--test-days 14] [--engine spark]

A raw table has a transaction's fields, the label `fraud` as 0 or 1 (blank while unknown) and, where it was simulated,
the `scenario`. Features need all of a customer's and a terminal's past, so they are computed over the whole history;
the splits are the last days of it:

    history | train | delay | validation | delay | test

Nothing is shuffled. The delay between them is what it takes until a label is known: who trains on the day on which
validation begins knows no later label. Where labels of the table's last days are still missing the splits end before
them: of such days frauds that were reported early are known and the rest isn't, which is no sample.

Each split is one CSV with a header: `fraud_windows.FEATURES`, `fraud`, then the keys to judge by, which no model sees:
transaction_id, transaction_time, customer_id, terminal_id and scenario (0 is genuine, -1 unknown).

`--engine spark` computes the features on Spark, for a history that one machine can't hold; only the splits come to this
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fraud_features
import fraud_table
import numpy as np
import pandas as pd
import tabular
from fraud_windows import DAY, FEATURES, LABEL_DELAY
from tabular import InputError

LABEL = "fraud"
KEYS = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "scenario")
HISTORY = LABEL_DELAY // DAY + 30  # days before the first transaction whose windows are whole
FEWEST_FRAUDS = 10  # of a split; with fewer neither learning nor judging says anything
ENGINES = ("pandas", "spark")


@dataclass
class Args:
    raw: str = "/opt/ml/processing/input/raw"
    """folder of CSV (with header) or parquet files that together hold the transactions"""
    train: str = "/opt/ml/processing/train"
    """folder for train.csv"""
    validation: str = "/opt/ml/processing/validation"
    """folder for validation.csv"""
    test: str = "/opt/ml/processing/test"
    """folder for test.csv"""
    report: str = "/opt/ml/processing/report"
    """folder for report.json and report.md: what was dropped, and which days each split has"""
    train_days: int = 42
    """days to learn from"""
    validation_days: int = 14
    """days to choose by: hyperparameters, thresholds"""
    test_days: int = 14
    """days for the final judgement, the last of the table"""
    delay_days: int = 7
    """days between them, until labels are known"""
    engine: str = "pandas"
    """what computes the features: pandas or spark"""


@dataclass(frozen=True)
class Period:
    """Days from `start` to before `end`."""

    start: np.datetime64
    end: np.datetime64

    def holds(self, time: pd.Series) -> pd.Series:
        return (time >= self.start) & (time < self.end)


def labelled_until(known: fraud_table.Known, args: Args) -> np.datetime64:
    """The day after the last one that may be judged: of the last `delay_days` the first on which a label is missing,
    else the day after the last transaction. A label missing for longer will not come: that transaction is left out.
    """
    end = np.datetime64(known.last, "D") + 1
    return min((day for day in known.unlabelled_days if day >= end - args.delay_days), default=end)


def periods(known: fraud_table.Known, args: Args) -> dict[str, Period]:
    """The days of each split, counted back from the last day whose labels may be known.

    Raises InputError for a history that is too short, and for numbers of days that make no split.
    """
    lengths = {"test": args.test_days, "validation": args.validation_days, "train": args.train_days}
    if min(lengths.values()) < 1 or args.delay_days < 0:
        raise InputError(
            f"train-days {args.train_days}, validation-days {args.validation_days}, test-days {args.test_days} and "
            f"delay-days {args.delay_days} make no splits: the first three must be at least 1, the last at least 0."
        )
    until = end = labelled_until(known, args)
    found: dict[str, Period] = {}
    for name, days in lengths.items():
        found[name] = Period(end - days, end)
        end -= days + args.delay_days
    begins = np.datetime64(known.first, "D")
    if found["train"].start < begins:
        needed = sum(lengths.values()) + 2 * args.delay_days
        raise InputError(
            f"The transactions span {(until - begins).astype(int)} days, from {begins}, and "
            f"{needed} are needed: {args.train_days} to learn, {args.validation_days} to choose, {args.test_days} to "
            f"judge and {args.delay_days} in between twice. Give a longer history or fewer days."
            + ("" if until > known.last else f" Days from {until} on lack labels and count for nothing.")
        )
    return dict(reversed(found.items()))


def split(table: pd.DataFrame, found: Mapping[str, Period]) -> dict[str, pd.DataFrame]:
    """Of transactions with their features those of each period that have a label. Raises InputError for few frauds."""
    columns = [*FEATURES, LABEL, *KEYS]
    labelled = table[table[LABEL].notna()]
    splits = {name: labelled.loc[period.holds(labelled["transaction_time"]), columns] for name, period in found.items()}
    for name, part in splits.items():
        frauds = int(part[LABEL].sum())
        if min(frauds, len(part) - frauds) < FEWEST_FRAUDS:
            raise InputError(
                f"The {name} split has {frauds} frauds among {len(part)} labelled transactions, and {FEWEST_FRAUDS} of "
                "each are needed. Give more transactions, or more days to the split."
            )
    return {name: part.astype({LABEL: int}) for name, part in splits.items()}


def report_of(
    known: fraud_table.Known, splits: Mapping[str, pd.DataFrame], found: Mapping[str, Period], args: Args
) -> dict[str, Any]:
    history = int((found["train"].start - np.datetime64(known.first, "D")).astype(int))
    whole = pd.concat(list(splits.values()))
    return {
        "rows_in": known.rows_in,
        "rows_out": known.rows,
        "dropped": known.dropped,
        "filled": {},
        "blank": {LABEL: known.unlabelled} if known.unlabelled else {},
        "positive": "fraud",
        "positive_share": round(known.frauds / max(1, known.rows - known.unlabelled), 5),
        "first": str(known.first),
        "last": str(known.last),
        "labelled_until": str(found["test"].end - 1),
        "history_days": history,
        "whole_windows": history >= HISTORY,
        "engine": args.engine,
        "ranges": {name: [whole[name].min().item(), whole[name].max().item()] for name in FEATURES},
        "splits": {
            name: {
                "rows": len(part),
                "positive": int(part[LABEL].sum()),
                "from": str(found[name].start),
                "until": str(found[name].end - 1),
                "scenarios": {
                    str(key): int(rows) for key, rows in part["scenario"].value_counts().sort_index().items()
                },
            }
            for name, part in splits.items()
        },
    }


def main(args: Args) -> None:
    if args.engine not in ENGINES:
        raise InputError(f"Engine {args.engine!r} is unknown: use {' or '.join(ENGINES)}.")
    table, known = on_spark(args) if args.engine == "spark" else in_memory(args)
    found = periods(known, args)
    splits = split(table, found)
    # Nothing is written before this line, so a refused input leaves no half of a result behind.
    for name, part in splits.items():
        written = part.assign(transaction_time=part["transaction_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        tabular.write(written, Path(getattr(args, name)) / f"{name}.csv")
    write_report(report_of(known, splits, found, args), Path(args.report))


def in_memory(args: Args) -> tuple[pd.DataFrame, fraud_table.Known]:
    """All transactions with their features, and what is known of the whole table."""
    table, known = fraud_table.clean(fraud_table.read(Path(args.raw)))
    periods(known, args)  # refused before the work
    features = fraud_features.batch(table)
    return pd.concat([features, table.drop(columns="amount")], axis="columns"), known


def on_spark(args: Args) -> tuple[pd.DataFrame, fraud_table.Known]:
    """The same of the days that are in a split."""
    try:
        from fraud_spark import transactions_with_features
    except ImportError as error:
        raise InputError(
            f"--engine spark needs pyspark, which is not here: {error}. Use an image that has it, or --engine pandas."
        ) from error
    return transactions_with_features(args.raw, lambda known: min(each.start for each in periods(known, args).values()))


def write_report(report: dict[str, Any], folder: Path) -> None:
    tabular.write_report("Fraud", report, folder)
    days = [
        "",
        *(
            f"- {name}: {part['from']} to {part['until']}, {part['positive'] / part['rows']:.2%} fraud"
            for name, part in report["splits"].items()
        ),
        f"- {report['history_days']} days before them are history, from which windows are filled"
        + ("" if report["whole_windows"] else f"; with fewer than {HISTORY} the first windows are cut"),
    ]
    if report["labelled_until"] < report["last"][:10]:
        days.append(f"- after {report['labelled_until']} labels are still missing: those days are in no split")
    print("\n".join(days))
    with (folder / "report.md").open("a", encoding="utf-8") as file:
        file.write("\n".join(days) + "\n")


def parse(argv: list[str] | None = None) -> Args:
    args: Args = tabular.parse(__doc__, argv, Args)
    return args


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
