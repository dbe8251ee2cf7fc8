"""A classifier that learns from both classes as if they were equally frequent, and answers with their true frequency.

Part of the served model: this file travels in its artifact.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.class_weight import compute_sample_weight


class BalancedClassifier(ClassifierMixin, BaseEstimator):
    """Of two classes. `balance` off: the classifier as it is.

    Weighing the classes alike multiplies the odds of the second by a known factor, so probabilities are put right by
    it (Elkan, "The Foundations of Cost-Sensitive Learning", 2001).
    """

    def __init__(self, classifier: Any = None, balance: bool = True) -> None:
        self.classifier = classifier
        self.balance = balance

    def fit(self, rows: Any, answers: Any) -> Self:
        """Raises ValueError for another number of classes than two."""
        self.classes_, counts = np.unique(answers, return_counts=True)
        if len(self.classes_) != 2:
            raise ValueError(f"Two classes are needed, and the answers have {len(self.classes_)}.")
        weight = compute_sample_weight("balanced", answers) if self.balance else None
        self.odds_factor_ = float(counts[0] / counts[1]) if self.balance else 1.0
        self.classifier_ = clone(self.classifier).fit(rows, answers, sample_weight=weight)
        return self

    def predict_proba(self, rows: Any) -> np.ndarray:
        found = self.classifier_.predict_proba(rows)
        second = found[:, 1] / (found[:, 1] + found[:, 0] * self.odds_factor_)
        return np.column_stack([1 - second, second])

    def predict(self, rows: Any) -> np.ndarray:
        return self.classes_[(self.predict_proba(rows)[:, 1] >= 0.5).astype(int)]
