"""Ways to learn from data of which one record in a hundred is fraud, each of them measured by the members that can.

| way | what it does |
|---|---|
| none | learns from the data as they are |
| weights | frauds together weigh as much as genuine transactions together |
| focal | the focal loss: records that are classified well already count little (Lin et al., 2017) |
| undersampling | learns from all frauds and ten genuine transactions for each, drawn at random |

All but the first overstate the odds of fraud; the ensemble is calibrated afterwards, so they are compared by ranking.
"""

from __future__ import annotations

import numpy as np

WAYS = ("none", "weights", "focal", "undersampling")
GENUINE_PER_FRAUD = 10
FOCUS = 2.0  # the loss's gamma, of the paper's best model


def balance(answers: np.ndarray) -> float:
    """Genuine transactions for each fraud."""
    return float((answers == 0).sum() / max((answers == 1).sum(), 1))


def chosen(answers: np.ndarray, way: str, seed: int) -> np.ndarray:
    """Positions of the records to learn from, in their order."""
    if way != "undersampling":
        return np.arange(len(answers))
    frauds, genuine = np.flatnonzero(answers == 1), np.flatnonzero(answers == 0)
    wanted = min(len(genuine), GENUINE_PER_FRAUD * max(len(frauds), 1))
    drawn = np.random.default_rng(seed).choice(genuine, wanted, replace=False)
    return np.sort(np.concatenate([frauds, drawn]))


def weights(answers: np.ndarray, way: str) -> np.ndarray | None:
    return np.where(answers == 1, balance(answers), 1.0) if way == "weights" else None


def focal(margins: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and curvature of −(1 − p)^γ log p by the log-odds, p being the probability given to the true class.

    The true curvature is negative for records that are very wrong, and XGBoost divides by its sum: in its place stands
    that of the log loss times (1 + γ)(1 − p)^γ, which has its size where p is near 1. Both are scaled as a whole to the
    log loss's curvature, so that a penalty on leaves, or a least weight in one, means the same for either loss.
    """
    sign = np.where(answers == 1, 1.0, -1.0)
    wrong = np.clip(1 / (1 + np.exp(np.clip(sign * margins, -30, 30))), 1e-9, 1 - 1e-9)  # 1 − p
    gradient = wrong**FOCUS * (wrong - FOCUS * (1 - wrong) * np.log1p(-wrong))
    plain = wrong * (1 - wrong)
    curvature = (1 + FOCUS) * wrong**FOCUS * plain
    whole = float(plain.sum() / curvature.sum())
    return -sign * gradient * whole, curvature * whole
