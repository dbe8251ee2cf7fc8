"""What the processing scripts of tables share: the raw table in, refused where it can't be used, and splits out, which
have the classes in proportion where there are classes. What a table means stays in the use case's own script.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

FEWEST_OF_A_LABEL = 10  # fewer cannot be spread over splits in proportion
FEWEST_ROWS = 30  # of a table whose label is a number, or that has none


class InputError(ValueError):
    """The raw table cannot be used as it is; the message says what to change."""


@dataclass(frozen=True)
class Schema:
    """What a raw table must look like."""

    features: Mapping[str, type]  # in the order of a request; a number's type is its column's, str is a category
    label: str = ""  # none: there is nothing to predict
    labels: Mapping[str, int | str] | None = None  # a label as written to its class; None: labels are numbers
    advice: str = ""  # how to write labels, for a message
    positive: str = ""  # what a record with label 1 is or does: "churned"; none where classes are not 0 and 1
    ignored: tuple[str, ...] = ()  # columns that may be there and are not learned from
    flags: tuple[str, ...] = ()  # numbers that are 0 or 1
    blank: tuple[str, ...] = ()  # features that may stay blank, as the model knows what to do then
    signed: tuple[str, ...] = ()  # numbers that may be below 0
    coded: tuple[str, ...] = ()  # categories that are written as numbers

    @property
    def numbers(self) -> list[str]:
        return [name for name, kind in self.features.items() if kind is not str]

    @property
    def categories(self) -> list[str]:
        return [name for name, kind in self.features.items() if kind is str]

    @property
    def columns(self) -> list[str]:
        """Features and, where there is one, the label."""
        return [*self.features, *filter(None, [self.label])]

    @property
    def classes(self) -> list[int | str]:
        """Of the label; none where it is a number."""
        return sorted(set((self.labels or {}).values()), key=str)


@dataclass
class SplitArgs:
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
    """share of the records held out for the final judgement"""
    validation_share: float = 0.16
    """share of the records for early stopping and for what is chosen afterwards, such as a threshold; 0: none"""
    seed: int = 0
    """of the split"""


# The raw table and what was dropped so far, to the clean table and what was filled; it adds to what was dropped.
Clean = Callable[[pd.DataFrame, dict[str, int]], tuple[pd.DataFrame, dict[str, Any]]]


def prepare(args: SplitArgs, title: str, schema: Schema, clean: Clean) -> None:
    """From the raw table to splits, the monitor's baseline and a report."""
    raw = read(Path(args.raw), schema)
    dropped: dict[str, int] = {}
    table, filled = clean(raw, dropped)
    strata = table[schema.label] if schema.labels else None
    splits = split(table, strata, args.test_share, args.validation_share, args.seed)
    # Nothing is written before this line, so a refused input leaves no half of a result behind.
    for name, part in splits.items():
        write(part, Path(getattr(args, name)) / f"{name}.csv")
    write(splits["train"][list(schema.features)], Path(args.baseline) / "baseline.csv")
    report = report_of(raw, table, schema, dropped, filled, splits)
    # Two flowers may be alike. A record that is there twice, though, may be learned from and judged by.
    report["repeated"] = int(table.duplicated().sum())
    write_report(title, report, Path(args.report))


