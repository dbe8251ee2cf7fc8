"""How good are predictions whose truth is known? Model Monitor's model quality, as a Processing script.

    python evaluation/model_quality.py --dataset-source predictions.csv --output-path report \\
        --problem-type BinaryClassification --inference-attribute prediction --probability-attribute probability \\
        --ground-truth-attribute label

Writes statistics.json and constraints.json; with --baseline-constraints also constraint_violations.json. Every option
is an environment variable of Model Monitor's container contract, too. Metrics and files are those of the SageMaker
developer guide, "Model quality metrics"; a standard deviation is that of five samples of 80 % of the records, and NaN
below 200 records.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_job
import numpy as np
import pandas as pd
from data_tables import FORMATS, read_table
from sklearn import metrics

SAMPLES, SHARE, FEWEST = 5, 0.8, 200  # of a metric's standard deviation
CURVE_POINTS = 100  # of the ROC and precision-recall curves
KEYS = {
    "Regression": "regression",
    "BinaryClassification": "binary_classification",
    "MulticlassClassification": "multiclass_classification",
}
HIGHER_IS_WORSE = {"mae", "mse", "rmse", "false_positive_rate", "false_negative_rate"}
POSITIVE = {"1", "1.0", "true"}
Metrics = dict[str, float]


@dataclass
class Args:
    """Where to read and write; command line before environment before default."""

    dataset_source: str = "/opt/ml/processing/input/baseline_dataset_input"  # file or folder with predictions and truth
    output_path: str = "/opt/ml/processing/output"  # folder for the results
    dataset_format: str = '{"csv": {"header": true}}'  # as JSON
    problem_type: str = "BinaryClassification"  # Regression, BinaryClassification or MulticlassClassification
    inference_attribute: str = ""  # column (name or index) of the predicted label or number
    probability_attribute: str = ""  # column of the probability of the positive class
    probability_threshold_attribute: str = ""  # above it a probability counts as positive; 0.5
    ground_truth_attribute: str = ""  # column of the truth
    baseline_constraints: str = ""  # file; makes this a comparison
    job_output: str = "/opt/ml/output"  # the platform's folder for `message`

    @classmethod
    def parse(cls, argv: list[str] | None = None) -> Args:
        """From the command line and the environment."""
        return cls(**analysis_job.options(dataclasses.fields(cls), __doc__, argv))


@dataclass
class Predictions:
    """Arrays of one length: text, or numbers for a regression. `probability` is None where the model gives none."""

    truth: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def sample(self, chosen: np.ndarray) -> Predictions:
        probability = None if self.probability is None else self.probability[chosen]
        return Predictions(self.truth[chosen], self.predicted[chosen], probability)


def main() -> None:
    args = Args.parse()
    output = Path(args.output_path)
    output.mkdir(parents=True, exist_ok=True)
    if args.problem_type not in KEYS:
        raise ValueError(f"problem_type is {args.problem_type!r}: {', '.join(KEYS)} are known")
    key, predictions = KEYS[args.problem_type], read(args)
    statistics = describe(args.problem_type, predictions)
    constraints = suggest(args.problem_type, statistics)
    _write(output / "statistics.json", statistics)
    _write(output / "constraints.json", constraints)
    summary = f"Completed: Job completed successfully with the metrics of {len(predictions)} records."
    if args.baseline_constraints:
        baseline = json.loads(Path(args.baseline_constraints).read_text(encoding="utf-8"))
        violations = check(baseline.get(f"{key}_constraints", {}), statistics[f"{key}_metrics"])
        _write(output / "constraint_violations.json", {"version": 0.0, "violations": violations})
        summary = analysis_job.verdict(violations)
        for violation in violations:
            print(f"{violation['metric_name']}: {violation['description']}")
    analysis_job.finish(summary, args.job_output)


def read(args: Args) -> Predictions:
    """Raises:
    ValueError: a column that isn't there, or neither an inference nor a probability attribute.
    """
    kind, options = _format(args.dataset_format)
    table = pd.concat(read_table(Path(args.dataset_source), kind, options), ignore_index=True)
    truth = _column(table, args.ground_truth_attribute, "ground_truth_attribute")
    probability = None
    if args.probability_attribute:
        probability = _column(table, args.probability_attribute, "probability_attribute").astype(float).to_numpy()
    if args.inference_attribute:
        predicted = _column(table, args.inference_attribute, "inference_attribute")
    elif probability is not None:
        above = probability > float(args.probability_threshold_attribute or 0.5)
        predicted = pd.Series(np.where(above, "1", "0"))
    else:
        raise ValueError("give an inference_attribute or a probability_attribute: one says what was predicted")
    if args.problem_type == "Regression":
        return Predictions(truth.astype(float).to_numpy(), predicted.astype(float).to_numpy())
    if args.problem_type == "BinaryClassification":
        return Predictions(_binary(truth), _binary(predicted), probability)
    return Predictions(truth.to_numpy(dtype=str), predicted.to_numpy(dtype=str), probability)


def describe(problem: str, predictions: Predictions) -> dict[str, Any]:
    """The statistics.json of these predictions."""
    compute = {"Regression": regression, "BinaryClassification": binary, "MulticlassClassification": multiclass}[
        problem
    ]
    values, deviations = compute(predictions), _deviations(compute, predictions)
    found: dict[str, Any] = {
        name: {"value": value, "standard_deviation": deviations.get(name, "NaN")} for name, value in values.items()
    }
    if problem != "Regression":
        found["confusion_matrix"] = _confusion(predictions)
    if problem == "BinaryClassification" and predictions.probability is not None:
        found |= _curves(predictions)
    now = pd.Timestamp.now(tz="UTC").isoformat()
    dataset = {"item_count": len(predictions), "evaluation_time": now}
    return {"version": 0.0, "dataset": dataset, f"{KEYS[problem]}_metrics": found}


def regression(predictions: Predictions) -> Metrics:
    truth, predicted = predictions.truth, predictions.predicted
    mse = float(metrics.mean_squared_error(truth, predicted))
    mae = float(metrics.mean_absolute_error(truth, predicted))
    return {"mae": mae, "mse": mse, "rmse": mse**0.5, "r2": float(metrics.r2_score(truth, predicted))}


def binary(predictions: Predictions) -> Metrics:
    """Of the positive class 1; the best constant classifier is the one that always says 1, as in AWS's sample."""
    truth, predicted = predictions.truth, predictions.predicted
    (tn, fp), (fn, tp) = metrics.confusion_matrix(truth, predicted, labels=["0", "1"])
    found = {
        **_scores(truth, predicted, ""),
        "true_positive_rate": _share(tp, tp + fn),
        "true_negative_rate": _share(tn, tn + fp),
        "false_positive_rate": _share(fp, tn + fp),
        "false_negative_rate": _share(fn, tp + fn),
        **_scores(truth, np.full(len(truth), "1"), "_best_constant_classifier"),
    }
    if predictions.probability is not None and len(set(truth)) == 2:
        found["auc"] = float(metrics.roc_auc_score(truth == "1", predictions.probability))
    return found


