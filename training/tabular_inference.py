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
A request costs about as much as XGBoost's own prediction: pandas and scikit-learn take milliseconds for a single row,
so `model_fn` looks up once what the pipeline does to each column, and they are kept out of the usual request's way.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xgboost

JSON = "application/json"
CSV = "text/csv"
Columns = Mapping[Any, Sequence[Any]]  # name to values; the name is a number while only the model knows better
Prediction = dict[str, Any]  # probability and label, arrays; explanations, a list of objects, where asked for


class Asked(dict[Any, Sequence[Any]]):
    """Columns of a request: what is wrong with them is its sender's fault, and answered."""


class Explained(Asked):
    """Columns of a request that asks why, too."""


@dataclass(frozen=True)
class Refused:
    """In place of a request's columns or its prediction: why there are none."""

    why: str
    status: int = 400


class Unsupported(ValueError):
    """A content type that isn't known."""


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


def input_fn(body: str | bytes, content_type: str) -> Any:  # Columns | Refused
    """The images' servers make a 500 of whatever is raised here, so a request that can't be read is none of that."""
    try:
        return read(body, content_type)
    except Unsupported as error:
        return Refused(str(error), 415)
    except ValueError as error:
        return Refused(str(error))


def read(body: str | bytes, content_type: str) -> Columns:
    """Raises ValueError for a body that is not what its content type says, Unsupported for another type."""
    text = body.decode() if isinstance(body, bytes | bytearray) else body
    kind = content_type.split(";")[0].strip().lower()
    if kind == CSV:
        return read_csv(text)
    if kind == JSON:
        return read_json(text)
    raise Unsupported(f"Content type {content_type!r} is not supported. Send {CSV} or {JSON}.")


def read_csv(text: str) -> Columns:
    """Columns are still numbered: only the model knows whether the first row is a header."""
    if '"' in text or "\r" in text:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    else:  # the same, in a quarter of the time
        rows = [line.split(",") for line in text.split("\n") if line]
    widths = sorted(set(map(len, rows)))
    if not rows:
        raise ValueError("The request has no records.")
    if len(widths) > 1:
        raise ValueError(f"The CSV's rows have different numbers of values: {widths}.")
    return Asked(enumerate(zip(*rows, strict=True)))


def read_json(text: str) -> Columns:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    kind = Asked
    if isinstance(content, dict) and "instances" in content:
        kind = Explained if content.get("explain") is True else Asked
        content = content["instances"]
    elif isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise ValueError('Send a record, a list of records, or {"instances": [records]}; a record is an object.')
    if not content:
        raise ValueError("The request has no records.")
    names = dict.fromkeys(name for record in content for name in record)
    return kind({name: [record.get(name) for record in content] for name in names})


def predict_fn(data: Columns | Refused, model: Model) -> Any:  # Prediction | Refused
    """A value a record: `probability` of the positive class in the population's own proportions, and `label`.

    Raises ValueError naming missing, unknown, wrong or blank columns of a table; a request is refused.
    """
    if isinstance(data, Refused):
        return data
    try:
        return answer(data, model)
    except ValueError as error:
        if isinstance(data, Asked):
            return Refused(str(error))
        raise


def answer(data: Columns, model: Model) -> Prediction:
    found = predict(encode(data, model), model)
    return (
        found | {"explanations": explain_fn(data, model).to_dict("records")} if isinstance(data, Explained) else found
    )


