"""Raw house sales in; train, validation and test sets of ordinary sales out.

    python processing/linear_regression.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the ten features as a record has them, then `Sale_Price` in dollars. Sales that say
nothing of a market price (within a family, a foreclosure, a house that was not finished) are left out, and so are the
five houses of more than 4,000 square feet, as De Cock (2011) advises for the table of Ames: three of them were sold
unfinished, and in a least squares fit a few such houses move every coefficient.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import tabular
from tabular import InputError, Schema, SplitArgs

LABEL, CONDITION = "Sale_Price", "Sale_Condition"
LARGEST = 4000  # square feet of living area
SCHEMA = Schema(
    features={
        "Gr_Liv_Area": int,
        "Total_Bsmt_SF": int,
        "Garage_Area": int,
        "Lot_Area": int,
        "TotRms_AbvGrd": int,
        "Fireplaces": int,
        "Year_Built": int,
        "Year_Remod_Add": int,
        "Bldg_Type": str,
        "Central_Air": str,
    },
    label=LABEL,
    ignored=(CONDITION,),
)


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order, then the price; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, a price of 0, and a table without enough usable rows.
    """
    table = tabular.typed(raw, SCHEMA, dropped)
    if CONDITION in table:  # a table of one's own may hold ordinary sales alone
        table = tabular.keep(table, table[CONDITION] == "Normal", dropped, "not an ordinary sale")
    large = table["Gr_Liv_Area"] > LARGEST
    table = tabular.keep(table, ~large, dropped, f"more than {LARGEST:,} square feet")
    if (free := int((table[LABEL] <= 0).sum())) > 0:
        raise InputError(f"Column {LABEL!r} holds 0, {free} rows. The model takes its logarithm: give prices above 0.")
    return tabular.complete(table, SCHEMA, dropped), {}


def main(args: SplitArgs) -> None:
    tabular.prepare(args, "Linear regression", SCHEMA, clean)


def parse(argv: list[str] | None = None) -> SplitArgs:
    return tabular.parse(__doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
