"""Statistics of A/B tests: B compared with A. Pure functions of counts and samples, no I/O.

Effects are B less A, or B over A. Counts may be arrays, and samples may have leading axes: then every result has one
value a test, so that a thousand simulated tests are one call. What else a test needs is in files of its own:
`abtest_power` (how many, how small), `abtest_cuped` (less variance), `abtest_sequential` (looks at any time).

Shown to hold: tests/evaluation/test_abtest.py compares with published values and with statsmodels, and rejects in
1,000 simulated A/A tests as often as it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

SRM_LEVEL = 0.001  # Fabijan et al. (KDD 2019) and Kohavi, Tang, Xu (2020), ch. 21: a test of the test errs rarely


@dataclass(frozen=True)
class Effect:
    """An estimate with its confidence interval and the p-value of no effect."""

    value: Any  # float, or an array with one for each test
    low: Any
    high: Any
    p_value: Any
    statistic: Any


@dataclass(frozen=True)
class Ranks:
    """What Mann–Whitney's test finds."""

    u: Any  # of B: pairs in which B's value is the greater, ties for half
    p_value: Any
    superiority: Any  # chance that a value of B is greater than one of A, ties for half; 0.5: none is
    rank_biserial: Any  # 2 × superiority − 1 (Kerby 2014): from −1 to 1


def two_proportions(a: Any, of_a: Any, b: Any, of_b: Any, level: float = 0.95) -> Effect:
    """Difference of two shares: `a` of `of_a` records against `b` of `of_b`.

    The test pools (it assumes no difference), Wald's interval doesn't; z² is Pearson's χ² without correction. With
    fewer than ten successes or failures on a side take `newcombe` for the interval.
    """
    share_a, share_b, pooled = a / of_a, b / of_b, (a + b) / (of_a + of_b)
    error = np.sqrt(pooled * (1 - pooled) * (1 / of_a + 1 / of_b))
    z = _ratio(share_b - share_a, error)
    spread = _quantile(level) * np.sqrt(proportion_variance(a, of_a) + proportion_variance(b, of_b))
    difference = share_b - share_a
    return Effect(difference, difference - spread, difference + spread, 2 * stats.norm.sf(np.abs(z)), z)


def proportion_variance(count: Any, of: Any) -> Any:
    """Of the estimated share."""
    return count / of * (1 - count / of) / of


def wilson(count: Any, of: Any, level: float = 0.95) -> tuple[Any, Any]:
    """Wilson's score interval (1927) of a share."""
    z, share = _quantile(level), count / of
    centre = share + z**2 / (2 * of)
    spread = z * np.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    return (centre - spread) / (1 + z**2 / of), (centre + spread) / (1 + z**2 / of)


def newcombe(a: Any, of_a: Any, b: Any, of_b: Any, level: float = 0.95) -> tuple[Any, Any]:
    """Interval of the difference of two shares by Wilson's of each (Newcombe 1998, method 10)."""
    share_a, share_b = a / of_a, b / of_b
    (low_a, high_a), (low_b, high_b) = wilson(a, of_a, level), wilson(b, of_b, level)
    difference = share_b - share_a
    low = difference - np.sqrt((share_b - low_b) ** 2 + (high_a - share_a) ** 2)
    return low, difference + np.sqrt((high_b - share_b) ** 2 + (share_a - low_a) ** 2)


def risk_ratio(a: Any, of_a: Any, b: Any, of_b: Any, level: float = 0.95) -> Effect:
    """B's share over A's, with the delta method's interval of its logarithm (Katz et al. 1978). No count may be 0."""
    logarithm = np.log((b / of_b) / (a / of_a))
    error = np.sqrt(1 / a - 1 / of_a + 1 / b - 1 / of_b)
    spread, z = _quantile(level) * error, _ratio(logarithm, error)
    low, high = np.exp(logarithm - spread), np.exp(logarithm + spread)
    return Effect(np.exp(logarithm), low, high, 2 * stats.norm.sf(np.abs(z)), z)


