"""Schemes divide records as they promise, and scores are scikit-learn's."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import cross_validation


def records(rows: int = 40) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Rows, answers of which a quarter is 1, and ten groups."""
    random = np.random.default_rng(0)
    answers = pd.Series(np.arange(rows) % 4 == 0).astype(int)
    return pd.DataFrame({"x": random.normal(size=rows) + answers}), answers, pd.Series(np.arange(rows) // 4)


def parts(name: str, **options: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    rows, answers, groups = records()
    splitter = cross_validation.scheme(name, **options)
    return list(splitter.split(rows, answers, groups if name in cross_validation.GROUPED else None))


@pytest.mark.parametrize("name", ["kfold", "stratified", "grouped", "stratified_grouped"])
def test_each_record_is_judged_once(name: str) -> None:
    judged = np.concatenate([judge for _, judge in parts(name)])
    assert sorted(judged) == list(range(40))
    assert all(not set(learn) & set(judge) for learn, judge in parts(name))


def test_stratified_folds_have_the_classes_in_proportion() -> None:
    answers = records()[1]
    assert [int(answers[judge].sum()) for _, judge in parts("stratified")] == [2] * 5


@pytest.mark.parametrize("name", ["grouped", "stratified_grouped"])
def test_no_group_is_on_both_sides(name: str) -> None:
    groups = records()[2]
    assert all(not set(groups[learn]) & set(groups[judge]) for learn, judge in parts(name))


def test_time_series_learn_from_the_past_alone() -> None:
    assert all(max(learn) < min(judge) for learn, judge in parts("time_series"))


def test_leave_p_out_judges_every_choice() -> None:
    assert len(parts("leave_p_out", p=2)) == math.comb(40, 2)
    assert len(parts("leave_one_out")) == 40


def test_repeats_have_other_folds() -> None:
    found = parts("repeated_stratified", folds=5, repeats=3)
    assert len(found) == 15
    assert len({tuple(judge) for _, judge in found}) == 15


def test_the_seed_decides_the_folds() -> None:
    one, same, other = (parts("kfold", seed=seed)[0][1].tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_an_unknown_scheme_and_repeats_of_one_that_has_none_are_clear() -> None:
    with pytest.raises(ValueError, match="scheme 'bootstrap' is unknown. Use kfold, stratified"):
        cross_validation.scheme("bootstrap")
    with pytest.raises(ValueError, match="'kfold' has no repeats, and 3 were asked for"):
        cross_validation.scheme("kfold", repeats=3)


def test_scores_are_those_of_scikit_learn() -> None:
    rows, answers, _ = records()
    splitter = cross_validation.scheme("stratified", folds=4, seed=3)
    scoring = {"accuracy": "accuracy", "auc": "roc_auc"}
    found = cross_validation.scores(LogisticRegression(), rows, answers, scoring, splitter)
    assert list(found.columns) == list(scoring)
    for name, scorer in scoring.items():
        expected = cross_val_score(LogisticRegression(), rows, answers, scoring=scorer, cv=splitter)
        assert found[name].to_numpy() == pytest.approx(expected)


def test_scores_of_groups_and_a_fit_that_fails() -> None:
    rows, answers, groups = records()
    splitter = cross_validation.scheme("grouped", folds=5)
    assert len(cross_validation.scores(DummyClassifier(), rows, answers, {"a": "accuracy"}, splitter, groups)) == 5
    with pytest.raises(ValueError, match="NaN"):
        broken = rows.assign(x=np.nan)
        cross_validation.scores(LogisticRegression(), broken, answers, {"a": "accuracy"}, splitter, groups)


def test_nested_chooses_without_the_judged_fold() -> None:
    rows, answers, _ = records()
    splitter = cross_validation.scheme("stratified", folds=4)
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0, 100.0]}, cv=3)
    found = cross_validation.nested(search, rows, answers, {"accuracy": "accuracy"}, splitter)
    assert list(found.columns) == ["accuracy", "parameters"]
    for (learn, judge), (_, score) in zip(splitter.split(rows, answers), found.iterrows(), strict=True):
        search.fit(rows.iloc[learn], answers.iloc[learn])
        assert score["parameters"] == search.best_params_
        assert score["accuracy"] == accuracy_score(answers.iloc[judge], search.predict(rows.iloc[judge]))


def test_sizes_are_the_folds_means() -> None:
    rows, answers, _ = records()
    assert cross_validation.sizes(cross_validation.scheme("kfold", folds=4), rows, answers) == (30, 10)
