"""Little's test that values are missing completely at random (Little 1988, doi 10.1080/01621459.1988.10478722)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

STEPS = 200  # of expectation and maximisation, at most
TOLERANCE = 1e-5  # change of any mean or covariance, in standard deviations, at which they stand
RIDGE = 1e-8  # of a variance: keeps collinear columns solvable


@dataclass(frozen=True)
class Mcar:
    statistic: float
    freedom: int
    p_value: float
    patterns: int  # different sets of missing columns, the complete one among them
    rows: int


@dataclass(frozen=True)
class Pattern:
    here: np.ndarray  # which columns are there
    values: np.ndarray  # rows × those columns


def little(values: np.ndarray) -> Mcar | None:
    """`values` is rows × columns, NaN where missing; None where nothing is missing or too little is left to test.

    The statistic adds up how far each pattern's means lie from those that all rows together suggest, in the metric of
    the covariance; both are the maximum-likelihood estimates of a normal distribution with gaps, found by expectation
    and maximisation (Dempster, Laird and Rubin 1977). It is chi-squared in large samples if what is missing depends on
    nothing.
    """
    known = np.isfinite(values)
    values, known = values[known.any(1)], known[known.any(1)]  # a row without any value says nothing
    enough = np.flatnonzero(known.sum(0) > 1)
    values = values[:, enough]
    values = values[:, np.nanstd(values, axis=0) > 0] if values.size else values
    known = np.isfinite(values)
    values, known = values[known.any(1)], known[known.any(1)]
    columns = values.shape[1]
    if known.all() or columns < 2 or len(values) <= columns:
        return None
    scaled = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    patterns = grouped(scaled, known)
    freedom = sum(int(each.here.sum()) for each in patterns) - columns
    if len(patterns) < 2 or freedom < 1:
        return None
    mean, covariance = estimate(patterns, len(scaled), columns)
    statistic = sum(distance(each, mean, covariance) for each in patterns)
    return Mcar(statistic, freedom, float(stats.chi2.sf(statistic, freedom)), len(patterns), len(scaled))


def grouped(values: np.ndarray, known: np.ndarray) -> list[Pattern]:
    kinds, which = np.unique(known, axis=0, return_inverse=True)
    return [Pattern(here, values[which.ravel() == place][:, here]) for place, here in enumerate(kinds)]


def estimate(patterns: list[Pattern], rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of maximum likelihood, of columns whose observed values have mean 0 and variance 1."""
    mean, covariance = np.zeros(columns), np.eye(columns)
    for _ in range(STEPS):
        total, squares = np.zeros(columns), np.zeros((columns, columns))
        for each in patterns:
            filled, uncertain = expected(each, mean, covariance)
            total += filled.sum(0)
            squares += filled.T @ filled + len(filled) * uncertain
        new = total / rows
        spread = squares / rows - np.outer(new, new)
        change = max(np.abs(new - mean).max(), np.abs(spread - covariance).max())
        mean, covariance = new, spread
        if change < TOLERANCE:
            break
    return mean, covariance


def expected(each: Pattern, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows with their gaps filled by what the others make likely, and the covariance of what was filled."""
    here, gone = each.here, ~each.here
    filled = np.empty((len(each.values), len(mean)))
    filled[:, here] = each.values
    uncertain = np.zeros_like(covariance)
    if gone.any():
        weights = np.linalg.solve(solvable(covariance[np.ix_(here, here)]), covariance[np.ix_(here, gone)])
        filled[:, gone] = mean[gone] + (each.values - mean[here]) @ weights
        uncertain[np.ix_(gone, gone)] = covariance[np.ix_(gone, gone)] - covariance[np.ix_(gone, here)] @ weights
    return filled, uncertain


def distance(each: Pattern, mean: np.ndarray, covariance: np.ndarray) -> float:
    away = each.values.mean(0) - mean[each.here]
    return float(len(each.values) * away @ np.linalg.solve(solvable(covariance[np.ix_(each.here, each.here)]), away))


def solvable(covariance: np.ndarray) -> np.ndarray:
    return covariance + RIDGE * np.eye(len(covariance))
