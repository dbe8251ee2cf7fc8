"""Raw census records in; cleaned and stratified train, validation and test sets out.

    python processing/census.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 11 features as a record has them, then `loan` as 0 or 1. The baseline for
monitoring is the training features alone, in the order in which requests carry them to the endpoint. What the census
did not learn is written `?` in the raw table and stays a category, `Unknown`. `education` ends here, as `education-num`
says the same in order, and so does the row's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tabular
from tabular import Schema

LABEL = "loan"
SCHEMA = Schema(
    features={
        "age": int,
        "workclass": str,
        "education-num": int,
        "marital-status": str,
        "occupation": str,
        "relationship": str,
        "ethnicity": str,
        "gender": str,
        "capital-gain": int,
        "capital-loss": int,
        "hours-per-week": int,
    },
    label=LABEL,
    labels={"<=50K": 0, ">50K": 1, "0": 0, "1": 1},
    advice="Use <=50K and >50K, or 0 and 1.",
    positive="earning above 50,000",
    ignored=("Unnamed: 0", "education"),
)


@dataclass
class Args:
    raw: str = "/opt/ml/processing/input/raw"
    """folder of CSV (with header) or parquet files that together hold the raw table"""
    train: str = "/opt/ml/processing/train"
    """folder for train.csv"""
    validation: str = "/opt/ml/processing/validation"
    """folder for validation.csv"""
    test: str = "/opt/ml/processing/test"
    """folder for test.csv"""
    baseline: str = "/opt/ml/processing/baseline"
    """folder for baseline.csv, the training features without the label"""
    report: str = "/opt/ml/processing/report"
    """folder for report.json and report.md: what was dropped"""
    test_share: float = 0.2
    """share of the records held out for the final judgement"""
    validation_share: float = 0.16
    """share of the records for early stopping and for choosing the mitigation's strength"""
    seed: int = 0
    """of the split"""


def main(args: Args) -> None:
    raw = tabular.read(Path(args.raw), SCHEMA)
    dropped: dict[str, int] = {}
    table = clean(raw, dropped)
    splits = tabular.split(table, LABEL, args.test_share, args.validation_share, args.seed)
    # Nothing is written before this line, so a refused input leaves no half of a result behind.
    for name, part in splits.items():
        tabular.write(part, Path(getattr(args, name)) / f"{name}.csv")
    tabular.write(splits["train"].drop(columns=LABEL), Path(args.baseline) / "baseline.csv")
    tabular.write_report("Census", tabular.report_of(raw, table, SCHEMA, dropped, {}, splits), Path(args.report))


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """The features in order with their types and the label as 0 or 1; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, unknown labels, and a table without enough usable rows.
    """
    table = tabular.typed(raw, SCHEMA, dropped)
    table[SCHEMA.categories] = table[SCHEMA.categories].replace("?", "Unknown")
    return tabular.complete(table, SCHEMA, dropped)


def parse(argv: list[str] | None = None) -> Args:
    return tabular.parse(Args, __doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
