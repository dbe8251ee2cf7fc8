"""What a version's evaluation.json says by its kind of problem, and the same measured of an endpoint's answers. Pure.

Answers are tables with a row a record, as text, in the columns that the template's handlers write as CSV: probability
and label; of a regression the prediction and perhaps its bounds; of a clustering the segment's number and its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Evaluation = Mapping[str, Any]
BINARY, MULTICLASS = "BinaryClassification", "MulticlassClassification"
REGRESSION, CLUSTERING = "Regression", "Clustering"
GROUPS = {  # of evaluation.json: its metrics to the kind of problem, as Model Monitor calls it where it has a name
    "binary_classification_metrics": BINARY,
    "multiclass_classification_metrics": MULTICLASS,
    "regression_metrics": REGRESSION,
    "clustering_metrics": CLUSTERING,
}


@dataclass(frozen=True)
class Compared:
    """A metric of the endpoint's answers beside the registered one."""

    value: float
    expected: float
    deviation: float  # by chance, of as many records as were judged then


def problem(evaluation: Evaluation | None) -> str:
    """Empty where nothing was measured."""
    return next((kind for group, kind in GROUPS.items() if (evaluation or {}).get(group)), "")


def registered(evaluation: Evaluation) -> Mapping[str, Any]:
    return dict(next(evaluation[group] for group in GROUPS if evaluation.get(group)))


def wrong(found: pd.DataFrame, evaluation: Evaluation | None) -> str:
    """What no answer of such a model can be; empty where all may be right. `found` has its names, as JSON gives them.

    Raises ValueError for text in the place of a number.
    """
    kind = problem(evaluation)
    if "probability" in found and not numbers(found["probability"]).between(0, 1).all():
        return f"probabilities lie between 0 and 1, and not at {found['probability'].tolist()}"
    if "label" in found and kind == BINARY and not {"0", "1"} >= {plain(each) for each in found["label"]}:
        return f"labels are 0 or 1, and not {found['label'].tolist()}"
    if "label" in found and kind == MULTICLASS:
        classes = list(registered(evaluation or {}).get("confusion_matrix", {}))
        if classes and not {plain(each) for each in classes} >= {plain(each) for each in found["label"]}:
            return f"labels are {', '.join(classes)}, and not {found['label'].tolist()}"
    if "name" in found and kind == CLUSTERING:
        segments = [each["name"] for each in (evaluation or {}).get("segments", [])]
        if segments and not set(segments) >= set(found["name"]):
            return f"segments are {', '.join(segments)}, and not {found['name'].tolist()}"
    if {"prediction", "lower", "upper"} <= set(found):
        low, middle, high = (numbers(found[name]) for name in ("lower", "prediction", "upper"))
        if not ((low <= middle) & (middle <= high)).all():
            return f"predictions lie within their bounds, and not at {found.to_dict('list')}"
    return ""


def compared(found: pd.DataFrame, truth: pd.Series, evaluation: Evaluation) -> dict[str, Compared]:
    """By name what can be measured of the answers. `found` as CSV gives it; truth as text, of the same records.

    Raises ValueError for answers that are not of the problem's kind.
    """
    kind = problem(evaluation)
    if kind == CLUSTERING:
        return dict(_shares(found, evaluation))
    known = registered(evaluation)
    measured = {BINARY: _binary, MULTICLASS: _multiclass, REGRESSION: _regression}[kind](found, truth, evaluation)
    return {
        name: Compared(float(value), float(known[name]["value"]), float(known[name].get("standard_deviation") or 0))
        for name, value in measured.items()
        if isinstance(known.get(name), Mapping) and known[name].get("value") is not None
    }


def _binary(found: pd.DataFrame, truth: pd.Series, evaluation: Evaluation) -> dict[str, float]:
    from evaluation import classification_metrics

    answers, probability = numbers(truth).astype(int).to_numpy(), numbers(found[0]).to_numpy()
    threshold = float(evaluation["threshold"]["value"])
    once = np.ones((1, len(answers)))
    measured = classification_metrics.metrics(answers, probability, threshold, once)
    return {name: value[0] for name, value in measured.items()}


def _multiclass(found: pd.DataFrame, truth: pd.Series, evaluation: Evaluation) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    answers, predicted = truth.map(plain).to_numpy(str), found[1].map(plain).to_numpy(str)
    classes = [plain(each) for each in registered(evaluation).get("confusion_matrix", {})] or None
    measured = {"accuracy": float(accuracy_score(answers, predicted))}
    for average in ("macro", "weighted"):
        each = precision_recall_fscore_support(answers, predicted, labels=classes, average=average, zero_division=0)
        measured |= {f"{average}_{name}": float(each[at]) for at, name in enumerate(("precision", "recall", "f1"))}
    return measured


def _regression(found: pd.DataFrame, truth: pd.Series, evaluation: Evaluation) -> dict[str, float]:
    from evaluation import regression_metrics

    answers, predicted = numbers(truth).to_numpy(), numbers(found[0]).to_numpy()
    once = np.ones((1, len(answers)))
    measured = regression_metrics.errors(answers, predicted, once)
    if "r2_log" in registered(evaluation) and min(answers.min(), predicted.min()) > 0:
        logarithms = regression_metrics.errors(np.log(answers), np.log(predicted), once)
        measured |= {f"{name}_log": logarithms[name] for name in ("rmse", "r2")}
    return {name: value[0] for name, value in measured.items()}


def _shares(found: pd.DataFrame, evaluation: Evaluation) -> dict[str, Compared]:
    """No truth is known of segments: how many of the records are in each is what can be held against the evaluation."""
    names, count = found[1].astype(str), evaluation["dataset"]["test"]
    expected = {each["name"]: float(each["test_share"]) for each in evaluation["segments"]}
    return {
        f"share of {name}": Compared(float((names == name).mean()), share, math.sqrt(share * (1 - share) / count))
        for name, share in expected.items()
    }


def numbers(column: pd.Series) -> pd.Series:
    """Raises ValueError for text."""
    return pd.Series(pd.to_numeric(column)).astype(float)


def plain(value: Any) -> str:
    """1, 1.0 and "1" are one label."""
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value).strip()
