"""Records of houses that nobody built: the raw table's columns, and a price that follows from a few of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

WORDS = {
    "MS_SubClass": ["One_Story", "Two_Story"],
    "MS_Zoning": ["Residential_Low_Density", "C_all"],
    "Street": ["Pave", "Grvl"],
    "Alley": ["No_Alley_Access", "Paved"],
    "Lot_Shape": ["Regular", "Irregular"],
    "Land_Contour": ["Lvl", "Low"],
    "Utilities": ["AllPub"],
    "Lot_Config": ["Inside", "Corner"],
    "Land_Slope": ["Gtl", "Mod"],
    "Neighborhood": ["North_Ames", "Old_Town", "Gilbert"],
    "Condition_1": ["Norm", "Feedr"],
    "Condition_2": ["Norm"],
    "Bldg_Type": ["OneFam", "Duplex"],
    "House_Style": ["One_Story", "Two_Story"],
    "Overall_Cond": ["Poor", "Average", "Good", "Excellent"],
    "Roof_Style": ["Gable", "Hip"],
    "Roof_Matl": ["CompShg"],
    "Exterior_1st": ["VinylSd", "Wd Sdng"],
    "Exterior_2nd": ["VinylSd", "Wd Sdng"],
    "Mas_Vnr_Type": ["", "BrkFace"],
    "Exter_Cond": ["Typical", "Good"],
    "Foundation": ["PConc", "CBlock"],
    "Bsmt_Cond": ["Typical", "No_Basement"],
    "Bsmt_Exposure": ["No", "Gd"],
    "BsmtFin_Type_1": ["GLQ", "Unf"],
    "BsmtFin_Type_2": ["Unf"],
    "Heating": ["GasA"],
    "Heating_QC": ["Typical", "Excellent"],
    "Central_Air": ["Y", "N"],
    "Electrical": ["SBrkr"],
    "Functional": ["Typ", "Mod"],
    "Garage_Type": ["Attchd", "No_Garage"],
    "Garage_Finish": ["Fin", "Unf"],
    "Garage_Cond": ["Typical"],
    "Paved_Drive": ["Paved"],
    "Pool_QC": ["No_Pool"],
    "Fence": ["No_Fence"],
    "Misc_Feature": ["", "Shed"],
    "Sale_Type": ["WD ", "New"],
    "Sale_Condition": ["Normal", "Abnorml"],
}
NUMBERS = {
    "Lot_Frontage": (20, 150),
    "Lot_Area": (2000, 30000),
    "Year_Built": (1900, 2006),
    "Year_Remod_Add": (1950, 2006),
    "Mas_Vnr_Area": (0, 500),
    "BsmtFin_SF_1": (0, 7),
    "BsmtFin_SF_2": (0, 50),
    "Bsmt_Unf_SF": (0, 400),
    "Total_Bsmt_SF": (450, 1500),
    "First_Flr_SF": (500, 1500),
    "Second_Flr_SF": (0, 1000),
    "Gr_Liv_Area": (500, 2500),
    "Bsmt_Full_Bath": (0, 1),
    "Bsmt_Half_Bath": (0, 1),
    "Full_Bath": (1, 3),
    "Half_Bath": (0, 1),
    "Bedroom_AbvGr": (1, 5),
    "Kitchen_AbvGr": (1, 2),
    "TotRms_AbvGrd": (3, 12),
    "Fireplaces": (0, 2),
    "Garage_Cars": (0, 3),
    "Garage_Area": (0, 900),
    "Wood_Deck_SF": (0, 300),
    "Open_Porch_SF": (0, 100),
    "Enclosed_Porch": (0, 100),
    "Three_season_porch": (0, 50),
    "Screen_Porch": (0, 100),
    "Pool_Area": (0, 10),
    "Misc_Val": (0, 500),
    "Mo_Sold": (1, 12),
    "Year_Sold": (2006, 2010),
}


def houses(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    words = {name: random.choice(values, rows) for name, values in WORDS.items()}
    numbers = {name: random.integers(least, most + 1, rows) for name, (least, most) in NUMBERS.items()}
    places = {"Longitude": random.uniform(-93.69, -93.58, rows), "Latitude": random.uniform(41.99, 42.06, rows)}
    table = pd.DataFrame({**words, **numbers, **places})
    condition = table["Overall_Cond"].map({"Poor": 0.8, "Average": 1.0, "Good": 1.1, "Excellent": 1.2})
    age = (2010 - table["Year_Built"]) / 300
    price = 100 * (table["Gr_Liv_Area"] + 0.5 * table["Total_Bsmt_SF"]) * condition * np.exp(-age)
    return table.assign(Sale_Price=(price * np.exp(random.normal(0, 0.1, rows))).round().astype(int))
