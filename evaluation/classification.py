"""Judges a binary classifier on data that it never saw: numbers with intervals, plots, one page.

    python evaluation/classification.py --model DIR --validation DIR --test DIR --output DIR --predictions DIR

The threshold is chosen on validation, where acting on a record costs `action_cost` and missing a positive costs
`miss_cost`; everything that is reported about it is measured on test. Writes `evaluation.json` (the shape of
SageMaker's ModelMetrics, `binary_classification_metrics.<metric>.value` for a pipeline's condition), PNGs,
`report.html` and `report.pdf`; for analyses of the model beside it `predictions.csv`: the test set with the columns
`predicted_label`, as an endpoint would answer, and `probability`.

Of what the artifact's metadata.json says the page also shows `comparison` of models that were cross-validated
(compared_models.py), and `curves`, measured here by refits on the train channel (learning_curves.py). Models in
`rivals.joblib`, that this one was chosen among, are compared with it on test by a paired bootstrap of the ROC-AUC.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import classification_metrics as metrics
import classification_plots as plots
import classification_report
import compared_models
import current_model
import evaluation_job
import learning_curves
import model_artifact
import numpy as np
import pandas as pd
import permutation_importance
from sklearn.metrics import precision_recall_curve, roc_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with the records that it learnt from, for the curves; need not be there"""
    validation: str = "/opt/ml/processing/input/validation"
    """folder with CSV files (header, features, label as 0 or 1): chooses the threshold"""
    test: str = "/opt/ml/processing/input/test"
    """the same: is measured"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json, the PNGs and the report"""
    predictions: str = "/opt/ml/processing/output/predictions"
    """folder for predictions.csv"""
    action_cost: float = -1.0
    """cost of acting on one record (a retention offer); below 0: the model's own"""
    miss_cost: float = -1.0
    """cost of a positive that is not acted on (a lost customer); below 0: the model's own"""
    resamples: int = 1000
    """bootstrap resamples behind each interval"""
    shuffles: int = 5
    """times that each feature is shuffled for its permutation importance"""
    seed: int = 0
    """of resamples and shuffles"""
    in_service: str = current_model.NONE
    """S3 URI of the model in service, which is judged on test beside this one; none: there is none"""


@dataclass(frozen=True)
class Scored:
    """A data set with the model's opinion; all arrays of shape (rows,)."""

    table: pd.DataFrame  # the records, without the label
    answers: np.ndarray  # 0 or 1
    probability: np.ndarray
    labels: np.ndarray  # 0 or 1, by the threshold that the model serves with


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        label = artifact.metadata["label"]
        validation = score(artifact, read(Path(args.validation), label), label)
        test = score(artifact, read(Path(args.test), label), label)
        importance = shuffled(artifact, test, args.shuffles, args.seed)
        shap = artifact.explain(artifact.records(test.table))
        curves = measure_curves(artifact, Path(args.train))
        rivals = against_rivals(artifact, test, args)
        comparison = current_model.compare(
            args.in_service, test.table, test.answers, test.probability, args.resamples, args.seed
        )
    action, miss = prices(args, artifact.metadata)
    own = artifact.metadata["threshold"] if "threshold_by" in artifact.metadata else None
    evaluation = evaluate(validation, test, action, miss, args, own)
    evaluation["model"] = {"label": label, "threshold": artifact.metadata["threshold"]}
    evaluation["feature_importance"] = {
        "permutation": importance["mean"].round(6).to_dict(),
        "mean_absolute_shap": {} if shap is None else shap.abs().mean().sort_values(ascending=False).round(6).to_dict(),
    }
    evaluation["comparison"] = comparison
    evaluation["curves"] = curves
    evaluation["models"] = artifact.metadata.get("comparison")
    evaluation["rivals"] = rivals
    drawn = figures(evaluation, validation, test, importance, shap)
    report = classification_report.describe(evaluation, drawn)
    evaluation_job.write(evaluation, report, drawn, Path(args.output))
    write_predictions(test, label, Path(args.predictions))
    summary = evaluation["binary_classification_metrics"]
    print(*(f"test:{name}={summary[name]['value']:.6f}" for name in ("auc", "average_precision", "accuracy", "brier")))
    print(current_model.sentence(comparison))
    print(report.verdict)


