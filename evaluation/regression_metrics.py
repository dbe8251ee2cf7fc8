"""Metrics of predicted numbers with bootstrap intervals, all resamples at once, and how often intervals were right.

A resample is a row of counts: how often each record was drawn. Every metric is a function of such weights, so the value
itself is the metric at weight 1, and no loop goes over records.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

Array = np.ndarray
AT_ONCE = 4_000_000  # weights held in memory at a time: 32 MB
LEVEL = 0.95  # of the metrics' intervals
PARTS = 5  # of the records by their prediction, for coverage


def metrics(answers: Array, predicted: Array, features: int, log: bool, weights: Array) -> dict[str, Array]:
    """Each metric over every resample.

    Args:
        answers, predicted: shape (rows,).
        features: that the model weighs, for adjusted R².
        log: also of the logarithms, which count relative errors, as `rmse_log` and `r2_log`.
        weights: shape (resamples, rows).

    Returns:
        Arrays of shape (resamples,). R² is 0 where all answers of a resample are the same.
    """
    found = errors(answers, predicted, weights)
    rows = len(answers)
    if rows > features + 1:
        found["adjusted_r2"] = 1 - (1 - found["r2"]) * (rows - 1) / (rows - features - 1)
    if log:
        logarithms = errors(np.log(answers), np.log(predicted), weights)
        found |= {f"{name}_log": logarithms[name] for name in ("rmse", "r2")}
    return found


def errors(answers: Array, predicted: Array, weights: Array) -> dict[str, Array]:
    total, middle = weights.sum(axis=1), answers.mean()
    squares = weights @ (answers - predicted) ** 2
    # About their middle: squares of large answers that differ little would leave no digits for the difference.
    mean = weights @ (answers - middle) / total
    spread = np.maximum(weights @ (answers - middle) ** 2 - total * mean**2, 0.0)
    mse = squares / total
    share = np.divide(squares, spread, out=np.ones_like(squares), where=spread > 0)
    mae = weights @ np.abs(answers - predicted) / total
    return {"mse": mse, "rmse": np.sqrt(mse), "mae": mae, "r2": 1 - share}


def with_intervals(
    answers: Array, predicted: Array, features: int, log: bool, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Value, standard deviation and percentile interval of each metric (Efron's bootstrap over records)."""
    rows = len(answers)
    values = metrics(answers, predicted, features, log, np.ones((1, rows)))
    random, at_once = np.random.default_rng(seed), max(1, AT_ONCE // rows)
    sizes = [at_once] * (resamples // at_once) + [resamples % at_once]
    parts = [
        metrics(
            answers, predicted, features, log, random.multinomial(rows, np.full(rows, 1 / rows), size).astype(float)
        )
        for size in sizes
        if size
    ]
    found = {}
    for name, value in values.items():
        drawn = np.concatenate([part[name] for part in parts])
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found[name] = {
            "value": float(value[0]),
            "standard_deviation": float(drawn.std(ddof=1)),
            "confidence_interval": {"level": LEVEL, "lower": float(low), "upper": float(high)},
        }
    return found


def coverage(answers: Array, predicted: Array, lower: Array, upper: Array, nominal: float) -> dict[str, Any]:
    """How often the model's intervals hold the answer, and how wide they are; all arrays of shape (rows,).

    The share comes with Clopper and Pearson's interval, and with the standard error that it has by chance in so many
    records where the true share is the nominal one. `parts` are the same by fifths of the prediction.
    """
    inside = (lower <= answers) & (answers <= upper)
    order = np.argsort(predicted, kind="stable")
    return {
        "level": nominal,
        **covered(inside),
        "standard_error": float(np.sqrt(nominal * (1 - nominal) / len(answers))),
        "mean_width": float((upper - lower).mean()),
        "median_width": float(np.median(upper - lower)),
        "parts": [
            {
                "from": float(predicted[part].min()),
                "to": float(predicted[part].max()),
                "records": len(part),
                "median_width": float(np.median((upper - lower)[part])),
                **covered(inside[part]),
            }
            for part in np.array_split(order, min(PARTS, len(order)))
        ],
    }


def covered(inside: Array) -> dict[str, Any]:
    bounds = binomtest(int(inside.sum()), len(inside)).proportion_ci(LEVEL)
    return {
        "coverage": float(inside.mean()),
        "confidence_interval": {"level": LEVEL, "lower": float(bounds.low), "upper": float(bounds.high)},
    }
