"""Cross-validation: how well a model does on records that it has not learnt from, measured several times over.

Which scheme is right depends on how the records hang together:

| scheme | for |
|---|---|
| `kfold`, `stratified` | records that know nothing of each other; stratified keeps the classes in proportion |
| `repeated`, `repeated_stratified` | the same, `repeats` times with other folds: steadier means, to compare models |
| `grouped`, `stratified_grouped` | several records of one customer, machine or day: all of a group are in one fold |
| `time_series` | records in order of time: a model only ever learns from those before the judged ones |
| `leave_p_out`, `leave_one_out` | a few dozen records: every choice of `p` of them is judged once |

A model that was itself chosen by cross-validation is measured by `nested`: the choice is made anew inside each fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    LeavePOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_validate,
)

# Of folds, repeats, seed and p, a scheme takes what it knows.
SCHEMES: dict[str, Callable[[int, int, int, int], Any]] = {
    "kfold": lambda folds, repeats, seed, p: KFold(folds, shuffle=True, random_state=seed),
    "stratified": lambda folds, repeats, seed, p: StratifiedKFold(folds, shuffle=True, random_state=seed),
    "repeated": lambda folds, repeats, seed, p: RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=seed),
    "repeated_stratified": lambda folds, repeats, seed, p: RepeatedStratifiedKFold(
        n_splits=folds, n_repeats=repeats, random_state=seed
    ),
    "grouped": lambda folds, repeats, seed, p: GroupKFold(folds, shuffle=True, random_state=seed),
    "stratified_grouped": lambda folds, repeats, seed, p: StratifiedGroupKFold(folds, shuffle=True, random_state=seed),
    "time_series": lambda folds, repeats, seed, p: TimeSeriesSplit(folds),
    "leave_p_out": lambda folds, repeats, seed, p: LeavePOut(p),
    "leave_one_out": lambda folds, repeats, seed, p: LeaveOneOut(),
}
REPEATED = ("repeated", "repeated_stratified")
GROUPED = ("grouped", "stratified_grouped")


def scheme(name: str, *, folds: int = 5, repeats: int = 1, seed: int = 0, p: int = 2) -> Any:
    """A scikit-learn splitter. Folds are shuffled by the seed, but for time series, which keep their order.

    Raises ValueError naming the known schemes, or for repeats of a scheme that has none.
    """
    if name not in SCHEMES:
        raise ValueError(f"Cross-validation scheme {name!r} is unknown. Use {', '.join(SCHEMES)}.")
    if repeats > 1 and name not in REPEATED:
        raise ValueError(f"Scheme {name!r} has no repeats, and {repeats} were asked for. Use {' or '.join(REPEATED)}.")
    return SCHEMES[name](folds, repeats, seed, p)


def scores(
    estimator: Any,
    rows: pd.DataFrame,
    answers: pd.Series,
    scoring: Mapping[str, str],
    splitter: Any,
    groups: pd.Series | None = None,
) -> pd.DataFrame:
    """A row a fold, a column a metric; a clone of the estimator is fitted for each fold.

    `scoring` maps names of metrics to scikit-learn's scorers, which are higher for better models (`neg_` for losses). A
    score that a fold does not define, as the ROC-AUC of a single record, is NaN. Raises what a fit raises, and
    ValueError where the splitter needs groups and has none.
    """
    found = cross_validate(
        estimator, rows, answers, scoring=dict(scoring), cv=splitter, groups=groups, error_score="raise"
    )
    return pd.DataFrame({name: found[f"test_{name}"] for name in scoring})


def nested(
    search: Any, rows: pd.DataFrame, answers: pd.Series, scoring: Mapping[str, str], splitter: Any
) -> pd.DataFrame:
    """As `scores`, of a search such as GridSearchCV, with the column `parameters`: what it chose in each fold.

    The search divides only the fold's training records, so no judged record has had a say in the choice (Varma and
    Simon, "Bias in error estimation when using cross-validation for model selection", 2006).
    """
    found = cross_validate(
        search, rows, answers, scoring=dict(scoring), cv=splitter, error_score="raise", return_estimator=True
    )
    table = pd.DataFrame({name: found[f"test_{name}"] for name in scoring})
    return table.assign(parameters=[each.best_params_ for each in found["estimator"]])


def sizes(splitter: Any, rows: pd.DataFrame, answers: pd.Series, groups: pd.Series | None = None) -> tuple[int, int]:
    """Records that a fold learns from and that it judges, means over the folds: `model_comparison.py` needs both."""
    parts = [(len(learn), len(judge)) for learn, judge in splitter.split(rows, answers, groups)]
    train_rows, test_rows = np.mean(parts, axis=0).round().astype(int).tolist()
    return train_rows, test_rows
