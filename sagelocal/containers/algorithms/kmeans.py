"""K-means: mini-batch updates of k·x centers, then Lloyd's method down to k, as the documentation describes it.

scikit-learn does the second step. `extra_center_factor` auto is 10 here, as far as the rows suffice; AWS does not say.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from . import tabular
from .answers import CSV, JSON, JSON_LINES, RECORDIO
from .errors import UserError
from .hyperparameters import Parameter, choice, positive, validated
from .job import Job, progress, quality, scored

_METRICS = ("msd", "ssd")
_EXTRA_CENTERS = 10
_TRIALS = 10  # as AWS's own logs show for auto
KNOWN = {
    "feature_dim": positive(required=True),
    "k": positive(required=True),
    "epochs": positive(1),
    "eval_metrics": Parameter(default='["msd"]'),
    "extra_center_factor": positive("auto", words=("auto",)),
    "half_life_time_size": Parameter(int, 0, low=0),
    "init_method": choice("random", "kmeans++", default="random"),
    "local_lloyd_init_method": choice("random", "kmeans++", default="kmeans++"),
    "local_lloyd_max_iter": positive(300),
    "local_lloyd_num_trials": positive("auto", words=("auto",)),
    "local_lloyd_tol": Parameter(float, 0.0001, low=0, high=1),
    "mini_batch_size": positive(5000),
    "force_dense": Parameter(bool, True),  # not documented, but SDK v2 sends it; rows are always dense here
}


def train(job: Job) -> None:
    """Raises UserError."""
    values = validated(job.hyperparameters, KNOWN)
    metrics = _metrics(values["eval_metrics"])
    tabular.channels(job, {"train": True, "test": False})
    loaded = tabular.load(job, "train", values["feature_dim"], labels=False)
    assert loaded is not None
    features = loaded[0]
    if values["k"] > len(features):
        raise UserError(f"k is {values['k']}, but the train channel has {len(features)} records.")
    rng = np.random.default_rng(0)
    centers = _lloyd(*_streamed(job, features, values, rng), values)
    for name, value in _distances(features, centers).items():
        if name in metrics:
            quality(job, f"train {name}", value, "loss")
    tabular.save(job, {"feature_dim": values["feature_dim"]}, centers=centers.astype(np.float32))
    if test := tabular.load(job, "test", values["feature_dim"], labels=False):
        for name, value in _distances(test[0], centers).items():
            if name in metrics:
                scored(job, name, value, "loss")


def _metrics(text: str) -> list[str]:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not set(names) <= set(_METRICS):
        raise UserError(f"eval_metrics is {text}: it must be a JSON list of {' and '.join(_METRICS)}.")
    return names


def _streamed(
    job: Job, features: np.ndarray, values: dict[str, Any], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """K = k·x centers and how much each of them weighs, which a half life lets decay."""
    size = min(values["mini_batch_size"], len(features))
    centers = _first(features, size, values, rng)
    weights = np.zeros(len(centers))
    for epoch in range(values["epochs"]):
        started = time.monotonic()
        for rows in tabular.batches(len(features), size, rng):
            if values["half_life_time_size"]:
                weights *= 0.5 ** (len(rows) / values["half_life_time_size"])
            _move(centers, weights, features[rows].astype(np.float64))
        progress(job, epoch + 1, values["epochs"], len(features), time.monotonic() - started)
    return centers, weights


def _first(features: np.ndarray, size: int, values: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """The centers to begin with, from about one batch. Raises UserError where there are fewer rows than centers."""
    from sklearn.cluster import kmeans_plusplus

    factor = values["extra_center_factor"]
    count = values["k"] * (_EXTRA_CENTERS if factor == "auto" else factor)
    if count > len(features):
        if factor != "auto":
            raise UserError(f"k · extra_center_factor is {count}, but the train channel has {len(features)} records.")
        count = max(values["k"], len(features) // 2)
    first = features[rng.choice(len(features), max(size, count), replace=False)]
    if values["init_method"] == "kmeans++":
        chosen = kmeans_plusplus(first, count, random_state=0)[0]
    else:
        chosen = first[rng.choice(len(first), count, replace=False)]
    centers: np.ndarray = chosen.astype(np.float64)
    return centers


def _move(centers: np.ndarray, weights: np.ndarray, batch: np.ndarray) -> None:
    """In place: c ← (1-p)·c + p·d, where d is the mean of a center's new points and p = new / (weight + new)."""
    from sklearn.metrics import pairwise_distances_argmin

    nearest = pairwise_distances_argmin(batch, centers)
    new = np.bincount(nearest, minlength=len(centers))
    member = sparse.csr_matrix((np.ones(len(batch)), nearest, np.arange(len(batch) + 1)), (len(batch), len(centers)))
    sums = member.T @ batch
    moved = new > 0
    share = (new[moved] / (weights[moved] + new[moved]))[:, None]
    centers[moved] = (1 - share) * centers[moved] + share * sums[moved] / new[moved][:, None]
    weights += new


def _lloyd(centers: np.ndarray, weights: np.ndarray, values: dict[str, Any]) -> np.ndarray:
    from sklearn.cluster import KMeans

    if len(centers) == values["k"]:
        return centers
    init = "k-means++" if values["local_lloyd_init_method"] == "kmeans++" else "random"
    trials = _TRIALS if values["local_lloyd_num_trials"] == "auto" else values["local_lloyd_num_trials"]
    found = KMeans(
        values["k"],
        init=init,
        n_init=trials,
        max_iter=values["local_lloyd_max_iter"],
        tol=values["local_lloyd_tol"],
        random_state=0,
    ).fit(centers, sample_weight=np.maximum(weights, 1e-12))
    reduced: np.ndarray = found.cluster_centers_
    return reduced


def _distances(features: np.ndarray, centers: np.ndarray) -> dict[str, float]:
    """Squared distances to the closest center: their mean and their sum."""
    squared = _closest(features, centers)[1] ** 2
    return {"msd": float(squared.mean()), "ssd": float(squared.sum())}


def _closest(features: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import pairwise_distances_argmin_min

    found: tuple[np.ndarray, np.ndarray] = pairwise_distances_argmin_min(
        features.astype(np.float64), centers.astype(np.float64)
    )
    return found


class Model:
    key = "predictions"
    accepts: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO, CSV)
    reads: tuple[str, ...] = (CSV, JSON, JSON_LINES, RECORDIO)

    def __init__(self, centers: np.ndarray) -> None:
        self.centers = centers
        self.features = centers.shape[1]

    def predict(self, features: Any, options: Mapping[str, str]) -> list[dict[str, Any]]:
        return [
            {"closest_cluster": float(cluster), "distance_to_cluster": float(distance)}
            for cluster, distance in zip(*_closest(tabular.dense(features), self.centers), strict=True)
        ]


def load(model_dir: str) -> Model:
    return Model(tabular.restore(model_dir)[1]["centers"])
