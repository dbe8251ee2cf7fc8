"""The evaluation metrics that the XGBoost image adds to the library's own, computed with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import xgboost
from sklearn import metrics as sk

_OF_LABELS: dict[str, Callable[..., float]] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": partial(sk.f1_score, average="macro"),
    "f1_binary": partial(sk.f1_score, average="binary"),
    "f1_macro": partial(sk.f1_score, average="macro"),
    "precision": sk.precision_score,
    "precision_macro": partial(sk.precision_score, average="macro"),
    "precision_micro": partial(sk.precision_score, average="micro"),
    "recall": sk.recall_score,
    "recall_macro": partial(sk.recall_score, average="macro"),
    "recall_micro": partial(sk.recall_score, average="micro"),
}
_OF_VALUES: dict[str, Callable[..., float]] = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
}
CUSTOM = {*_OF_LABELS, *_OF_VALUES}


def chosen(
    eval_metric: Sequence[str] | None, tuning_metric: str | None
) -> tuple[list[str], list[str], list[str] | None]:
    """The library's metrics, the image's own, and the tuning objective's names, from the two hyperparameters."""
    tuned = tuning_metric.split(":")[1].split(",") if tuning_metric else None
    names = list(eval_metric or [])
    if tuned:
        names = sorted({*names, *tuned}) if names else tuned
    return [name for name in names if name not in CUSTOM], [name for name in names if name in CUSTOM], tuned


def evaluator(names: Sequence[str], objective: str) -> Callable[[np.ndarray, xgboost.DMatrix], list[tuple[str, float]]]:
    """xgboost.train's custom_metric. It gets predictions as `predict` makes them, not margins.

    AWS's images with XGBoost 2 and later compare those with 0 where they mean 0.5, so that `binary:logistic` predicts
    the positive class for every row; here the threshold is the objective's own.
    """

    def evaluate(predictions: np.ndarray, data: xgboost.DMatrix) -> list[tuple[str, float]]:
        truth = data.get_label()
        found: list[tuple[str, float]] = []
        for name in names:
            if name in _OF_VALUES:
                found.append((name, float(_OF_VALUES[name](truth, predictions))))
            else:
                found.append((name, float(_OF_LABELS[name](truth, _labels(predictions, objective)))))
        return found

    return evaluate


def _labels(predictions: np.ndarray, objective: str) -> Any:
    if predictions.ndim > 1:
        return predictions.argmax(axis=-1)
    if objective.startswith("multi:"):
        return predictions.astype(int)
    return (predictions > (0 if objective == "binary:logitraw" else 0.5)).astype(int)
