"""Raw passengers in; cleaned and stratified train, validation and test sets out.

    python processing/titanic.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 10 features as a record has them, then `Survived` as 0 or 1. The baseline for
monitoring is the training features alone. Ages, fares, cabins, ports, names and tickets that nobody wrote down stay
blank: the model knows what to do then. `PassengerId` ends here, as it numbers the rows.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import tabular
from tabular import InputError, Schema, SplitArgs

LABEL = "Survived"
SCHEMA = Schema(
    features={
        "Pclass": int,
        "Name": str,
        "Sex": str,
        "Age": float,
        "SibSp": int,
        "Parch": int,
        "Ticket": str,
        "Fare": float,
        "Cabin": str,
        "Embarked": str,
    },
    label=LABEL,
    labels={"0": 0, "1": 1, "no": 0, "yes": 1},
    advice="Use 0 and 1, or no and yes.",
    positive="survived",
    ignored=("PassengerId",),
    blank=("Name", "Age", "Ticket", "Fare", "Cabin", "Embarked"),
    coded=("Ticket",),
)


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order, label as 0 or 1, and nothing filled; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, unknown labels and classes, and a table without enough usable rows.
    """
    table = tabular.typed(raw, SCHEMA, dropped)
    wrong = table["Pclass"][table["Pclass"].notna() & ~table["Pclass"].isin([1, 2, 3])]
    if len(wrong):
        raise InputError(f"Column 'Pclass' holds {tabular.named(wrong)}, {len(wrong)} rows. It must be 1, 2 or 3.")
    return tabular.complete(table, SCHEMA, dropped), {}


def main(args: SplitArgs) -> None:
    tabular.prepare(args, "Titanic", SCHEMA, clean)


def parse(argv: list[str] | None = None) -> SplitArgs:
    return tabular.parse(__doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
