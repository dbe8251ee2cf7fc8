"""Mini-batch descent for many linear models at once: they share the data and differ in their settings.

Losses and optimizers are those that the linear learner's documentation names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from . import tabular

_EPSILON = 1e-8
_RMS_DECAY = 0.9


@dataclass(frozen=True)
class Settings:
    """One model of those trained in parallel."""

    learning_rate: float
    l1: float
    wd: float
    positive_weight: float = 1.0


@dataclass(frozen=True)
class Loss:
    """One of the documented losses. Scores are (rows, models, classes), with one class unless it is softmax_loss."""

    name: str
    margin: float = 1.0
    insensitivity: float = 0.01
    quantile: float = 0.5
    delta: float = 1.0

    def values(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(rows, models)."""
        if self.name == "softmax_loss":
            logarithms = log_softmax(scores, axis=2)
            found: np.ndarray = -logarithms[np.arange(len(labels)), :, labels.astype(int)]
            return found
        score, label = scores[:, :, 0], labels[:, None]
        if self.name == "logistic":
            return np.logaddexp(0, score) - label * score
        if self.name == "hinge_loss":
            return np.maximum(0, self.margin - (2 * label - 1) * score)
        error = score - label
        size = np.abs(error)
        if self.name == "squared_loss":
            return error**2
        if self.name == "absolute_loss":
            return size
        if self.name == "eps_insensitive_squared_loss":
            return np.maximum(0, size - self.insensitivity) ** 2
        if self.name == "eps_insensitive_absolute_loss":
            return np.maximum(0, size - self.insensitivity)
        if self.name == "quantile_loss":
            return np.where(error < 0, -self.quantile * error, (1 - self.quantile) * error)
        return np.where(size < self.delta, 0.5 * error**2, self.delta * (size - 0.5 * self.delta))  # huber_loss

    def slopes(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The derivative of `values` by the scores, in their shape."""
        if self.name == "softmax_loss":
            slopes: np.ndarray = softmax(scores, axis=2)
            slopes[np.arange(len(labels)), :, labels.astype(int)] -= 1
            return slopes
        label = labels[:, None, None]
        if self.name == "logistic":
            return 1 / (1 + np.exp(-np.clip(scores, -500, 500))) - label
        if self.name == "hinge_loss":
            side = 2 * label - 1
            return np.where(side * scores < self.margin, -side, 0.0)
        error = scores - label
        if self.name == "squared_loss":
            return 2 * error
        if self.name == "absolute_loss":
            return np.sign(error)
        if self.name == "eps_insensitive_squared_loss":
            return 2 * np.sign(error) * np.maximum(0, np.abs(error) - self.insensitivity)
        if self.name == "eps_insensitive_absolute_loss":
            return np.where(np.abs(error) > self.insensitivity, np.sign(error), 0.0)
        if self.name == "quantile_loss":
            return np.where(error < 0, -self.quantile, 1 - self.quantile)
        return np.clip(error, -self.delta, self.delta)  # huber_loss


@dataclass(frozen=True)
class Descent:
    """How all models are trained. `betas` are Adam's, `schedule` is (steps, factor, least learning rate) or None."""

    optimizer: str
    batch: int
    momentum: float
    betas: tuple[float, float]
    schedule: tuple[int, float, float] | None
    use_bias: bool
    bias_rate: float
    bias_decay: float


class Models:
    """Weights (features, models · classes) and biases (models · classes)."""

    def __init__(self, weights: np.ndarray, bias: np.ndarray, count: int) -> None:
        self.weights, self.bias, self.count = weights, bias, count

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(rows, models, classes)."""
        with np.errstate(all="ignore"):  # a model that diverged: it is never chosen
            found: np.ndarray = (features @ self.weights + self.bias).reshape(len(features), self.count, -1)
        return found

    def one(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (features, classes) and biases (classes,) of one model."""
        width = self.weights.shape[0]
        return self.weights.reshape(width, self.count, -1)[:, number], self.bias.reshape(self.count, -1)[number]


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
    models: Models,
    settings: Sequence[Settings],
    loss: Loss,
    descent: Descent,
    rng: np.random.Generator,
) -> Iterator[None]:
    """Trains `models` in place and yields after each epoch. `weights` (rows, models) multiply the losses."""
    classes = models.weights.shape[1] // models.count
    rates = np.repeat([each.learning_rate for each in settings], classes)
    l1 = np.repeat([each.l1 for each in settings], classes)
    decay = np.repeat([each.wd for each in settings], classes)
    step = _optimizer(descent, models)
    done = 0
    while True:
        for rows in tabular.batches(len(features), descent.batch, rng):
            with np.errstate(all="ignore"):
                batch = features[rows]
                slopes = loss.slopes(models.scores(batch), labels[rows])
                if weights is not None:
                    slopes = slopes * weights[rows][:, :, None]
                flat = slopes.reshape(len(rows), -1) / len(rows)
                size = _scheduled(rates, done, descent)
                step(models.weights, "weights", batch.T @ flat + decay * models.weights, size)
                models.weights[:] = np.sign(models.weights) * np.maximum(np.abs(models.weights) - size * l1, 0)
                if descent.use_bias:
                    gradient = flat.sum(axis=0) + descent.bias_decay * decay * models.bias
                    step(models.bias, "bias", gradient, size * descent.bias_rate)
            done += 1
        yield


def _scheduled(rates: np.ndarray, done: int, descent: Descent) -> np.ndarray:
    if descent.schedule is None:
        return rates
    every, factor, least = descent.schedule
    return np.maximum(rates * factor ** (done // every), np.minimum(least, rates))


def _optimizer(descent: Descent, models: Models) -> Any:
    held: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "weights": (np.zeros_like(models.weights), np.zeros_like(models.weights)),
        "bias": (np.zeros_like(models.bias), np.zeros_like(models.bias)),
    }
    counts = {"weights": 0, "bias": 0}

    def adam(parameter: np.ndarray, name: str, gradient: np.ndarray, size: np.ndarray) -> None:
        first, second = held[name]
        counts[name] += 1
        one, two = descent.betas
        first[:] = one * first + (1 - one) * gradient
        second[:] = two * second + (1 - two) * gradient**2
        corrected = size * np.sqrt(1 - two ** counts[name]) / (1 - one ** counts[name])
        parameter -= corrected * first / (np.sqrt(second) + _EPSILON)

    def sgd(parameter: np.ndarray, name: str, gradient: np.ndarray, size: np.ndarray) -> None:
        velocity = held[name][0]
        velocity[:] = descent.momentum * velocity - size * gradient
        parameter += velocity

    def rmsprop(parameter: np.ndarray, name: str, gradient: np.ndarray, size: np.ndarray) -> None:
        squares = held[name][0]
        squares[:] = _RMS_DECAY * squares + (1 - _RMS_DECAY) * gradient**2
        parameter -= size * gradient / (np.sqrt(squares) + _EPSILON)

    return {"adam": adam, "sgd": sgd, "rmsprop": rmsprop}[descent.optimizer]
