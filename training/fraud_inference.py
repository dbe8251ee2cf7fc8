"""Serves fraud's ensemble: the artifact carries this file as `code/inference.py`, with `fraud_scores.py` beside it.

In:  a transaction's features as `application/json` (a record, a list, `{"instances": [records]}`),
     `application/jsonlines` (a record a line) or `text/csv` (with a header, or without one in the order of
     metadata.json's features). The transaction's own keys may be there and are ignored.
Out: `application/json`: `{"predictions": [{"probability": 0.93, "predicted_label": 1, "reasons": [{"feature":
     "terminal_7d_risk", "value": 0.4, "contribution": 2.1}, …]}]}`, as `application/jsonlines` a prediction a line;
     `text/csv`: a line `0.93,1` for each record, no header. `{"error": "…"}` with status 400, 415 or 406 says why not.

`predicted_label` is 1 from the threshold on that cost least on validation. Reasons are the three features that raise a
record's log-odds most: exact TreeSHAP values of the ensemble's trees, each tree member's times its weight. What the
other members add is not in them. They take several times longer than all the rest, so only alerts have them; of other
records the list is empty, unless the request has `"explain": true` beside its instances.

Between the functions records are columns by name. A table that is no request's gets no reasons: analyses ask for them
by `explain_fn`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import fraud_scores
import numpy as np
import pandas as pd
from fraud_scores import Member, Trees
from record_requests import (
    CSV,
    JSON,
    Asked,
    Columns,
    Explained,
    Refused,
    accepted,
    answered,
    answered_together,
    check_columns,
    name_columns,
    not_acceptable,
    read_numbers,
    refusal,
)
from record_requests import input_fn as read_request

JSON_LINES = "application/jsonlines"
REASONS = 3
Prediction = dict[str, Any]  # probability and predicted_label, arrays; reasons, a list a record


@dataclass(frozen=True)
class Model:
    features: dict[str, str]
    optional: list[str]  # columns that a record may carry and that the model ignores
    members: dict[str, Member]  # those that weigh anything
    weights: dict[str, float]
    base: float
    calibration: dict[str, float]
    threshold: float
    rest: dict[str, Path]  # folders of members that weigh nothing: only evaluations ask them


def model_fn(model_dir: str) -> Model:
    folder = Path(model_dir)
    facts = json.loads((folder / "metadata.json").read_text())
    weights = {each["name"]: each["weight"] for each in facts["members"]}
    places = {name: folder / "members" / name for name in weights}
    return Model(
        facts["features"],
        facts["optional"],
        {name: fraud_scores.load(place)[0] for name, place in places.items() if weights[name] > 0},
        weights,
        facts["base"],
        facts["calibration"],
        facts["threshold"],
        {name: place for name, place in places.items() if not weights[name] > 0},
    )


def input_fn(body: str | bytes, content_type: str) -> Any:  # Columns | Refused
    if content_type.split(";")[0].strip().lower() != JSON_LINES:
        return read_request(body, content_type)
    text = body.decode(errors="replace") if isinstance(body, bytes | bytearray) else body
    lines = [line for line in text.splitlines() if line.strip()]
    return read_request(f"[{','.join(lines)}]", JSON)


def predict_fn(data: Columns | Refused, model: Model) -> Any:  # Prediction | Refused
    """Raises ValueError naming missing, unknown, wrong or blank columns of a table; a request is refused."""
    return answered(data, lambda columns: predict(columns, model))


def predict(data: Columns, model: Model) -> Prediction:
    records = matrix(data, model)
    return reasoned(records, model, isinstance(data, Explained)) if isinstance(data, Asked) else answer(records, model)


def predict_batch_fn(inputs: Sequence[Columns | Refused], model: Model) -> list[Any]:
    """One prediction over the records of several requests; a request that is in error gets its exception alone."""
    return answered_together(
        inputs,
        lambda data: predict_fn(data, model),
        lambda data: matrix(data, model),
        lambda records: reasoned(records, model, everyone=False),
    )


def reasoned(records: np.ndarray, model: Model, everyone: bool) -> Prediction:
    found = answer(records, model)
    return found | {"reasons": reasons(records, found["predicted_label"], model, everyone)}


def answer(records: np.ndarray, model: Model) -> Prediction:
    log_odds = np.full(len(records), model.base)
    for name, member in model.members.items():
        log_odds = log_odds + model.weights[name] * member.scores(records)
    probability = fraud_scores.calibrated(log_odds, model.calibration)
    return {"probability": probability, "predicted_label": (probability >= model.threshold).astype(int)}


def reasons(records: np.ndarray, labels: np.ndarray, model: Model, everyone: bool) -> list[list[dict[str, Any]]]:
    """Of alerts, or of all records; an empty list for the others."""
    found: list[list[dict[str, Any]]] = [[] for _ in labels]
    at = np.arange(len(labels)) if everyone else np.flatnonzero(labels)
    for place, each in zip(at.tolist(), strongest(records[at], model) if len(at) else [], strict=True):
        found[place] = each
    return found


def strongest(records: np.ndarray, model: Model) -> list[list[dict[str, Any]]]:
    """The three largest contributions of each record, largest first."""
    values, names = contributions(records, model), list(model.features)
    order = np.argsort(-values, axis=1, kind="stable")[:, :REASONS]
    return [
        [
            {"feature": names[at], "value": record[at], "contribution": round(own[at], 4)}
            for at in places  # columns of the matrix
        ]
        for places, record, own in zip(order.tolist(), records.tolist(), values.tolist(), strict=True)
    ]


def contributions(records: np.ndarray, model: Model) -> np.ndarray:
    """To the log-odds, shape (records, features), of all members that are trees; 0 where none of them serves."""
    found = np.zeros(records.shape)
    for name, member in model.members.items():
        if isinstance(member, Trees):
            found += model.weights[name] * member.contributions(records)
    return found


def explain_fn(data: Columns, model: Model) -> pd.DataFrame:
    """The contributions of a table, a row a record and a column a feature."""
    return pd.DataFrame(contributions(matrix(data, model), model), columns=list(model.features))


def member_scores(data: Columns, model: Model) -> dict[str, np.ndarray]:
    """What each member alone says of a table, also those that weigh nothing: higher is more suspicious."""
    records = matrix(data, model)
    rest = {name: fraud_scores.load(place)[0] for name, place in model.rest.items()}
    return {name: member.scores(records) for name, member in {**model.members, **rest}.items()}


def matrix(data: Columns, model: Model) -> np.ndarray:
    """Shape (records, features), float64. Raises ValueError naming missing, unknown, wrong or blank columns."""
    table = name_columns(data, model.features, model.optional)
    check_columns(table, model.features, model.optional)
    found = numbers(table, model)
    if np.isnan(found).any():
        blank = [name for name, missing in zip(model.features, np.isnan(found).any(axis=0), strict=True) if missing]
        raise ValueError(f"Blank values in {', '.join(blank)}. Every record needs them.")
    return found


def numbers(table: Columns, model: Model) -> np.ndarray:
    """Of a request as programs send it all columns at once, which takes a fifth of the time; else one by one."""
    columns = [table[name] for name in model.features]
    if set(map(type, chain.from_iterable(columns))) <= {int, float}:
        with contextlib.suppress(OverflowError):
            found = np.array(columns, dtype=float).T
            if not np.isinf(found).any():
                return found
    return np.array([read_numbers(name, table[name]) for name in model.features], dtype=float).T


def output_fn(prediction: Prediction | Refused, accept: str) -> Any:
    """The body and its content type; where none of the three is accepted, a response of Flask's with its status."""
    if isinstance(prediction, Refused):
        return refusal(prediction)
    columns: Mapping[str, Any] = {
        name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in prediction.items()
    }
    first = (accept or "").split(",")[0].split(";")[0].strip().lower()
    kind = JSON_LINES if first == JSON_LINES else accepted(accept)
    if kind == CSV:
        rows = zip(columns["probability"], columns["predicted_label"], strict=True)
        return "".join([f"{probability!r},{label}\n" for probability, label in rows]), CSV
    if kind is None:
        return not_acceptable(accept)
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if kind == JSON_LINES:
        return "".join([json.dumps(each) + "\n" for each in records]), JSON_LINES
    return json.dumps({"predictions": records}), JSON
