"""Ways to fill blanks of a table with numbers and categories: each is a transformer, table in and the same table out.

| name | a number | a category |
|---|---|---|
| `mean`, `median` | mean, median of the column | most frequent |
| `most_frequent` | most frequent | most frequent |
| `constant` | median | the category "Unknown" |
| `group` | median of the records alike in some columns | most frequent among them |
| `knn` | mean of the nearest records | the same of a category's indicators |
| `mice` | mean of several draws from chained regressions | the same |
| `bayesian_ridge` | chained regressions' expectation | the same |
| `bayesian_pca` | what a few directions of the table say | the same |
| `model` | a forest that learnt the column from the others | the same |

A transformer with pandas output; a category that training never saw is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  makes the next import possible
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

UNKNOWN = "Unknown"
DRAWS, ROUNDS = 5, 5  # of multiple imputation: Rubin, "Multiple Imputation for Nonresponse in Surveys", 1987


def imputer(name: str, groups: Sequence[str] = (), seed: int = 0) -> Any:
    """A transformer by its name in the table above; `groups` are the columns by which records are alike.

    Raises ValueError for an unknown name.
    """
    made: dict[str, Callable[[], Any]] = {
        "mean": lambda: ColumnImputer("mean", "most_frequent"),
        "median": lambda: ColumnImputer("median", "most_frequent"),
        "most_frequent": lambda: ColumnImputer("most_frequent", "most_frequent"),
        "constant": lambda: ColumnImputer("median", "constant"),
        "group": lambda: GroupImputer(groups),
        "knn": lambda: MatrixImputer(KNNImputer(n_neighbors=15, weights="distance")),
        "mice": lambda: MatrixImputer(MultipleImputer(seed=seed)),
        "bayesian_ridge": lambda: MatrixImputer(IterativeImputer(max_iter=20, tol=0.01, random_state=seed)),
        "bayesian_pca": lambda: MatrixImputer(BayesianPCAImputer()),
        "model": lambda: ModelImputer(seed=seed),
    }
    if name not in made:
        raise ValueError(f"Imputer {name!r} is unknown. Use {', '.join(made)}.")
    return made[name]()


def numbers_of(table: pd.DataFrame) -> list[str]:
    return [name for name in table if pd.api.types.is_numeric_dtype(table[name])]


class TableImputer(TransformerMixin, BaseEstimator):
    """What all of them know: the columns, numbers and categories."""

    def remember(self, table: pd.DataFrame) -> None:
        self.columns_ = list(table)
        self.numbers_ = numbers_of(table)
        self.categories_ = [name for name in table if name not in self.numbers_]

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        return np.array(self.columns_, dtype=object)


class ColumnImputer(TableImputer):
    """One value a column: `numbers` is mean, median or most_frequent, `categories` most_frequent or constant."""

    def __init__(self, numbers: str = "median", categories: str = "most_frequent") -> None:
        self.numbers = numbers
        self.categories = categories

    def fit(self, table: pd.DataFrame, answers: Any = None) -> Self:
        self.remember(table)
        numbers: dict[str, Callable[[pd.Series], Any]] = {
            "mean": pd.Series.mean,
            "median": pd.Series.median,
            "most_frequent": most_frequent,
        }
        categories = {"most_frequent": most_frequent, "constant": lambda _: UNKNOWN}
        self.values_ = {name: numbers[self.numbers](table[name]) for name in self.numbers_}
        self.values_ |= {name: categories[self.categories](table[name]) for name in self.categories_}
        return self

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.fillna(self.values_)


def most_frequent(column: pd.Series) -> Any:
    """The smallest of several, as scikit-learn has it; "Unknown", or 0, where there is none at all."""
    found = column.mode()
    if len(found):
        return found.iloc[0]
    return 0.0 if pd.api.types.is_numeric_dtype(column) else UNKNOWN


class GroupImputer(TableImputer):
    """Median or most frequent value among the records that are alike in `groups`; where none of them has one, of fewer
    groups: the last is given up first.
    """

    def __init__(self, groups: Sequence[str] = ()) -> None:
        self.groups = groups

    def fit(self, table: pd.DataFrame, answers: Any = None) -> Self:
        self.remember(table)
        self.overall_ = ColumnImputer().fit(table)
        self.tables_ = []
        for length in range(len(self.groups), 0, -1):
            by = list(self.groups[:length])
            others = {name: "median" if name in self.numbers_ else most_known for name in table if name not in by}
            self.tables_.append((by, table.groupby(by).agg(others)))
        return self

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        filled = table.copy()
        for by, known in self.tables_:
            keys = pd.MultiIndex.from_frame(table[by]) if len(by) > 1 else table[by[0]]
            alike = known.reindex(keys).set_axis(table.index)
            filled = filled.fillna(alike)
        return self.overall_.transform(filled[self.columns_])


def most_known(column: pd.Series) -> Any:
    found = column.mode()
    return found.iloc[0] if len(found) else np.nan


class MatrixImputer(TableImputer):
    """By an imputer of matrices: numbers are standardised, categories are indicators, of which the highest wins."""

    def __init__(self, imputer: Any) -> None:
        self.imputer = imputer

    def fit(self, table: pd.DataFrame, answers: Any = None) -> Self:
        self.remember(table)
        self.scaler_ = StandardScaler().set_output(transform="default").fit(table[self.numbers_])
        encoder = OneHotEncoder(categories=self._known(table), handle_unknown="ignore", sparse_output=False)
        self.encoder_ = encoder.set_output(transform="default").fit(table[self.categories_])
        self.imputer_ = clone(self.imputer).set_output(transform="default").fit(self._matrix(table))
        return self

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        matrix = self.imputer_.transform(self._matrix(table))
        numbers = self.scaler_.inverse_transform(matrix[:, : len(self.numbers_)])
        filled = table.copy()
        filled[self.numbers_] = table[self.numbers_].where(table[self.numbers_].notna(), numbers)
        start = len(self.numbers_)
        for name, known in zip(self.categories_, self.encoder_.categories_, strict=True):
            likeliest = known[matrix[:, start : start + len(known)].argmax(axis=1)]
            filled[name] = table[name].where(table[name].notna(), likeliest)
            start += len(known)
        return filled

    def _known(self, table: pd.DataFrame) -> list[list[Any]]:
        return [sorted(table[name].dropna().unique()) or [UNKNOWN] for name in self.categories_]

    def _matrix(self, table: pd.DataFrame) -> np.ndarray:
        indicators = self.encoder_.transform(table[self.categories_])
        widths = [len(known) for known in self.encoder_.categories_]
        blank = np.repeat(table[self.categories_].isna().to_numpy(), widths, axis=1)
        return np.hstack([self.scaler_.transform(table[self.numbers_]), np.where(blank, np.nan, indicators)])


class MultipleImputer(TransformerMixin, BaseEstimator):
    """MICE: each column is drawn from its regression on the others, in turns, `draws` times over; their mean is taken.

    van Buuren and Groothuis-Oudshoorn, "mice: Multivariate Imputation by Chained Equations in R", 2011.
    """

    def __init__(self, draws: int = DRAWS, seed: int = 0) -> None:
        self.draws = draws
        self.seed = seed

    def fit(self, matrix: np.ndarray, answers: Any = None) -> Self:
        options = {"sample_posterior": True, "max_iter": ROUNDS}
        each = (IterativeImputer(**options, random_state=self.seed + draw) for draw in range(self.draws))
        self.imputers_ = [imputer.fit(matrix) for imputer in each]
        return self

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        return np.mean([imputer.transform(matrix) for imputer in self.imputers_], axis=0)

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        return np.array(names, dtype=object)


class BayesianPCAImputer(TransformerMixin, BaseEstimator):
    """Blanks by what a record's known values say of its place along a few directions of the table.

    Probabilistic PCA fitted by expectation–maximisation over the known values (Tipping and Bishop, "Probabilistic
    Principal Component Analysis", 1999), with a prior that switches off directions which the table does not need
    (Bishop, "Bayesian PCA", 1999): a direction w of d values has the precision d / |w|², estimated with the rest.
    """

    def __init__(self, directions: int = 8, rounds: int = 100, tolerance: float = 1e-4) -> None:
        self.directions = directions
        self.rounds = rounds
        self.tolerance = tolerance

    def fit(self, matrix: np.ndarray, answers: Any = None) -> Self:
        width = matrix.shape[1]
        count = min(self.directions, width - 1)
        self.mean_ = np.nanmean(matrix, axis=0)
        filled = np.where(np.isnan(matrix), 0.0, matrix - self.mean_)
        _, lengths, axes = np.linalg.svd(filled, full_matrices=False)
        self.directions_ = (axes[:count] * lengths[:count, None]).T / np.sqrt(len(matrix))
        self.noise_ = max(float(filled.var() / 2), 1e-6)
        for _ in range(self.rounds):
            before = self.directions_
            self._step(matrix)
            if np.abs(self.directions_ - before).max() < self.tolerance:
                break
        return self

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        places, _ = self._places(matrix)
        return np.where(np.isnan(matrix), places @ self.directions_.T + self.mean_, matrix)

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        return np.array(names, dtype=object)

    def _places(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each record's expected place along the directions, shape (rows, directions), and how sure that is: the
        covariance, shape (rows, directions, directions). Records with the same blanks have the same.
        """
        count = self.directions_.shape[1]
        places, spread = np.zeros((len(matrix), count)), np.zeros((len(matrix), count, count))
        known = ~np.isnan(matrix)
        patterns, which = np.unique(known, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            rows, seen = which.ravel() == number, self.directions_[pattern]
            covariance = np.linalg.inv(seen.T @ seen / self.noise_ + np.eye(count))
            places[rows] = (matrix[rows][:, pattern] - self.mean_[pattern]) @ seen @ covariance / self.noise_
            spread[rows] = covariance
        return places, spread

    def _step(self, matrix: np.ndarray) -> None:
        """One round: where the records lie, then directions, mean and noise that explain their known values best."""
        places, spread = self._places(matrix)
        known = (~np.isnan(matrix)).astype(float)
        values = np.where(np.isnan(matrix), 0.0, matrix)
        self.mean_ = (values - known * (places @ self.directions_.T)).sum(axis=0) / known.sum(axis=0)
        precision = matrix.shape[1] / np.maximum((self.directions_**2).sum(axis=0), 1e-12)
        moments = spread + places[:, :, None] * places[:, None, :]
        left = np.einsum("rc,rij->cij", known, moments) + self.noise_ * np.diag(precision)
        centred = known * (values - self.mean_)
        self.directions_ = np.linalg.solve(left, (centred.T @ places)[:, :, None])[:, :, 0]
        residual = centred - known * (places @ self.directions_.T)
        unsure = np.einsum("rc,ci,rij,cj->", known, self.directions_, spread, self.directions_, optimize=True)
        self.noise_ = max(float(((residual**2).sum() + unsure) / known.sum()), 1e-6)


class ModelImputer(TableImputer):
    """Each column with blanks by a random forest that learnt it from the other columns."""

    def __init__(self, trees: int = 100, least: int = 5, seed: int = 0) -> None:
        self.trees = trees
        self.least = least
        self.seed = seed

    def fit(self, table: pd.DataFrame, answers: Any = None) -> Self:
        self.remember(table)
        self.start_ = MatrixImputer(ZeroImputer()).fit(table)
        self.models_ = {}
        options = {"n_estimators": self.trees, "min_samples_leaf": self.least, "random_state": self.seed}
        for name in table:
            known = table[name].notna()
            if known.all() or not known.any():
                continue
            forest = (RandomForestRegressor if name in self.numbers_ else RandomForestClassifier)(**options)
            self.models_[name] = forest.fit(self._others(table, name)[known], table.loc[known, name])
        self.overall_ = ColumnImputer().fit(table)
        return self

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        filled = table.copy()
        for name, model in self.models_.items():
            blank = table[name].isna()
            if blank.any():
                filled.loc[blank, name] = model.predict(self._others(table, name)[blank])
        return self.overall_.transform(filled)

    def _others(self, table: pd.DataFrame, name: str) -> np.ndarray:
        hidden = table.assign(**{name: np.nan if name in self.numbers_ else pd.Series(np.nan, table.index, object)})
        return np.nan_to_num(self.start_._matrix(hidden))


class ZeroImputer(TransformerMixin, BaseEstimator):
    """Blanks of a standardised matrix by 0."""

    def fit(self, matrix: np.ndarray, answers: Any = None) -> Self:
        return self

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        return np.nan_to_num(matrix)

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        return np.array(names, dtype=object)
