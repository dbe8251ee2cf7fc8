"""A test that may be looked at at any time, as often as one likes, and be stopped when one likes what one sees.

The mixture sequential probability ratio test: always-valid p-values of Johari, Koomen, Pekelis and Walsh, "Always valid
inference: continuous monitoring of A/B tests" (Operations Research 2022), and the confidence sequences that they are
the dual of: the two-sided normal mixture of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences" (Annals of Statistics 2021), eq. 14, with estimated variances as in Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of
Statistics 2024).

An effect is normal with its own variance, and under the alternative has a normal prior with variance `mixture`. The
chance that a true null is ever rejected is at most alpha. It holds asymptotically: variances are estimated, so nothing
is rejected before FEWEST records a side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.optimize import brentq

FEWEST = 100  # records a side


@dataclass(frozen=True)
class Sequence:
    """At each look: the interval, and the p-value of this look alone. Running minima of it are valid, too."""

    value: Any
    low: Any
    high: Any
    p_value: Any


def mixture_of(effect: float) -> float:
    """Variance of the prior for a test that looks for effects of this size.

    The test then is at its most powerful about where one of a fixed size with 80 % power would end.
    """
    return effect**2


def always_valid(value: Any, variance: Any, mixture: float, alpha: float = 0.05, size: Any = math.inf) -> Sequence:
    """Of an estimated effect with the variance of that estimate; `size` is the smaller side's number of records.

    Infinitely wide, with p-value 1, where there are too few records or no variance yet.
    """
    value, variance, size = np.broadcast_arrays(*(np.asarray(each, float) for each in (value, variance, size)))
    known = (size >= FEWEST) & (variance > 0)
    spread = np.full(value.shape, np.inf)
    spread[known] = margin(variance[known], mixture, alpha)
    logarithm = np.zeros(value.shape)
    logarithm[known] = log_ratio(value[known], variance[known], mixture)
    p_value = np.exp(-np.maximum(logarithm, 0))
    return Sequence(value[()], (value - spread)[()], (value + spread)[()], p_value[()])


def log_ratio(value: Any, variance: Any, mixture: float) -> Any:
    """Logarithm of the mixture likelihood ratio against no effect (Johari et al., eq. 12, for any two sizes)."""
    together = variance + mixture
    return 0.5 * np.log(variance / together) + mixture * value**2 / (2 * variance * together)


def margin(variance: Any, mixture: float, alpha: float = 0.05) -> Any:
    """Half the width of the confidence sequence: effects beyond it have a ratio of at least 1/alpha."""
    together = variance + mixture
    return np.sqrt(variance * together / mixture * (2 * math.log(1 / alpha) + np.log(together / variance)))


def running(p_values: Any) -> Any:
    """Always-valid p-values of a series of looks along the last axis: the smallest until then."""
    return np.minimum.accumulate(p_values, axis=-1)


def size_factor(effect: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """How many times the records of a test of a fixed size let this one, looked at once at the end, find the effect
    with the same power. Looking earlier only helps: most tests end well before.
    """
    fixed = (effect / (stats.norm.isf(alpha / 2) + stats.norm.ppf(power))) ** 2  # the variance that one ends with
    mixture, reserve = mixture_of(effect), stats.norm.ppf(power)

    def missing(factor: float) -> float:
        variance = fixed / factor
        return float(margin(variance, mixture, alpha) + reserve * math.sqrt(variance) - abs(effect))

    return float(brentq(missing, 0.5, 20))
