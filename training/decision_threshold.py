"""From which probability on a record is labelled 1."""

from __future__ import annotations

import numpy as np


def cheapest(answers: np.ndarray, probability: np.ndarray, action_cost: float, miss_cost: float) -> float:
    """The probability from which on acting pays: least paid for actions plus lost by misses, over these records."""
    order = np.argsort(-probability, kind="stable")
    saved = np.concatenate([[0], np.cumsum(answers[order])])
    costs = action_cost * np.arange(len(order) + 1) + miss_cost * (answers.sum() - saved)
    ranked = probability[order]
    whole = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])  # equal scores get the same answer
    best = int(np.flatnonzero(whole)[np.argmin(costs[whole])])
    return float(ranked[best - 1]) if best else 1.0
