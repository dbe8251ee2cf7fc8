"""How many records an A/B test needs, how likely it finds an effect, and which effect it would find.

Two-sided tests at the level `alpha`; `ratio` is B's records over A's, and sizes are A's. Normal approximation for
shares as in R's `power.prop.test`, the noncentral t distribution for means as in `power.t.test`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import stats
from scipy.optimize import brentq

_MOST = 1e12  # records


def proportions_power(
    share_a: float, share_b: float, size: float, alpha: float = 0.05, ratio: float = 1.0, *, both: bool = False
) -> float:
    """Chance of a significant difference. With `both` also one in the wrong direction (R's `strict`)."""
    pooled = (share_a + ratio * share_b) / (1 + ratio)
    assumed = math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    true = math.sqrt(share_a * (1 - share_a) + share_b * (1 - share_b) / ratio)
    limit = stats.norm.isf(alpha / 2) * assumed
    effect = abs(share_b - share_a) * math.sqrt(size)
    right = stats.norm.sf((limit - effect) / true)
    return float(right + (stats.norm.cdf((-limit - effect) / true) if both else 0))


def proportions_size(share_a: float, share_b: float, power: float = 0.8, alpha: float = 0.05, ratio: float = 1) -> int:
    """Records of A. Raises ValueError for shares that are equal or outside 0 to 1."""
    _check_shares(share_a, share_b)
    return _size(lambda size: proportions_power(share_a, share_b, size, alpha, ratio), power)


def proportions_effect(share_a: float, size: float, power: float = 0.8, alpha: float = 0.05, ratio: float = 1) -> float:
    """The smallest rise (fall, where there is no room above) of the share that is found with this power."""
    sign = 1 if share_a < 0.5 else -1
    room = 1 - share_a if sign > 0 else share_a

    def missing(effect: float) -> float:
        return proportions_power(share_a, share_a + sign * effect, size, alpha, ratio) - power

    return float(brentq(missing, 1e-12, room - 1e-12)) if missing(room - 1e-12) > 0 else room


def means_power(effect: float, deviation: float, size: float, alpha: float = 0.05, ratio: float = 1.0) -> float:
    """Chance of a significant difference of two means, both with that standard deviation (R: not `strict`)."""
    freedom = size + ratio * size - 2
    away = abs(effect) / deviation * math.sqrt(size * ratio / (1 + ratio))
    return float(stats.nct.sf(stats.t.isf(alpha / 2, freedom), freedom, away))


def means_size(effect: float, deviation: float, power: float = 0.8, alpha: float = 0.05, ratio: float = 1.0) -> int:
    """Records of A. Raises ValueError for no effect or no deviation."""
    if not effect or deviation <= 0:
        raise ValueError(f"An effect of {effect} with a standard deviation of {deviation} can't be looked for.")
    return _size(lambda size: means_power(effect, deviation, size, alpha, ratio), power)


def means_effect(deviation: float, size: float, power: float = 0.8, alpha: float = 0.05, ratio: float = 1.0) -> float:
    """The smallest difference of two means that is found with this power."""
    guess = deviation * math.sqrt(1 / size + 1 / (ratio * size))
    return float(brentq(lambda effect: means_power(effect, deviation, size, alpha, ratio) - power, 0, 50 * guess))


def together(baseline: float | None, effect: float, power: float = 0.8, alpha: float = 0.05, ratio: float = 1.0) -> int:
    """Records of both sides: to find `effect` points more than the share `baseline` (fewer, where there is no room
    above), or without one a difference of so many standard deviations.
    """
    if baseline is None:
        return round(means_size(effect, 1.0, power, alpha, ratio) * (1 + ratio))
    other = baseline + effect if baseline + effect < 1 else baseline - effect
    return round(proportions_size(baseline, other, power, alpha, ratio) * (1 + ratio))


def _size(power_of: Callable[[float], float], power: float) -> int:
    """The least whole number of records with this power."""
    if not 0 < power < 1:
        raise ValueError(f"A power of {power} can't be had: choose one between 0 and 1, such as 0.8.")
    low, high = 2.0, 4.0
    while power_of(high) < power:
        low, high = high, 2 * high
        if high > _MOST:
            raise ValueError("More than a million million records would be needed: look for a larger effect.")
    if power_of(low) >= power:
        return int(low)
    return math.ceil(brentq(lambda size: power_of(size) - power, low, high, xtol=1e-6) - 1e-6)


def _check_shares(*shares: float) -> None:
    if len(set(shares)) < 2 or not all(0 <= each <= 1 for each in shares):
        raise ValueError(f"The shares {' and '.join(f'{each:g}' for each in shares)} must differ, from 0 to 1.")
