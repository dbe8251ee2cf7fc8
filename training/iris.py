"""Which species is this iris? One of four classifiers, each behind a standardisation of its four measurements.

    python training/iris.py --train DIR --model-dir DIR [--model svm --C 10]

A tuning job runs this script with other values of `model` and of the model's own hyperparameters, and keeps the run of
the highest `cv:accuracy`. That is measured inside the training set, by stratified cross-validation: five folds, twice
over. The model that is saved then learns from all of the training set.

Beside its own model each run measures the other three with their default settings, by the same folds: the artifact has
the comparison as a fact, and the four models in rivals.joblib, for the evaluation's pictures.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cross_validation
import estimator_artifact
import model_comparison
import pandas as pd
import training_job
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

LABEL = "species"
MODELS = ("logistic_regression", "decision_tree", "knn", "svm")


@dataclass
class Args:
    train: str = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    """folder with CSV files: measurements and the species"""
    model_dir: str = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
    """where the artifact goes"""
    model: str = "logistic_regression"
    """which classifier to train, one of MODELS"""
    C: float = 1.0
    """inverse strength of the penalty, of logistic_regression and svm: the higher, the more flexible"""
    max_depth: int = 3
    """of the decision_tree"""
    n_neighbors: int = 5
    """whose majority decides, of knn"""
    folds: int = 5
    """of the cross-validation"""
    repeats: int = 2
    """of the cross-validation, each with other folds"""
    seed: int = 0
    """of folds, and of the decision tree's ties"""


def main(args: Args) -> None:
    table = training_job.read_channel(Path(args.train), LABEL)
    rows, species = table.drop(columns=LABEL), table[LABEL]
    candidates = {name: estimator(name, args if name == args.model else Args(seed=args.seed)) for name in MODELS}
    comparison = compare(candidates, rows, species, args)
    fitted = {name: each.fit(rows, species) for name, each in candidates.items()}
    (own,) = (each for each in comparison["models"] if each["name"] == args.model)
    estimator_artifact.save(
        Path(args.model_dir),
        fitted[args.model],
        rows,
        problem="multiclass",
        label=LABEL,
        rivals=fitted,
        chosen=args.model,
        comparison=comparison,
        curves=curves(args.model),
        limits=estimator_artifact.limits(rows),
        boundaries=[["petal_length", "petal_width"]],
        validation={"accuracy": own["mean"], "deviation": own["deviation"]},
        hyperparameters={name: value for name, value in asdict(args).items() if name not in ("train", "model_dir")},
    )
    print(model_comparison.readable(comparison))
    print(f"cv:accuracy={own['mean']:.6f}")


def estimator(name: str, args: Args) -> Pipeline:
    """The classifier of that name behind a standardisation: a neighbour is as near in millimetres as in inches."""
    classifiers: dict[str, Any] = {
        "logistic_regression": LogisticRegression(C=args.C, max_iter=1000),
        "decision_tree": DecisionTreeClassifier(max_depth=args.max_depth, random_state=args.seed),
        "knn": KNeighborsClassifier(n_neighbors=args.n_neighbors),
        # A support vector machine knows distances and no probabilities: Platt's scaling makes those of them.
        "svm": CalibratedClassifierCV(SVC(C=args.C), ensemble=False),
    }
    return Pipeline([("scale", StandardScaler()), ("classify", classifiers[name])])


def compare(candidates: dict[str, Pipeline], rows: pd.DataFrame, species: pd.Series, args: Args) -> dict[str, Any]:
    """Accuracy of each candidate over the same folds, best first."""
    splitter = cross_validation.scheme("repeated_stratified", folds=args.folds, repeats=args.repeats, seed=args.seed)
    scores = {
        name: cross_validation.scores(each, rows, species, {"accuracy": "accuracy"}, splitter)["accuracy"].to_numpy()
        for name, each in candidates.items()
    }
    return model_comparison.compare(scores, "accuracy", *cross_validation.sizes(splitter, rows, species))


def curves(name: str) -> dict[str, Any]:
    """What the evaluation varies to show the model between too rigid and too flexible."""
    strengths = {"values": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0], "scale": "log"}
    varied: dict[str, dict[str, Any]] = {
        "logistic_regression": {"parameter": "classify__C", **strengths},
        "decision_tree": {"parameter": "classify__max_depth", "values": [1, 2, 3, 4, 5, 6]},
        "knn": {"parameter": "classify__n_neighbors", "values": [1, 3, 5, 9, 15, 25, 40, 60]},
        "svm": {"parameter": "classify__estimator__C", **strengths},
    }
    return {"scoring": "accuracy", "folds": 5, **varied[name]}


def parse(argv: list[str] | None = None) -> Args:
    return training_job.parse(Args, __doc__, argv, model=MODELS)


if __name__ == "__main__":
    training_job.run(lambda: main(parse()))