def multiclass(predictions: Predictions) -> Metrics:
    """Averages weighted by the classes' sizes; the best constant classifier says the most frequent class."""
    truth = predictions.truth
    values, counts = np.unique(truth, return_counts=True)
    constant = np.full(len(truth), values[counts.argmax()])
    found: Metrics = {}
    for predicted, suffix in ((predictions.predicted, ""), (constant, "_best_constant_classifier")):
        found[f"accuracy{suffix}"] = float(metrics.accuracy_score(truth, predicted))
        options: Any = {"average": "weighted", "zero_division": 0.0}
        found[f"weighted_recall{suffix}"] = float(metrics.recall_score(truth, predicted, **options))
        found[f"weighted_precision{suffix}"] = float(metrics.precision_score(truth, predicted, **options))
        for name, beta in (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0)):
            score = metrics.fbeta_score(truth, predicted, beta=beta, **options)
            found[f"weighted_{name}{suffix}"] = float(score)
    return found


def _scores(truth: np.ndarray, predicted: np.ndarray, suffix: str) -> Metrics:
    options: Any = {"pos_label": "1", "zero_division": 0.0}
    found = {
        "recall": metrics.recall_score(truth, predicted, **options),
        "precision": metrics.precision_score(truth, predicted, **options),
        "accuracy": metrics.accuracy_score(truth, predicted),
        **{
            name: metrics.fbeta_score(truth, predicted, beta=beta, **options)
            for name, beta in (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0))
        },
    }
    return {f"{name}{suffix}": float(value) for name, value in found.items()}


