"""Who survives? Logistic regression, random forest or gradient boosting over what a passenger's record says.

    python training/titanic.py --train DIR --validation DIR --model-dir DIR
    python training/titanic.py --train DIR --validation DIR --cross-validate 5     (measures, saves nothing)

A grid search by cross-validation inside the training records chooses model, settings and whether both classes weigh
alike. How good such a choice is, is measured by nested cross-validation over train and validation, for each kind of
model, and so are the ways to fill blanks. The artifact's metadata.json has both.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cross_validation
import estimator_artifact
import imputer_comparison
import joblib
import model_comparison
import numpy as np
import pandas as pd
import training_job
from balanced_classifier import BalancedClassifier
from imputers import imputer
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import MissingIndicator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits
from titanic_features import TEXTS, PassengerFeatures

LABEL = "Survived"
ID = "PassengerId"
BLANK = ["Name", "Age", "Ticket", "Fare", "Cabin", "Embarked"]  # what a passenger's record may leave blank
ALIKE = ("Title", "Pclass")  # passengers of one title and class are alike
HIDDEN = {"Age": "Age", "Fare": "Fare", "Cabin": "Deck", "Embarked": "Embarked"}  # raw column to feature
SCORING = {"roc_auc": "roc_auc", "accuracy": "accuracy"}
IMPUTERS = (
    *("mean", "median", "most_frequent", "constant", "group"),
    *("knn", "mice", "bayesian_ridge", "bayesian_pca", "model"),
)
# In the pipeline: where blanks are filled, and where is kept what was blank.
FILL, INDICATORS = "columns__filled__impute", "columns__blank"
RARE_CATEGORY = 5  # a category of fewer training records shares a column with the others and with those never seen


@dataclass(frozen=True)
class Family:
    """A kind of model: the classifier, its grid, and the setting over which its validation curve is drawn."""

    classifier: Any
    grid: dict[str, list[Any]]
    curve: tuple[str, list[Any], str]  # setting, values, scale


FAMILIES = {
    "logistic regression": Family(
        LogisticRegression(max_iter=2000),
        {"C": [0.1, 0.5, 2.0]},
        ("C", [0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 100.0], "log"),
    ),
    "random forest": Family(
        RandomForestClassifier(100, random_state=0, n_jobs=1),
        {"min_samples_leaf": [2, 4], "max_features": [0.3, 0.6]},
        ("min_samples_leaf", [1, 2, 4, 8, 16, 32, 64], "log"),
    ),
    "gradient boosting": Family(
        HistGradientBoostingClassifier(max_iter=150, random_state=0),
        {"learning_rate": [0.05], "max_leaf_nodes": [4, 8], "l2_regularization": [5.0]},
        ("learning_rate", [0.003, 0.01, 0.03, 0.1, 0.3, 1.0], "log"),
    ),
}


@dataclass
class Args:
    train: str = "/opt/ml/input/data/train"
    """folder with CSV files (header, raw features, label as 0 or 1)"""
    validation: str = "/opt/ml/input/data/validation"
    """the same: more records for the comparisons, which the served model does not learn from"""
    model_dir: str = "/opt/ml/model"
    """folder for the artifact"""
    imputer: str = "group"
    """how the served model fills blanks: a name of imputers.py"""
    folds: int = 5
    """of every cross-validation"""
    families: str = ",".join(FAMILIES)
    """kinds of model to choose among"""
    imputers: str = ",".join(IMPUTERS)
    """ways to fill blanks to compare"""
    cross_validate: int = 0
    """folds to measure the whole procedure with, instead of training a model"""
    seed: int = 0
    """of folds and draws"""
    jobs: int = os.cpu_count() or 1
    """processes at a time; results do not depend on it"""


@threadpool_limits.wrap(limits=1)  # of matrices this small, threads cost more than they bring
def main(args: Args) -> None:
    train, validation = (training_job.read_channel(Path(each), LABEL, TEXTS) for each in (args.train, args.validation))
    rows, answers = divide(pd.concat([train, validation], ignore_index=True))
    parallel = joblib.parallel_config("loky", n_jobs=args.jobs, inner_max_num_threads=1)
    # Candidates that differ in the classifier alone share what comes before it, through the cache.
    with tempfile.TemporaryDirectory() as cache, parallel:
        if args.cross_validate:
            measure(rows, answers, args, cache)
            return
        search = choose(families(args), args, cache).fit(*divide(train))
        settings, rivals = readable(search.best_params_), best_of_each(search, train, args)
        model = rivals[settings["model"]]
        print(f"Chosen: {settings['model']}, {settings}; search:roc_auc={search.best_score_:.4f}", flush=True)
        comparison = compare_models(rows, answers, args, cache)
        filled = compare_imputers(model, rows, answers, args, cache)
    family = FAMILIES[settings["model"]]
    setting, values, scale = family.curve
    estimator_artifact.save(
        Path(args.model_dir),
        model,
        rows,
        problem="binary",
        label=LABEL,
        modules=["titanic_features.py", "imputers.py", "balanced_classifier.py"],
        blank=BLANK,
        optional=[ID],
        rivals=rivals,
        chosen=settings["model"],
        # A wrong label costs the same either way and the probabilities are true, so one half (Elkan 2001): which was
        # the cheapest for 143 records of validation would be chance.
        threshold=0.5,
        threshold_by="costs",
        costs={"action": 1.0, "miss": 2.0},
        settings=settings,
        comparison=comparison,
        imputers=filled,
        curves={
            "scoring": "roc_auc",
            "folds": args.folds,
            "parameter": f"classify__classifier__{setting}",
            "values": values,
            "scale": scale,
        },
    )


def divide(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return table.drop(columns=[LABEL, ID], errors="ignore"), table[LABEL]


def families(args: Args) -> list[str]:
    """Raises ValueError for an unknown one."""
    chosen = args.families.split(",")
    if unknown := [name for name in chosen if name not in FAMILIES]:
        raise ValueError(f"Model {', '.join(unknown)} is unknown. Use {', '.join(FAMILIES)}.")
    return chosen


def pipeline(classifier: Any, fill: Any, cache: str | None = None) -> Pipeline:
    """Raw records in. Blanks are filled and the table encoded; beside it stands what had been blank.

    `cache` is a folder that keeps what the steps before the classifier learnt from a table.
    """
    numbers = make_column_selector(dtype_include="number")  # type: ignore[no-untyped-call]
    others = make_column_selector(dtype_exclude="number")  # type: ignore[no-untyped-call]
    encode = ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            (
                "categories",
                OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE_CATEGORY, sparse_output=False),
                others,
            ),
        ]
    )
    columns = FeatureUnion([("filled", Pipeline([("impute", fill), ("encode", encode)])), ("blank", indicators())])
    return Pipeline(
        [("features", PassengerFeatures()), ("columns", columns), ("classify", BalancedClassifier(classifier))],
        memory=cache,
    )


def indicators() -> ColumnTransformer:
    return ColumnTransformer([("was_blank", MissingIndicator(features="all"), ["Age", "Deck"])])


def choose(names: list[str], args: Args, cache: str) -> GridSearchCV:
    grid = [
        {
            "classify__classifier": [FAMILIES[name].classifier],
            "classify__balance": [False, True],
            **{f"classify__classifier__{each}": values for each, values in FAMILIES[name].grid.items()},
        }
        for name in names
    ]
    start = pipeline(FAMILIES[names[0]].classifier, imputer(args.imputer, ALIKE, args.seed), cache)
    splitter = cross_validation.scheme("stratified", folds=args.folds, seed=args.seed)
    return GridSearchCV(start, grid, scoring="roc_auc", cv=splitter, error_score="raise")


def best_of_each(search: GridSearchCV, train: pd.DataFrame, args: Args) -> dict[str, Pipeline]:
    """The best of each kind of model that was tried, fitted to all of the training records."""
    order = np.argsort(search.cv_results_["rank_test_score"], kind="stable")
    best = dict[str, dict[str, Any]]()
    for parameters in (search.cv_results_["params"][place] for place in order):
        best.setdefault(readable(parameters)["model"], parameters)
    fresh = pipeline(None, imputer(args.imputer, ALIKE, args.seed))
    return {name: clone(fresh).set_params(**each).fit(*divide(train)) for name, each in best.items()}


def readable(parameters: dict[str, Any]) -> dict[str, Any]:
    """What a search chose, by short names."""
    kind = type(parameters["classify__classifier"])
    (name,) = (name for name, family in FAMILIES.items() if type(family.classifier) is kind)
    rest = {key.rsplit("__", 1)[1]: value for key, value in parameters.items() if key != "classify__classifier"}
    return {"model": name, **rest}


def compare_models(rows: pd.DataFrame, answers: pd.Series, args: Args, cache: str) -> dict[str, Any]:
    """Each kind of model by nested cross-validation, and as the least that a model must beat: women survive."""
    splitter = cross_validation.scheme("stratified", folds=args.folds, seed=args.seed)
    women = Pipeline(
        [
            ("sex", ColumnTransformer([("sex", OneHotEncoder(handle_unknown="ignore"), ["Sex"])])),
            ("classify", LogisticRegression()),
        ]
    )
    found = {"sex alone": cross_validation.scores(women, rows, answers, SCORING, splitter)}
    for name in families(args):
        found[name] = cross_validation.nested(choose([name], args, cache), rows, answers, SCORING, splitter)
        means = " ".join(f"{metric}={found[name][metric].mean():.4f}" for metric in SCORING)
        print(f"nested cross-validation of {name}: {means}", flush=True)
    sizes = cross_validation.sizes(splitter, rows, answers)
    comparison = model_comparison.compare(
        {name: each["roc_auc"].to_numpy() for name, each in found.items()}, "ROC-AUC", *sizes
    )
    print(model_comparison.readable(comparison), flush=True)
    return comparison


def compare_imputers(model: Pipeline, rows: pd.DataFrame, answers: pd.Series, args: Args, cache: str) -> dict[str, Any]:
    """The chosen model with each way to fill blanks, without and with indicators of what was blank."""
    splitter = cross_validation.scheme("stratified", folds=args.folds, seed=args.seed)
    fills = {name: imputer(name, ALIKE, args.seed) for name in args.imputers.split(",")}
    variants = {name: {FILL: fill, INDICATORS: "drop"} for name, fill in fills.items()}
    variants |= {f"{name} + indicators": {FILL: fill, INDICATORS: indicators()} for name, fill in fills.items()}
    remembering = clone(model).set_params(columns__filled__memory=cache)
    judged = imputer_comparison.downstream(remembering, variants, rows, answers, splitter)
    print(model_comparison.readable(judged), flush=True)
    features = PassengerFeatures()
    hidden = imputer_comparison.hidden_values(fills, features, rows, HIDDEN, order="Ticket", seed=args.seed)
    blank = features.fit_transform(rows).isna().mean()
    return {
        "served": f"{args.imputer} + indicators",
        "model": judged,
        "hidden_values": hidden,
        "blank": blank[blank > 0].to_dict(),
        "order": "Ticket",
    }


def measure(rows: pd.DataFrame, answers: pd.Series, args: Args, cache: str) -> None:
    """The whole procedure, search included, by nested cross-validation."""
    splitter = cross_validation.scheme("stratified", folds=args.cross_validate, seed=args.seed)
    found = cross_validation.nested(choose(families(args), args, cache), rows, answers, SCORING, splitter)
    for number, fold in found.iterrows():
        print(f"fold {number}:", *(f"{each}={fold[each]:.4f}" for each in SCORING), readable(fold["parameters"]))
    print(f"cv:roc_auc={found['roc_auc'].mean():.4f} cv:accuracy={found['accuracy'].mean():.4f}")


def parse(argv: list[str] | None = None) -> Args:
    return training_job.parse(Args, __doc__, argv, imputer=IMPUTERS)


if __name__ == "__main__":
    training_job.run(lambda: main(parse()))
