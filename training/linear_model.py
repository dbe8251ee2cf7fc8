"""A linear model of the logarithm of a price, over raw records, in NumPy alone: this file travels in the artifact.

It turns records into the matrix X, whose columns are

    1                                             the intercept
    (value − mean) / standard deviation           of each number
    1 where the category is this one, else 0      for each category but the most frequent, which is what 0 stands for

and answers with exp(X·w). Prices multiply: a garage adds some percent, and not the same dollars to a cottage and a
villa. Their logarithms add, and that is what a linear model can do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ordinary_least_squares import solve
from tail_probabilities import t_quantile


class LinearModel:
    """An estimator as scikit-learn has them, without it; tables are pandas', or anything that gives columns by name."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = l1, l2  # the penalties of ordinary_least_squares.py

    def fit(self, rows: Any, answers: Any) -> LinearModel:
        """Raises ValueError for a column without variation, or columns that depend on each other."""
        columns = {name: np.asarray(rows[name]) for name in rows}
        numbers = [name for name, values in columns.items() if values.dtype.kind in "iufb"]
        self.scales_ = {name: scale(name, columns[name]) for name in numbers}
        self.levels_ = {name: levels(values) for name, values in columns.items() if name not in numbers}
        # The mean of a column of zeros and ones is the share of records that have that category.
        self.shares_ = {name: dummies(columns[name], known).mean(axis=0) for name, known in self.levels_.items()}
        X, y = self.design(rows), self.targets(answers)
        self.weights_ = solve(X, y, self.l1, self.l2)
        # For intervals: what of the prices stays unexplained, and how sure the weights are (regression_statistics.py).
        self.degrees_ = len(y) - X.shape[1]
        self.noise_ = float(((y - X @ self.weights_) ** 2).sum() / max(self.degrees_, 1))
        self.inverse_ = None if self.l1 or self.l2 else np.linalg.inv(X.T @ X)
        return self

    def targets(self, answers: Any) -> np.ndarray:
        """What the model is linear in: the prices' logarithms. A difference of 0.01 is one percent."""
        return np.log(np.asarray(answers, dtype=float))

    @property
    def names(self) -> list[str]:
        """Of the columns of X."""
        chosen = [f"{name}={level}" for name, known in self.levels_.items() for level in known[1:]]
        return ["Intercept", *self.scales_, *chosen]

    def design(self, rows: Any) -> np.ndarray:
        """The matrix X of the records, shape (records, columns).

        A category that was not there in training says nothing of the price: it gets the shares of the known ones, and
        is so taken for an average house in that respect.
        """
        parts = [np.ones((len(rows), 1))]
        for name, (mean, deviation) in self.scales_.items():
            parts.append(((np.asarray(rows[name], dtype=float) - mean) / deviation)[:, None])
        for name, known in self.levels_.items():
            values = np.asarray(rows[name], dtype=object)
            there = np.isin(values.astype(str), known)
            parts.append(np.where(there[:, None], dummies(values, known), self.shares_[name]))
        return np.hstack(parts)

    def predict(self, rows: Any) -> np.ndarray:
        """Dollars. As errors are symmetric in logarithms, this is the median: half of such houses fetch more."""
        return np.exp(self.design(rows) @ self.weights_)

    def predict_interval(self, rows: Any, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """What the next such house sells for in `level` of the cases, shape (records,) each.

        Two things are uncertain about a new answer. Its own error has the variance σ². And the line may be off: x·w has
        the variance σ² · x(XᵀX)⁻¹xᵀ, which is small in the middle of the data and grows with the distance from it. They
        are independent, so their variances add. Raises ValueError with a penalty, for which this does not hold.
        """
        if self.inverse_ is None:
            raise ValueError("Intervals are known for l1 = l2 = 0 alone: a penalty's weights are off by design.")
        X = self.design(rows)
        # x(XᵀX)⁻¹xᵀ for each row x of X: only the diagonal of X(XᵀX)⁻¹Xᵀ, without making all of it.
        distance = np.einsum("ij,jk,ik->i", X, self.inverse_, X)
        reach = t_quantile(level, self.degrees_) * np.sqrt(self.noise_ * (1 + distance))
        middle = X @ self.weights_
        # exp keeps the order, so the interval's bounds are the exp of the bounds.
        return np.exp(middle - reach), np.exp(middle + reach)

    # What scikit-learn's cross-validation asks of an estimator; serving calls none of it.

    def get_params(self, deep: bool = True) -> dict[str, float]:
        return {"l1": self.l1, "l2": self.l2}

    def set_params(self, **parameters: float) -> LinearModel:
        vars(self).update(parameters)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags, Tags, TargetTags

        return Tags("regressor", TargetTags(required=True), regressor_tags=RegressorTags())


def scale(name: str, values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation. Raises ValueError where all values are the same."""
    mean, deviation = float(values.mean()), float(values.std())
    if not deviation > 0:
        raise ValueError(
            f"Column {name} is {mean:g} in every record, and nothing can be learned from it. Leave it out."
        )
    return mean, deviation


def levels(values: np.ndarray) -> list[str]:
    """The categories, the most frequent first: the one that the others are compared with."""
    found, counts = np.unique(values.astype(str), return_counts=True)
    return [str(each) for each in found[np.argsort(-counts, kind="stable")]]


def dummies(values: np.ndarray, known: list[str]) -> np.ndarray:
    """A column of zeros and ones for each category but the first; shape (records, categories − 1).

    One for the first too would be too many: the columns would add up to the intercept's.
    """
    return (values.astype(str)[:, None] == np.array(known[1:], dtype=str)).astype(float)
