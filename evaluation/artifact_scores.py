"""Answers of an artifact of `estimator_inference.py` as numbers, for analyses that ask a model and never open it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from model_artifact import Artifact
from tree_shap import as_requested


class ArtifactScores:
    """Shape (records, labels): the probability of a 1, of each class, or the predicted number."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self.names: list[str] = list(artifact.metadata["features"])
        several = artifact.metadata["problem"] == "multiclass"
        self.label_headers: list[Any] = list(artifact.model.estimator.classes_) if several else []

    def scores(self, records: pd.DataFrame) -> np.ndarray:
        if self._artifact.metadata["problem"] == "regression":
            return self._numbers(as_requested(records))
        found = self._artifact.predict(as_requested(records))
        if self.label_headers:
            return np.array([[each[str(label)] for label in self.label_headers] for each in found["probabilities"]])
        return found["probability"].to_numpy(float)[:, np.newaxis]

    def _numbers(self, records: dict[str, list[Any]]) -> np.ndarray:
        """Without the intervals that an answer may have: they take longer than the number that is asked for."""
        model = self._artifact.model
        table = self._artifact.handler.table_of(records, model)
        return np.asarray(model.estimator.predict(table), dtype=float)[:, np.newaxis]
