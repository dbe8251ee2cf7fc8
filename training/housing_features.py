"""Houses as numbers: what an assessor's record says, and what follows from it. The artifact carries this file.

Qualities have an order, so they are numbered; other categories get a column each, rare and unknown ones share one.
Numbers are clipped to what nearly all training records have, so that a single huge lot bends no line, and none is drawn
far beyond what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler

NOT_THERE = "Without"  # in place of a blank
QUALITY = ["Poor", "Fair", "Typical", "Good", "Excellent"]
FINISH = ["No_Basement", "Unf", "LwQ", "Rec", "BLQ", "ALQ", "GLQ"]
# Categories that have an order, from the lowest.
SCALES = {
    "Overall_Cond": [
        "Very_Poor",
        "Poor",
        "Fair",
        "Below_Average",
        "Average",
        "Above_Average",
        "Good",
        "Very_Good",
        "Excellent",
    ],
    "Exter_Cond": QUALITY,
    "Heating_QC": QUALITY,
    "Bsmt_Cond": ["No_Basement", *QUALITY],
    "Garage_Cond": ["No_Garage", *QUALITY],
    "Pool_QC": ["No_Pool", *QUALITY],
    "Bsmt_Exposure": ["No_Basement", "No", "Mn", "Av", "Gd"],
    "BsmtFin_Type_1": FINISH,
    "BsmtFin_Type_2": FINISH,
    "Garage_Finish": ["No_Garage", "Unf", "RFn", "Fin"],
    "Paved_Drive": ["Dirt_Gravel", "Partial_Pavement", "Paved"],
    "Functional": ["Sal", "Sev", "Maj2", "Maj1", "Mod", "Min2", "Min1", "Typ"],
    "Lot_Shape": ["Irregular", "Moderately_Irregular", "Slightly_Irregular", "Regular"],
    "Land_Slope": ["Sev", "Mod", "Gtl"],
    "Utilities": ["ELO", "NoSeWa", "NoSewr", "AllPub"],
}
# Numbers whose squares and products a polynomial model gets.
CURVED = [
    "Log_Total_SF",
    "Log_Gr_Liv_Area",
    "Log_Lot_Area",
    "Age",
    "Years_Since_Remodelling",
    "Baths",
    "Garage_Area",
    "Longitude",
    "Latitude",
    "Time_Sold",
]
AREAS = ["Lot_Area", "Lot_Frontage", "Gr_Liv_Area", "First_Flr_SF", "Total_Bsmt_SF", "Total_SF"]


def derive(table: pd.DataFrame) -> pd.DataFrame:
    """With what follows from a record's columns, and blanks of categories as a category of their own."""
    found = table.copy()
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    found[texts] = found[texts].astype(object).where(found[texts].notna(), NOT_THERE)
    found["Bsmt_Finished_SF"] = table["Total_Bsmt_SF"] - table["Bsmt_Unf_SF"]
    found["Total_SF"] = table["Total_Bsmt_SF"] + table["Gr_Liv_Area"]
    found["Baths"] = table["Full_Bath"] + table["Bsmt_Full_Bath"] + 0.5 * (table["Half_Bath"] + table["Bsmt_Half_Bath"])
    porches = ["Open_Porch_SF", "Enclosed_Porch", "Three_season_porch", "Screen_Porch", "Wood_Deck_SF"]
    found["Porch_SF"] = table[porches].sum(axis=1)
    found["Age"] = table["Year_Sold"] - table["Year_Built"]
    found["Years_Since_Remodelling"] = table["Year_Sold"] - table["Year_Remod_Add"]
    found["Is_New"] = (found["Age"] <= 0).astype(float)
    found["Time_Sold"] = table["Year_Sold"] + (table["Mo_Sold"] - 0.5) / 12
    for name in AREAS:
        found[f"Log_{name}"] = np.log1p(found[name].clip(lower=0))
    return found


class Clip(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers no lower and no higher than the quantiles `share` and `1 - share` of what it was fitted to."""

    def __init__(self, share: float = 0.005) -> None:
        self.share = share

    def fit(self, values: Any, y: Any = None) -> Clip:
        table = np.asarray(values, dtype=float)
        self.low_, self.high_ = np.quantile(table, [self.share, 1 - self.share], axis=0)
        self.n_features_in_ = table.shape[1]
        if hasattr(values, "columns"):
            self.feature_names_in_ = np.asarray(values.columns, dtype=object)
        return self

    def transform(self, values: Any) -> np.ndarray:
        return np.clip(np.asarray(values, dtype=float), self.low_, self.high_)


def numbers(table: pd.DataFrame) -> list[str]:
    return [name for name in table if pd.api.types.is_numeric_dtype(table[name])]


def scales(table: pd.DataFrame) -> list[str]:
    return list(SCALES)  # in the order of their encoder's categories


def categories(table: pd.DataFrame) -> list[str]:
    return [name for name in table if name not in SCALES and not pd.api.types.is_numeric_dtype(table[name])]


def ordered() -> Pipeline:
    """Scales as their places; a value that is none of a scale's becomes the most frequent."""
    encoder = OrdinalEncoder(categories=list(SCALES.values()), handle_unknown="use_encoded_value", unknown_value=np.nan)
    return Pipeline([("place", encoder), ("unknown", SimpleImputer(strategy="most_frequent"))])


def one_hot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)


def encoder(
    scale: Any = "passthrough", scale_encoder: Any = None, category_encoder: Any = None, curved: Sequence[str] = ()
) -> Pipeline:
    """From a record to numbers: `scale` is a scaler of numbers and of scales, by default none."""
    places = Pipeline([("encode", scale_encoder or ordered()), ("scale", scale)])
    parts: list[tuple[str, Any, Any]] = [
        ("numbers", Pipeline([("scale", scale)]), numbers),
        ("scales", places, scales),
        ("categories", category_encoder or one_hot(), categories),
    ]
    if curved:
        products = PolynomialFeatures(2, include_bias=False)
        parts.append(("curved", Pipeline([("scale", scale), ("products", products)]), list(curved)))
    columns = ColumnTransformer(parts)
    return Pipeline([("derive", FunctionTransformer(derive)), ("columns", columns)])


def clipped() -> Pipeline:
    """What linear models get: outliers in, and then all on one scale."""
    return Pipeline([("clip", Clip()), ("standard", StandardScaler())])
