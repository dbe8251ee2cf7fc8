"""What a house in Ames, Iowa, sold for from 2006 to 2010, and a few facts that say most of it: of `housing`'s table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from data import housing, rdatasets

COLUMNS = [
    "Gr_Liv_Area",
    "Total_Bsmt_SF",
    "Garage_Area",
    "Lot_Area",
    "TotRms_AbvGrd",
    "Fireplaces",
    "Year_Built",
    "Year_Remod_Add",
    "Bldg_Type",
    "Central_Air",
    "Sale_Condition",
    "Sale_Price",
]


def read(content: bytes) -> pd.DataFrame:
    return rdatasets.read(content)[COLUMNS]


DATASET = replace(housing.DATASET, name="linear_regression", read=read)
