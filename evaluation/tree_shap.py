"""SHAP values of a model artifact's trees, in the raw features that its requests carry.

The artifact's own `explain_fn` comes first: for XGBoost it returns what the library's TreeSHAP says. An artifact
without one must hold trees of scikit-learn, alone or at the end of a Pipeline, which the library shap explains.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shap_values
from analysis_data import Table, column
from model_artifact import Artifact
from shap_values import Explanation, Summary, Values


class Trees:
    """An artifact's model, as analyses of explanations ask it."""

    label_headers: list[Any] = []  # noqa: RUF012

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._explainer: Any = None

    def names(self, table: Table) -> list[str]:
        """The model's features among the table's columns, or all that are neither label nor excluded."""
        known = self.artifact.metadata.get("features")
        return [name for name in table.columns if name in known] if known else table.features

    def values(self, records: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
        """SHAP values of shape (records, features, labels), and the features' names.

        Raises:
            ValueError: the model is none of trees.
        """
        found = self.artifact.explain(as_requested(records))
        if found is not None:
            return found.to_numpy()[:, :, np.newaxis], [str(name) for name in found]
        return self._by_shap(records)

    def scores(self, records: pd.DataFrame) -> np.ndarray:
        """Probabilities of shape (records, 1)."""
        return self.artifact.predict(as_requested(records))["probability"].to_numpy(float)[:, np.newaxis]

    def expected(self, records: pd.DataFrame, found: np.ndarray) -> np.ndarray:
        """What the model answers without knowing a feature, in the values' unit: shape (labels,)."""
        if self._explainer is not None:
            return np.atleast_1d(self._explainer.expected_value)[-found.shape[2] :]
        probability = np.clip(self.scores(records)[:, 0], 1e-12, 1 - 1e-12)
        return np.atleast_1d(np.median(np.log(probability / (1 - probability)) - found[:, :, 0].sum(axis=1)))

    def _by_shap(self, records: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
        from sklearn.pipeline import Pipeline

        shap = shap_values.library()
        model = self.artifact.model
        steps, trees = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
        if self._explainer is None:
            try:
                self._explainer = shap.TreeExplainer(trees)
            except Exception as error:  # its own class for this has changed more than once
                raise ValueError(
                    f"the model artifact has neither an explain_fn nor trees that shap knows: it is a "
                    f"{type(trees).__name__}. Name a predictor in the analysis config, for Kernel SHAP"
                ) from error
        frame = typed(records)
        matrix = steps.transform(frame) if steps else frame
        names = [str(name) for name in (steps.get_feature_names_out() if steps else frame.columns)]
        found = np.asarray(self._explainer.shap_values(matrix, check_additivity=False), float)
        found = found[:, :, np.newaxis] if found.ndim == 2 else found
        found = found[:, :, -1:] if found.shape[2] == 2 else found  # of two classes the second says it all
        raw = list(frame.columns)
        return _added(found, [_origin(name, raw) for name in names], raw), raw


def explain(config: dict[str, Any], table: Table, trees: Trees, output: Path) -> Explanation:
    """Exact SHAP values of all records, a part at a time; local ones go to explanations_shap/ unless switched off."""
    names = trees.names(table)
    first = next((part for part in table.parts(names) if len(part)), None)
    if first is None:
        raise ValueError("the dataset has no records to explain")
    probe, raw = trees.values(first.head(100))
    wanted = [column(raw, each) for each in config.get("features_to_explain") or raw]
    at = [raw.index(name) for name in wanted]
    labels = [f"label{number}" for number in range(probe.shape[2])]
    out = output / "explanations_shap" / "out.csv" if config.get("save_local_shap_values", True) else None

    def parts() -> Iterator[Values]:
        for part in table.parts(names):
            if len(part):
                yield Values(trees.values(part)[0][:, at], part[wanted])

    summary = Summary("tree_shap", shap_values.aggregation(config), out)
    return summary.take(parts(), wanted, labels, lambda: trees.expected(first.head(100), probe))


def typed(records: pd.DataFrame) -> pd.DataFrame:
    """Columns of text as numbers, where they are."""
    found = {}
    for name, values in records.items():
        try:
            found[name] = pd.to_numeric(values.astype(object))
        except (ValueError, TypeError):
            found[name] = values.astype(object)
    return pd.DataFrame(found)


def as_requested(records: pd.DataFrame) -> dict[str, list[Any]]:
    """As a request has them: a blank is no value."""
    blank = records.isna()
    return {
        str(name): (values.astype(object).where(~blank[name], None) if blank[name].any() else values).tolist()
        for name, values in records.items()
    }


def _origin(name: str, raw: list[str]) -> str:
    """The raw feature of a transformer's column: `encode__plan_basic` is of `plan`."""
    bare = name.partition("__")[2] or name
    fits = [each for each in raw if bare == each or bare.startswith(f"{each}_")]
    if not fits:
        raise ValueError(f"the pipeline's column {name} belongs to none of the features {', '.join(raw)}")
    return max(fits, key=len)


def _added(found: np.ndarray, origins: list[str], raw: list[str]) -> np.ndarray:
    """Values of a feature's columns together; shape (records, raw features, labels)."""
    belongs = np.array([[origin == name for name in raw] for origin in origins], float)
    return np.einsum("rcl,cf->rfl", found, belongs)
