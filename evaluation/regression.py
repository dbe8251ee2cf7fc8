"""Judges a model of numbers on data that it never saw: metrics with intervals, residuals, one page.

    python evaluation/regression.py --model DIR --train DIR --test DIR --output DIR --predictions DIR

Writes `evaluation.json` (the shape of SageMaker's ModelMetrics, `regression_metrics.<metric>.value` for a pipeline's
condition), PNGs, `report.html` and `report.pdf`, and for analyses of the model beside it `predictions.csv`: the test
set with the column `prediction`, and `lower` and `upper` of a model with intervals.

What the artifact's metadata.json says, the page shows: `scale` "log" (errors are relative: metrics of logarithms,
logarithmic axes), `unit` of the label, `interval` {"level": 0.95, "method": "…"} of its intervals, `groups` (columns
whose values are compared), `comparison` and `comparisons` of models (compared_models.py), `assumptions` of a linear
model (linear_assumptions.py), and `curves` to be measured here by refits on the train channel (learning_curves.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_report
import evaluation_job
import learning_curves
import model_artifact
import numpy as np
import pandas as pd
import permutation_importance
import regression_metrics as metrics
import regression_report


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with the records that it learnt from, for the curves; need not be there"""
    test: str = "/opt/ml/processing/input/test"
    """folder with CSV files (header, features, label as a number): is measured"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json, the PNGs and the report"""
    predictions: str = "/opt/ml/processing/output/predictions"
    """folder for predictions.csv"""
    resamples: int = 1000
    """bootstrap resamples behind each interval"""
    shuffles: int = 5
    """times that each feature is shuffled for its permutation importance"""
    seed: int = 0
    """of resamples and shuffles"""


@dataclass(frozen=True)
class Scored:
    """A data set with the model's answers."""

    table: pd.DataFrame  # the records, without the label
    answers: np.ndarray  # shape (rows,)
    found: dict[str, np.ndarray]  # prediction, perhaps lower and upper, of shape (rows,)


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        facts = artifact.metadata
        test = score(artifact, read(Path(args.test), facts["label"]), facts["label"])
        check_scale(test, facts)
        importance = shuffled(artifact, test, args.shuffles, args.seed)
        curves = measure_curves(artifact, Path(args.train))
    evaluation = evaluate(test, facts, args)
    evaluation["feature_importance"] = {"permutation": importance["mean"].round(6).to_dict()}
    if curves:
        evaluation["curves"] = curves
    report = regression_report.describe(evaluation, facts, test.table, test.answers, test.found, importance)
    evaluation_job.write(evaluation, report, analysis_report.figures(report), Path(args.output))
    write_predictions(test, facts["label"], Path(args.predictions))
    print(*(f"test:{name}={each['value']:.6f}" for name, each in evaluation["regression_metrics"].items()))
    print(report.verdict)


def read(folder: Path, label: str) -> pd.DataFrame:
    """All CSV files of the folder. Raises ValueError for a set that cannot be judged."""
    table = evaluation_job.read(folder, [label])
    if not pd.api.types.is_numeric_dtype(table[label]) or not np.isfinite(table[label]).all():
        raise ValueError(f"{folder}: column {label!r} must hold a number in each row.")
    if len(table) < 2:
        raise ValueError(f"{folder} holds {len(table)} records, and 2 are needed to say how good a model is.")
    return table


def score(artifact: model_artifact.Artifact, table: pd.DataFrame, label: str) -> Scored:
    records = table.drop(columns=label)
    found = artifact.predict(artifact.records(records))
    return Scored(records, table[label].to_numpy(float), {name: found[name].to_numpy(float) for name in found})


def check_scale(test: Scored, facts: Mapping[str, Any]) -> None:
    least = min(test.answers.min(), test.found["prediction"].min())
    if facts.get("scale") == "log" and least <= 0:
        raise ValueError(f"The model's scale is log, and {facts['label']} or its prediction goes down to {least:g}.")


def evaluate(test: Scored, facts: Mapping[str, Any], args: Args) -> dict[str, Any]:
    log, predicted = facts.get("scale") == "log", test.found["prediction"]
    features = facts.get("regressors", len(facts["features"]))
    found: dict[str, Any] = {
        "regression_metrics": metrics.with_intervals(test.answers, predicted, features, log, args.resamples, args.seed),
        "dataset": {
            "records": len(test.answers),
            "features": len(facts["features"]),
            "regressors": features,
            "mean": float(test.answers.mean()),
        },
        "model": {"label": facts["label"]},
    }
    if "lower" in test.found:
        level = facts.get("interval", {}).get("level", metrics.LEVEL)
        bounds = test.found["lower"], test.found["upper"]
        found["interval"] = metrics.coverage(test.answers, predicted, *bounds, level)
    return found


def shuffled(artifact: model_artifact.Artifact, test: Scored, shuffles: int, seed: int) -> pd.DataFrame:
    """Rise of the RMSE (on the model's scale) when a feature is shuffled: index features, columns `mean`, `deviation`.

    The estimator is asked itself: a handler would read all records anew each time, and calculate intervals that nobody
    looks at.
    """
    scale = np.log if artifact.metadata.get("scale") == "log" else np.asarray

    def error(predicted: np.ndarray) -> np.ndarray:
        wrong = scale(predicted.reshape(-1, len(test.answers))) - scale(test.answers)
        return np.sqrt((wrong**2).mean(axis=1))

    return permutation_importance.measure(
        typed(artifact, test.table),
        lambda records: error(np.asarray(artifact.model.estimator.predict(records), dtype=float)),
        error(test.found["prediction"])[0],
        shuffles,
        seed,
    )


def measure_curves(artifact: model_artifact.Artifact, train: Path) -> dict[str, Any]:
    """Of an estimator with intervals the curves are its `point_`: the same model without them."""
    plan = artifact.metadata.get("curves")
    if not plan or not train.exists():
        return {}
    label = artifact.metadata["label"]
    table = read(train, label)
    estimator = getattr(artifact.model.estimator, "point_", artifact.model.estimator)
    rows = typed(artifact, table.drop(columns=label))
    return learning_curves.curves(estimator, rows.assign(**{label: table[label].to_numpy(float)}), label, plan)


def typed(artifact: model_artifact.Artifact, table: pd.DataFrame) -> pd.DataFrame:
    """Records as the estimator takes them, by the handler's own reading."""
    found: pd.DataFrame = artifact.handler.table_of(artifact.records(table), artifact.model)
    return found


def write_predictions(scored: Scored, label: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scored.table.assign(**{label: scored.answers}, **scored.found).to_csv(folder / "predictions.csv", index=False)


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