def read(folder: Path, label: str) -> pd.DataFrame:
    """All CSV files of the folder. Raises ValueError for a set that cannot be judged."""
    table = evaluation_job.read(folder)
    if label not in table or set(table[label].unique()) != {0, 1}:
        raise ValueError(
            f"{folder} needs a column {label!r} that holds both 0 and 1, and has {', '.join(table.columns)}."
        )
    return table


def score(artifact: model_artifact.Artifact, table: pd.DataFrame, label: str) -> Scored:
    records = table.drop(columns=label)
    found = artifact.predict(artifact.records(records))
    probability, labels = found["probability"].to_numpy(dtype=float), found["label"].to_numpy(dtype=int)
    return Scored(records, table[label].to_numpy(dtype=int), probability, labels)


def measure_curves(artifact: model_artifact.Artifact, folder: Path) -> dict | None:
    """None for an artifact that plans no curves, and where the training records are not there."""
    plan, label = artifact.metadata.get("curves"), artifact.metadata["label"]
    if not plan or not folder.is_dir():
        return None
    table = read(folder, label)
    return learning_curves.curves(artifact.estimator(), table[[*artifact.metadata["features"], label]], label, plan)


def against_rivals(artifact: model_artifact.Artifact, test: Scored, args: Args) -> dict:
    """`chosen`, and each rival's ROC-AUC on test with this model's lead; empty for a model without rivals."""
    chosen, rivals = artifact.metadata.get("chosen", "this model"), artifact.rivals()
    if not rivals:
        return {}
    rows, found = artifact.handler.table_of(artifact.records(test.table), artifact.model), {}
    for name, rival in rivals.items():
        if name != chosen:
            probability = rival.predict_proba(rows)[:, 1]
            lead = compared_models.paired_bootstrap(
                test.answers, test.probability, probability, roc_auc, args.resamples, args.seed
            )
            found[name] = {"ROC-AUC": roc_auc(test.answers, probability), "lead": lead}
    return {"chosen": chosen, "models": found}


def roc_auc(answers: np.ndarray, probability: np.ndarray) -> float:
    return float(metrics.ranking(answers, probability, np.ones((1, len(answers))))["auc"][0])


def prices(args: Args, metadata: dict) -> tuple[float, float]:
    """Cost of acting and of missing: as given, else as the model was trained for."""
    known = metadata.get("costs", {"action": 1.0, "miss": 1.0})
    action = args.action_cost if args.action_cost >= 0 else known["action"]
    miss = args.miss_cost if args.miss_cost >= 0 else known["miss"]
    return float(action), float(miss)


def evaluate(
    validation: Scored, test: Scored, action: float, miss: float, args: Args, own: float | None = None
) -> dict:
    """`own` is the model's threshold, where it is not to be chosen here."""
    threshold = own
    if threshold is None:
        threshold = metrics.cheapest(*metrics.costs(validation.answers, validation.probability, action, miss))
    labels = (test.probability >= threshold).astype(int)
    false_positive_rate, true_positive_rate, _ = roc_curve(test.answers, test.probability)
    precision, recall, _ = precision_recall_curve(test.answers, test.probability)
    return {
        "binary_classification_metrics": {
            **metrics.with_intervals(test.answers, test.probability, threshold, args.resamples, args.seed),
            "confusion_matrix": metrics.confusion(test.answers, labels),
            "receiver_operating_characteristic_curve": {
                "false_positive_rates": metrics.thin(false_positive_rate),
                "true_positive_rates": metrics.thin(true_positive_rate),
            },
            "precision_recall_curve": {"precisions": metrics.thin(precision), "recalls": metrics.thin(recall)},
        },
        "threshold": {
            "value": threshold,
            "chosen_on": "validation" if own is None else "the model's own",
            "action_cost": action,
            "miss_cost": miss,
            "mean_cost": metrics.cost_at(test.answers, test.probability, threshold, action, miss),
            "mean_cost_acting_on_nobody": metrics.cost_at(test.answers, test.probability, np.inf, action, miss),
            "mean_cost_acting_on_everybody": metrics.cost_at(test.answers, test.probability, -np.inf, action, miss),
        },
        "calibration": metrics.calibration(test.answers, test.probability),
        "dataset": {"records": len(test.answers), "positive": int(test.answers.sum())},
    }


