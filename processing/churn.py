"""Raw Telco customers in; cleaned and stratified train, validation and test sets out.

    python processing/churn.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 19 features as a customer record has them, then `Churn` as 0 or 1. The
baseline for monitoring is the training features alone, in the order in which requests carry them to the endpoint.
`customerID` ends here: an identifier must not be learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import tabular
from tabular import InputError, Schema

ID = "customerID"
LABEL = "Churn"
FILL = "tenure * MonthlyCharges"
SCHEMA = Schema(
    features={
        "gender": str,
        "SeniorCitizen": int,
        "Partner": str,
        "Dependents": str,
        "tenure": int,
        "PhoneService": str,
        "MultipleLines": str,
        "InternetService": str,
        "OnlineSecurity": str,
        "OnlineBackup": str,
        "DeviceProtection": str,
        "TechSupport": str,
        "StreamingTV": str,
        "StreamingMovies": str,
        "Contract": str,
        "PaperlessBilling": str,
        "PaymentMethod": str,
        "MonthlyCharges": float,
        "TotalCharges": float,
    },
    label=LABEL,
    labels={"No": 0, "Yes": 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1},
    advice="Use Yes and No, or 1 and 0.",
    positive="churned",
    ignored=(ID,),
    flags=("SeniorCitizen",),
)
__all__ = ["Args", "InputError", "clean", "main", "parse"]


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
    """folder for report.json and report.md: what was dropped or filled"""
    test_share: float = 0.2
    """share of the customers held out for the final judgement"""
    validation_share: float = 0.16
    """share of the customers for early stopping and for choosing the threshold"""
    seed: int = 0
    """of the split"""


def main(args: Args) -> None:
    raw = tabular.read(Path(args.raw), SCHEMA)
    dropped: dict[str, int] = {}
    table, filled = clean(raw, dropped)
    splits = tabular.split(table, LABEL, args.test_share, args.validation_share, args.seed)
    # Nothing is written before this line, so a refused input leaves no half of a result behind.
    for name, part in splits.items():
        tabular.write(part, Path(getattr(args, name)) / f"{name}.csv")
    tabular.write(splits["train"].drop(columns=LABEL), Path(args.baseline) / "baseline.csv")
    tabular.write_report("Churn", tabular.report_of(raw, table, SCHEMA, dropped, filled, splits), Path(args.report))


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order, label as 0 or 1, and what was filled; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, unknown labels, and a table without enough usable rows.
    """
    if ID in raw:
        raw = tabular.keep(
            raw, ~raw[ID].str.strip().duplicated() | (raw[ID].str.strip() == ""), dropped, f"repeated {ID}"
        )
    table = tabular.typed(raw, SCHEMA, dropped)
    blank = int(table["TotalCharges"].isna().sum())
    # A customer in the first month has no bill yet: the raw table leaves TotalCharges blank where tenure is 0.
    table["TotalCharges"] = table["TotalCharges"].fillna(table.eval(FILL))
    filled = {"TotalCharges": {"rows": blank, "with": FILL}} if blank else {}
    return tabular.complete(table, SCHEMA, dropped), filled


def parse(argv: list[str] | None = None) -> Args:
    return tabular.parse(Args, __doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
