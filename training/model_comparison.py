"""Which of several models is the best, and could the difference be chance? By the scores of the same folds.

Folds share most of their training records, so their scores are not independent, and the ordinary paired t-test finds
differences that are not there. The corrected resampled t-test widens its variance by the share of judged records:
Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003. For repeated folds too:
Bouckaert and Frank, "Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms", 2004.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """Of two models' scores: first minus second."""

    mean: float
    t: float  # the statistic; infinite where the difference is the same in all folds
    p: float  # of so large a difference, either way, between equally good models
    lower: float  # of the interval at LEVEL
    upper: float


def corrected_resampled_t(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, train_rows: int, test_rows: int
) -> Difference:
    """The test of two models over the same folds, each of which learnt from and judged so many records.

    t = mean / sqrt((1/folds + test_rows/train_rows) * variance), with folds - 1 degrees of freedom. Raises ValueError
    for scores that are no pairs, or fewer than two.
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape or one.ndim != 1 or len(one) < 2:
        raise ValueError(f"Scores of the same two or more folds are needed, not of {one.shape} and {other.shape}.")
    folds, difference = len(one), one - other
    mean, error = float(difference.mean()), spread(difference, train_rows, test_rows)
    if error == 0:
        return Difference(mean, float(np.copysign(np.inf, mean)) if mean else 0.0, float(mean == 0), mean, mean)
    t = mean / error
    reach = float(stats.t.ppf((1 + LEVEL) / 2, folds - 1)) * error
    return Difference(mean, t, float(2 * stats.t.sf(abs(t), folds - 1)), mean - reach, mean + reach)


def spread(difference: np.ndarray, train_rows: int, test_rows: int) -> float:
    """The corrected standard error of the folds' mean."""
    variance = float(difference.var(ddof=1))
    # Differences that are equal but for rounding have no variance.
    if variance < 1e-24:
        return 0.0
    return float(np.sqrt((1 / len(difference) + test_rows / train_rows) * variance))


def compare(
    scores: Mapping[str, Sequence[float] | np.ndarray], metric: str, train_rows: int, test_rows: int
) -> dict[str, Any]:
    """Models by their mean score, best first, each against the best; higher is better. A fact of the artifact.

    Args:
        scores: a model's name to its score in each of the same folds.
        metric: what the scores are, as the report calls it.
        train_rows: records that a fold learnt from, as `cross_validation.sizes` has them; test_rows: that it judged.

    Returns:
        metric, folds, train_rows, test_rows, level, and `models`: name, mean, deviation (over the folds), and against
        the best `difference`, its `interval` (lower, upper), `p_against_best`, and `p_holm`, corrected for so many
        comparisons by Holm's method; p is None for the best itself.
    """
    values = {name: np.asarray(each, dtype=float) for name, each in scores.items()}
    ranked = sorted(values, key=lambda name: -values[name].mean())
    best = values[ranked[0]]
    tests = {name: corrected_resampled_t(values[name], best, train_rows, test_rows) for name in ranked}
    adjusted = dict(zip(ranked[1:], holm([tests[name].p for name in ranked[1:]]), strict=True))
    models = [
        {
            "name": name,
            "mean": float(values[name].mean()),
            "deviation": float(values[name].std(ddof=1)),
            "difference": tests[name].mean,
            "interval": [tests[name].lower, tests[name].upper],
            "p_against_best": tests[name].p if name in adjusted else None,
            "p_holm": adjusted.get(name),
        }
        for name in ranked
    ]
    rows = {"train_rows": train_rows, "test_rows": test_rows}
    return {"metric": metric, "folds": len(best), **rows, "level": LEVEL, "models": models}


def holm(ps: Sequence[float]) -> list[float]:
    """In the order given (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979)."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for place, index in enumerate(np.argsort(ps)):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[int(index)]))
        adjusted[int(index)] = highest
    return adjusted


def readable(comparison: Mapping[str, Any]) -> str:
    """For the job's log: a line a model."""
    lines = [f"{comparison['metric']} over {comparison['folds']} folds:"]
    for each in comparison["models"]:
        p = each["p_against_best"]
        against = "best" if p is None else f"{each['difference']:+.4f}, p {p:.3f}"
        lines.append(f"  {each['name']}: {each['mean']:.4f} ± {each['deviation']:.4f} ({against})")
    return "\n".join(lines)
