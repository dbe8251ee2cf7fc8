"""Partial dependence (Friedman 2001): what a model answers on average when one feature has each of its values.

Parameters and result are Clarify's (SageMaker developer guide, "Partial dependence plots").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from analysis_data import Dataset, column
from analysis_model import Model

GRID, TOP = 15, 10  # the SDK's defaults of grid_resolution and top_k_features


def depend(config: dict[str, Any], dataset: Dataset, model: Model, shap: dict[str, Any] | None) -> list[dict[str, Any]]:
    """`explanations.pdp` of analysis.json. `shap` is its kernel_shap, whose top features count where none are named.

    Raises:
        ValueError: neither features nor SHAP, or a feature that isn't there.
    """
    features = dataset.features
    names = [column(features, each) for each in config.get("features") or _top(shap, config.get("top_k_features", TOP))]
    if not names:
        raise ValueError("methods.pdp needs features, or the shap method beside it")
    return [_feature(features, name, config.get("grid_resolution", GRID), model) for name in names]


def _feature(features: pd.DataFrame, name: str, resolution: int, model: Model) -> dict[str, Any]:
    column = features[name]
    numeric = pd.api.types.is_numeric_dtype(column)
    if numeric:
        counts, edges = np.histogram(column.dropna(), bins=resolution)
        values: list[Any] = ((edges[:-1] + edges[1:]) / 2).tolist()
    else:
        shares = column.value_counts(sort=False)
        values, counts = shares.index.tolist(), shares.to_numpy()
    means = [model.scores(features.assign(**{name: value})).mean(axis=0) for value in values]
    return {
        "feature_name": name,
        "data_type": "numerical" if numeric else "categorical",
        "feature_values": values,
        "model_predictions": np.vstack(means).T.tolist(),
        "data_distribution": (counts / counts.sum()).tolist(),
    }


def _top(shap: dict[str, Any] | None, count: int) -> list[str]:
    """Features by their global SHAP values, summed over labels."""
    totals: dict[str, float] = {}
    for label in (shap or {}).values():
        for name, value in label["global_shap_values"].items():
            totals[name] = totals.get(name, 0.0) + abs(value)
    return sorted(totals, key=lambda name: -totals[name])[:count]
