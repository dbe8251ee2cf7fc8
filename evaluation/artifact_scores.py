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
        found = self._artifact.predict(as_requested(records))
        if self.label_headers:
            return np.array([[each[str(label)] for label in self.label_headers] for each in found["probabilities"]])
        answer = "probability" if "probability" in found else "prediction"
        return found[answer].to_numpy(float)[:, np.newaxis]
