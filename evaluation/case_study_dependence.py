"""How strongly two columns go together, by measures that are comparable from pair to pair.

pearson, spearman   -1 to 1, of numbers: straight lines, and any course in one direction
cramers_v           0 to 1, of categories; corrected for chance (Bergsma 2013, doi 10.1016/j.jkss.2012.10.002)
mutual_information  0 to 1, of any columns: what knowing one tells about the other, as a share of the geometric
                    mean of their entropies, of 16 bins each; corrected for chance (Miller 1955)
eta_squared         0 to 1, of a category and a number: the share of the variance that lies between the groups
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def pearson(table: pd.DataFrame) -> np.ndarray:
    """Of each two columns, over the rows that have both."""
    return _pairwise(table.to_numpy(float))


def spearman(table: pd.DataFrame) -> np.ndarray:
    """Pearson's of the ranks; where values are missing ranks are those within the column."""
    return _pairwise(table.rank().to_numpy(float))


def _pairwise(values: np.ndarray) -> np.ndarray:
    """Sums over the rows that both columns have, all pairs at once."""
    known = np.isfinite(values)
    spread = np.nanstd(values, axis=0)
    scaled = (values - np.nanmean(values, axis=0)) / np.where(spread > 0, spread, 1)
    zeros, here = np.where(known, scaled, 0.0), known.astype(float)
    count = here.T @ here
    count[count == 0] = np.nan
    first, second = zeros.T @ here, here.T @ zeros  # the sum of one over the rows that the other has, too
    squares = (zeros**2).T @ here
    covariance = zeros.T @ zeros / count - first * second / count**2
    variance = squares / count - (first / count) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        found = covariance / np.sqrt(variance * variance.T)
    found[(variance < 1e-12) | (variance.T < 1e-12)] = np.nan
    return np.clip(found, -1, 1)


def chi_squared(counts: np.ndarray) -> tuple[float, int]:
    """The statistic of independence and its degrees of freedom; empty rows and columns don't count."""
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    if min(counts.shape, default=0) < 2:
        return 0.0, 0
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    return float(((counts - expected) ** 2 / expected).sum()), (counts.shape[0] - 1) * (counts.shape[1] - 1)


def cramers_v(counts: np.ndarray) -> float:
    """NaN where one of the two has a single value."""
    statistic, freedom = chi_squared(counts)
    total = counts.sum()
    rows, columns = (counts.sum(1) > 0).sum(), (counts.sum(0) > 0).sum()
    if not freedom or total < 2:
        return float("nan")
    phi = max(0.0, statistic / total - freedom / (total - 1))
    least = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    return float(min(1.0, np.sqrt(phi / least))) if least > 0 else float("nan")


def mutual_information(counts: np.ndarray) -> float:
    """NaN where one of the two has a single value."""
    shared, first, second = _information(counts)
    return float(np.clip(shared / np.sqrt(first * second), 0, 1)) if min(first, second) > 0 else float("nan")


def told(counts: np.ndarray) -> float:
    """The share of the columns' entropy that is gone once the row is known (Theil's uncertainty coefficient)."""
    shared, first, second = _information(counts)
    return float(np.clip(shared / second, 0, 1)) if min(first, second) > 0 else float("nan")


def _information(counts: np.ndarray) -> tuple[float, float, float]:
    """What both share beyond what independent ones would show, and the entropy of each; in nats."""
    total = counts.sum()
    if not total:
        return 0.0, 0.0, 0.0
    first, second, both = _entropy(counts.sum(1)), _entropy(counts.sum(0)), _entropy(counts.ravel())
    rows, columns = (counts.sum(1) > 0).sum(), (counts.sum(0) > 0).sum()
    chance = (rows - 1) * (columns - 1) / (2 * total)
    return first + second - both - chance, first, second


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def eta_squared(groups: np.ndarray, values: np.ndarray) -> float:
    """Of codes (-1: left out) and numbers; NaN where there is no variance."""
    known = (groups >= 0) & np.isfinite(values)
    groups, values = groups[known], values[known]
    if len(values) < 3 or values.std() == 0:
        return float("nan")
    count = np.bincount(groups)
    means = np.bincount(groups, values) / np.where(count, count, 1)
    between = (count * (means - values.mean()) ** 2).sum()
    return float(between / ((values - values.mean()) ** 2).sum())


def discoveries(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted for their number (Benjamini and Hochberg 1995): of those below 0.05, at most 5 % are chance."""
    known = np.isfinite(p_values)
    order = np.argsort(p_values[known])
    scaled = p_values[known][order] * known.sum() / np.arange(1, known.sum() + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    found = np.full(len(p_values), np.nan)
    found[np.flatnonzero(known)[order]] = adjusted
    return found