def shuffled(artifact: model_artifact.Artifact, test: Scored, shuffles: int, seed: int) -> pd.DataFrame:
    """Loss of average precision when one feature is shuffled: index features, columns `mean` and `deviation`."""
    ones = np.ones((1, len(test.answers)))

    def loss(records: pd.DataFrame) -> np.ndarray:
        parts = artifact.predict(records)["probability"].to_numpy().reshape(shuffles, -1)
        return -np.array([metrics.ranking(test.answers, part, ones)["average_precision"][0] for part in parts])

    before = -metrics.ranking(test.answers, test.probability, ones)["average_precision"][0]
    return permutation_importance.measure(artifact.records(test.table), loss, before, shuffles, seed)


def figures(
    evaluation: dict, validation: Scored, test: Scored, importance: pd.DataFrame, shap: pd.DataFrame | None
) -> dict[str, Figure]:
    """File stem to picture, in the page's order."""
    numbers, label = evaluation["binary_classification_metrics"], evaluation["model"]["label"]
    chosen, calibration = evaluation["threshold"], evaluation["calibration"]
    action, miss, threshold = chosen["action_cost"], chosen["miss_cost"], chosen["value"]
    value = {name: metric["value"] for name, metric in numbers.items() if "value" in metric}
    costs = [metrics.costs(part.answers, part.probability, action, miss) for part in (validation, test)]
    rates = roc_curve(test.answers, test.probability)[:2]
    precision, recall, _ = precision_recall_curve(test.answers, test.probability)
    at = (value["recall"], value["precision"])
    drawn = {
        "roc": plots.roc(*rates, numbers["auc"], (value["false_positive_rate"], value["true_positive_rate"])),
        "precision_recall": plots.precision_recall(
            recall, precision, numbers["average_precision"], test.answers.mean(), at
        ),
        "cost": plots.cost(*costs, threshold),
        "confusion_matrix": plots.confusion(numbers["confusion_matrix"], label),
        "calibration": plots.calibration(calibration, numbers["brier"]),
        "scores": plots.scores(test.answers, test.probability, threshold, label),
        "permutation_importance": permutation_importance.figure(importance, "average precision lost when shuffled"),
    }
    if shap is not None:
        drawn["shap_summary"] = plots.shap_summary(shap, between_0_and_1(test.table[shap.columns], test.answers))
    drawn |= learning_curves.figures(evaluation["curves"]) if evaluation["curves"] else {}
    return drawn | (compared_models.figures(evaluation["models"]) if evaluation["models"] else {})


def between_0_and_1(table: pd.DataFrame, answers: np.ndarray) -> pd.DataFrame:
    """Columns on a scale for colours: numbers from 5th to 95th percentile, categories by share of positives."""
    scaled = {}
    for name, column in table.items():
        values = column if column.dtype.kind in "iuf" else pd.Series(answers).groupby(column).transform("mean")
        low, high = np.quantile(values, [0.05, 0.95]) if values.nunique() > 5 else (values.min(), values.max())
        scaled[name] = ((values - low) / (high - low if high > low else 1)).clip(0, 1)
    return pd.DataFrame(scaled)


def write_predictions(scored: Scored, label: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = {label: scored.answers, "predicted_label": scored.labels, "probability": scored.probability}
    scored.table.assign(**found).to_csv(folder / "predictions.csv", index=False)


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
