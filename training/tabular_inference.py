"""Serves a classifier of tabular records: the artifact carries this file as `code/inference.py`.

SageMaker's framework images call `model_fn` once, then `input_fn`, `predict_fn` and `output_fn` for each request; a
server that can answer waiting requests together calls `predict_batch_fn` with what `input_fn` made of each.
Everything particular to one model is in the artifact: `model.joblib`, a scikit-learn Pipeline of one-hot encoder and
XGBoost classifier, and `metadata.json`, which names the columns.

In:  `text/csv`, with a header (columns in any order) or without (the features in order, optional columns before them);
     `application/json`: one record, a list of records, or `{"instances": [records]}`, with `"explain": true` beside
     the instances for SHAP values too.
Out: `application/json`: `{"predictions": [{"probability": 0.73, "label": 1}]}`, and where asked for
     `"explanations": [{feature: value}]`;
     `text/csv`: a line `0.73,1` for each record, no header.
     `{"error": "…"}` with status 400, 415 or 406 for a request that can't be answered, says why.

Between the functions records are columns by name: lists here, but all that has `items()` will do, as a DataFrame has.
`input_fn` is that of `record_requests.py`, which lies beside this file.
A request costs about as much as XGBoost's own prediction: pandas and scikit-learn take milliseconds for a single row,
so `model_fn` looks up once what the pipeline does to each column, and they are kept out of the usual request's way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xgboost
from record_requests import (
    CSV,
    JSON,
    Columns,
    Explained,
    Refused,
    accepted,
    answered,
    answered_together,
    check_columns,
    input_fn,  # noqa: F401  the images call it
    name_columns,
    not_acceptable,
    read_numbers,
    refusal,
    strip,
)

Prediction = dict[str, Any]  # probability and label, arrays; explanations, a list of objects, where asked for


@dataclass(frozen=True)
class Model:
    booster: xgboost.Booster  # the classifier's trees up to its best round
    features: dict[str, str]  # name to "number" or "category", in the order of a CSV without header
    optional: list[str]  # columns that a record may carry and that the model ignores
    fill: dict[str, str]  # column to the expression over other columns that replaces a blank
    odds_factor: float  # by how much training multiplied the odds of the positive class
    threshold: float  # the label is 1 from this probability on
    raw: dict[str, list[str]]  # raw column to the columns that the pipeline makes of it
    columns: list[str]  # of the matrix that the booster takes
    position: dict[str, int]  # number to its column of that matrix
    one_hot: dict[str, dict[str, int]]  # category to its values' columns of that matrix


def model_fn(model_dir: str) -> Model:
    """Raises ValueError for a pipeline that does more than this handler knows of."""
    folder = Path(model_dir)
    metadata = json.loads((folder / "metadata.json").read_text())
    serving = {key: metadata[key] for key in ("features", "optional", "fill", "odds_factor", "threshold", "raw")}
    pipeline = joblib.load(folder / "model.joblib")
    classifier = pipeline[-1]
    booster = classifier.get_booster()
    columns = list(booster.feature_names or [])
    at = {name: position for position, name in enumerate(columns)}
    kinds, raw = serving["features"].items(), serving["raw"]
    model = Model(
        booster=booster[: classifier.best_iteration + 1],
        columns=columns,
        position={name: at[name] for name, kind in kinds if kind == "number"},
        one_hot={
            name: {column.removeprefix(f"{name}_"): at[column] for column in raw[name]}
            for name, kind in kinds
            if kind == "category"
        },
        **serving,
    )
    check(model, pipeline)
    return model


def check(model: Model, pipeline: Any) -> None:
    """Encodes each known value of each category once, and a value never seen, here and in the pipeline."""
    rows = 1 + max(map(len, model.one_hot.values()), default=0)
    probe = {
        name: [*model.one_hot[name], *["never seen"] * rows][:rows]
        if kind == "category"
        else np.linspace(-2, 3.5, rows).tolist()
        for name, kind in model.features.items()
    }
    if not np.array_equal(encode(probe, model), pipeline[:-1].transform(pd.DataFrame(probe)).astype("float32")):
        raise ValueError(
            "The pipeline in model.joblib does more than encode categories one-hot and pass numbers on: "
            "teach encode() of code/inference.py the same."
        )


def predict_fn(data: Columns | Refused, model: Model) -> Any:  # Prediction | Refused
    """A value a record: `probability` of the positive class in the population's own proportions, and `label`.

    Raises ValueError naming missing, unknown, wrong or blank columns of a table; a request is refused.
    """
    return answered(data, lambda columns: answer(columns, model))


def answer(data: Columns, model: Model) -> Prediction:
    found = predict(encode(data, model), model)
    return (
        found | {"explanations": explain_fn(data, model).to_dict("records")} if isinstance(data, Explained) else found
    )


def predict_batch_fn(inputs: Sequence[Columns | Refused], model: Model) -> list[Prediction | Refused | Exception]:
    """One prediction over the records of several requests; a request that is in error gets its exception alone."""
    return answered_together(
        inputs,
        lambda data: predict_fn(data, model),
        lambda data: encode(data, model),
        lambda matrix: predict(matrix, model),
    )


def predict(matrix: np.ndarray, model: Model) -> Prediction:
    scores = model.booster.inplace_predict(matrix, validate_features=False).astype("float64")
    # Weighting or resampling by k multiplies the learned odds by k, so dividing by k gives probabilities back
    # (Elkan, "The Foundations of Cost-Sensitive Learning", 2001, theorem 2).
    probability = scores / (scores + model.odds_factor * (1 - scores))
    return {"probability": probability, "label": (probability >= model.threshold).astype(int)}


def explain_fn(data: Columns, model: Model) -> pd.DataFrame:
    """Exact TreeSHAP values in log-odds: a row a record, a column a raw feature (its encoded columns' values added).

    Lundberg et al., "From local explanations to global understanding with explainable AI for trees", 2020;
    computed by XGBoost itself.
    """
    matrix = xgboost.DMatrix(encode(data, model), feature_names=model.columns)
    values = model.booster.predict(matrix, pred_contribs=True)
    columns = pd.DataFrame(values[:, :-1], columns=model.columns)
    return pd.DataFrame({name: columns[parts].sum(axis=1) for name, parts in model.raw.items()})


def output_fn(prediction: Prediction | Refused, accept: str) -> Any:
    """The body and its content type: the first of the accepted ones that is JSON or CSV. Else a response of Flask's:
    the images' servers send its status.
    """
    if isinstance(prediction, Refused):
        return refusal(prediction)
    rows = zip(prediction["probability"].tolist(), prediction["label"].tolist(), strict=True)
    kind = accepted(accept)
    if kind == JSON:
        records = [{"probability": probability, "label": label} for probability, label in rows]
        reasons = {name: prediction[name] for name in ("explanations",) if name in prediction}
        return json.dumps({"predictions": records, **reasons}), JSON
    if kind == CSV:
        return "".join([f"{probability!r},{label}\n" for probability, label in rows]), CSV
    return not_acceptable(accept)


def encode(data: Columns, model: Model) -> np.ndarray:
    """The booster's matrix, float32. Raises ValueError naming missing, unknown, wrong or blank columns."""
    table = name_columns(data, model.features, model.optional)
    check_columns(table, model.features, model.optional)
    records, width = len(table[next(iter(model.features))]), len(model.columns)
    numbers = {name: read_numbers(name, table[name]) for name in model.position}
    found = np.array(list(numbers.values())).reshape(-1, records)
    hot = positions(table, model).reshape(-1, records)
    if (hot < 0).any() or np.isnan(found).any():
        blank = {name for name, row in zip(model.one_hot, hot, strict=True) if (row < 0).any()}
        found = fill_blanks(numbers, blank, model)
    matrix = np.zeros((records, width + 1), np.float32)
    matrix[np.arange(records), hot] = 1
    matrix[:, list(model.position.values())] = found.T
    return np.ascontiguousarray(matrix[:, :width])  # without the column for values never seen


def positions(table: Columns, model: Model) -> np.ndarray:
    """Where each value's one is in its row of the matrix, a column after the other; -1 for a blank."""
    try:
        return np.fromiter(chain(*(map(at.__getitem__, table[name]) for name, at in model.one_hot.items())), np.intp)
    except (KeyError, TypeError):  # not all are as training had them
        text = ((at, value) for name, at in model.one_hot.items() for value in strip(name, table[name]))
        return np.array([at.get(value, len(model.columns)) if value else -1 for at, value in text])


def fill_blanks(numbers: Mapping[str, Sequence[float] | np.ndarray], blank: set[str], model: Model) -> np.ndarray:
    """The numbers, a row a column. Raises ValueError when any stays blank, or a category of `blank` is."""
    table = pd.DataFrame(dict(numbers))
    for name, expression in model.fill.items():
        table[name] = table[name].fillna(table.eval(expression))
    blank = blank | {name for name in table if table[name].isna().any()}
    if blank:
        raise ValueError(
            f"Blank values in {', '.join(name for name in model.features if name in blank)}. Every record needs them."
        )
    return table.to_numpy().T
