"""k-nearest neighbours: a sample of the train channel in a FAISS index.

Hyperparameters and formats as documented; FAISS does the search. `distances` are FAISS's own, squared for L2. An IVF
index looks into the square root of its lists' number: AWS does not say how many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import tabular
from .answers import CSV, JSON, JSON_LINES, RECORDIO
from .errors import UserError
from .hyperparameters import choice, positive, validated
from .job import Job, progress, scored

_PQ = (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96)
_PQ_POINTS = 256  # what a product quantizer of 8 bits needs
KNOWN = {
    "feature_dim": positive(required=True),
    "k": positive(required=True),
    "predictor_type": choice("classifier", "regressor", required=True),
    "sample_size": positive(required=True),
    "dimension_reduction_target": positive(),
    "dimension_reduction_type": choice("sign", "fjlt"),
    "faiss_index_ivf_nlists": positive("auto", words=("auto",)),
    "faiss_index_pq_m": positive(),
    "index_metric": choice("L2", "INNER_PRODUCT", "COSINE", default="L2"),
    "index_type": choice("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ", default="faiss.Flat"),
    "mini_batch_size": positive(5000),
}


def train(job: Job) -> None:
    """Raises UserError."""
    values = validated(job.hyperparameters, KNOWN)
    _check(values)
    tabular.channels(job, {"train": True, "test": False})
    started = time.monotonic()
    loaded = tabular.load(job, "train", values["feature_dim"], labels=True)
    assert loaded is not None and loaded[1] is not None
    features, labels = loaded[0], loaded[1]
    rng = np.random.default_rng(0)
    if len(features) > values["sample_size"]:
        chosen = np.sort(rng.choice(len(features), values["sample_size"], replace=False))
        features, labels = features[chosen], labels[chosen]
    if values["k"] > len(features):
        raise UserError(f"k is {values['k']}, but only {len(features)} points were sampled from the train channel.")
    projection = _projection(values, rng)
    index = _index(values, _prepared(features, projection, values), len(features))
    meta = {name: values[name] for name in ("feature_dim", "k", "predictor_type", "index_metric")}
    model = Model(meta, index, labels, projection)
    import faiss

    tabular.save(job, meta, index=faiss.serialize_index(index), labels=labels, projection=projection)
    progress(job, 1, 1, len(features), time.monotonic() - started)
    if test := tabular.load(job, "test", values["feature_dim"], labels=True):
        _score(job, model, *test, values["mini_batch_size"])


def _check(values: dict[str, Any]) -> None:
    kind, target = values["dimension_reduction_type"], values["dimension_reduction_target"]
    if (kind is None) != (target is None):
        raise UserError("dimension_reduction_type and dimension_reduction_target must be given together.")
    if target is not None and target >= values["feature_dim"]:
        raise UserError(
            f"dimension_reduction_target ({target}) must be less than feature_dim ({values['feature_dim']})."
        )
    if values["index_type"] == "faiss.IVFPQ":
        if values["index_metric"] != "L2":
            raise UserError(f"index_metric {values['index_metric']} is not supported with index_type faiss.IVFPQ.")
        if values["faiss_index_pq_m"] is None:
            raise UserError("faiss_index_pq_m must be given with index_type faiss.IVFPQ.")
    if values["faiss_index_pq_m"] not in (None, *_PQ):
        raise UserError(f"faiss_index_pq_m {values['faiss_index_pq_m']} is not one of {', '.join(map(str, _PQ))}.")


def _projection(values: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    """(features, target), by which points are reduced or padded; no columns when neither is asked for.

    sign: independent signs (Achlioptas 2003). fjlt: P·H·D of Ailon and Chazelle (2009), a sparse normal matrix after
    a Walsh-Hadamard transform of randomly flipped coordinates. Both keep distances in expectation.
    """
    width, target = values["feature_dim"], values["dimension_reduction_target"]
    pieces = values["faiss_index_pq_m"] if values["index_type"] == "faiss.IVFPQ" else 1
    dimension = math.ceil((target or width) / pieces) * pieces
    if values["dimension_reduction_type"] == "sign":
        return (rng.choice([-1.0, 1.0], (width, dimension)) / math.sqrt(dimension)).astype(np.float32)
    if values["dimension_reduction_type"] == "fjlt":
        size = 1 << (width - 1).bit_length()
        density = min(1.0, math.log(max(values["sample_size"], 2)) ** 2 / size)
        held = rng.random((dimension, size)) < density
        normal = np.where(held, rng.normal(0, math.sqrt(1 / density), (dimension, size)), 0.0)
        flipped = _hadamard(normal) * rng.choice([-1.0, 1.0], size)
        return (flipped[:, :width].T / math.sqrt(dimension)).astype(np.float32)
    return np.eye(width, dimension, dtype=np.float32) if dimension != width else np.zeros((width, 0), np.float32)


def _hadamard(rows: np.ndarray) -> np.ndarray:
    """The orthonormal Walsh-Hadamard transform of each row, whose length is a power of 2."""
    count, size = rows.shape
    half = 1
    while half < size:
        pairs = rows.reshape(count, -1, 2, half)
        rows = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2).reshape(count, size)
        half *= 2
    return rows / math.sqrt(size)


def _prepared(features: np.ndarray, projection: np.ndarray, values: Mapping[str, Any]) -> np.ndarray:
    points = features @ projection if projection.shape[1] else features
    if values["index_metric"] == "COSINE":
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(points, dtype=np.float32)


def _index(values: dict[str, Any], points: np.ndarray, count: int) -> Any:
    import faiss

    dimension = points.shape[1]
    metric = faiss.METRIC_L2 if values["index_metric"] == "L2" else faiss.METRIC_INNER_PRODUCT
    if values["index_type"] == "faiss.Flat":
        index: Any = faiss.IndexFlat(dimension, metric)
    else:
        lists = values["faiss_index_ivf_nlists"]
        lists = max(1, int(math.sqrt(count))) if lists == "auto" else lists
        needed = max(lists, _PQ_POINTS if values["index_type"] == "faiss.IVFPQ" else 1)
        if count < needed:
            raise UserError(f"A {values['index_type']} index of {lists} lists needs {needed} points, and has {count}.")
        quantizer = faiss.IndexFlat(dimension, metric)
        if values["index_type"] == "faiss.IVFFlat":
            index = faiss.IndexIVFFlat(quantizer, dimension, lists, metric)
        else:
            index = faiss.IndexIVFPQ(quantizer, dimension, lists, values["faiss_index_pq_m"], 8)
        index.nprobe = max(1, int(math.sqrt(lists)))
        index.cp.min_points_per_centroid = 1  # fewer points than FAISS would like are no warning on standard output
        index.train(points)
    index.add(points)
    return index


def _score(job: Job, model: Model, features: np.ndarray, truth: Any, size: int) -> None:
    parts = (model.labels(features[rows]) for rows in tabular.batches(len(features), size))
    predicted = np.concatenate(list(parts))
    if model.meta["predictor_type"] == "classifier":
        name, value, kind = "accuracy", float(np.mean(predicted == truth)), "score"
    else:
        name, value, kind = "mse", float(np.mean((predicted - truth) ** 2)), "loss"
    scored(job, name, value, kind)


class Model:
    key = "predictions"
    accepts: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO)
    reads: tuple[str, ...] = (CSV, JSON, JSON_LINES, RECORDIO)

    def __init__(self, meta: dict[str, Any], index: Any, labels: np.ndarray, projection: np.ndarray) -> None:
        self.meta = meta
        self.features: int = meta["feature_dim"]
        self._index, self._labels, self._projection = index, labels, projection

    def predict(self, features: Any, options: Mapping[str, str]) -> list[dict[str, Any]]:
        distances, neighbours = self._search(features)
        predicted = self._vote(neighbours)
        if options.get("verbose") != "true":
            return [{"predicted_label": float(label)} for label in predicted]
        return [
            {
                "predicted_label": float(label),
                "distances": [float(each) for each in row[found >= 0]],
                "labels": [float(each) for each in self._labels[found[found >= 0]]],
            }
            for label, row, found in zip(predicted, distances, neighbours, strict=True)
        ]

    def labels(self, features: np.ndarray) -> np.ndarray:
        return self._vote(self._search(features)[1])

    def _search(self, features: Any) -> tuple[np.ndarray, np.ndarray]:
        found: tuple[np.ndarray, np.ndarray] = self._index.search(
            _prepared(tabular.dense(features), self._projection, self.meta), self.meta["k"]
        )
        return found

    def _vote(self, neighbours: np.ndarray) -> np.ndarray:
        """The mean of the labels, or the most frequent one: of several the smallest."""
        labels = np.where(neighbours >= 0, self._labels[neighbours], np.nan)  # an IVF index may find fewer than k
        if self.meta["predictor_type"] == "regressor":
            return np.nanmean(labels, axis=1)
        from scipy import stats

        mode: np.ndarray = stats.mode(labels, axis=1, nan_policy="omit").mode
        return mode


def load(model_dir: str) -> Model:
    import faiss

    meta, arrays = tabular.restore(model_dir)
    return Model(meta, faiss.deserialize_index(arrays["index"]), arrays["labels"], arrays["projection"])
