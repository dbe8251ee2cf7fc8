"""What an AutoML artifact is made of: a table brought into order, and members whose answers are put together.

This file travels in the artifact, and with it what the pickled model needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import ClassifierTags, RegressorTags

# What pandas reads as missing from a CSV file: a request's text has to mean the same.
MISSING: tuple[str, ...] = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
)
MISSING += ("NA", "NULL", "NaN", "None", "n/a", "nan", "null")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
DATES = 0.95  # of a column's values have to be dates
SAMPLE = 1000  # values that decide what a column is
WORDS = 4.0  # on average from here on a column of distinct values is text
DISTINCT = 0.5  # of the rows
STACKING_FOLDS = 3


class Tidy(TransformerMixin, BaseEstimator):
    """Raw columns to numbers (float64) and categories (text); blanks are NaN in both.

    Dates as ISO 8601 writes them become their parts, texts their lengths. `dates_`, `texts_` name those columns.
    """

    def fit(self, rows: pd.DataFrame, answers: Any = None) -> Tidy:
        del answers
        self.columns_ = list(rows.columns)
        self.numbers_ = [
            name
            for name in rows
            if pd.api.types.is_numeric_dtype(rows[name]) and not pd.api.types.is_bool_dtype(rows[name])
        ]
        others = {name: text(rows[name]).dropna() for name in rows if name not in self.numbers_}
        self.dates_ = [name for name, values in others.items() if is_date(values)]
        self.texts_ = [name for name, values in others.items() if name not in self.dates_ and is_text(values)]
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        found: dict[str, Any] = {}
        for name in self.columns_:
            if name in self.numbers_:
                found[name] = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
            elif name in self.dates_:
                found |= date_parts(name, text(rows[name]))
            elif name in self.texts_:
                found |= lengths(name, text(rows[name]))
            else:
                found[name] = text(rows[name]).to_numpy(dtype=object)
        return pd.DataFrame(found, index=rows.index)


def text(column: pd.Series) -> pd.Series:
    """Values as text, NaN where pandas would read none from a CSV file."""
    values = column.astype(object)
    written = values.where(values.notna(), "").map(str).str.strip()
    return written.where(~written.isin(MISSING), np.nan)


def is_date(values: pd.Series) -> bool:
    looked = values.head(SAMPLE)
    return len(looked) > 0 and bool(looked.map(lambda each: bool(DATE.fullmatch(each))).mean() >= DATES)


def is_text(values: pd.Series) -> bool:
    looked = values.head(SAMPLE)
    return (
        len(looked) > 0
        and looked.nunique() > DISTINCT * len(looked)
        and bool(looked.str.split().map(len).mean() >= WORDS)
    )


def date_parts(name: str, values: pd.Series) -> dict[str, np.ndarray]:
    moments = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    days = (moments - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    parts = {"days": days, "year": moments.dt.year, "month": moments.dt.month, "day": moments.dt.day}
    parts |= {"weekday": moments.dt.weekday, "hour": moments.dt.hour}
    return {f"{name} {part}": each.to_numpy(dtype="float64", na_value=np.nan) for part, each in parts.items()}


def lengths(name: str, values: pd.Series) -> dict[str, np.ndarray]:
    written = values.fillna("")
    counted = {"characters": written.str.len(), "words": written.str.split().map(len)}
    return {f"{name} {part}": each.to_numpy(dtype="float64") for part, each in counted.items()}


class Blend(BaseEstimator):
    """Members over a tidy table, and what makes one answer of theirs: weights, or a model on top of them.

    Of classification, members know the classes as 0, 1, … in the order of `classes`; of regression there are none. It
    is made of fitted parts and answers at once; `fit` learns all of it anew, for learning curves. `most` members, those
    of the largest weights, are asked; None: all.
    """

    def __init__(
        self,
        tidy: Tidy,
        members: Sequence[Any],
        weights: Sequence[float],
        classes: Sequence[Any] | None = None,
        stacker: Any = None,
        most: int | None = None,
    ) -> None:
        self.tidy, self.members, self.weights, self.classes = tidy, members, weights, classes
        self.stacker, self.most = stacker, most

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.classes is None:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        else:
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        return tags

    def fit(self, rows: pd.DataFrame, truth: Any) -> Blend:
        """A stacker learns from answers that were cross-validated in these rows."""
        codes = {name: code for code, name in enumerate(self.classes or [])}
        known = np.asarray(truth) if self.classes is None else pd.Series(truth).map(codes).to_numpy(dtype=int)
        tidy = clone(self.tidy).fit(rows)
        table = tidy.transform(rows)
        places = self._asked()
        members = [clone(self.members[place]).fit(table, known) for place in places]
        stacker = self.stacker and clone(self.stacker)
        if stacker is not None:
            given = np.stack([self._crossed(self.members[place], table, known) for place in places])
            stacker.fit(stacker_inputs(given), known)
        self.fitted_ = (tidy, members, [self.weights[place] for place in places], stacker)
        return self

    def _asked(self) -> list[int]:
        order = np.argsort(-np.asarray(self.weights), kind="stable")
        return sorted(int(place) for place in order[: self.most or len(order)])

    def _crossed(self, member: Any, table: pd.DataFrame, known: np.ndarray) -> np.ndarray:
        kinds = len(self.classes or [])
        folds = (StratifiedKFold if kinds else KFold)(STACKING_FOLDS, shuffle=True, random_state=0)
        whole = np.empty((len(table), kinds) if kinds else len(table))
        for learn, judge in folds.split(table, known):
            whole[judge] = answers(clone(member).fit(table.iloc[learn], known[learn]), table.iloc[judge], kinds)
        return whole

    @property
    def classes_(self) -> np.ndarray:
        return np.asarray(self.classes)

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        answers = self._answers(rows)
        return answers if self.classes is None else self.classes_[answers.argmax(axis=1)]

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Shape (rows, classes)."""
        return self._answers(rows)

    def _answers(self, rows: pd.DataFrame) -> np.ndarray:
        made = self.tidy, self.members, self.weights, self.stacker
        tidy, members, weights, stacker = getattr(self, "fitted_", made)
        table, kinds = tidy.transform(rows), len(self.classes or [])
        return combine(np.stack([answers(each, table, kinds) for each in members]), weights, stacker)


def answers(member: Any, table: pd.DataFrame, kinds: int) -> np.ndarray:
    """Probabilities of shape (rows, kinds), also of a member that has not met every class; or values, shape (rows,)."""
    if not kinds:
        return np.asarray(member.predict(table), dtype="float64")
    found = member.predict_proba(table)
    whole = np.zeros((len(table), kinds))
    whole[:, np.asarray(member.classes_, dtype=int)] = found
    return whole


def combine(given: np.ndarray, weights: Sequence[float], stacker: Any = None) -> np.ndarray:
    """Answers of shape (members, rows[, kinds]) to one."""
    if stacker is None:
        return np.tensordot(np.asarray(weights) / np.sum(weights), given, axes=1)
    inputs = stacker_inputs(given)
    return np.asarray(stacker.predict_proba(inputs) if given.ndim == 3 else stacker.predict(inputs))


def stacker_inputs(given: np.ndarray) -> np.ndarray:
    """Log-odds of each member and class, shape (rows, members × (kinds or, of two, one)); values as they are."""
    if given.ndim == 2:
        return given.T
    clipped = np.clip(given[..., 1:] if given.shape[2] == 2 else given, 1e-5, 1 - 1e-5)
    return np.log(clipped / (1 - clipped)).transpose(1, 0, 2).reshape(given.shape[1], -1)
