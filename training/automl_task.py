"""What AutoML is asked to do with a table: the kind of problem, the folds that all trials share, and the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from automl_blend import Tidy
from scipy.stats import rankdata
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

Score = Callable[[np.ndarray, np.ndarray], float]


def roc_auc(truth: np.ndarray, probability: np.ndarray) -> float:
    """By the ranks of the positives (Mann and Whitney): a blend asks for it thousands of times."""
    positive = truth == 1
    count = int(positive.sum())
    ranks = rankdata(probability)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(truth) - count)))


def log_likelihood(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean over records; what is stored in half the precision need not add up to 1 exactly."""
    own = found[np.arange(len(truth)), truth] / found.sum(axis=1)
    return float(np.log(np.clip(own, 1e-15, 1.0)).mean())


# Answers (codes or values) and predictions to a number, better if higher. A loss is negated: `shown` undoes it.
SCORES: dict[str, Score] = {
    "auc": lambda truth, found: roc_auc(truth, found[:, 1]),
    "aucpr": lambda truth, found: float(average_precision_score(truth, found[:, 1])),
    "logloss": log_likelihood,
    "mlogloss": log_likelihood,
    "accuracy": lambda truth, found: float(accuracy_score(truth, found.argmax(axis=1))),
    "balanced_accuracy": lambda truth, found: float(balanced_accuracy_score(truth, found.argmax(axis=1))),
    "f1": lambda truth, found: float(f1_score(truth, found.argmax(axis=1))),
    "f1_macro": lambda truth, found: float(f1_score(truth, found.argmax(axis=1), average="macro")),
    "rmse": lambda truth, found: -float(root_mean_squared_error(truth, found)),
    "mse": lambda truth, found: -float(mean_squared_error(truth, found)),
    "mae": lambda truth, found: -float(mean_absolute_error(truth, found)),
    "r2": lambda truth, found: float(r2_score(truth, found)),
}
LOSSES = ("logloss", "mlogloss", "rmse", "mse", "mae")
# By problem, the first one unless another is asked for.
METRICS = {
    "binary": ("auc", "aucpr", "logloss", "accuracy", "balanced_accuracy", "f1", "f1_macro"),
    "multiclass": ("mlogloss", "accuracy", "balanced_accuracy", "f1_macro"),
    "regression": ("rmse", "mse", "mae", "r2"),
}
# From so many rows on there are fewer folds; from the last on a single hold-out.
FOLDS = ((20_000, 5), (100_000, 3))
HOLD_OUT = 0.2
FEWEST_ROWS = 1000  # of a rung's training rows
HALVING = 3  # of a rung's trials one in so many goes on
SKEWED = 1.0  # from here on a target's logarithm is worth a try


@dataclass(frozen=True)
class Task:
    problem: str  # a key of METRICS
    metric: str
    tidy: Tidy
    table: pd.DataFrame  # tidy
    answers: np.ndarray  # codes 0, 1, … of the classes, or values
    classes: list[Any] | None  # in the order of the codes
    folds: list[tuple[np.ndarray, np.ndarray]]  # rows to learn from and to judge
    seed: int

    @property
    def kinds(self) -> int:
        return 0 if self.classes is None else len(self.classes)

    @property
    def categories(self) -> list[str]:
        return [name for name in self.table if self.table[name].dtype == object]

    @property
    def judged(self) -> np.ndarray:
        """The rows that some fold judges, all of them but for a hold-out; shape (rows,)."""
        return np.sort(np.concatenate([judge for _, judge in self.folds]))

    @property
    def logarithmic(self) -> bool:
        """Whether learning the logarithm of the target may help."""
        if self.classes is not None or self.answers.min() < 0:
            return False
        return bool(pd.Series(self.answers).skew() > SKEWED)

    @property
    def rungs(self) -> list[tuple[float, int]]:
        """Successive halving's resources: a share of a fold's training rows, and how many folds."""
        rows, shares = len(self.folds[0][0]), [1.0]
        while rows * shares[0] / HALVING >= FEWEST_ROWS:
            shares.insert(0, shares[0] / HALVING)
        found = [(share, 1) for share in shares]
        return [*found, (1.0, len(self.folds))] if len(self.folds) > 1 else found

    def score(self, predicted: np.ndarray, rows: np.ndarray) -> float:
        """Of predictions for all rows, by those of `rows`."""
        return SCORES[self.metric](self.answers[rows], predicted[rows])

    def shown(self, score: float) -> float:
        return -score if self.metric in LOSSES else score


def make(table: pd.DataFrame, label: str, problem: str, metric: str = "", seed: int = 0) -> Task:
    """From a table with its label; the same folds for the same rows and seed.

    Raises ValueError for a metric that is none of the problem's, and for a label that does not fit it.
    """
    metric = metric or METRICS[problem][0]
    if metric not in METRICS[problem]:
        raise ValueError(f"Metric {metric} is none for a {problem} problem. Use {', '.join(METRICS[problem])}.")
    if table[label].isna().any():
        raise ValueError(f"Column {label} has blanks. Give it the output of the processing script.")
    rows = table.drop(columns=label).reset_index(drop=True)
    tidy = Tidy().fit(rows)
    classes, answers = None, table[label].to_numpy()
    if problem == "regression":
        if not pd.api.types.is_numeric_dtype(table[label]):
            raise ValueError(f"Column {label} holds text: its problem is binary or multiclass, not regression.")
        answers = answers.astype("float64")
    else:
        classes, answers = coded(table[label], problem)
    return Task(problem, metric, tidy, tidy.transform(rows), answers, classes, folds(answers, problem, seed), seed)


def coded(label: pd.Series, problem: str) -> tuple[list[Any], np.ndarray]:
    classes = sorted(label.unique().tolist())
    if problem == "binary" and len(classes) != 2:
        raise ValueError(f"Column {label.name} has {len(classes)} classes: a binary problem has 2.")
    return classes, label.map({each: code for code, each in enumerate(classes)}).to_numpy(dtype=int)


def folds(answers: np.ndarray, problem: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    count = next((folds for rows, folds in FOLDS if len(answers) <= rows), 1)
    stratified = problem != "regression"
    if count == 1:
        hold_out = StratifiedShuffleSplit if stratified else ShuffleSplit
        return list(hold_out(1, test_size=HOLD_OUT, random_state=seed).split(answers, answers))
    if stratified:
        count = int(max(2, min(count, np.bincount(answers).min())))
    scheme = StratifiedKFold if stratified else KFold
    return list(scheme(count, shuffle=True, random_state=seed).split(answers, answers))
