"""Metrics of a binary classifier with bootstrap intervals, all resamples at once.

A resample is a row of counts: how often each record was drawn. Every metric is a function of such weights, so the value
itself is the metric at weight 1, and no loop goes over records.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
AT_ONCE = 4_000_000  # weights held in memory at a time: 32 MB


def metrics(answers: Array, probability: Array, threshold: float, weights: Array) -> dict[str, Array]:
    """Each metric over every resample.

    answers: 0 or 1, shape (rows,); probability: shape (rows,); weights: shape (resamples, rows).
    Returns arrays of shape (resamples,). A metric without a denominator in a resample is 0 there, as in scikit-learn.
    """
    chosen = probability >= threshold
    true_positive = weights @ (chosen & (answers == 1)).astype(float)
    false_positive = weights @ (chosen & (answers == 0)).astype(float)
    false_negative = weights @ (~chosen & (answers == 1)).astype(float)
    true_negative = weights @ (~chosen & (answers == 0)).astype(float)
    total = weights.sum(axis=1)
    bounded = np.clip(probability, 1e-15, 1 - 1e-15)
    return {
        "accuracy": (true_positive + true_negative) / total,
        "precision": ratio(true_positive, true_positive + false_positive),
        "recall": ratio(true_positive, true_positive + false_negative),
        "f1": ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
        "true_positive_rate": ratio(true_positive, true_positive + false_negative),
        "true_negative_rate": ratio(true_negative, true_negative + false_positive),
        "false_positive_rate": ratio(false_positive, true_negative + false_positive),
        "false_negative_rate": ratio(false_negative, true_positive + false_negative),
        **ranking(answers, probability, weights),
        "log_loss": weights @ -np.where(answers == 1, np.log(bounded), np.log(1 - bounded)) / total,
        "brier": weights @ (probability - answers) ** 2 / total,
    }


def ranking(answers: Array, probability: Array, weights: Array) -> dict[str, Array]:
    """Area under the ROC curve (half a win for a tie) and average precision (sum of precision times gained recall)."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))  # equal scores are one step
    positives = np.add.reduceat(weights[:, order] * answers[order], starts, axis=1)
    negatives = np.add.reduceat(weights[:, order] * (1 - answers[order]), starts, axis=1)
    found, wrong = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    all_positive, all_negative = found[:, -1], wrong[:, -1]
    behind = all_negative[:, None] - wrong
    return {
        "auc": ratio((positives * (behind + negatives / 2)).sum(axis=1), all_positive * all_negative),
        "average_precision": ratio((positives * ratio(found, found + wrong)).sum(axis=1), all_positive),
    }


def ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above, dtype=float), where=below > 0)


def with_intervals(
    answers: Array, probability: Array, threshold: float, resamples: int, seed: int, level: float = 0.95
) -> dict[str, dict]:
    """Value, standard deviation and percentile interval of each metric (Efron's bootstrap over records)."""
    rows = len(answers)
    values = metrics(answers, probability, threshold, np.ones((1, rows)))
    random = np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // rows)
    parts = [
        metrics(
            answers, probability, threshold, random.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(float)
        )
        for size in [at_once] * (resamples // at_once) + [resamples % at_once]
        if size
    ]
    tail = (1 - level) / 2
    result = {}
    for name, value in values.items():
        drawn = np.concatenate([part[name] for part in parts])
        low, high = np.quantile(drawn, [tail, 1 - tail])
        interval = {"level": level, "lower": float(low), "upper": float(high)}
        result[name] = {
            "value": float(value[0]),
            "standard_deviation": float(drawn.std(ddof=1)),
            "confidence_interval": interval,
        }
    return result


def confusion(answers: Array, labels: Array) -> dict[str, dict[str, int]]:
    """Actual label to predicted label to count, as Model Monitor writes it."""
    return {str(a): {str(p): int(((answers == a) & (labels == p)).sum()) for p in (0, 1)} for a in (0, 1)}


def costs(answers: Array, probability: Array, action: float, miss: float) -> tuple[Array, Array]:
    """Every threshold that matters, falling from "nobody" (above all scores) on, and the mean cost of a record there.

    Acting on a record costs `action`; a positive that is not acted on costs `miss`. Both arrays have the same shape.
    """
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    last = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))
    acted, saved = last + 1, np.cumsum(answers[order])[last]
    thresholds = np.concatenate([[np.nextafter(ranked[0], 2)], ranked[last]])
    total = action * np.concatenate([[0], acted]) + miss * (answers.sum() - np.concatenate([[0], saved]))
    return thresholds, total / len(answers)


def cheapest(thresholds: Array, cost: Array) -> float:
    """The highest of the thresholds with the least cost: among equals, the one that acts on the fewest."""
    return float(thresholds[int(np.argmin(cost))])


def cost_at(answers: Array, probability: Array, threshold: float, action: float, miss: float) -> float:
    """Mean cost of a record when every probability from `threshold` on is acted on."""
    chosen = probability >= threshold
    return float((action * chosen + miss * (~chosen & (answers == 1))).mean())


def calibration(answers: Array, probability: Array, bins: int = 10) -> dict[str, list]:
    """Mean probability against observed share in bins of equal size, and how many records each holds."""
    parts = [part for part in np.array_split(np.argsort(probability, kind="stable"), bins) if len(part)]
    return {
        "mean_probability": [float(probability[part].mean()) for part in parts],
        "observed_share": [float(answers[part].mean()) for part in parts],
        "records": [len(part) for part in parts],
    }


def thin(values: Array, most: int = 200) -> list[float]:
    """At most so many points of a curve, ends included."""
    picked = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))
    return [float(value) for value in np.asarray(values)[picked]]
