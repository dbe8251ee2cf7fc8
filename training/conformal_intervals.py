"""A model of numbers with intervals that hold the truth as often as they say, whatever the model. In the artifact, too.

Conformal prediction, normalised and across folds: each training record is predicted by a model that did not learn from
it (folds), and its error is divided by how large an error is expected there, which a second model predicts from the
record. The quantile of these scores, times the expected error, is the interval's half width: wide for unusual records,
narrow for common ones (Lei et al., "Distribution-Free Predictive Inference for Regression", 2018, 5.2).

Where scores come from one set of records and the model from another, coverage is guaranteed to be the level on average.
Here the final model learns from all records, a little more than any fold's: cross-conformal prediction (Vovk 2015),
which uses every record for both. Its guarantee is weaker, and it is nearly always a little on the safe side; what it
gains is that the quantile comes of all training records, so its own sampling error is less than half.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import KFold, cross_val_predict

LEAST_SPREAD = 0.25  # of the median error: an expected error below it is taken for no better than this


class ConformalIntervals(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """`predict` is the model's own; `predict_interval` has lower and upper bounds, `predict_with_interval` all three.

    Args:
        model: predicts the answers.
        spread: predicts the absolute error from the record.
        level: share of the answers that intervals are to hold.
        log: errors are those of the logarithm, so intervals are relative; answers must be positive.
    """

    def __init__(
        self, model: Any, spread: Any, level: float = 0.95, log: bool = False, folds: int = 5, seed: int = 0
    ) -> None:
        self.model, self.spread, self.level, self.log, self.folds, self.seed = model, spread, level, log, folds, seed

    def fit(self, rows: pd.DataFrame, answers: Any, out_of_fold: np.ndarray | None = None) -> ConformalIntervals:
        """Raises ValueError where records are too few for the level.

        `out_of_fold` are the model's predictions of the records by folds that did not learn from them, where a
        comparison of models has made them already.
        """
        folds = KFold(self.folds, shuffle=True, random_state=self.seed)
        if out_of_fold is None:
            out_of_fold = cross_val_predict(self.model, rows, answers, cv=folds)
        error = np.abs(self._scaled(answers) - self._scaled(out_of_fold))
        self.least_ = LEAST_SPREAD * float(np.median(error))
        expected = cross_val_predict(self.spread, rows, error, cv=folds)
        self.scores_ = error / np.maximum(expected, self.least_)
        self.quantile_ = quantile(self.scores_, self.level)
        self.point_ = clone(self.model).fit(rows, answers)
        self.spread_ = clone(self.spread).fit(rows, error)
        return self

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.point_.predict(rows))

    def predict_interval(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return self.predict_with_interval(rows)[1:]

    def predict_with_interval(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Prediction, lower and upper bound, of shape (rows,) each: the model is asked once."""
        prediction = self.predict(rows)
        centre = self._scaled(prediction)
        half = self.quantile_ * np.maximum(self.spread_.predict(rows), self.least_)
        lower, upper = centre - half, centre + half
        return (prediction, np.exp(lower), np.exp(upper)) if self.log else (prediction, lower, upper)

    def _scaled(self, values: Any) -> np.ndarray:
        found = np.asarray(values, dtype=float)
        return np.log(found) if self.log else found


def quantile(scores: np.ndarray, level: float) -> float:
    """The ceil((n + 1) * level)-th smallest of n scores. Raises ValueError where there is none."""
    place = int(np.ceil((len(scores) + 1) * level))
    if place > len(scores):
        raise ValueError(
            f"Intervals of {level:.0%} need {int(np.ceil(level / (1 - level)))} training records or more, "
            f"not {len(scores)}."
        )
    return float(np.sort(scores)[place - 1])
