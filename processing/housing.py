"""Raw records of houses sold in; cleaned train, validation and test sets out.

    python processing/housing.py --raw DIR --train DIR --validation DIR --test DIR --baseline DIR --report DIR

Each split is one CSV with a header: the 72 features as a record has them, then `Sale_Price` in dollars. The baseline of
monitors is the training features alone, in the order in which requests carry them to the endpoint. A house without
veneer, or without anything special, has a blank there, which stays: the model knows it. `BsmtFin_SF_1` ends here, as
the table has codes of `BsmtFin_Type_1` in it, and no area.

Prices and areas are held against each other: a row whose price per square foot is far from all others' is left out, as
it most likely has a digit too many or too few.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import tabular
from tabular import Schema, SplitArgs

LABEL, AREA = "Sale_Price", "Gr_Liv_Area"
SCHEMA = Schema(
    features={
        "MS_SubClass": str,
        "MS_Zoning": str,
        "Lot_Frontage": int,
        "Lot_Area": int,
        "Street": str,
        "Alley": str,
        "Lot_Shape": str,
        "Land_Contour": str,
        "Utilities": str,
        "Lot_Config": str,
        "Land_Slope": str,
        "Neighborhood": str,
        "Condition_1": str,
        "Condition_2": str,
        "Bldg_Type": str,
        "House_Style": str,
        "Overall_Cond": str,
        "Year_Built": int,
        "Year_Remod_Add": int,
        "Roof_Style": str,
        "Roof_Matl": str,
        "Exterior_1st": str,
        "Exterior_2nd": str,
        "Mas_Vnr_Type": str,
        "Mas_Vnr_Area": int,
        "Exter_Cond": str,
        "Foundation": str,
        "Bsmt_Cond": str,
        "Bsmt_Exposure": str,
        "BsmtFin_Type_1": str,
        "BsmtFin_Type_2": str,
        "BsmtFin_SF_2": int,
        "Bsmt_Unf_SF": int,
        "Total_Bsmt_SF": int,
        "Heating": str,
        "Heating_QC": str,
        "Central_Air": str,
        "Electrical": str,
        "First_Flr_SF": int,
        "Second_Flr_SF": int,
        "Gr_Liv_Area": int,
        "Bsmt_Full_Bath": int,
        "Bsmt_Half_Bath": int,
        "Full_Bath": int,
        "Half_Bath": int,
        "Bedroom_AbvGr": int,
        "Kitchen_AbvGr": int,
        "TotRms_AbvGrd": int,
        "Functional": str,
        "Fireplaces": int,
        "Garage_Type": str,
        "Garage_Finish": str,
        "Garage_Cars": int,
        "Garage_Area": int,
        "Garage_Cond": str,
        "Paved_Drive": str,
        "Wood_Deck_SF": int,
        "Open_Porch_SF": int,
        "Enclosed_Porch": int,
        "Three_season_porch": int,
        "Screen_Porch": int,
        "Pool_Area": int,
        "Pool_QC": str,
        "Fence": str,
        "Misc_Feature": str,
        "Misc_Val": int,
        "Mo_Sold": int,
        "Year_Sold": int,
        "Sale_Type": str,
        "Sale_Condition": str,
        "Longitude": float,
        "Latitude": float,
    },
    label=LABEL,
    ignored=("BsmtFin_SF_1",),
    blank=("Mas_Vnr_Type", "Misc_Feature"),
    signed=("Longitude", "Latitude"),
)
# Of the median price per square foot; Ames has houses from 0.13 to 2.3 of it.
LEAST, MOST = 0.12, 5.0


def clean(raw: pd.DataFrame, dropped: dict[str, int]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Features in order, the label in dollars, and nothing filled; `dropped` takes what was not kept.

    Raises InputError for values of the wrong type, and a table without enough usable rows.
    """
    table = tabular.typed(raw, SCHEMA, dropped)
    table = tabular.keep(table, (table[LABEL] > 0) & (table[AREA] > 0), dropped, f"{LABEL} or {AREA} is 0")
    ratio = table[LABEL] / table[AREA]
    plausible = (ratio / ratio.median()).between(LEAST, MOST)
    reason = f"{LABEL} per {AREA} below {LEAST:g} or above {MOST:g} of the median"
    return tabular.complete(tabular.keep(table, plausible, dropped, reason), SCHEMA, dropped), {}


def main(args: SplitArgs) -> None:
    tabular.prepare(args, "Housing", SCHEMA, clean)


def parse(argv: list[str] | None = None) -> SplitArgs:
    return tabular.parse(__doc__, argv)


if __name__ == "__main__":
    tabular.run(lambda: main(parse()))
