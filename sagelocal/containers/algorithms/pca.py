"""Principal component analysis, by scikit-learn: the covariance's own vectors, or a randomized SVD.

The components are in ascending order of their variance, as in AWS's artifact and its projections.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import tabular
from .answers import CSV, JSON, JSON_LINES, RECORDIO
from .errors import UserError
from .hyperparameters import Parameter, choice, positive, validated
from .job import Job, log, progress

_OVERSAMPLES = 10
KNOWN = {
    "feature_dim": positive(required=True),
    "mini_batch_size": positive(required=True),
    "num_components": positive(required=True),
    "algorithm_mode": choice("regular", "randomized", default="regular"),
    "extra_components": Parameter(int, -1, low=-1),
    "subtract_mean": Parameter(bool, True),
}


def train(job: Job) -> None:
    """Raises UserError."""
    values = validated(job.hyperparameters, KNOWN)
    count, width = values["num_components"], values["feature_dim"]
    if count > width:
        raise UserError(f"num_components ({count}) must not be greater than feature_dim ({width}).")
    tabular.channels(job, {"train": True, "test": False})
    started = time.monotonic()
    loaded = tabular.load(job, "train", width, labels=False)
    assert loaded is not None
    features = loaded[0].astype(np.float64)
    if values["mini_batch_size"] > len(features):
        raise UserError(
            f"mini_batch_size ({values['mini_batch_size']}) is greater than the {len(features)} records of train."
        )
    if count > len(features):
        raise UserError(f"num_components ({count}) is greater than the train channel's {len(features)} records.")
    mean = features.mean(axis=0) if values["subtract_mean"] else np.zeros(width)
    singular, vectors = _decomposed(features - mean, values)
    model = Model(mean.astype(np.float32), vectors.astype(np.float32))
    tabular.save(job, {"feature_dim": width}, mean=model.mean, s=singular.astype(np.float32), v=model.vectors)
    progress(job, 1, 1, len(features), time.monotonic() - started)
    if test := tabular.load(job, "test", width, labels=False):
        centered = test[0] - model.mean
        lost = centered - centered @ model.vectors @ model.vectors.T
        log(f"#test_score ({job.host}) : ('reconstruction_error', {float(np.mean(np.sum(lost**2, axis=1)))!r})")


def _decomposed(centered: np.ndarray, values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (components,) and vectors (features, components), both in ascending order.

    `mini_batch_size` only says how AWS streams the data: the result does not depend on it.
    """
    count = values["num_components"]
    if values["algorithm_mode"] == "randomized":
        from sklearn.utils.extmath import randomized_svd

        extra = values["extra_components"]
        extra = max(_OVERSAMPLES, count) if extra == -1 else extra
        _, singular, vectors = randomized_svd(centered, count, n_oversamples=extra, random_state=0)
        return singular[::-1], vectors[::-1].T
    squares, vectors = np.linalg.eigh(centered.T @ centered)
    return np.sqrt(np.maximum(squares[-count:], 0)), vectors[:, -count:]


class Model:
    key = "projections"
    accepts: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO)
    reads: tuple[str, ...] = (CSV, JSON, JSON_LINES, RECORDIO)

    def __init__(self, mean: np.ndarray, vectors: np.ndarray) -> None:
        self.mean, self.vectors = mean, vectors
        self.features = len(mean)

    def predict(self, features: Any, options: Mapping[str, str]) -> list[dict[str, Any]]:
        return [{"projection": row.tolist()} for row in (tabular.dense(features) - self.mean) @ self.vectors]


def load(model_dir: str) -> Model:
    arrays = tabular.restore(model_dir)[1]
    return Model(arrays["mean"], arrays["v"])