def suggest(problem: str, statistics: dict[str, Any]) -> dict[str, Any]:
    """constraints.json: each metric shall get no worse than it is here."""
    constraints = {}
    for name, metric in statistics[f"{KEYS[problem]}_metrics"].items():
        if "value" in metric and not name.endswith("_best_constant_classifier"):
            operator = "GreaterThanThreshold" if name in HIGHER_IS_WORSE else "LessThanThreshold"
            constraints[name] = {"threshold": metric["value"], "comparison_operator": operator}
    return {"version": 0.0, f"{KEYS[problem]}_constraints": constraints}


def check(constraints: dict[str, Any], found: dict[str, Any]) -> list[dict[str, str]]:
    """The `violations` of constraint_violations.json; a metric that could not be computed is one, too."""
    violations = []
    for name, constraint in constraints.items():
        operator, threshold = constraint["comparison_operator"], float(constraint["threshold"])
        metric = found.get(name)
        value = metric["value"] if metric else None
        worse = value is None or (value > threshold if operator == "GreaterThanThreshold" else value < threshold)
        if worse:
            shown = f"{value} +/- {metric['standard_deviation']}" if metric else "no value"
            description = f"Metric {name} with {shown} was {operator} '{threshold}'"
            violations.append({"constraint_check_type": operator, "description": description, "metric_name": name})
    return violations


def _deviations(compute: Callable[[Predictions], Metrics], predictions: Predictions) -> dict[str, float]:
    if len(predictions) < FEWEST:
        return {}
    generator = np.random.default_rng(0)
    size = int(SHARE * len(predictions))
    samples = [
        compute(predictions.sample(generator.choice(len(predictions), size, replace=False))) for _ in range(SAMPLES)
    ]
    names = set.intersection(*(set(sample) for sample in samples))
    return {name: float(np.std([sample[name] for sample in samples])) for name in names}


def _confusion(predictions: Predictions) -> dict[str, dict[str, int]]:
    labels = sorted({*predictions.truth.tolist(), *predictions.predicted.tolist()})
    counts = metrics.confusion_matrix(predictions.truth, predictions.predicted, labels=labels)
    return {
        truth: {predicted: int(count) for predicted, count in zip(labels, row, strict=True)}
        for truth, row in zip(labels, counts, strict=True)
    }


def _curves(predictions: Predictions) -> dict[str, Any]:
    positive = predictions.truth == "1"
    if positive.all() or not positive.any():
        return {}
    false, true, _ = metrics.roc_curve(positive, predictions.probability)
    precision, recall, _ = metrics.precision_recall_curve(positive, predictions.probability)
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": _thinned(false),
            "true_positive_rates": _thinned(true),
        },
        "precision_recall_curve": {"precisions": _thinned(precision), "recalls": _thinned(recall)},
    }


def _thinned(values: np.ndarray) -> list[float]:
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), CURVE_POINTS)).astype(int))
    return [float(value) for value in values[chosen]]


def _binary(values: pd.Series) -> np.ndarray:
    return np.where(values.astype(str).str.strip().str.lower().isin(POSITIVE), "1", "0")


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def _column(table: pd.DataFrame, wanted: str, option: str) -> pd.Series:
    """By name, or by index as SageMaker's examples also give it."""
    if wanted in table:
        return table[wanted]
    if wanted.isdigit() and int(wanted) < len(table.columns):
        return table.iloc[:, int(wanted)]
    raise ValueError(f"{option} is {wanted!r}, and the columns are {', '.join(map(str, table.columns))}")


def _format(text: str) -> tuple[str, dict[str, Any]]:
    try:
        kind, options = next(iter(json.loads(text).items()))
    except (ValueError, AttributeError, StopIteration) as error:
        raise ValueError(f"dataset_format is {text!r}: one of {FORMATS} is expected") from error
    if kind not in ("csv", "json", "parquet"):
        raise ValueError(f"dataset_format {text} is not supported for model quality: {FORMATS} are")
    return kind, options or {}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
