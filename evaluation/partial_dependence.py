"""Partial dependence (Friedman 2001): what a model answers on average when one feature has each of its values.

Parameters and result are Clarify's (SageMaker developer guide, "Partial dependence plots"). A feature's values go to
the model in one table, which it splits as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import pandas as pd
from analysis_data import column

GRID, TOP = 15, 10  # the SDK's defaults of grid_resolution and top_k_features
RECORDS = 200_000  # that are asked for at a time


class Scorer(Protocol):
    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Shape (records, labels)."""


def depend(
    config: dict[str, Any], features: pd.DataFrame, model: Scorer, shap: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """`explanations.pdp` of analysis.json. `shap` has SHAP values by label; their top features are the default.

    Raises:
        ValueError: neither features nor SHAP, or a feature that isn't there.
    """
    known = [str(name) for name in features]
    names = [column(known, each) for each in config.get("features") or _top(shap, config.get("top_k_features") or TOP)]
    if not names:
        raise ValueError("methods.pdp needs features, or the shap method beside it")
    return [_feature(features, name, config.get("grid_resolution") or GRID, model) for name in names]


def _feature(features: pd.DataFrame, name: str, resolution: int, model: Scorer) -> dict[str, Any]:
    column = features[name]
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric:
        counts, edges = np.histogram(column.dropna(), bins=resolution)
        values: list[Any] = ((edges[:-1] + edges[1:]) / 2).tolist()
    else:
        shares = column.value_counts(sort=False)
        values, counts = shares.index.tolist(), shares.to_numpy()
    return {
        "feature_name": name,
        "data_type": "numerical" if numeric else "categorical",
        "feature_values": values,
        "model_predictions": np.vstack(list(_means(features, name, values, model))).T.tolist(),
        "data_distribution": (counts / counts.sum()).tolist(),
    }


def _means(features: pd.DataFrame, name: str, values: list[Any], model: Scorer) -> Iterable[np.ndarray]:
    together = max(1, RECORDS // len(features))
    for start in range(0, len(values), together):
        some = values[start : start + together]
        table = pd.concat([features] * len(some), ignore_index=True)
        table[name] = np.repeat(np.array(some, dtype=object), len(features))
        table[name] = table[name].infer_objects()
        yield from model.scores(table).reshape(len(some), len(features), -1).mean(axis=1)


def _top(shap: dict[str, Any] | None, count: int) -> list[str]:
    """Features by their global SHAP values, summed over labels."""
    totals: dict[str, float] = {}
    for label in (shap or {}).values():
        for name, value in label["global_shap_values"].items():
            totals[name] = totals.get(name, 0.0) + abs(value)
    return sorted(totals, key=lambda name: -totals[name])[:count]