def read(folder: Path, schema: Schema | None = None) -> pd.DataFrame:
    """All files of the folder as one table of text, each value as written and `<NA>` where there is none.

    Without a schema its columns may be any.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise InputError(f"No input: {folder} holds no file. Point InputDataUrl at the raw table, CSV or parquet.")
    tables = [read_file(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        if schema:
            check_columns(table, schema, path.name)
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


def check_columns(table: pd.DataFrame, schema: Schema, where: str) -> None:
    expected = schema.columns
    missing = [name for name in expected if name not in table.columns]
    extra = [name for name in table.columns if name not in [*expected, *schema.ignored]]
    if missing:
        raise InputError(f"{where}: column {named(missing)} is missing. Needed are {', '.join(expected)}.")
    if extra:
        raise InputError(
            f"{where}: column {named(extra)} is unknown. Remove it, or add it to the schema to learn from it."
        )


def typed(raw: pd.DataFrame, schema: Schema, dropped: dict[str, int]) -> pd.DataFrame:
    """Values without blanks around them, labels as their classes, numbers as float64; rows without a label are dropped.

    Raises InputError for a table without rows, unknown labels, values of the wrong type and columns without any value.
    """
    if raw.empty:
        raise InputError("The raw table has no rows. Point InputDataUrl at a table with records in it.")
    table = raw.apply(lambda column: column.str.strip().replace("", pd.NA))
    if empty := [name for name in schema.columns if table[name].isna().all()]:
        remedy = "" if schema.label in empty else ", or take it out of the schema"
        raise InputError(f"Column {named(empty)} has no value at all. Give it some{remedy}.")
    if schema.label:
        table = keep(table, table[schema.label].notna(), dropped, f"blank {schema.label}")
        table[schema.label] = labels(table[schema.label], schema)
    table[schema.numbers] = table[schema.numbers].apply(numbers, schema=schema)
    check_categories(table, schema)
    return table


def complete(table: pd.DataFrame, schema: Schema, dropped: dict[str, int]) -> pd.DataFrame:
    """Features in order with their types, then the label; rows with a blank go, but of those in `schema.blank`.

    Raises InputError if few stay.
    """
    for name in schema.features:
        if name not in schema.blank:
            table = keep(table, table[name].notna(), dropped, f"blank {name}")
    check_enough(table, schema, dropped)
    types: dict[str, Any] = {
        name: float if kind is int and table[name].isna().any() else kind for name, kind in schema.features.items()
    }
    full = {name: kind for name, kind in types.items() if kind is not str or table[name].notna().all()}
    return table[schema.columns].astype(full).reset_index(drop=True)


def keep(table: pd.DataFrame, rows: pd.Series, dropped: dict[str, int], reason: str) -> pd.DataFrame:
    if not rows.all():
        dropped[reason] = int((~rows).sum())
    return table[rows].copy()


def labels(column: pd.Series, schema: Schema) -> pd.Series:
    if schema.labels is None:
        return numbers(column, schema)
    unknown = column[~column.isin(schema.labels)]
    if len(unknown):
        raise InputError(f"Column {schema.label!r} holds {named(unknown)}, {len(unknown)} rows. {schema.advice}")
    found = column.map(schema.labels)
    return found.astype(int) if all(isinstance(each, int) for each in schema.classes) else found


def numbers(column: pd.Series, schema: Schema) -> pd.Series:
    """As float64, blank as NaN.

    Raises InputError for text, values below 0 of a column that is not signed, fractions where whole numbers belong.
    """
    name = str(column.name)
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = column[column.notna() & values.isna()]
    if len(wrong):
        raise InputError(f"Column {name!r} holds {named(wrong)}, {len(wrong)} rows, where a number is needed.")
    least, most, rule = 0.0, float("inf"), "a finite number, 0 or more"
    if name in schema.flags:
        most, rule = 1.0, "0 or 1"
    elif name in schema.signed:
        least, rule = -float("inf"), "a finite number"
    outside = ~values.between(least, most) | values.isin([float("inf"), -float("inf")])
    if schema.features.get(name) is int:
        outside, rule = outside | (values % 1 != 0), rule.replace("finite", "whole")
    wrong = column[values.notna() & outside]
    if len(wrong):
        raise InputError(f"Column {name!r} holds {named(wrong)}, {len(wrong)} rows. It must be {rule}.")
    return values


def check_categories(table: pd.DataFrame, schema: Schema) -> None:
    """A category that is a number is nearly always a shifted column or another coding of the table."""
    for name in set(schema.categories) - set(schema.coded):
        wrong = table[name][pd.to_numeric(table[name], errors="coerce").notna()]
        if len(wrong):
            raise InputError(f"Column {name!r} holds {named(wrong)}, {len(wrong)} rows, where a category is needed.")


def check_enough(table: pd.DataFrame, schema: Schema, dropped: Mapping[str, int]) -> None:
    """Raises InputError, which says what became of the others: one wrong unit can make all of them implausible."""
    lost = "".join(f" Dropped: {rows} rows, {reason}." for reason, rows in dropped.items())
    if not schema.labels and len(table) < FEWEST_ROWS:
        raise InputError(
            f"The table has {len(table)} usable rows, and {FEWEST_ROWS} are needed. Give more records.{lost}"
        )
    counts = {value: int((table[schema.label] == value).sum()) for value in schema.classes}
    for value, count in counts.items():
        if count < FEWEST_OF_A_LABEL:
            raise InputError(
                f"Column {schema.label!r} has {count} usable rows of {value}, and {FEWEST_OF_A_LABEL} are needed to "
                f"make splits. Give more records.{lost}"
            )


def named(values: Iterable[object]) -> str:
    """The first few distinct values, for a message."""
    distinct = list(dict.fromkeys(map(str, values)))
    return ", ".join(map(repr, distinct[:5])) + (f" and {len(distinct) - 5} more" if len(distinct) > 5 else "")


def split(
    table: pd.DataFrame, strata: pd.Series | None, test_share: float, validation_share: float, seed: int
) -> dict[str, pd.DataFrame]:
    """Disjoint `train`, `validation` and `test`, each stratum's share alike in all, the same for the same seed.

    Without a share there is no `validation`: what is to be chosen is chosen by cross-validation of `train`.
    """
    if test_share <= 0 or validation_share < 0 or test_share + validation_share >= 1:
        raise InputError(
            f"Shares of {test_share} and {validation_share} leave no rows. The first > 0, the second >= 0, both "
            "together below 1."
        )
    rest, test = train_test_split(table, test_size=test_share, stratify=strata, random_state=seed)
    if not validation_share:
        return {"train": rest, "test": test}
    share = validation_share / (1 - test_share)
    left = None if strata is None else strata[rest.index]
    train, validation = train_test_split(rest, test_size=share, stratify=left, random_state=seed)
    return {"train": train, "validation": validation, "test": test}


def write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def report_of(
    raw: pd.DataFrame,
    table: pd.DataFrame,
    schema: Schema,
    dropped: dict[str, int],
    filled: dict[str, Any],
    splits: Mapping[str, pd.DataFrame],
) -> dict[str, Any]:
    """What was done; `filled` is column to {"rows": how many, "with": what}."""
    label, positive = schema.label, schema.positive
    told: dict[str, Any] = {}
    if positive:
        told = {"positive": positive, "positive_share": round(float(table[label].mean()), 4)}
    elif schema.labels:
        told = {"classes": {str(name): int(rows) for name, rows in table[label].value_counts().sort_index().items()}}
    elif label:
        told = {"label": {"name": label, "mean": float(table[label].mean()), "median": float(table[label].median())}}
    return {
        "rows_in": len(raw),
        "rows_out": len(table),
        "dropped": dropped,
        "filled": filled,
        "blank": {name: int(rows) for name in schema.blank if (rows := table[name].isna().sum())},
        **told,
        "categories": {name: table[name].value_counts().sort_index().to_dict() for name in schema.categories},
        "ranges": {name: [table[name].min().item(), table[name].max().item()] for name in schema.numbers},
        "splits": {
            name: {"rows": len(part), **({"positive": int(part[label].sum())} if positive else {})}
            for name, part in splits.items()
        },
    }


def write_report(title: str, report: dict[str, Any], folder: Path) -> None:
    """report.json, and the same as Markdown, which is printed too."""
    folder.mkdir(parents=True, exist_ok=True)
    text = readable(title, report)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "report.md").write_text(text + "\n")
    print(text)


def readable(title: str, report: dict[str, Any]) -> str:
    dropped = [f"- dropped {rows} rows: {reason}" for reason, rows in report["dropped"].items()]
    filled = [f"- filled {done['rows']} blank {name} with {done['with']}" for name, done in report["filled"].items()]
    blank = [f"- left {rows} blank {name}" for name, rows in report["blank"].items()]
    if repeated := report.get("repeated"):
        blank.append(f"- kept {repeated} rows that repeat another: if they are the same record, take them out")
    counted = [str(report["positive"])] if "positive" in report else []
    splits = [
        " | ".join(["", name, str(part["rows"]), *(str(part["positive"]) for _ in counted), ""]).strip()
        for name, part in report["splits"].items()
    ]
    return "\n".join(
        [
            f"# {title}: what was done to the raw table",
            "",
            f"{report['rows_in']} rows in, {report['rows_out']} out{target(report)}.",
            "",
            *(dropped or ["- dropped nothing"]),
            *(filled or ["- filled nothing"]),
            *blank,
            "",
            " | ".join(["", "split", "rows", *counted, ""]).strip(),
            "|---" * (2 + len(counted)) + "|",
            *splits,
        ]
    )


def target(report: Mapping[str, Any]) -> str:
    """What is to be predicted, after the counts of a sentence."""
    if "positive" in report:
        return f", {report['positive_share']:.1%} of them {report['positive']}"
    if "classes" in report:
        return ": " + ", ".join(f"{rows} {name}" for name, rows in report["classes"].items())
    if "label" in report:
        return f"; {report['label']['name']} has mean {report['label']['mean']:,.4g}"
    return ""


def parse(usage: str | None, argv: list[str] | None, kind: type[Any] = SplitArgs, **defaults: Any) -> Any:
    """`kind` adds options of a use case's own to SplitArgs; `defaults` take the place of those that are there."""
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(kind):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), default=field.default)  # type: ignore[arg-type]
    parser.set_defaults(**defaults)
    return kind(**vars(parser.parse_args(argv)))


def run(main: Callable[[], None]) -> None:
    """What is wrong with the input becomes the job's ExitMessage: SageMaker shows the first kilobyte of `message`."""
    try:
        main()
    except InputError as error:
        folder = Path("/opt/ml/output")
        if folder.is_dir():
            (folder / "message").write_text(str(error))
        raise
