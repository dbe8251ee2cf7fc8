"""How good classifications and numbers are: Model Monitor's metrics, each with two measures of its chance.

A metric has AWS's `standard_deviation`, that of five samples of 80 % of the records, from 200 records on (SageMaker
developer guide, "Model quality metrics and Amazon CloudWatch monitoring"), and a standard error: how far the metric of
as many other records of the same population would be away. Everything but the areas under curves comes from the
confusion matrix, whose samples are drawn as counts, so memory holds 9 bytes a record with a probability, and none
without; a regression takes 16. While an area is computed it takes about 100 more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import classification_metrics
import numpy as np
from classification_metrics import ratio

SAMPLES, SHARE, FEWEST = 5, 0.8, 200  # of a standard deviation
RESAMPLES = 200  # of a standard error
BETAS = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}
CONSTANT = "_best_constant_classifier"
Array = np.ndarray
Scores = dict[str, Array]  # a value a sample


class Metric(NamedTuple):
    value: float
    deviation: float = math.nan  # AWS's standard_deviation
    error: float = math.nan  # standard error; NaN where it is not known

    def described(self) -> dict[str, Any]:
        deviation = self.deviation if math.isfinite(self.deviation) else "NaN"
        return {"value": self.value, "standard_deviation": deviation}


@dataclass
class Classified:
    """Records by true and predicted class, and the probabilities of the positive class where there are any."""

    labels: Sequence[str]
    counts: Array  # of shape (classes, classes), true by predicted
    positive: Array = field(default_factory=lambda: np.empty(0, bool))  # whether the truth is the positive class
    probability: Array = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return int(self.counts.sum())


@dataclass
class Numbers:
    """A regression's truth and predictions."""

    truth: Array
    predicted: Array

    def __len__(self) -> int:
        return len(self.truth)


def classified(data: Classified, binary: bool) -> dict[str, Metric]:
    """By AWS's names. What has no value, such as the AUC of one class, is not among them."""
    scores = _binary if binary else _multiclass
    random = np.random.default_rng(0)
    values = scores(data.counts[None])
    cells = data.counts.reshape(-1)
    total = int(cells.sum())
    deviations: Scores = {}
    if total >= FEWEST:
        drawn = random.multivariate_hypergeometric(cells, int(SHARE * total), size=SAMPLES, method="marginals")
        deviations = scores(drawn.reshape(SAMPLES, *data.counts.shape))
    # One record more in each cell of a binary matrix: three right of three don't mean that the fourth is.
    smooth = cells + 1.0 if binary else cells.astype(float)
    drawn = random.multinomial(total, smooth / smooth.sum(), size=RESAMPLES if len(cells) < 10_000 else 20)
    errors = scores(drawn.reshape(len(drawn), *data.counts.shape))
    found = {
        name: Metric(float(value[0]), _spread(deviations.get(name)), float(errors[name].std()))
        for name, value in values.items()
    }
    if binary and len(data.probability):
        found |= _curves(data, random)
    return found


def _spread(values: Array | None) -> float:
    return math.nan if values is None else float(values.std())


def _binary(counts: Array) -> Scores:
    """Of the positive class 1; the best constant classifier is the one that always says 1, as in AWS's sample."""
    wrong, right = counts[:, 0, :].sum(axis=1), counts[:, 1, :].sum(axis=1)
    tn, fp, fn, tp = counts[:, 0, 0], counts[:, 0, 1], counts[:, 1, 0], counts[:, 1, 1]
    return {
        **_of_positives(tp, fp, fn, tn, ""),
        "true_positive_rate": ratio(tp, right),
        "true_negative_rate": ratio(tn, wrong),
        "false_positive_rate": ratio(fp, wrong),
        "false_negative_rate": ratio(fn, right),
        **_of_positives(right, wrong, np.zeros_like(right), np.zeros_like(right), CONSTANT),
    }


def _of_positives(tp: Array, fp: Array, fn: Array, tn: Array, suffix: str) -> Scores:
    found = {
        "recall": ratio(tp, tp + fn),
        "precision": ratio(tp, tp + fp),
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        **{name: _f_score(tp, tp + fp, tp + fn, beta) for name, beta in BETAS.items()},
    }
    return {f"{name}{suffix}": value for name, value in found.items()}


def _f_score(hits: Array, predicted: Array, actual: Array, beta: float) -> Array:
    return ratio((1 + beta**2) * hits, beta**2 * actual + predicted)


