"""The linear learner: regressor, binary and multiclass classifier, many models in parallel, the best one kept.

What AWS leaves to `auto` is decided here: 32 models (as its logs show) around a learning rate of 0.01, without
regularization in the first. A tuning job's trial trains one model, as documented.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from . import linear_metrics, tabular
from .answers import CSV, JSON, JSON_LINES, RECORDIO
from .errors import UserError
from .hyperparameters import validated
from .job import Job, log, progress, quality, scored
from .linear_parameters import KNOWN, models, settle
from .linear_solver import Descent, Loss, Models, fit

_OBJECTIVES = {
    "logistic": "binary_classification_cross_entropy",
    "softmax_loss": "multiclass_cross_entropy",
    "squared_loss": "mse",
}


def train(job: Job) -> None:
    """Raises UserError."""
    values = validated(job.hyperparameters, KNOWN)
    settle(values, tuned="_tuning_objective_metric" in job.hyperparameters)
    tabular.channels(job, {"train": True, "validation": False, "test": False})
    features, labels = _load(job, "train", values)
    if values["mini_batch_size"] > len(labels):
        raise UserError(
            "No training data processed. Either the training channel is empty or the mini-batch size is too high. "
            f"mini_batch_size ({values['mini_batch_size']}) must not exceed the {len(labels)} records of train."
        )
    values["feature_dim"] = features.shape[1]
    held_out = _load(job, "validation", values) if "validation" in job.channels else None
    training = _Training(job, values, features, labels, held_out)
    model = training.best()
    model.save(job)
    splits = {"train": (features, labels), **({"validation": held_out} if held_out else {})}
    if "test" in job.channels:
        splits["test"] = _load(job, "test", values)
    for name, (rows, truth) in splits.items():
        _report(job, name, model, rows, truth, values)


def _load(job: Job, name: str, values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    width = values["feature_dim"]
    loaded = tabular.load(job, name, None if width == "auto" else width, labels=True)
    assert loaded is not None and loaded[1] is not None
    labels = loaded[1].astype(np.float64)
    kind, classes = values["predictor_type"], values["num_classes"]
    if kind == "binary_classifier" and not np.isin(labels, (0, 1)).all():
        raise UserError(f"The labels of channel {name} must be 0 or 1 for a binary_classifier.")
    if kind == "multiclass_classifier" and not np.isin(labels, np.arange(classes)).all():
        raise UserError(f"The labels of channel {name} must be integers from 0 to num_classes - 1 ({classes - 1}).")
    return loaded[0].astype(np.float64), labels


@dataclass(frozen=True)
class _Scale:
    """x -> (x - shift) / size."""

    shift: Any
    size: Any

    @classmethod
    def of(cls, data: np.ndarray, unbias: bool, normalize: bool) -> _Scale:
        spread = data.std(axis=0) if normalize else np.ones(data.shape[1:])
        return cls(data.mean(axis=0) if unbias else np.zeros(data.shape[1:]), np.where(spread > 0, spread, 1.0))

    def __call__(self, data: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (data - self.shift) / self.size
        return scaled


class _Training:
    """All models on scaled data, epoch by epoch."""

    def __init__(
        self, job: Job, values: dict[str, Any], features: np.ndarray, labels: np.ndarray, held_out: Any
    ) -> None:
        self._job, self._values = job, values
        regressor = values["predictor_type"] == "regressor"
        some = slice(None, values["num_point_for_scaler"])
        unbias_data, unbias_label = (
            values["use_bias"] and values[name] == "true" for name in ("unbias_data", "unbias_label")
        )
        self._inputs = _Scale.of(features[some], unbias_data, values["normalize_data"] == "true")
        normalize_label = regressor and values["normalize_label"] == "true"
        self._targets = _Scale.of(labels[some], regressor and unbias_label, normalize_label)
        self._features, self._labels = self._inputs(features), self._targets(labels)
        self._judged = (self._inputs(held_out[0]), self._targets(held_out[1])) if held_out else None
        self._loss = Loss(
            values["loss"], values["margin"], values["loss_insensitivity"], values["quantile"], values["huber_delta"]
        )
        self._settings = models(values, labels)
        self._models = self._initial(np.random.default_rng(0))

    def best(self) -> Model:
        """Trains until the epochs are over or nothing improves, then takes the best model."""
        values, job = self._values, self._job
        schedule = tuple(values[f"lr_scheduler_{name}"] for name in ("step", "factor", "minimum_lr"))
        descent = Descent(
            optimizer=values["optimizer"],
            batch=values["mini_batch_size"],
            momentum=values["momentum"],
            betas=(values["beta_1"], values["beta_2"]),
            schedule=schedule if values["use_lr_scheduler"] else None,
            use_bias=values["use_bias"],
            bias_rate=values["bias_lr_mult"],
            bias_decay=values["bias_wd_mult"],
        )
        rng = np.random.default_rng(1)
        epochs = fit(
            self._features, self._labels, self._weights(), self._models, self._settings, self._loss, descent, rng
        )
        best, waited = np.inf, 0
        for epoch in range(values["epochs"]):
            started = time.monotonic()
            next(epochs)
            reached = self._log_epoch(epoch)
            progress(job, epoch + 1, values["epochs"], len(self._labels), time.monotonic() - started)
            waited = 0 if _improved(reached, best, values["early_stopping_tolerance"]) else waited + 1
            best = min(best, reached)
            if waited >= values["early_stopping_patience"]:
                log(f"Early stop condition met. Stopping training after epoch {epoch}.")
                break
        return self._chosen()

    def _initial(self, rng: np.random.Generator) -> Models:
        values, count = self._values, len(self._settings)
        classes = values["num_classes"] if values["predictor_type"] == "multiclass_classifier" else 1
        shape = (self._features.shape[1], count * classes)
        if values["init_method"] == "uniform":
            weights = rng.uniform(-values["init_scale"], values["init_scale"], shape)
        else:
            weights = rng.normal(0, values["init_sigma"], shape)
        bias = np.full(count * classes, values["init_bias"] if values["use_bias"] else 0.0)
        return Models(weights, bias, count)

    def _weights(self) -> np.ndarray | None:
        """(rows, models), None when each row weighs 1."""
        values = self._values
        if values["predictor_type"] == "binary_classifier":
            multiples = np.array([each.positive_weight for each in self._settings])
            return None if (multiples == 1).all() else np.where(self._labels[:, None] == 1, multiples, 1.0)
        if values["balance_multiclass_weights"] and values["predictor_type"] == "multiclass_classifier":
            counts = np.bincount(self._labels.astype(int), minlength=values["num_classes"])
            share = len(self._labels) / (values["num_classes"] * np.maximum(counts, 1))
            return np.repeat(share[self._labels.astype(int)][:, None], len(self._settings), axis=1)
        return None

    def _losses(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(models,): the mean loss of each, infinite for one that diverged."""
        with np.errstate(all="ignore"):
            found = self._loss.values(self._models.scores(features), labels).mean(axis=0)
        return np.where(np.isfinite(found), found, np.inf)

    def _log_epoch(self, epoch: int) -> float:
        """What early stopping looks at, the less the better."""
        name = f"{_objective(self._values['loss'])}_objective"
        reached = float(self._losses(self._features, self._labels).min())
        quality(self._job, f"train {name}", reached, "loss", f"epoch={epoch}, ")
        if self._judged:
            reached = float(self._losses(*self._judged).min())
            quality(self._job, f"validation {name}", reached, "loss", f"epoch={epoch}, ")
            if self._by_criterion():
                return -max(value for _, value in self._thresholds())
        return reached

    def _by_criterion(self) -> bool:
        values = self._values
        return (
            values["predictor_type"] == "binary_classifier"
            and values["binary_classifier_model_selection_criteria"] != "loss_function"
        )

    def _thresholds(self) -> list[tuple[float, float]]:
        """Each model's threshold and what it reaches, on the calibration sample."""
        values = self._values
        features, labels = self._judged or (self._features, self._labels)
        if values["num_calibration_samples"] != "auto":
            features, labels = (
                features[: values["num_calibration_samples"]],
                labels[: values["num_calibration_samples"]],
            )
        scores = self._models.scores(features)[:, :, 0]
        probability = values["loss"] == "logistic"
        found = []
        for number in range(len(self._settings)):
            own = expit(scores[:, number]) if probability else scores[:, number]
            usable = np.isfinite(own).all()
            middle = 0.5 if probability else 0.0
            found.append(linear_metrics.threshold(own, labels, values, middle) if usable else (middle, -np.inf))
        return found

    def _chosen(self) -> Model:
        losses = self._losses(*(self._judged or (self._features, self._labels)))
        cut = 0.5 if self._values["loss"] == "logistic" else 0.0
        number = int(losses.argmin())
        if self._by_criterion():
            thresholds = self._thresholds()
            number = max(range(len(thresholds)), key=lambda each: (thresholds[each][1], -losses[each]))
            cut = thresholds[number][0]
        if not np.isfinite(losses[number]):
            raise UserError("Every model diverged: use a lower learning_rate, or normalize_data true.")
        log(f"Selected model {number}: {self._settings[number]}")
        weights, bias = self._models.one(number)
        return self._unscaled(weights, bias, cut)

    def _unscaled(self, weights: np.ndarray, bias: np.ndarray, cut: float) -> Model:
        """The model for data as it came."""
        plain = weights / self._inputs.size[:, None]
        offset = bias - self._inputs.shift @ plain
        plain, offset = plain * self._targets.size, offset * self._targets.size + self._targets.shift
        return Model(self._values["predictor_type"], self._values["loss"], plain, offset, cut)


