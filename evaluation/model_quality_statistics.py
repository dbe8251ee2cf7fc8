"""statistics.json of model quality: AWS's metrics and curves, and beside them what a later report compares with.

Ours stand at the top level, where Model Monitor's readers don't look: `calibration` by tenth of the probability, and
`residuals` of a regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from classification_metrics import thin
from data_capture import Window
from model_quality_metrics import Array, Classified, Metric, Numbers

BINS = 10  # of the probability, as in drift_taxonomy.py
RESIDUAL_BINS = 30
POINTS = 100  # of a curve
KEYS = {
    "Regression": "regression",
    "BinaryClassification": "binary_classification",
    "MulticlassClassification": "multiclass_classification",
    "Ranking": "ranking",
    "Forecasting": "forecasting",
}


@dataclass(frozen=True)
class Measured:
    """What was found in one window or table."""

    metrics: Mapping[str, Metric]
    records: int
    skipped: int  # without truth or prediction
    window: Window
    captured: str = ""  # what became of captures
    classes: Classified | None = None
    numbers: Numbers | None = None


def statistics_of(problem: str, measured: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {name: metric.described() for name, metric in measured.metrics.items()}
    more: dict[str, Any] = {}
    if data := measured.classes:
        found["confusion_matrix"] = confusion(data)
        if len(data.probability):
            found |= curves(data)
            more["calibration"] = calibration(data)
    elif problem in ("Regression", "Forecasting") and measured.numbers:
        more["residuals"] = residuals(measured.numbers)
    times = {
        "start_time": measured.window.start,
        "end_time": measured.window.end,
        "evaluation_time": pd.Timestamp.now("UTC"),
    }
    dataset = {name: time.isoformat() for name, time in times.items() if time is not None}
    return {
        "version": 0.0,
        "dataset": {"item_count": measured.records, **dataset},
        f"{KEYS[problem]}_metrics": found,
        **more,
    }


def confusion(data: Classified) -> dict[str, dict[str, int]]:
    """Count by true, then predicted label."""
    return {
        truth: {predicted: int(count) for predicted, count in zip(data.labels, row, strict=True)}
        for truth, row in zip(data.labels, data.counts, strict=True)
    }


def curves(data: Classified) -> dict[str, Any]:
    """ROC and precision-recall curve by AWS's names; none where the truth is one class."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    if data.positive.all() or not data.positive.any():
        return {}
    false, true, _ = roc_curve(data.positive, data.probability)
    precision, recall, _ = precision_recall_curve(data.positive, data.probability)
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": thin(false, POINTS),
            "true_positive_rates": thin(true, POINTS),
        },
        "precision_recall_curve": {"precisions": thin(precision, POINTS), "recalls": thin(recall, POINTS)},
    }


def calibration(data: Classified) -> dict[str, list[float]]:
    """By tenth of the probability: records, how many of them are positive, and the sum of their probabilities."""
    at = np.clip((data.probability * BINS).astype(int), 0, BINS - 1)

    def total(weights: Array | None) -> list[float]:
        return [float(each) for each in np.bincount(at, weights, minlength=BINS)]

    return {"records": total(None), "positives": total(data.positive), "probabilities": total(data.probability)}


def residuals(data: Numbers) -> dict[str, Any]:
    """Histogram of truth less prediction between its percentiles 1 and 99, with the rest in its outermost bins."""
    wrong = data.truth - data.predicted
    low, high = np.percentile(wrong, [1, 99])
    edges = np.linspace(low, high if high > low else low + 1, RESIDUAL_BINS + 1)
    counts, _ = np.histogram(np.clip(wrong, edges[0], edges[-1]), edges)
    return {"mean": float(wrong.mean()), "edges": edges.tolist(), "counts": counts.tolist()}