def predict_batch_fn(inputs: Sequence[Columns | Refused], model: Model) -> list[Prediction | Refused | Exception]:
    """One prediction over the records of several requests; a request that is in error gets its exception alone."""
    found: list[Any] = []
    for data in inputs:
        try:
            found.append(predict_fn(data, model) if isinstance(data, Explained | Refused) else encode(data, model))
        except ValueError as error:
            found.append(Refused(str(error)))
        except Exception as error:
            found.append(error)
    encoded = [matrix for matrix in found if isinstance(matrix, np.ndarray)]
    if not encoded:
        return found
    whole, start = predict(np.concatenate(encoded), model), 0
    for number, matrix in enumerate(found):
        if isinstance(matrix, np.ndarray):
            found[number] = {name: values[start : start + len(matrix)] for name, values in whole.items()}
            start += len(matrix)
    return found


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
    for wanted in (accept or "*/*").split(","):
        kind = wanted.split(";")[0].strip().lower()
        if kind in (JSON, "application/*", "*/*", ""):
            records = [{"probability": probability, "label": label} for probability, label in rows]
            reasons = {name: prediction[name] for name in ("explanations",) if name in prediction}
            return json.dumps({"predictions": records, **reasons}), JSON
        if kind in (CSV, "text/*"):
            return "".join([f"{probability!r},{label}\n" for probability, label in rows]), CSV
    return refusal(Refused(f"Accept {accept!r} is not supported. Ask for {JSON} or {CSV}.", 406))


def refusal(refused: Refused) -> Any:
    from flask import Response  # the images' server is made of it

    return Response(json.dumps({"error": refused.why}), refused.status, content_type=JSON)


def encode(data: Columns, model: Model) -> np.ndarray:
    """The booster's matrix, float32. Raises ValueError naming missing, unknown, wrong or blank columns."""
    table = name_columns(data, model)
    missing = [name for name in model.features if name not in table]
    unknown = [name for name in table if name not in model.features and name not in model.optional]
    if missing:
        raise ValueError(f"Missing columns: {', '.join(missing)}. Needed are {', '.join(model.features)}.")
    if unknown:
        raise ValueError(f"Unknown columns: {', '.join(map(str, unknown))}. Send {', '.join(model.features)}.")
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


def name_columns(data: Columns, model: Model) -> Columns:
    """Columns of a CSV get their names from the first row when that holds any, else from the number of values."""
    if list(data) != list(range(len(list(data)))):
        return data
    first = [str(values[0]).strip() for values in data.values()]
    if not model.features.keys().isdisjoint(first):
        if twice := sorted({name for name in first if first.count(name) > 1}):
            raise ValueError(f"The header names {', '.join(twice)} more than once.")
        if len(data[0]) == 1:
            raise ValueError("The request has a header and no records.")
        return {name: values[1:] for name, values in zip(first, data.values(), strict=True)}
    for names in ([*model.features], [*model.optional, *model.features]):
        if len(names) == len(first):
            return dict(zip(names, data.values(), strict=True))
    raise ValueError(f"A record has {len(first)} values, expected {len(model.features)}: {', '.join(model.features)}.")


def read_numbers(name: str, values: Sequence[Any]) -> Sequence[float] | np.ndarray:
    """NaN for a blank."""
    with contextlib.suppress(TypeError, ValueError):
        if not "".join(values).strip(" 0123456789.+-eE"):  # nothing like "nan" and "1_000", which float() takes, too
            return list(map(float, values))
    if set(map(type, values)) <= {int, float}:
        return np.array(values, dtype="float64")
    text = strip(name, values)
    read = pd.to_numeric(pd.Series(text), errors="coerce").astype("float64")
    wrong = list(dict.fromkeys(value for value, number in zip(text, read, strict=True) if value and np.isnan(number)))
    if wrong:
        raise ValueError(f"Column {name} holds {', '.join(map(repr, wrong[:5]))} where a number is needed.")
    return read.to_numpy()


def positions(table: Columns, model: Model) -> np.ndarray:
    """Where each value's one is in its row of the matrix, a column after the other; -1 for a blank."""
    try:
        return np.fromiter(chain(*(map(at.__getitem__, table[name]) for name, at in model.one_hot.items())), np.intp)
    except (KeyError, TypeError):  # not all are as training had them
        text = ((at, value) for name, at in model.one_hot.items() for value in strip(name, table[name]))
        return np.array([at.get(value, len(model.columns)) if value else -1 for at, value in text])


def strip(name: str, values: Iterable[Any]) -> list[str]:
    """As text without spaces around it; empty for JSON's null and for NaN."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return list(map(str.strip, values))
    if kinds & {list, dict}:
        raise ValueError(f"Column {name} holds a list or an object where one value is needed.")
    return ["" if value is None or value != value else str(value).strip() for value in values]


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
