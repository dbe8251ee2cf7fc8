"""Factorization machines of second order (Rendle 2010), trained with Adam on mini-batches of sparse rows.

score(x) = w0 + <w, x> + ½ Σ_f ((Σ_i v_if x_i)² - Σ_i v_if² x_i²). Each group of parameters has its own learning rate
and weight decay, as documented; only the columns that occur in a batch are updated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from . import tabular
from .answers import JSON, JSON_LINES, RECORDIO
from .errors import UserError
from .hyperparameters import Parameter, choice, positive, rate, validated
from .job import Job, progress, quality, scored

_BETAS = (0.9, 0.999)  # Adam's own
_EPSILON = 1e-8


def _group(name: str, sigma: float, learning_rate: float, decay: float) -> dict[str, Parameter]:
    return {
        f"{name}_init_method": choice("uniform", "normal", "constant", default="normal"),
        f"{name}_init_scale": rate(),
        f"{name}_init_sigma": rate(sigma),
        f"{name}_init_value": Parameter(float),
        f"{name}_lr": rate(learning_rate),
        f"{name}_wd": rate(decay),
    }


KNOWN = {
    "feature_dim": positive(required=True),
    "num_factors": positive(required=True),
    "predictor_type": choice("binary_classifier", "regressor", required=True),
    **_group("bias", 0.01, 0.1, 0.01),
    **_group("linear", 0.01, 0.001, 0.001),
    **_group("factors", 0.001, 0.0001, 0.00001),
    "clip_gradient": Parameter(float),
    "epochs": positive(1),
    "eps": Parameter(float),
    "mini_batch_size": positive(1000),
    "rescale_grad": Parameter(float),
}


def train(job: Job) -> None:
    """Raises UserError."""
    values = validated(job.hyperparameters, KNOWN)
    tabular.channels(job, {"train": True, "test": False}, (RECORDIO,))
    binary = values["predictor_type"] == "binary_classifier"
    features, labels = _load(job, "train", values)
    rng = np.random.default_rng(0)
    machine = Machine(*(_initial(name, shape, values, rng) for name, shape in _shapes(values).items()))
    descent = _Adam(machine, values)
    for epoch in range(values["epochs"]):
        started = time.monotonic()
        for rows in tabular.batches(len(labels), values["mini_batch_size"], rng):
            descent.step(features[rows], labels[rows], binary)
        for name, value, kind in _metrics(machine.scores(features), labels, binary):
            quality(job, f"train {name}", value, kind, f"epoch={epoch}, ")
        progress(job, epoch + 1, values["epochs"], len(labels), time.monotonic() - started)
    arrays = {name: np.asarray(value, dtype=np.float32) for name, value in vars(machine).items()}
    tabular.save(job, {"predictor_type": values["predictor_type"]}, **arrays)
    if "test" in job.channels:
        features, labels = _load(job, "test", values)
        for name, value, kind in _metrics(machine.scores(features), labels, binary):
            scored(job, name, value, kind)


def _load(job: Job, name: str, values: dict[str, Any]) -> tuple[sparse.csr_matrix, np.ndarray]:
    loaded = tabular.load(job, name, values["feature_dim"], labels=True, keep_sparse=True)
    assert loaded is not None and loaded[1] is not None
    if values["predictor_type"] == "binary_classifier" and not np.isin(loaded[1], (0, 1)).all():
        raise UserError(f"The labels of channel {name} must be 0 or 1 for a binary_classifier.")
    return sparse.csr_matrix(loaded[0], dtype=np.float64), loaded[1].astype(np.float64)


def _shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width = values["feature_dim"]
    return {"bias": (1,), "linear": (width,), "factors": (width, values["num_factors"])}


def _initial(name: str, shape: tuple[int, ...], values: dict[str, Any], rng: np.random.Generator) -> np.ndarray:
    method = values[f"{name}_init_method"]
    if method == "normal":
        return rng.normal(0, values[f"{name}_init_sigma"], shape)
    needed = f"{name}_init_{'scale' if method == 'uniform' else 'value'}"
    if values[needed] is None:
        raise UserError(f"{needed} must be given with {name}_init_method {method}.")
    if method == "uniform":
        return rng.uniform(-values[needed], values[needed], shape)
    return np.full(shape, values[needed])


class Machine:
    """The model: bias (1,), linear (features,), factors (features, num_factors)."""

    def __init__(self, bias: np.ndarray, linear: np.ndarray, factors: np.ndarray) -> None:
        self.bias, self.linear, self.factors = bias, linear, factors

    def scores(self, features: sparse.csr_matrix) -> np.ndarray:
        """(rows,), before the sigmoid of a classifier."""
        sums = features @ self.factors
        squares = features.multiply(features).tocsr() @ self.factors**2
        found: np.ndarray = self.bias[0] + features @ self.linear + 0.5 * (sums**2 - squares).sum(axis=1)
        return found


class _Adam:
    """Adam over the three groups, lazily: moments of a column move only when the column occurs."""

    def __init__(self, machine: Machine, values: dict[str, Any]) -> None:
        self._machine = machine
        self._values = values
        self._steps = 0
        self._moments = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in vars(machine).items()}

    def step(self, features: sparse.csr_matrix, labels: np.ndarray, binary: bool) -> None:
        self._steps += 1
        columns = np.unique(features.indices)
        for name, gradient in gradients(self._machine, features[:, columns], columns, labels, binary).items():
            self._update(name, slice(None) if name == "bias" else columns, gradient / len(labels))

    def _update(self, name: str, where: Any, mean_gradient: np.ndarray) -> None:
        """Gradients are means over the batch unless `rescale_grad` says what their sum is multiplied with."""
        values, parameter = self._values, getattr(self._machine, name)
        scale = values["rescale_grad"]
        gradient = mean_gradient if scale is None else mean_gradient * values["mini_batch_size"] * scale
        gradient = gradient + values[f"{name}_wd"] * parameter[where]
        if values["clip_gradient"] is not None:
            gradient = np.clip(gradient, -values["clip_gradient"], values["clip_gradient"])
        first, second = self._moments[name]
        first[where] = _BETAS[0] * first[where] + (1 - _BETAS[0]) * gradient
        second[where] = _BETAS[1] * second[where] + (1 - _BETAS[1]) * gradient**2
        size = values[f"{name}_lr"] * np.sqrt(1 - _BETAS[1] ** self._steps) / (1 - _BETAS[0] ** self._steps)
        epsilon = _EPSILON if values["eps"] is None else values["eps"]
        parameter[where] -= size * first[where] / (np.sqrt(second[where]) + epsilon)


def gradients(
    machine: Machine, features: sparse.csr_matrix, columns: np.ndarray, labels: np.ndarray, binary: bool
) -> dict[str, np.ndarray]:
    """Sums over the rows of ½ squared error or log loss, by group; `features` has the given columns only."""
    factors = machine.factors[columns]
    sums = features @ factors
    squared = features.multiply(features).tocsr()
    scores = machine.bias[0] + features @ machine.linear[columns] + 0.5 * (sums**2 - squared @ factors**2).sum(axis=1)
    error = (expit(scores) if binary else scores) - labels
    return {
        "bias": np.array([error.sum()]),
        "linear": features.T @ error,
        "factors": features.T @ (error[:, None] * sums) - (squared.T @ error)[:, None] * factors,
    }


def _metrics(scores: np.ndarray, labels: np.ndarray, binary: bool) -> list[tuple[str, float, str]]:
    if not binary:
        return [("rmse", float(np.sqrt(np.mean((scores - labels) ** 2))), "loss")]
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    probabilities = expit(scores)
    predicted = probabilities >= 0.5
    return [
        ("binary_classification_accuracy", float(accuracy_score(labels, predicted)), "score"),
        ("binary_classification_cross_entropy", float(log_loss(labels, probabilities, labels=[0, 1])), "loss"),
        ("binary_f_1.000", float(f1_score(labels, predicted, zero_division=0)), "score"),
    ]


class Model:
    key = "predictions"
    accepts: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO)
    reads: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO)

    def __init__(self, machine: Machine, binary: bool) -> None:
        self._machine, self._binary = machine, binary
        self.features = len(machine.linear)

    def predict(self, features: Any, options: Mapping[str, str]) -> list[dict[str, Any]]:
        scores = self._machine.scores(sparse.csr_matrix(features))
        if not self._binary:
            return [{"score": float(score)} for score in scores]
        return [{"score": float(score), "predicted_label": int(score >= 0.5)} for score in expit(scores)]


def load(model_dir: str) -> Model:
    meta, arrays = tabular.restore(model_dir)
    return Model(Machine(**arrays), meta["predictor_type"] == "binary_classifier")
