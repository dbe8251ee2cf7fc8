"""What the linear learner says about its models: thresholds of a classifier, and the documented metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def threshold(scores: np.ndarray, labels: np.ndarray, values: Mapping[str, Any], middle: float) -> tuple[float, float]:
    """The score from which on a label is 1, and what that reaches, by `binary_classifier_model_selection_criteria`.

    Of equally good thresholds the one closest to `middle` (0.5 for probabilities, 0 for margins).
    """
    order = np.argsort(-scores, kind="stable")
    ranked, truth = scores[order], labels[order]
    hits = np.concatenate([[0], np.cumsum(truth)])
    taken = np.arange(len(ranked) + 1)
    last = np.concatenate([[True], ranked[:-1] != ranked[1:], [True]])  # a threshold can't part equal scores
    cuts = np.concatenate([[ranked[0] + 1e-6], (ranked[:-1] + ranked[1:]) / 2, [ranked[-1]]])
    cuts[0] = max(cuts[0], middle)
    cuts[-1] = min(cuts[-1], middle)
    reached = np.where(last, _criterion(hits, taken, truth.sum(), len(truth), values), -np.inf)
    best = np.flatnonzero(reached >= reached.max() - 1e-12)
    chosen = best[np.argmin(np.abs(cuts[best] - middle))]
    return float(cuts[chosen]), float(reached[chosen])


def _criterion(
    hits: np.ndarray, taken: np.ndarray, positives: float, count: int, values: Mapping[str, Any]
) -> np.ndarray:
    """For the first 0, 1, 2 … rows taken as positive."""
    kind = values["binary_classifier_model_selection_criteria"]
    precision = np.where(taken > 0, hits / np.maximum(taken, 1), 1.0)
    recall = hits / max(positives, 1)
    if kind == "f_beta":
        beta = values["f_beta"] ** 2
        bottom = beta * precision + recall
        return np.where(bottom > 0, (1 + beta) * precision * recall / np.maximum(bottom, 1e-300), 0.0)
    if kind == "precision_at_target_recall":
        return np.where(recall >= values["target_recall"], precision, recall - 1)
    if kind == "recall_at_target_precision":
        return np.where((precision >= values["target_precision"]) & (taken > 0), recall, precision - 1)
    return (hits + (count - taken) - (positives - hits)) / count  # accuracy


def regression(predicted: np.ndarray, labels: np.ndarray) -> dict[str, tuple[float, str]]:
    error = predicted - labels
    mse = float(np.mean(error**2))
    return {
        "mse": (mse, "loss"),
        "rmse": (float(np.sqrt(mse)), "loss"),
        "absolute_loss": (float(np.mean(np.abs(error))), "loss"),
    }


def binary(scores: np.ndarray, labels: np.ndarray, cut: float, beta: float) -> dict[str, tuple[float, str]]:
    from sklearn.metrics import fbeta_score, precision_score, recall_score, roc_auc_score

    predicted = scores >= cut
    found = {
        "binary_classification_accuracy": float(np.mean(predicted == labels)),
        f"binary_f_{beta:.3f}": float(fbeta_score(labels, predicted, beta=beta, zero_division=0)),
        "precision": float(precision_score(labels, predicted, zero_division=0)),
        "recall": float(recall_score(labels, predicted, zero_division=0)),
    }
    if 0 < labels.sum() < len(labels):
        found["roc_auc_score"] = float(roc_auc_score(labels, scores))
    return {name: (value, "score") for name, value in found.items()}


def multiclass(scores: np.ndarray, labels: np.ndarray, beta: float, top: int) -> dict[str, tuple[float, str]]:
    from sklearn.metrics import fbeta_score, precision_score, recall_score

    predicted, truth = scores.argmax(axis=1), labels.astype(int)
    own = scores[np.arange(len(truth)), truth][:, None]
    rank = (scores > own).sum(axis=1)  # 0 for the label with the highest score
    macro = {"average": "macro", "zero_division": 0}
    found = {
        "multiclass_accuracy": np.mean(rank == 0),
        f"multiclass_top_k_accuracy_{top}": np.mean(rank < top),
        "dcg": np.mean(1 / np.log2(rank + 2)),
        "macro_recall": recall_score(truth, predicted, **macro),
        "macro_precision": precision_score(truth, predicted, **macro),
        f"macro_f_{beta:.3f}": fbeta_score(truth, predicted, beta=beta, **macro),
    }
    return {name: (float(value), "score") for name, value in found.items()}
