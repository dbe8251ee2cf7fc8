"""Metrics of a classifier of several classes with bootstrap intervals, by Model Monitor's names where it has one.

A resample of the records is a confusion matrix and a mean loss, so each metric is computed of all resamples at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from classification_metrics import ratio

Array = np.ndarray
LEVEL = 0.95


def resample(
    truth: Array, predicted: Array, loss: Array, classes: int, resamples: int, seed: int
) -> tuple[Array, Array]:
    """Confusion matrices of shape (1 + resamples, classes, classes), true by predicted, and mean losses beside them.

    The first are those of all records. `truth` and `predicted` hold positions of classes, all have shape (records,).
    """
    random, records = np.random.default_rng(seed), len(truth)
    cells = truth * classes + predicted
    counts, losses = [np.bincount(cells, minlength=classes**2)], [float(loss.mean())]
    for _ in range(resamples):
        drawn = random.integers(0, records, records)
        counts.append(np.bincount(cells[drawn], minlength=classes**2))
        losses.append(float(loss[drawn].mean()))
    return np.asarray(counts, dtype=float).reshape(-1, classes, classes), np.asarray(losses)


def overall(counts: Array, losses: Array) -> dict[str, Array]:
    """Of each matrix; without a denominator a share is 0, as in scikit-learn."""
    actual, hits = counts.sum(axis=2), counts.diagonal(axis1=1, axis2=2)
    total = actual.sum(axis=1)
    each = by_class(counts)
    weights = actual / total[:, None]
    return {
        "accuracy": hits.sum(axis=1) / total,
        **{f"macro_{name}": values.mean(axis=1) for name, values in each.items()},
        **{f"weighted_{name}": (weights * values).sum(axis=1) for name, values in each.items()},
        "log_loss": losses,
        "accuracy_best_constant_classifier": actual.max(axis=1) / total,
    }


def by_class(counts: Array) -> dict[str, Array]:
    """precision, recall and f1, each of shape (matrices, classes)."""
    hits, predicted, actual = counts.diagonal(axis1=1, axis2=2), counts.sum(axis=1), counts.sum(axis=2)
    return {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, actual),
        "f1": ratio(2 * hits, predicted + actual),
    }


def described(values: Array) -> dict[str, Any]:
    """A metric as ModelMetrics has it: the first of the values, and what the others say of its chance."""
    rest = values[1:] if len(values) > 1 else values
    low, high = np.quantile(rest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "value": float(values[0]),
        "standard_deviation": float(rest.std(ddof=1)) if len(rest) > 1 else 0.0,
        "confidence_interval": {"level": LEVEL, "lower": float(low), "upper": float(high)},
    }


def log_losses(truth: Array, probability: Array) -> Array:
    """Surprise at each record's true class, in nats; `probability` has shape (records, classes)."""
    found = probability[np.arange(len(truth)), truth]
    return -np.log(np.clip(found, 1e-15, 1))


def confusion(matrix: Array, classes: list[str]) -> dict[str, dict[str, int]]:
    """Actual class to predicted class to count, as Model Monitor writes it."""
    return {
        actual: {predicted: int(matrix[row, column]) for column, predicted in enumerate(classes)}
        for row, actual in enumerate(classes)
    }
