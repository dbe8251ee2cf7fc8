"""Curves are scikit-learn's own, of the model as it was set, and say in words what they show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold, learning_curve, validation_curve
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import learning_curves
from learning_curves import curves, figures, refittable, sections

PLAN = {"scoring": "accuracy", "folds": 3, "parameter": "max_depth", "values": [1, 3, 9]}


def table(rows: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2))
    answers = (x[:, 0] + 0.8 * random.normal(size=rows) > 0).astype(int)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": answers})


def fitted(estimator: Any) -> Any:
    return estimator.fit(table()[["a", "b"]], table()["y"])


def test_the_curves_are_scikit_learns() -> None:
    model = fitted(DecisionTreeClassifier(max_depth=3, random_state=0))
    found = curves(model, table(), "y", PLAN)
    folds = StratifiedKFold(3, shuffle=True, random_state=learning_curves.SEED)
    common: dict[str, Any] = {"scoring": "accuracy", "cv": folds}
    rows, answers = table()[["a", "b"]], table()["y"]
    sizes, _, test = learning_curve(
        model,
        rows,
        answers,
        train_sizes=learning_curves.SIZES,
        shuffle=True,
        random_state=learning_curves.SEED,
        **common,
    )
    assert found["learning"]["rows"] == sizes.tolist()
    assert found["learning"]["test"] == pytest.approx(test.mean(axis=1).tolist())
    train, test = validation_curve(model, rows, answers, param_name="max_depth", param_range=[1, 3, 9], **common)
    assert found["validation"]["train"] == pytest.approx(train.mean(axis=1).tolist())
    assert found["validation"]["test_deviation"] == pytest.approx(test.std(axis=1).tolist())
    assert found["validation"]["chosen"] == 3
    assert json.loads(json.dumps(found)) == found


def test_words_and_pictures() -> None:
    found = curves(fitted(DecisionTreeClassifier(max_depth=9, random_state=0)), table(), "y", PLAN)
    learning, validation = sections(found)
    assert "variance" in learning.note and "3 folds" in learning.note  # type: ignore[union-attr]
    assert "this model has 9" in validation.note and "furthest apart on the right" in validation.note  # type: ignore[union-attr]
    drawn = figures(found)
    assert list(drawn) == ["learning_curve", "validation_curve"]
    assert drawn["validation_curve"].axes[0].get_xlabel() == "max_depth"


def test_values_that_are_no_numbers_have_names_on_the_axis() -> None:
    plan = {"scoring": "accuracy", "folds": 3, "parameter": "criterion", "values": ["gini", "entropy"]}
    found = curves(fitted(DecisionTreeClassifier(max_depth=2, random_state=0)), table(), "y", plan)
    axes = figures(found)["validation_curve"].axes[0]
    assert [each.get_text() for each in axes.get_xticklabels()] == ["gini", "entropy"]
    assert found["validation"]["chosen"] == "gini"


def test_places_with_too_few_records_are_left_out() -> None:
    model = fitted(KNeighborsClassifier(n_neighbors=30))
    found = curves(model, table(), "y", {"scoring": "accuracy", "folds": 3})
    assert found["learning"]["rows"] == [40, 60, 80]  # not 8 and 20
    assert list(figures(found)) == ["learning_curve"]
    never = KNeighborsClassifier(n_neighbors=100)
    with pytest.raises(ValueError, match="n_neighbors"):
        curves(never, table(), "y", {"scoring": "accuracy", "folds": 3})


def test_a_model_that_takes_long_is_fitted_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_curves, "BUDGET", 0.0)
    plan = {**PLAN, "folds": 5, "values": [1, 2, 3, 5, 9]}
    found = curves(fitted(DecisionTreeClassifier(max_depth=3, random_state=0)), table(), "y", plan)
    assert found["folds"] == 3
    assert found["learning"]["rows"] == [20, 40, 80]
    assert found["validation"]["values"] == [1, 3, 9]
    assert "fewer folds" in sections(found)[0].note  # type: ignore[union-attr]


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ValueError, match="parameter 'depth' is none of the model's"):
        curves(fitted(DecisionTreeClassifier()), table(), "y", {**PLAN, "parameter": "depth"})


def test_a_regression_is_judged_by_its_error() -> None:
    answered = table().assign(y=lambda each: 3.0 * each["a"])
    model = Ridge().fit(answered[["a", "b"]], answered["y"])
    plan = {
        "scoring": "neg_root_mean_squared_error", "folds": 3, "parameter": "alpha", "values": [0.1, 1e3], "scale": "log"
    }  # fmt: skip
    found = curves(model, answered, "y", plan)
    assert found["validation"]["test"][0] > found["validation"]["test"][1]
    assert "− root mean squared error" in figures(found)["learning_curve"].axes[0].get_ylabel()


def boosted(rising: int) -> tuple[Pipeline, pd.DataFrame]:
    """As the use cases' trees: stopped early, with a constraint for each encoded column; one category is rare."""
    data = table(200)
    data.insert(0, "plan", np.where(np.arange(200) == 0, "rare", np.where(data["b"] > 0, "good", "bad")))
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = ColumnTransformer(
        [("category", one_hot, ["plan"])], remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    encoded = encode.fit_transform(data.drop(columns="y"))
    constraints = tuple({"a": rising}.get(name, 0) for name in encoded.columns)
    classify = xgboost.XGBClassifier(
        n_estimators=300, early_stopping_rounds=3, monotone_constraints=constraints, n_jobs=1
    )
    classify.fit(encoded, data["y"], eval_set=[(encoded[:50], data["y"][:50])], verbose=False)
    return Pipeline([("encode", encode), ("classify", classify)]), data


@pytest.mark.parametrize("rising", [0, 1])
def test_boosted_trees_are_fitted_anew_without_a_validation_set(rising: int) -> None:
    model, data = boosted(rising)
    again = refittable(model)
    settings = again.get_params()
    assert settings["classify__n_estimators"] == model[-1].best_iteration + 1
    assert settings["classify__early_stopping_rounds"] is None
    without = data[
        data["plan"] != "rare"
    ]  # a fold without a category still has its column, and the constraint its place
    again.fit(without.drop(columns="y"), without["y"])
    assert list(again[:-1].transform(without.drop(columns="y"))) == list(model[:-1].transform(data.drop(columns="y")))
    found = curves(
        model, data, "y", {"scoring": "roc_auc", "folds": 2, "parameter": "classify__max_depth", "values": [1, 6]}
    )
    assert found["validation"]["train"][1] > found["validation"]["train"][0]
    assert model[-1].early_stopping_rounds == 3  # the artifact's own stays as it is
