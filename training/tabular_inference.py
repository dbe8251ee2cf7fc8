"""Serves a classifier of tabular records: the artifact carries this file as `code/inference.py`.

SageMaker's framework images call `model_fn` once, then `input_fn`, `predict_fn` and `output_fn` for each request.
Everything particular to one model is in the artifact: `model.joblib`, a scikit-learn Pipeline that takes raw columns,
and `metadata.json`, which names them.

In:  `text/csv`, with a header (columns in any order) or without (the features in order, optional columns before them);
     `application/json`: one record, a list of records, or `{"instances": [records]}`.
Out: `application/json`: `{"predictions": [{"probability": 0.73, "label": 1}]}`;
     `text/csv`: a line `0.73,1` for each record, no header.
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

try:  # The images answer 415 or 406 for this class, and 500 for any other exception.
    from sagemaker_containers.beta.framework.errors import UnsupportedFormatError
except ImportError:

    class UnsupportedFormatError(Exception):  # type: ignore[no-redef]
        """The content type cannot be read, or none of the accepted ones can be written."""


JSON = "application/json"
CSV = "text/csv"


@dataclass(frozen=True)
class Model:
    pipeline: Any  # scikit-learn Pipeline whose last step is the classifier
    features: dict[str, str]  # name to "number" or "category", in the order of a CSV without header
    optional: list[str]  # columns that a record may carry and that the model ignores
    fill: dict[str, str]  # column to the expression over other columns that replaces a blank
    odds_factor: float  # by how much training multiplied the odds of the positive class
    threshold: float  # the label is 1 from this probability on
    raw: dict[str, list[str]]  # raw column to the columns that the pipeline makes of it


def model_fn(model_dir: str) -> Model:
    folder = Path(model_dir)
    metadata = json.loads((folder / "metadata.json").read_text())
    serving = {key: metadata[key] for key in ("features", "optional", "fill", "odds_factor", "threshold", "raw")}
    return Model(pipeline=joblib.load(folder / "model.joblib"), **serving)


def input_fn(body: str | bytes, content_type: str) -> pd.DataFrame:
    """Records as text, one row each. Raises ValueError for a body that is not what its content type says."""
    text = body.decode() if isinstance(body, bytes | bytearray) else body
    kind = content_type.split(";")[0].strip().lower()
    if kind == CSV:
        return read_csv(text)
    if kind == JSON:
        return read_json(text)
    raise UnsupportedFormatError(f"Content type {content_type!r} is not supported. Send {CSV} or {JSON}.")


def read_csv(text: str) -> pd.DataFrame:
    """Columns are still numbered: only the model knows whether the first row is a header."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    widths = sorted({len(row) for row in rows})
    if not rows:
        raise ValueError("The request has no records.")
    if len(widths) > 1:
        raise ValueError(f"The CSV's rows have different numbers of values: {widths}.")
    return pd.DataFrame(rows, dtype=object)


def read_json(text: str) -> pd.DataFrame:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    if isinstance(content, dict):
        content = content.get("instances", [content])
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise ValueError('Send a record, a list of records, or {"instances": [records]}; a record is an object.')
    if not content:
        raise ValueError("The request has no records.")
    return pd.DataFrame(content)


def predict_fn(data: pd.DataFrame, model: Model) -> pd.DataFrame:
    """A row a record: `probability` of the positive class in the population's own proportions, and `label`."""
    scores = model.pipeline.predict_proba(prepare(data, model))[:, 1].astype("float64")
    # Weighting or resampling by k multiplies the learned odds by k, so dividing by k gives probabilities back
    # (Elkan, "The Foundations of Cost-Sensitive Learning", 2001, theorem 2).
    probability = scores / (scores + model.odds_factor * (1 - scores))
    return pd.DataFrame({"probability": probability, "label": (probability >= model.threshold).astype(int)})


def explain_fn(data: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Exact TreeSHAP values in log-odds: a row a record, a column a raw feature (its encoded columns' values added).

    Lundberg et al., "From local explanations to global understanding with explainable AI for trees", 2020;
    computed by XGBoost itself.
    """
    import xgboost

    encoded = model.pipeline[:-1].transform(prepare(data, model))
    classifier = model.pipeline[-1]
    values = classifier.get_booster().predict(
        xgboost.DMatrix(encoded), pred_contribs=True, iteration_range=(0, classifier.best_iteration + 1)
    )
    columns = pd.DataFrame(values[:, :-1], columns=encoded.columns)
    return pd.DataFrame({name: columns[parts].sum(axis=1) for name, parts in model.raw.items()})


def output_fn(prediction: pd.DataFrame, accept: str) -> tuple[str, str]:
    """The body and its content type: the first of the accepted ones that is JSON or CSV."""
    for wanted in (accept or "*/*").split(","):
        kind = wanted.split(";")[0].strip().lower()
        if kind in (JSON, "application/*", "*/*", ""):
            return json.dumps({"predictions": prediction.to_dict("records")}), JSON
        if kind in (CSV, "text/*"):
            return prediction.to_csv(index=False, header=False, lineterminator="\n"), CSV
    raise UnsupportedFormatError(f"Accept {accept!r} is not supported. Ask for {JSON} or {CSV}.")


def prepare(data: pd.DataFrame, model: Model) -> pd.DataFrame:
    """The model's features in order with their types. Raises ValueError naming missing, unknown or wrong columns."""
    table = name_columns(data, model)
    missing = [name for name in model.features if name not in table.columns]
    unknown = [name for name in table.columns if name not in [*model.features, *model.optional]]
    if missing:
        raise ValueError(f"Missing columns: {', '.join(missing)}. Needed are {', '.join(model.features)}.")
    if unknown:
        raise ValueError(f"Unknown columns: {', '.join(map(str, unknown))}. Send {', '.join(model.features)}.")
    table = pd.DataFrame({name: typed(table[name], kind) for name, kind in model.features.items()})
    for name, expression in model.fill.items():
        if table[name].isna().any():  # evaluating costs milliseconds, and few requests need it
            table[name] = table[name].fillna(table.eval(expression))
    blank = [name for name in model.features if table[name].isna().any()]
    if blank:
        raise ValueError(f"Blank values in {', '.join(blank)}. Every record needs them.")
    return table


def name_columns(data: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Rows of a CSV get their names from the first row when that holds any, else from the number of values."""
    if not isinstance(data.columns, pd.RangeIndex):
        return data
    first = [str(value).strip() for value in data.iloc[0]]
    if set(first) & set(model.features):
        if len(data) == 1:
            raise ValueError("The request has a header and no records.")
        return data.iloc[1:].set_axis(first, axis=1).reset_index(drop=True)
    for names in ([*model.features], [*model.optional, *model.features]):
        if len(names) == data.shape[1]:
            return data.set_axis(names, axis=1)
    raise ValueError(
        f"A record has {data.shape[1]} values, expected {len(model.features)}: {', '.join(model.features)}."
    )


def typed(column: pd.Series, kind: str) -> pd.Series:
    if kind == "number" and column.dtype.kind in "iuf":
        return column.astype("float64")
    distinct = {value: "" if pd.isna(value) else str(value).strip() for value in column.unique()}
    text = column.map(distinct)
    if kind == "category":
        return text.where(text != "", np.nan).astype(object)
    values = pd.to_numeric(text, errors="coerce").astype("float64")
    wrong = text[values.isna() & (text != "")].unique()
    if len(wrong):
        raise ValueError(f"Column {column.name} holds {', '.join(map(repr, wrong[:5]))} where a number is needed.")
    return values