def welch(a: Any, b: Any, level: float = 0.95) -> Effect:
    """Difference of two means of unequal variances (Welch 1947); samples along the last axis."""
    test = stats.ttest_ind(b, a, axis=-1, equal_var=False)
    interval = test.confidence_interval(level)
    difference = np.mean(b, axis=-1) - np.mean(a, axis=-1)
    return Effect(difference, interval.low, interval.high, test.pvalue, test.statistic)


def normal(a: tuple[Any, Any], b: tuple[Any, Any], level: float = 0.95) -> Effect:
    """Difference of two estimates, each with its variance."""
    difference, error = b[0] - a[0], np.sqrt(a[1] + b[1])
    spread, z = _quantile(level) * error, _ratio(difference, error)
    return Effect(difference, difference - spread, difference + spread, 2 * stats.norm.sf(np.abs(z)), z)


def ratio_of_means(a: Any, b: Any, level: float = 0.95) -> Effect:
    """B's mean over A's, by the delta method of its logarithm. Both means must be above 0."""
    mean_a, mean_b = np.mean(a, axis=-1), np.mean(b, axis=-1)
    error = np.sqrt(mean_variance(a) / mean_a**2 + mean_variance(b) / mean_b**2)
    logarithm = np.log(mean_b / mean_a)
    spread, z = _quantile(level) * error, _ratio(logarithm, error)
    low, high = np.exp(logarithm - spread), np.exp(logarithm + spread)
    return Effect(np.exp(logarithm), low, high, 2 * stats.norm.sf(np.abs(z)), z)


def mean_variance(sample: Any) -> Any:
    """Of the estimated mean."""
    return np.var(sample, axis=-1, ddof=1) / np.shape(sample)[-1]


def clustered_mean(sums: Any, counts: Any) -> tuple[Any, Any]:
    """Mean over all records and the variance of that estimate, where the records of one customer go together.

    `sums` and `counts` have a value a customer. Delta method of a ratio of two means (Deng, Knoblich, Lu, KDD 2018,
    section 3); with one record a customer it is the ordinary mean's.
    """
    size, mean = np.shape(sums)[-1], np.sum(sums, axis=-1) / np.sum(counts, axis=-1)
    residuals = sums - np.asarray(mean)[..., None] * counts
    per_customer = np.mean(counts, axis=-1)
    return mean, np.sum(residuals**2, axis=-1) / (size - 1) / size / per_customer**2


def mann_whitney(a: Any, b: Any) -> Ranks:
    """Whether values of B tend to be greater (Mann and Whitney 1947); samples along the last axis.

    By the exact distribution for small samples without ties, else by the normal one with corrections of both.
    """
    test = stats.mannwhitneyu(b, a, axis=-1)
    superiority = test.statistic / (np.shape(a)[-1] * np.shape(b)[-1])
    return Ranks(test.statistic, test.pvalue, superiority, 2 * superiority - 1)


def sample_ratio(counts: Sequence[float], shares: Sequence[float]) -> float:
    """p-value that these counts come from these shares of the traffic (χ²); below SRM_LEVEL trust no result."""
    expected = np.asarray(shares, float) / np.sum(shares) * np.sum(counts)
    return float(stats.chisquare(counts, expected).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979): those below a level are below it all together."""
    values = np.asarray(p_values, float)
    order = np.argsort(values)
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    result = np.empty(len(values))
    result[order] = np.minimum(adjusted, 1.0)
    return [float(each) for each in result]


def _quantile(level: float) -> float:
    return float(stats.norm.ppf(0.5 + level / 2))


def _ratio(effect: Any, error: Any) -> Any:
    """0 where there is neither effect nor error, such as with no success on either side."""
    effect, error = np.asarray(effect, float), np.asarray(error, float)
    return np.divide(effect, error, out=np.where(effect == 0, 0.0, np.copysign(np.inf, effect)), where=error > 0)
