"""Judges a classifier of several classes on data that it never saw: numbers with intervals, plots, one page.

    python evaluation/multiclass.py --model DIR --train DIR --test DIR --output DIR --predictions DIR

Writes `evaluation.json` (the shape of SageMaker's ModelMetrics, for a pipeline's condition
`multiclass_classification_metrics.<metric>.value`), PNGs, `report.html` and `report.pdf`, and for analyses of the model
beside it `predictions.csv`: the test set with the columns `predicted_label`, as an endpoint would answer, and
`probability`.

What the artifact's metadata.json says, the page shows: `comparison` of models that were cross-validated
(compared_models.py), `boundaries` to be drawn over pairs of features (decision_boundaries.py), and `curves` to be
measured here by refits on the train channel (learning_curves.py). Models in `rivals.joblib`, that this one was chosen
among, are judged on the same test records, and each difference by a paired bootstrap.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compared_models
import evaluation_job
import learning_curves
import model_artifact
import multiclass_metrics as metrics
import multiclass_report
import numpy as np
import pandas as pd
import permutation_importance
from decision_boundaries import Records
from multiclass_report import Judged


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with the records that it learnt from, for the curves; need not be there"""
    test: str = "/opt/ml/processing/input/test"
    """folder with CSV files (header, features, label): is measured"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json, the PNGs and the report"""
    predictions: str = "/opt/ml/processing/output/predictions"
    """folder for predictions.csv"""
    resamples: int = 1000
    """bootstrap resamples behind each interval"""
    shuffles: int = 20
    """times that each feature is shuffled for its permutation importance"""
    seed: int = 0
    """of resamples and shuffles"""


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        facts = artifact.metadata
        label = facts["label"]
        test, train = read(Path(args.test), label), learnt(Path(args.train), label)
        judged = judge(artifact, test, label)
        evaluation = evaluate(judged, args)
        evaluation["feature_importance"] = {"permutation": shuffled(artifact, judged, args)}
        evaluation["rivals"] = against_rivals(artifact.rivals(), facts.get("chosen", ""), judged, args)
        if facts.get("curves") and len(train):
            evaluation["curves"] = learning_curves.curves(artifact.estimator(), train, label, facts["curves"])
        records = Records(judged.table, judged.answers, train.drop(columns=label), train[label].to_numpy())
        models = artifact.rivals() or {"this model": artifact.estimator()}
        drawn = multiclass_report.figures(evaluation, facts, models, records, judged)
    report = multiclass_report.describe(evaluation, facts, judged, drawn)
    evaluation_job.write(evaluation, report, drawn, Path(args.output))
    write_predictions(judged, label, Path(args.predictions))
    summary = evaluation["multiclass_classification_metrics"]
    print(*(f"test:{name}={summary[name]['value']:.6f}" for name in ("accuracy", "macro_f1", "log_loss")))
    print(report.verdict)


def read(folder: Path, label: str) -> pd.DataFrame:
    """All CSV files of the folder, classes as text. Raises ValueError for a set that cannot be judged."""
    table = evaluation_job.read(folder, texts=[label])
    if label not in table or table[label].isna().any():
        raise ValueError(
            f"{folder} needs a column {label!r} with a class in each row, and has {', '.join(table.columns)}."
        )
    return table


def learnt(folder: Path, label: str) -> pd.DataFrame:
    """The training records, or none where the folder isn't there."""
    return read(folder, label) if folder.is_dir() else pd.DataFrame({label: []})


def judge(artifact: model_artifact.Artifact, table: pd.DataFrame, label: str) -> Judged:
    """Raises ValueError for a class that the model doesn't know."""
    rows = table.drop(columns=label)
    found = artifact.predict(artifact.records(rows))
    probability = pd.DataFrame(list(found["probabilities"]))
    probability.columns = probability.columns.map(str)
    classes = list(probability.columns)
    if unknown := sorted(set(table[label]) - set(classes)):
        raise ValueError(
            f"The test set has {label} {', '.join(unknown)}, and the model knows {', '.join(classes)} only."
        )
    return Judged(rows, table[label].to_numpy(str), found["label"].to_numpy(str), probability.to_numpy(), classes)


def evaluate(judged: Judged, args: Args) -> dict[str, Any]:
    codes = {name: place for place, name in enumerate(judged.classes)}
    truth, predicted = (np.array([codes[each] for each in part]) for part in (judged.answers, judged.labels))
    losses = metrics.log_losses(truth, judged.probability)
    counts, drawn = metrics.resample(truth, predicted, losses, len(codes), args.resamples, args.seed)
    each = metrics.by_class(counts)
    return {
        "multiclass_classification_metrics": {
            **{name: metrics.described(values) for name, values in metrics.overall(counts, drawn).items()},
            "confusion_matrix": metrics.confusion(counts[0], judged.classes),
        },
        "classes": {
            name: {
                "records": int((truth == place).sum()),
                **{metric: metrics.described(values[:, place]) for metric, values in each.items()},
            }
            for name, place in codes.items()
        },
        "dataset": {"records": len(truth)},
    }


def shuffled(artifact: model_artifact.Artifact, judged: Judged, args: Args) -> dict[str, Any]:
    """Loss of accuracy when one feature is shuffled: its mean and deviation by feature, most important first."""

    def loss(records: pd.DataFrame) -> np.ndarray:
        labels = artifact.predict(records)["label"].to_numpy(str).reshape(args.shuffles, -1)
        return -(labels == judged.answers).mean(axis=1)

    before = -right(judged.answers, judged.labels)
    records = artifact.records(judged.table)
    found = permutation_importance.measure(records, loss, before, args.shuffles, args.seed)
    return dict(found.round(6).to_dict("index"))


def against_rivals(rivals: dict[str, Any], chosen: str, judged: Judged, args: Args) -> dict[str, Any]:
    """Each rival's accuracy on test, and this model's lead with its paired bootstrap; the chosen one is no rival."""
    found = {}
    for name, rival in rivals.items():
        if name != chosen:
            labels = np.asarray(rival.predict(judged.table)).astype(str)
            accuracy = float((labels == judged.answers).mean())
            lead = compared_models.paired_bootstrap(
                judged.answers, judged.labels, labels, right, args.resamples, args.seed
            )
            found[name] = {"accuracy": accuracy, "lead": lead}
    return found


def right(answers: np.ndarray, labels: np.ndarray) -> float:
    return float((answers == labels).mean())


def write_predictions(judged: Judged, label: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = {label: judged.answers, "predicted_label": judged.labels, "probability": judged.probability.max(axis=1)}
    judged.table.assign(**found).to_csv(folder / "predictions.csv", index=False)


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
