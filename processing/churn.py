"""Raw Telco customers in; cleaned and stratified train, validation and test sets out.

    python processing/churn.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 19 features as a customer record has them, then `Churn` as 0 or 1. The
baseline for monitoring is the training features alone, in the order in which requests carry them to the endpoint.
`customerID` ends here: an identifier must not be learned from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

ID = "customerID"
LABEL = "Churn"
LABELS = {"No": 0, "Yes": 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1}
# The order of a request's columns, customerID left out. A number's type is its column's; all others are categories.
FEATURES = {
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
}
NUMBERS = [name for name, kind in FEATURES.items() if kind is not str]
CATEGORIES = [name for name, kind in FEATURES.items() if kind is str]
FEWEST_OF_A_LABEL = 10  # fewer cannot be spread over three splits in proportion


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


class InputError(ValueError):
    """The raw table cannot be used as it is; the message says what to change."""


def main(args: Args) -> None:
    cleaned, report = clean(read(Path(args.raw)))
    splits = split(cleaned, args.test_share, args.validation_share, args.seed)
    report["splits"] = {name: {"rows": len(part), "churned": int(part[LABEL].sum())} for name, part in splits.items()}
    # Nothing is written before this line, so a refused input leaves no half of a result behind.
    for name, part in splits.items():
        write(part, Path(getattr(args, name)) / f"{name}.csv")
    write(splits["train"].drop(columns=LABEL), Path(args.baseline) / "baseline.csv")
    write_report(report, Path(args.report))
    print(readable(report))


def read(folder: Path) -> pd.DataFrame:
    """All files of the folder as one table of text, each value as written and `<NA>` where there is none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise InputError(f"No input: {folder} holds no file. Point InputDataUrl at the raw table, CSV or parquet.")
    tables = [read_file(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        check_columns(table, path.name)
    return pd.concat(tables, ignore_index=True)


def read_file(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype="string", keep_default_na=False)
        if path.suffix == ".parquet":
            return pd.read_parquet(path).astype("string")
    except pd.errors.EmptyDataError:
        raise InputError(f"{path.name} has no rows, not even a header. Give the raw table, CSV or parquet.") from None
    except (ValueError, OSError) as error:  # pandas' and pyarrow's errors are of these kinds
        raise InputError(f"{path.name} is not readable as {path.suffix[1:]}: {str(error).splitlines()[0]}") from error
    raise InputError(f"{path.name} is neither .csv nor .parquet. Convert it, or point InputDataUrl at the file itself.")


def check_columns(table: pd.DataFrame, where: str) -> None:
    expected = [*FEATURES, LABEL]
    missing = [name for name in expected if name not in table.columns]
    extra = [name for name in table.columns if name not in [*expected, ID]]
    if missing:
        raise InputError(f"{where}: column {named(missing)} is missing. Needed are {', '.join(expected)}.")
    if extra:
        raise InputError(
            f"{where}: column {named(extra)} is unknown. Remove it, or add it to FEATURES to learn from it."
        )


def clean(raw: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """The features in order with their types and the label as 0/1, and what had to be dropped or filled to get there.

    Raises InputError for values of the wrong type, unknown labels, and a table without enough usable rows.
    """
    if raw.empty:
        raise InputError("The raw table has no rows. Point InputDataUrl at a table with customers in it.")
    table = raw.apply(lambda column: column.str.strip().replace("", pd.NA))
    dropped: dict[str, int] = {}
    if ID in table:
        table = keep(table, ~table[ID].duplicated() | table[ID].isna(), dropped, f"repeated {ID}")
    table = keep(table, table[LABEL].notna(), dropped, f"blank {LABEL}")
    table[LABEL] = labels(table[LABEL])
    table[NUMBERS] = table[NUMBERS].apply(numbers)
    check_categories(table)
    filled = int(table["TotalCharges"].isna().sum())
    # A customer in the first month has no bill yet: the raw table leaves TotalCharges blank where tenure is 0.
    table["TotalCharges"] = table["TotalCharges"].fillna(table["tenure"] * table["MonthlyCharges"])
    for name in FEATURES:
        table = keep(table, table[name].notna(), dropped, f"blank {name}")
    check_enough(table)
    table = table[[*FEATURES, LABEL]].astype({**FEATURES, LABEL: int}).reset_index(drop=True)
    return table, report_of(raw, table, dropped, filled)


def keep(table: pd.DataFrame, rows: pd.Series, dropped: dict[str, int], reason: str) -> pd.DataFrame:
    if not rows.all():
        dropped[reason] = int((~rows).sum())
    return table[rows].copy()


def labels(column: pd.Series) -> pd.Series:
    unknown = column[~column.isin(LABELS)]
    if len(unknown):
        raise InputError(f"Column {LABEL!r} holds {named(unknown)}, {len(unknown)} rows. Use Yes and No, or 1 and 0.")
    return column.map(LABELS)


def numbers(column: pd.Series) -> pd.Series:
    """As float64, blank as NaN. Raises InputError for text, values below 0, fractions where whole numbers belong."""
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = column[column.notna() & values.isna()]
    if len(wrong):
        raise InputError(f"Column {column.name!r} holds {named(wrong)}, {len(wrong)} rows, where a number is needed.")
    limit, rule = (1, "0 or 1") if column.name == "SeniorCitizen" else (float("inf"), "a finite number, 0 or more")
    outside = ~values.between(0, limit) | (values == float("inf"))
    if FEATURES[str(column.name)] is int:
        outside, rule = outside | (values % 1 != 0), rule.replace("finite", "whole")
    wrong = column[values.notna() & outside]
    if len(wrong):
        raise InputError(f"Column {column.name!r} holds {named(wrong)}, {len(wrong)} rows. It must be {rule}.")
    return values


def check_categories(table: pd.DataFrame) -> None:
    """A category that is a number is nearly always a shifted column or another coding of the table."""
    for name in CATEGORIES:
        wrong = table[name][pd.to_numeric(table[name], errors="coerce").notna()]
        if len(wrong):
            raise InputError(f"Column {name!r} holds {named(wrong)}, {len(wrong)} rows, where a category is needed.")


def check_enough(table: pd.DataFrame) -> None:
    counts = {value: int((table[LABEL] == value).sum()) for value in (0, 1)}
    for value, count in counts.items():
        if count < FEWEST_OF_A_LABEL:
            raise InputError(
                f"Column {LABEL!r} has {count} usable rows of {value}, and {FEWEST_OF_A_LABEL} are needed to make "
                "three splits. Give more customers."
            )


def named(values: Iterable[object]) -> str:
    """The first few distinct values, for a message."""
    distinct = list(dict.fromkeys(map(str, values)))
    return ", ".join(map(repr, distinct[:5])) + (f" and {len(distinct) - 5} more" if len(distinct) > 5 else "")


def report_of(raw: pd.DataFrame, table: pd.DataFrame, dropped: dict[str, int], filled: int) -> dict:
    return {
        "rows_in": len(raw),
        "rows_out": len(table),
        "dropped": dropped,
        "filled": {"TotalCharges": {"rows": filled, "with": "tenure * MonthlyCharges"}} if filled else {},
        "churned_share": round(float(table[LABEL].mean()), 4),
        "categories": {name: table[name].value_counts().sort_index().to_dict() for name in CATEGORIES},
        "ranges": {name: [table[name].min().item(), table[name].max().item()] for name in NUMBERS},
    }


def split(table: pd.DataFrame, test_share: float, validation_share: float, seed: int) -> dict[str, pd.DataFrame]:
    """Disjoint `train`, `validation` and `test` with the label's share alike in each, the same for the same seed."""
    if min(test_share, validation_share) <= 0 or test_share + validation_share >= 1:
        raise InputError(f"Shares of {test_share} and {validation_share} leave no rows. Both > 0, together below 1.")
    rest, test = train_test_split(table, test_size=test_share, stratify=table[LABEL], random_state=seed)
    share = validation_share / (1 - test_share)
    train, validation = train_test_split(rest, test_size=share, stratify=rest[LABEL], random_state=seed)
    return {"train": train, "validation": validation, "test": test}


def write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def write_report(report: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "report.md").write_text(readable(report) + "\n")


def readable(report: dict) -> str:
    """The report as Markdown."""
    dropped = [f"- dropped {rows} rows: {reason}" for reason, rows in report["dropped"].items()]
    filled = [f"- filled {done['rows']} blank {name} with {done['with']}" for name, done in report["filled"].items()]
    splits = [f"| {name} | {part['rows']} | {part['churned']} |" for name, part in report["splits"].items()]
    return "\n".join(
        [
            "# Churn: what was done to the raw table",
            "",
            f"{report['rows_in']} rows in, {report['rows_out']} out, {report['churned_share']:.1%} of them churned.",
            "",
            *(dropped or ["- dropped nothing"]),
            *(filled or ["- filled nothing"]),
            "",
            "| split | rows | churned |",
            "|---|---|---|",
            *splits,
        ]
    )


def parse(argv: list[str] | None = None) -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Args):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), default=field.default)  # type: ignore[arg-type]
    return Args(**vars(parser.parse_args(argv)))


def tell_the_platform(message: str) -> None:
    """SageMaker shows the first kilobyte of this file as the job's ExitMessage."""
    folder = Path("/opt/ml/output")
    if folder.is_dir():
        (folder / "message").write_text(message)


if __name__ == "__main__":
    try:
        main(parse())
    except InputError as error:
        tell_the_platform(str(error))
        raise
