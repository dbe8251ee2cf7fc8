"""Which way to fill blanks is best? Judged twice: by the model that learns from the filled table, and by known values
that were hidden. A table with better guesses need not give a better model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cross_validation
import joblib
import model_comparison
import numpy as np
import pandas as pd
from sklearn.base import clone

HIDDEN = 0.2  # share of a column's known values


def downstream(
    estimator: Any, variants: Mapping[str, Mapping[str, Any]], rows: pd.DataFrame, answers: pd.Series, splitter: Any
) -> dict[str, Any]:
    """`model_comparison.compare` of the estimator's ROC-AUC with each variant of its parameters, by the same folds."""
    found = {
        name: cross_validation.scores(
            clone(estimator).set_params(**parameters), rows, answers, {"roc_auc": "roc_auc"}, splitter
        )["roc_auc"].to_numpy()
        for name, parameters in variants.items()
    }
    return model_comparison.compare(found, "ROC-AUC", *cross_validation.sizes(splitter, rows, answers))


def hidden_values(
    imputers: Mapping[str, Any],
    features: Any,
    rows: pd.DataFrame,
    columns: Mapping[str, str],
    order: str = "",
    repeats: int = 3,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """How far each imputer is from known values that it was not shown: column of the features to error by imputer.

    Args:
        imputers: transformers of the features' table, by name.
        features: a transformer of raw records, fitted to what is left of them.
        columns: the raw column whose values are hidden, to the feature that shows it.
        order: a raw column by which neighbouring records have to do with each other; with one, the ways to fill a blank
            from its neighbours are judged too. They are none for records that come one by one.

    Returns:
        Root mean squared error of a number, over the deviation of its known values: 1 is no better than the mean. The
        share of wrong guesses of a category. Means over `repeats` draws of what is hidden.
    """
    random, found = np.random.default_rng(seed), list[dict[str, dict[str, float]]]()
    truth = clone(features).fit_transform(rows)
    for _ in range(repeats):
        masks = {raw: rows[raw].notna() & (random.random(len(rows)) < HIDDEN) for raw in columns}
        shown = clone(features).fit_transform(rows.assign(**{raw: rows[raw].mask(masks[raw]) for raw in columns}))
        tables = joblib.Parallel()(joblib.delayed(fill)(each, shown) for each in imputers.values())
        filled = dict(zip(imputers, tables, strict=True))
        if order:
            filled |= {name: near(shown, rows[order]) for name, near in FROM_NEIGHBOURS.items()}
        found.append(
            {
                feature: {name: error(table[feature], truth[feature], masks[raw]) for name, table in filled.items()}
                for raw, feature in columns.items()
            }
        )
    return {feature: pd.DataFrame([each[feature] for each in found]).mean().to_dict() for feature in columns.values()}


def fill(imputer: Any, table: pd.DataFrame) -> pd.DataFrame:
    filled: pd.DataFrame = clone(imputer).fit(table).transform(table)
    return filled


def error(filled: pd.Series, truth: pd.Series, hidden: pd.Series) -> float:
    if not pd.api.types.is_numeric_dtype(truth):
        return float((filled[hidden] != truth[hidden]).mean())
    differences = filled[hidden].astype(float) - truth[hidden]
    return float(np.sqrt((differences**2).mean()) / truth.std())


def in_order(fill: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[pd.DataFrame, pd.Series], pd.DataFrame]:
    def filled(table: pd.DataFrame, order: pd.Series) -> pd.DataFrame:
        return fill(table.loc[order.sort_values(kind="stable").index]).loc[table.index]

    return filled


def interpolated(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers on the line between their neighbours, by place; categories as the nearest neighbour before."""
    numbers = table.select_dtypes("number").reset_index(drop=True).interpolate(limit_direction="both")
    rest = table.select_dtypes(exclude="number").ffill().bfill()
    return pd.concat([rest, numbers.set_axis(table.index)], axis=1)


FROM_NEIGHBOURS = {
    "forward fill": in_order(lambda table: table.ffill().bfill()),
    "backward fill": in_order(lambda table: table.bfill().ffill()),
    "interpolation": in_order(interpolated),
}
