"""Serves any scikit-learn estimator that takes raw records: the artifact carries this file as `code/inference.py`.

SageMaker's framework images call `model_fn` once, then `input_fn` (that of `record_requests.py`, beside this file),
`predict_fn` and `output_fn` for each request. Everything particular to one model is in the artifact: `model.joblib`,
preprocessing included, modules of its own classes in `code/`, and `metadata.json`, which says what kind of problem it
solves, names the columns and says which of them may be blank.

Out, as `application/json` `{"predictions": [...]}`, and as `text/csv` without a header:

| problem | a prediction as JSON | as CSV |
|---|---|---|
| binary | `{"probability": 0.73, "label": 1}` | `0.73,1` |
| multiclass | `{"probability": 0.97, "label": "setosa", "probabilities": {"setosa": 0.97, …}}` | `0.97,setosa` |
| regression | `{"prediction": 12.3, "lower": 10.1, "upper": 15.0}` | `12.3,10.1,15.0` |
| clustering | `{"label": 2, "name": "Loyal"}` | `2,Loyal` |

Bounds are there where the model has `predict_interval`, or `predict_with_interval`, which gives all three at once. A
blank of a column that may not be blank, a text where a number belongs, a number beyond the artifact's `limits`, a
missing or an unknown column: status 400 and `{"error": …}`. A category that training never saw is answered, as the
model's own encoder has it.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from record_requests import (
    CSV,
    JSON,
    Asked,
    Columns,
    Refused,
    accepted,
    answered,
    check_columns,
    input_fn,  # noqa: F401  the images call it
    name_columns,
    not_acceptable,
    read_numbers,
    refusal,
    strip,
)

# Of a CSV answer, in order; those that a prediction lacks are left out.
FIELDS = {
    "binary": ["probability", "label"],
    "multiclass": ["probability", "label"],
    "regression": ["prediction", "lower", "upper"],
    "clustering": ["label", "name"],
}


@dataclass(frozen=True)
class Model:
    estimator: Any  # predict, and for classes predict_proba, over a table of the features
    problem: str  # a key of FIELDS
    features: dict[str, str]  # name to "number" or "category", in the order of a CSV without header
    optional: list[str]  # columns that a record may carry and that the model ignores
    blank: list[str]  # features that may be blank
    threshold: float  # binary: the label is 1 from this probability on
    names: dict[str, str]  # clustering: a label's name
    limits: dict[str, list[float]]  # the least and the largest number that a request may hold, of some features


def model_fn(model_dir: str) -> Model:
    """Raises ValueError for a problem that this handler doesn't know."""
    folder = Path(model_dir)
    facts = json.loads((folder / "metadata.json").read_text())
    if facts["problem"] not in FIELDS:
        raise ValueError(f"metadata.json has the problem {facts['problem']!r}. Known: {', '.join(FIELDS)}.")
    return Model(
        joblib.load(folder / "model.joblib"),
        facts["problem"],
        facts["features"],
        facts.get("optional", []),
        facts.get("blank", []),
        facts.get("threshold", 0.5),
        facts.get("names", {}),
        facts.get("limits", {}),
    )


def predict_fn(data: Columns | Refused, model: Model) -> Any:  # dict of columns, or Refused
    """Columns of the answer, each with a value a record.

    Raises ValueError naming missing, unknown, wrong or blank columns of a table; a request is refused.
    """
    return answered(data, lambda columns: predict(columns, model))


def predict(data: Columns, model: Model) -> Any:
    table = table_of(data, model)
    if isinstance(data, Asked):
        check_limits(table, model.limits)
    return answer(table, model)


def table_of(data: Columns, model: Model) -> pd.DataFrame:
    """The features in order: numbers as float64, categories as text, blanks as NaN and None."""
    columns = name_columns(data, model.features, model.optional)
    check_columns(columns, model.features, model.optional)
    table = {name: values_of(name, columns[name], kind) for name, kind in model.features.items()}
    found = pd.DataFrame(table)
    blank = [name for name in found if name not in model.blank and found[name].isna().any()]
    if blank:
        raise ValueError(f"Blank values in {', '.join(blank)}. Every record needs them.")
    return found


def values_of(name: str, values: Any, kind: str) -> Any:
    if kind == "number":
        return np.asarray(read_numbers(name, list(values)), dtype="float64")
    return pd.Series([text or None for text in strip(name, list(values))], dtype=object)


def check_limits(table: pd.DataFrame, limits: dict[str, list[float]]) -> None:
    """Raises ValueError for numbers so far from what the model learned from that they may be in another unit."""
    for name, (least, most) in limits.items():
        wrong = table[name][(table[name] < least) | (table[name] > most)]
        if len(wrong):
            raise ValueError(
                f"Column {name} holds {wrong.iloc[0]:g}, and the model knows nothing of numbers below {least:g} or "
                f"above {most:g}. Check its unit."
            )


def answer(table: pd.DataFrame, model: Model) -> dict[str, Any]:
    if model.problem == "regression":
        if hasattr(model.estimator, "predict_with_interval"):
            return dict(zip(FIELDS["regression"], model.estimator.predict_with_interval(table), strict=True))
        found = {"prediction": model.estimator.predict(table)}
        if hasattr(model.estimator, "predict_interval"):
            found["lower"], found["upper"] = model.estimator.predict_interval(table)
        return found
    if model.problem == "clustering":
        labels = model.estimator.predict(table)
        return {"label": labels, "name": np.array([model.names.get(str(each), str(each)) for each in labels])}
    probabilities = model.estimator.predict_proba(table)
    if model.problem == "binary":
        return {"probability": probabilities[:, 1], "label": (probabilities[:, 1] >= model.threshold).astype(int)}
    classes = np.asarray(model.estimator.classes_)
    best = probabilities.argmax(axis=1)
    return {
        "probability": probabilities[np.arange(len(best)), best],
        "label": classes[best],
        "probabilities": [dict(zip(map(str, classes), row, strict=True)) for row in probabilities.tolist()],
    }


def output_fn(prediction: dict[str, Any] | Refused, accept: str) -> Any:
    """The body and its content type; where neither JSON nor CSV is accepted, a response of Flask's with its status."""
    if isinstance(prediction, Refused):
        return refusal(prediction)
    columns = {name: values.tolist() if hasattr(values, "tolist") else values for name, values in prediction.items()}
    kind = accepted(accept)
    if kind == JSON:
        rows = zip(*columns.values(), strict=True)
        return json.dumps({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}), JSON
    if kind == CSV:
        written = io.StringIO()
        fields = dict.fromkeys(name for names in FIELDS.values() for name in names if name in columns)
        csv.writer(written, lineterminator="\n").writerows(zip(*(columns[name] for name in fields), strict=True))
        return written.getvalue(), CSV
    return not_acceptable(accept)