def _multiclass(counts: Array) -> Scores:
    """Averages weighted by the classes' sizes; the best constant classifier says the most frequent class."""
    actual = counts.sum(axis=2)
    constant = np.zeros_like(actual)
    largest, rows = actual.argmax(axis=1), np.arange(len(counts))
    constant[rows, largest] = actual.sum(axis=1)
    hit = np.zeros_like(actual)
    hit[rows, largest] = actual[rows, largest]
    hits = counts.diagonal(axis1=1, axis2=2)
    return {**_weighted(hits, counts.sum(axis=1), actual, ""), **_weighted(hit, constant, actual, CONSTANT)}


def _weighted(hits: Array, predicted: Array, actual: Array, suffix: str) -> Scores:
    weights = ratio(actual, np.broadcast_to(actual.sum(axis=1, keepdims=True), actual.shape))
    found = {
        "accuracy": ratio(hits.sum(axis=1), actual.sum(axis=1)),
        "weighted_recall": (weights * ratio(hits, actual)).sum(axis=1),
        "weighted_precision": (weights * ratio(hits, predicted)).sum(axis=1),
        **{
            f"weighted_{name}": (weights * _f_score(hits, predicted, actual, beta)).sum(axis=1)
            for name, beta in BETAS.items()
        },
    }
    return {f"{name}{suffix}": value for name, value in found.items()}


def _curves(data: Classified, random: np.random.Generator) -> dict[str, Metric]:
    """Areas under the ROC and the precision-recall curve; none where the truth is one class."""
    answers = data.positive.astype(float)
    positives, total = int(answers.sum()), len(answers)
    if positives in (0, total):
        return {}

    def areas(chosen: Any) -> tuple[float, float]:
        found = classification_metrics.ranking(
            answers[chosen], data.probability[chosen], np.ones((1, len(answers[chosen])))
        )
        return float(found["auc"][0]), float(found["average_precision"][0])

    auc, precision = areas(slice(None))
    deviations = [math.nan, math.nan]
    if total >= FEWEST:
        size = int(SHARE * total)
        samples = [areas(random.choice(total, size, replace=False)) for _ in range(SAMPLES)]
        deviations = np.std(samples, axis=0).tolist()
    # The average precision's error: of that many positives, as of a share, which is no smaller than the true one.
    share = (precision * positives + 1) / (positives + 2)
    return {
        "auc": Metric(auc, deviations[0], hanley_mcneil(auc, positives, total - positives)),
        "au_prc": Metric(precision, deviations[1], math.sqrt(share * (1 - share) / positives)),
    }


def hanley_mcneil(auc: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982, Radiology 143)."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    smooth = min(max(auc, 1 / (positives + 2)), 1 - 1 / (positives + 2))  # an AUC of 1 of three is not certain
    variance = smooth * (1 - smooth) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    return math.sqrt(max(variance, 0.0) / (positives * negatives))


def numbers(data: Numbers) -> dict[str, Metric]:
    """mae, mse, rmse and r2 by AWS's names; without r2 where all truths are the same."""
    values, deviations = _regression(data), {}
    if len(data) >= FEWEST:
        deviations = sampled(lambda chosen: _regression(Numbers(data.truth[chosen], data.predicted[chosen])), len(data))
    errors = _regression_errors(data)
    return {name: Metric(value, deviations.get(name, math.nan), errors[name]) for name, value in values.items()}


def sampled(compute: Callable[[Array], dict[str, float]], count: int) -> dict[str, float]:
    """AWS's standard deviations of metrics that `compute` gives of the records, or groups, at some positions."""
    random = np.random.default_rng(0)
    size = int(SHARE * count)
    samples = [compute(random.choice(count, size, replace=False)) for _ in range(SAMPLES)]
    names = set.intersection(*map(set, samples))
    return {name: float(np.std([sample[name] for sample in samples])) for name in names}


def _regression(data: Numbers) -> dict[str, float]:
    wrong = data.predicted - data.truth
    mse, variance = float(np.mean(wrong**2)), float(np.var(data.truth))
    found = {"mae": float(np.mean(np.abs(wrong))), "mse": mse, "rmse": math.sqrt(mse)}
    return found | ({"r2": 1 - mse / variance} if variance > 0 else {})


def _regression_errors(data: Numbers) -> dict[str, float]:
    """From the records' own spread; r2's by the first order of what each record contributes to it."""
    wrong, root = data.predicted - data.truth, math.sqrt(len(data))
    squares = wrong**2
    mse = squares.mean()
    error = float(squares.std() / root)
    found = {"mae": float(np.abs(wrong).std() / root), "mse": error}
    found["rmse"] = error / (2 * math.sqrt(mse)) if mse > 0 else 0.0
    variance = np.var(data.truth)
    if variance > 0:
        centred = (data.truth - data.truth.mean()) ** 2
        found["r2"] = float((squares / variance - mse / variance**2 * centred).std() / root)
    return found
