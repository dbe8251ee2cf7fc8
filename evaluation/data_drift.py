"""How far two distributions lie apart, by Model Monitor's methods.

`Simple` is the largest difference of the two distribution functions (numbers) or category shares (text). `Robust`
takes off what two samples of one population may differ by: c * sqrt((n + m) / (n * m)) for n and m values, the
two-sample Kolmogorov-Smirnov bound (Knuth, The Art of Computer Programming 2, 3.3.1). c = 1.8 is what Deequ, the
library inside Model Monitor, uses: by chance alone the result exceeds 0 in about 0.3 % of comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

ROBUST_C = 1.8
TENTHS = 10
MAX_DOMAIN_SHARE = 0.2  # distinct values beyond which a text column is a name or a comment: 30 names in 40 records are
SMALLEST_EXPECTED = 5  # below it the chi-squared approximation fails: Moore and McCabe, The Practice of Statistics

Points = tuple[np.ndarray, np.ndarray]  # sorted values, and how many values each stands for


def baseline_points(described: dict[str, Any]) -> Points | None:
    """A numeric feature's sketch, from statistics.json: level i stands for 2**i values each. None for text.

    Raises:
        ValueError: the statistics hold no sketch, so nothing can be compared with them.
    """
    if "numerical_statistics" not in described:
        return None
    levels = described["numerical_statistics"].get("distribution", {}).get("kll", {}).get("sketch", {}).get("data")
    if not levels:
        raise ValueError(f"the baseline statistics of {described['name']!r} hold no KLL sketch: make them again")
    values = np.concatenate([np.asarray(level, dtype=float) for level in levels])
    weights = np.repeat(2.0 ** np.arange(len(levels)), [len(level) for level in levels])
    order = np.argsort(values, kind="stable")
    return values[order], weights[order]


def baseline_categories(described: dict[str, Any]) -> pd.Series | None:
    """A text feature's counts by value; None unless they are complete and could be categories."""
    body = described["string_statistics"]
    buckets = body["distribution"]["categorical"]["buckets"]
    counts = pd.Series({bucket["value"]: bucket["count"] for bucket in buckets}, dtype=float)
    present = body["common"]["num_present"]
    if counts.empty or counts.sum() < present or len(counts) > max(MAX_DOMAIN_SHARE * present, 2):
        return None
    return counts


def sample_correction(baseline: float, current: float) -> float:
    """What two samples of these sizes may lie apart although nothing changed."""
    return ROBUST_C * float(np.sqrt((baseline + current) / (baseline * current)))


def _reduce(distance: float, method: str, baseline: float, current: float) -> float:
    if method == "Simple":
        return distance
    if method == "Robust":
        return max(0.0, distance - sample_correction(baseline, current))
    raise ValueError(f"comparison_method is {method!r}: Simple and Robust exist")


def distribution_function(at: np.ndarray, sample: Points) -> np.ndarray:
    """Share of the sample at or below each value of `at`."""
    values, weights = sample
    totals = np.concatenate([[0.0], np.cumsum(weights)])
    return totals[np.searchsorted(values, at, side="right")] / totals[-1]


def largest_gap(baseline: Points, current: Points) -> tuple[float, float]:
    """Where the two distribution functions lie farthest apart, and how far."""
    at = np.union1d(baseline[0], current[0])
    gaps = np.abs(distribution_function(at, baseline) - distribution_function(at, current))
    return float(at[gaps.argmax()]), float(gaps.max())


def numeric_distance(baseline: Points, current: Points, method: str) -> float:
    """Between 0 (same distribution) and 1 (no overlap)."""
    return _reduce(largest_gap(baseline, current)[1], method, baseline[1].sum(), current[1].sum())


def linfinity_distance(baseline: pd.Series, current: pd.Series, method: str) -> float:
    """Largest difference of a category's share, from counts by category; between 0 and 1."""
    counts = pd.concat([baseline, current], axis=1).fillna(0).to_numpy(dtype=float)
    totals = counts.sum(axis=0)
    shares = counts / totals
    return _reduce(float(np.abs(shares[:, 0] - shares[:, 1]).max()), method, *totals)


def chi_squared_p(baseline: pd.Series, current: pd.Series) -> float:
    """p-value of both samples having one distribution over the categories.

    A test of homogeneity: unlike Deequ's goodness of fit it knows that the baseline is a sample too. Categories that
    are too rare for the approximation are taken together; 1.0 where a single category is left.
    """
    from scipy.stats import chi2_contingency  # half a second to import, and the default methods don't need it

    counts = pd.concat([baseline, current], axis=1).fillna(0).to_numpy(dtype=float)
    counts = counts[np.argsort(counts.sum(axis=1), kind="stable")]
    expected = np.cumsum(counts.sum(axis=1)) * counts.sum(axis=0).min() / counts.sum()  # of the categories so far
    pooled = min(int(np.searchsorted(expected, SMALLEST_EXPECTED)), len(counts) - 1)  # first that makes them enough
    table = np.vstack([counts[: pooled + 1].sum(axis=0), counts[pooled + 1 :]])
    return float(chi2_contingency(table, correction=False).pvalue) if len(table) > 1 else 1.0


@dataclass(frozen=True)
class Measures:
    """The field's other distances; None where they are not defined, or the baseline has no spread to count in."""

    psi: float  # population stability index, over the baseline's tenths or the categories
    jensen_shannon: float  # its distance, base 2: from 0 to 1
    wasserstein: float | None = None  # in standard deviations of the baseline; numbers only


def numeric_measures(baseline: Points, current: Points) -> Measures:
    """Over the tenths of the baseline, as PSI is customary; a value that fills several of them is one bin."""
    totals = np.cumsum(baseline[1])
    places = np.searchsorted(totals, np.linspace(0, totals[-1], TENTHS + 1)[1:-1])
    edges = np.unique(baseline[0][places])
    bins = (np.bincount(np.searchsorted(edges, at), weights, len(edges) + 1) for at, weights in (baseline, current))
    return Measures(*_divergences(*bins), _wasserstein(baseline, current))


def categorical_measures(baseline: pd.Series, current: pd.Series) -> Measures:
    """From counts by category."""
    counts = pd.concat([baseline, current], axis=1).fillna(0).to_numpy(dtype=float)
    return Measures(*_divergences(counts[:, 0], counts[:, 1]))


def _divergences(baseline: np.ndarray, current: np.ndarray) -> tuple[float, float]:
    used = (baseline > 0) | (current > 0)
    baseline, current = baseline[used], current[used]
    # an empty bin counts as half a record: PSI is infinite otherwise
    p, q = (np.maximum(counts, 0.5) / counts.sum() for counts in (baseline, current))
    psi = float(((q - p) * np.log(q / p)).sum())
    p, q = baseline / baseline.sum(), current / current.sum()
    middle = (p + q) / 2
    halves = [float((each[each > 0] * np.log2(each[each > 0] / middle[each > 0])).sum()) / 2 for each in (p, q)]
    return psi, float(np.sqrt(max(0.0, sum(halves))))


def _wasserstein(baseline: Points, current: Points) -> float | None:
    mean = np.average(baseline[0], weights=baseline[1])
    spread = float(np.sqrt(np.average((baseline[0] - mean) ** 2, weights=baseline[1])))
    if not spread:
        return None
    at = np.union1d(baseline[0], current[0])
    gaps = np.abs(distribution_function(at, baseline) - distribution_function(at, current))
    return float((gaps[:-1] * np.diff(at)).sum() / spread)
