"""Whether a model's features matter in the order in which they did."""

from __future__ import annotations

import numpy as np

SMALLEST_NDCG = 0.9  # developer guide, "Model feature attribution drift violations"


def ndcg(old: dict[str, float], new: dict[str, float]) -> float | None:
    """Normalised discounted cumulative gain of the new ranking of features, whose gains are the old values.

    1 is the same order; None where there is nothing to rank. (Järvelin and Kekäläinen 2002; developer guide, "Monitor
    feature attribution drift".) Features of equal new value share their places' discounts.
    """
    names = [name for name in old if name in new]
    gains, scores = (np.abs([side[name] for name in names]) for side in (old, new))
    if len(names) < 2 or not gains.sum():
        return None
    discounts = 1 / np.log2(np.arange(2, len(names) + 2))
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    shared = np.add.reduceat(discounts, np.append(0, sizes.cumsum()[:-1])) / sizes
    return float((gains * shared[group]).sum() / (np.sort(gains)[::-1] * discounts).sum())
