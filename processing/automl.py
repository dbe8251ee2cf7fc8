"""Any table with a target in; its train, validation and test sets out, and what was understood of it.

    python processing/automl.py --target COLUMN --raw DIR --train DIR --validation DIR --test DIR --baseline DIR \\
        --report DIR

What a column holds follows from its values, and so does the problem, unless it is named: two distinct values of the
target are a binary problem (the later one in order becomes 1), numbers with more than 20 distinct values a
regression, anything else classes. Blank values stay, as every model knows what to do with them; rows without a target
go, and so do columns that say nothing: without any value, with one value only, or with another text in every row.
Those may still be in a request, and are ignored. `train/schema.json` tells the training jobs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import tabular
from automl_target import NUMBERS, problem_of
from tabular import InputError, Schema, SplitArgs

BLANKS = ("?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")  # in a column of numbers
SAMPLE = 100_000  # rows by which a column is known to have another text in every row


@dataclass
class Args(SplitArgs):
    target: str = "target"
    """the column to predict"""
    problem: str = "auto"
    """binary, multiclass, regression, or auto: as the target looks"""
    validation_share: float = 0.1
    """share of the records by which a threshold is chosen"""


def understood(raw: pd.DataFrame, target: str, problem: str = "auto") -> tuple[Schema, str]:
    """The table's schema and its problem. Raises InputError naming the column and what to change."""
    if target not in raw:
        near = ", ".join(list(raw.columns)[:20])
        raise InputError(f"There is no column {target!r}, the target. The table has {near}.")
    if raw.empty:
        raise InputError("The raw table has no rows. Point InputDataUrl at a table with records in it.")
    table = raw.apply(lambda column: column.str.strip().replace("", pd.NA))
    answers = table[target].dropna()
    if answers.empty:
        raise InputError(f"Column {target!r}, the target, has no value at all. Give a table with answers in it.")
    if problem == "auto":
        try:
            problem = problem_of(answers)
        except ValueError as error:
            raise InputError(str(error)) from None
    kinds, ignored = {}, []
    for name in table.columns.drop(target):
        kind = kind_of(table[name])
        if kind is None:
            ignored.append(str(name))
        else:
            kinds[str(name)] = kind
    if not kinds:
        raise InputError(f"No column says anything about {target!r}: each is blank, the same or unique in every row.")
    numbers = tuple(name for name, kind in kinds.items() if kind is not str)
    return Schema(
        features=kinds,
        label=target,
        labels=labels_of(answers, problem),
        positive=f"{target} {sorted(answers.unique())[-1]}" if problem == "binary" else "",
        ignored=tuple(ignored),
        blank=tuple(kinds),
        signed=(*numbers, target),
        coded=tuple(name for name, kind in kinds.items() if kind is str),
    ), problem


def labels_of(answers: pd.Series, problem: str) -> dict[str, int | str] | None:
    """A label as written to its class; None where it is a number."""
    if problem == "regression":
        return None
    written = sorted(answers.unique())
    if problem == "binary":
        if len(written) != 2:
            raise InputError(f"Column {answers.name!r} has {len(written)} values: a binary problem has 2.")
        return {written[0]: 0, written[1]: 1}
    whole = all(each.lstrip("-").isdigit() and each == str(int(each)) for each in written)
    return {each: int(each) if whole else each for each in written}


def kind_of(column: pd.Series) -> type | None:
    """int, float or str; None of a column that says nothing. Raises InputError for numbers with a few other texts."""
    known = column.dropna()
    known = known[~known.isin(BLANKS)]
    if known.nunique() < 2:
        return None
    values = pd.to_numeric(known, errors="coerce")
    found = float(values.notna().mean())
    if found == 1.0:
        return int if bool((values % 1 == 0).all()) else float
    if found >= NUMBERS:
        wrong = known[values.isna()]
        raise InputError(
            f"Column {column.name!r} holds {tabular.named(wrong)}, {len(wrong)} rows, among numbers. Correct them, or "
            "leave them blank."
        )
    looked = known.head(SAMPLE)
    several_words = looked.str.contains(" ", regex=False).mean() > 0.5
    return None if looked.nunique() == len(looked) and not several_words else str


def clean(raw: pd.DataFrame, schema: Schema, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order with their types, then the label; nothing filled."""
    numbers = {name: raw[name].where(~raw[name].str.strip().isin(BLANKS), pd.NA) for name in schema.numbers}
    return tabular.complete(tabular.typed(raw.assign(**numbers), schema, dropped), schema, dropped), {}


def main(args: Args) -> None:
    schema, problem = understood(tabular.read(Path(args.raw)), args.target, args.problem)
    tabular.prepare(args, f"AutoML of {args.target}", schema, lambda raw, dropped: clean(raw, schema, dropped))
    told = {"target": args.target, "problem": problem, "ignored": list(schema.ignored), "positive": schema.positive}
    (Path(args.train) / "schema.json").write_text(json.dumps(told, indent=1) + "\n")
    print(f"a {problem} problem; ignored: {', '.join(schema.ignored) or 'nothing'}")


def parse(argv: list[str] | None = None) -> Args:
    found: Args = tabular.parse(__doc__, argv, Args)
    return found


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
