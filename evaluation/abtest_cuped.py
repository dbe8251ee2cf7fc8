"""CUPED: less variance by what was known before the test.

Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
data" (WSDM 2013). A covariate that the variants can't have changed explains part of a metric; without that part the
same effect stands out from less noise. The remaining share of the variance is 1 − ρ².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Adjusted:
    """Samples with the same means in expectation, and less variance."""

    a: Any
    b: Any
    removed: Any  # share of the variance that the covariate explained, 0 to 1


def cuped(a: Any, covariate_a: Any, b: Any, covariate_b: Any) -> Adjusted:
    """Adjusts both samples by one slope, over both, around the covariate's mean over both.

    Samples along the last axis. A covariate that never varies removes nothing.
    """
    x, y = np.concatenate([covariate_a, covariate_b], axis=-1), np.concatenate([a, b], axis=-1)
    centre = np.mean(x, axis=-1, keepdims=True)
    # Within the variants: a difference of theirs is the effect, and none of the covariate's business.
    together = _within(covariate_a, a) + _within(covariate_b, b)
    spread = _within(covariate_a, covariate_a) + _within(covariate_b, covariate_b)
    total = _within(a, a) + _within(b, b)
    slope = np.divide(together, spread, out=np.zeros_like(spread), where=spread > 0)
    explained = np.divide(slope * together, total, out=np.zeros_like(total), where=total > 0)
    adjusted = y - slope * (x - centre)
    size = np.shape(a)[-1]
    return Adjusted(adjusted[..., :size], adjusted[..., size:], np.squeeze(explained, axis=-1)[()])


def _within(x: Any, y: Any) -> Any:
    """Sum of products around the sample's own means, with the last axis kept."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    products = (x - x.mean(axis=-1, keepdims=True)) * (y - y.mean(axis=-1, keepdims=True))
    return np.sum(products, axis=-1, keepdims=True)
