"""Raw measurements of iris flowers in; cleaned and stratified train and test sets out.

    python processing/iris.py --raw DIR --train DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: four lengths in centimetres, then the species. The baseline for monitoring is the
training measurements alone, in the order in which requests carry them to the endpoint. 150 flowers are too few for a
third split: what has to be chosen is chosen by cross-validation inside the training set.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import tabular
from tabular import Schema, SplitArgs

LABEL = "species"
SCHEMA = Schema(
    features={"sepal_length": float, "sepal_width": float, "petal_length": float, "petal_width": float},
    label=LABEL,
    labels={"setosa": "setosa", "versicolor": "versicolor", "virginica": "virginica"},
    advice="Use setosa, versicolor, virginica.",
)


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Measurements as numbers, nothing filled; `dropped` takes the flowers that lack one.

    Raises InputError for values of the wrong type, unknown species, and a table without enough usable rows.
    """
    table = tabular.typed(raw, SCHEMA, dropped)
    return tabular.complete(table, SCHEMA, dropped), {}


def main(args: SplitArgs) -> None:
    tabular.prepare(args, "Iris", SCHEMA, clean)


def parse(argv: list[str] | None = None) -> SplitArgs:
    return tabular.parse(__doc__, argv, validation_share=0.0)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