def _improved(reached: float, best: float, tolerance: float) -> bool:
    if not np.isfinite(best):
        return bool(np.isfinite(reached))
    return best - reached > tolerance * abs(best)


def _objective(loss: str) -> str:
    return _OBJECTIVES.get(loss, loss)


def _report(
    job: Job, split: str, model: Model, features: np.ndarray, labels: np.ndarray, values: Mapping[str, Any]
) -> None:
    loss = Loss(
        values["loss"], values["margin"], values["loss_insensitivity"], values["quantile"], values["huber_delta"]
    )
    raw = model.raw(features)
    objective = float(loss.values(raw[:, None, :], labels).mean())
    quality(job, f"{split} {_objective(values['loss'])}_objective", objective, "loss")
    if model.kind == "regressor":
        found = linear_metrics.regression(raw[:, 0], labels)
    elif model.kind == "binary_classifier":
        found = linear_metrics.binary(model.scores(features), labels, model.cut, values["f_beta"])
    else:
        found = linear_metrics.multiclass(raw, labels, values["f_beta"], values["accuracy_top_k"])
    for name, (value, kind) in found.items():
        if split == "test":
            scored(job, name, value, kind)
        else:
            quality(job, f"{split} {name}", value, kind)


class Model:
    """Weights (features, classes), biases (classes,) and the score from which on a binary label is 1."""

    key = "predictions"
    accepts: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO)
    reads: tuple[str, ...] = (CSV, JSON, JSON_LINES, RECORDIO)

    def __init__(self, kind: str, loss: str, weights: np.ndarray, bias: np.ndarray, cut: float) -> None:
        self.kind, self.loss, self.cut = kind, loss, cut
        self.weights, self.bias = weights, bias
        self.features = len(weights)

    def raw(self, features: Any) -> np.ndarray:
        found: np.ndarray = features @ self.weights + self.bias
        return found

    def scores(self, features: Any) -> np.ndarray:
        """(rows,) or for several classes (rows, classes): probabilities, margins with hinge_loss, or predictions."""
        raw = self.raw(features)
        if self.kind == "multiclass_classifier":
            probabilities: np.ndarray = softmax(raw, axis=1)
            return probabilities
        scores: np.ndarray = expit(raw[:, 0]) if self.loss == "logistic" else raw[:, 0]
        return scores

    def predict(self, features: Any, options: Mapping[str, str]) -> list[dict[str, Any]]:
        scores = self.scores(features)
        if self.kind == "regressor":
            return [{"score": float(score)} for score in scores]
        if self.kind == "binary_classifier":
            return [{"score": float(score), "predicted_label": int(score >= self.cut)} for score in scores]
        return [{"score": row.tolist(), "predicted_label": int(row.argmax())} for row in scores]

    def save(self, job: Job) -> None:
        meta = {"kind": self.kind, "loss": self.loss, "cut": self.cut}
        tabular.save(job, meta, weights=self.weights, bias=self.bias)


def load(model_dir: str) -> Model:
    meta, arrays = tabular.restore(model_dir)
    return Model(meta["kind"], meta["loss"], arrays["weights"], arrays["bias"], meta["cut"])
