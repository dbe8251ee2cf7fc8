"""Raw census records in; cleaned and stratified train, validation and test sets out.

    python processing/census.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 11 features as a record has them, then `loan` as 0 or 1. The baseline for
monitoring is the training features alone, in the order in which requests carry them to the endpoint. What the census
did not learn is written `?` in the raw table and stays a category, `Unknown`. `education` ends here, as `education-num`
says the same in order, and so does the row's number.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import tabular
from tabular import Schema, SplitArgs

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


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order, label as 0 or 1, and nothing filled; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, unknown labels, and a table without enough usable rows.
    """
    table = tabular.typed(raw, SCHEMA, dropped)
    table[SCHEMA.categories] = table[SCHEMA.categories].replace("?", "Unknown")
    return tabular.complete(table, SCHEMA, dropped), {}


def main(args: SplitArgs) -> None:
    tabular.prepare(args, "Census", SCHEMA, clean)


def parse(argv: list[str] | None = None) -> SplitArgs:
    return tabular.parse(__doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
