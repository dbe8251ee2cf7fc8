"""`serve` of the XGBoost image in algorithm mode: status codes, formats, model loading as in its source."""

from __future__ import annotations

import io
import json
import os
import pickle
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from . import recordio
from .answers import CSV, JSON, JSON_LINES, RECORDIO, Answer, failed
from .job import media_type, numbers
from .xgboost_data import delimiter

_ACCEPTED = (JSON, JSON_LINES, RECORDIO, CSV)
_LIBSVM = ("libsvm", "text/libsvm", "text/x-libsvm")
_DEFAULT_LIMIT = 6291456  # bytes of a request
_CLASS_KEYS = ("predicted_label", "labels", "raw_score", "raw_scores")
_PROBABILITIES = ("probability", "probabilities")
# SAGEMAKER_INFERENCE_OUTPUT: what each objective can say; another key's value is NaN.
_SELECTABLE = {
    **dict.fromkeys(
        ("reg:squarederror", "reg:logistic", "reg:gamma", "reg:absoluteerror", "reg:tweedie"), ("predicted_score",)
    ),
    **dict.fromkeys(("binary:logistic", "multi:softprob"), (*_CLASS_KEYS, *_PROBABILITIES)),
    **dict.fromkeys(("binary:logitraw", "binary:hinge", "multi:softmax"), _CLASS_KEYS),
}


class Server:
    """The loaded model (or ensemble) behind the container's HTTP contract. Raises RuntimeError when none loads."""

    _accepted: tuple[str, ...] = _ACCEPTED
    _unacceptable = 406

    def __init__(self, environment: Mapping[str, str], model_dir: str, version: str = "3.2-0") -> None:
        self._old = numbers(version) < (1, 5)
        self._limit = int(environment.get("MAX_CONTENT_LENGTH") or _DEFAULT_LIMIT)
        self._default_accept = environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", CSV)
        self._batch = bool(environment.get("SAGEMAKER_BATCH"))
        selected = environment.get("SAGEMAKER_INFERENCE_OUTPUT")
        self._selected = selected.replace(" ", "").lower().split(",") if selected is not None else None
        ensemble = environment.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") == "true"
        self._models = _load(Path(model_dir), ensemble)
        learner = json.loads(self._models[0][0].save_config())["learner"]
        self._objective: str = learner["objective"]["name"]
        self._classes = int(learner["learner_model_param"].get("num_class") or 0)

    def execution_parameters(self) -> dict[str, Any]:
        workers = len(os.sched_getaffinity(0))
        return {
            "MaxConcurrentTransforms": workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": self._limit // 2**20,
        }

    def respond(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As Flask sends it: an error is a page, and text says its charset."""
        answer = self._answer(body, headers)
        kind = "text/html" if answer.status != 200 else answer.content_type
        return replace(answer, content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if len(body) > self._limit:
            return failed(413, f"The request has {len(body)} bytes, MAX_CONTENT_LENGTH is {self._limit}.")
        if not body:
            return Answer(b"", "text/html", 204)
        content_type = headers.get("Content-Type") or ""
        try:
            data = to_dmatrix(body, content_type)
        except Exception as error:
            traceback.print_exc()
            return failed(415, str(error))
        try:
            predictions = self._predict(data, media_type(content_type)[0])
        except Exception as error:
            traceback.print_exc()
            return failed(400, f"Unable to evaluate payload provided: {error}")
        if self._old and self._selected is None:  # one line, whatever was accepted
            joined = ("\n" if self._batch else ",").join(map(str, predictions.tolist()))
            return Answer((joined + "\n" * self._batch).encode(), CSV)
        accept = media_type(headers.get("Accept") or "")[0]
        if accept in ("", "*/*"):
            accept = self._default_accept
        if accept not in self._accepted:
            known = list(self._accepted)
            return failed(
                self._unacceptable,
                f"Accept type {accept} is not supported. Please use supported accept types: {known}.",
            )
        try:
            return Answer(self._encoded(predictions, accept), accept)
        except Exception as error:
            traceback.print_exc()
            return failed(500, str(error))

    def _predict(self, data: xgboost.DMatrix, content_type: str) -> np.ndarray:
        for booster, pickled in self._models[:1]:
            if pickled:
                _check_width(data.num_col(), booster.num_features(), content_type)
        found = [booster.predict(data, validate_features=False) for booster, _ in self._models]
        if len(found) == 1:
            return found[0]
        if self._objective in ("multi:softmax", "binary:hinge"):  # labels: the most frequent wins
            from scipy import stats

            return stats.mode(found).mode
        return np.mean(found, axis=0)

    def _encoded(self, predictions: np.ndarray, accept: str) -> bytes:
        if self._selected is not None:
            return self._selection(predictions, self._selected, accept)
        values = predictions.tolist()
        if self._batch:  # whatever was accepted
            return ("\n".join(map(str, values)) + "\n").encode()
        if accept == CSV:
            rows = (value if isinstance(value, list) else [value] for value in values)
            return "".join(f"{','.join(map(str, row))}\n" for row in rows).encode()
        if accept != JSON:  # accepted, and then written for selected content alone: status 500, as in AWS's image
            raise ValueError(f"{accept} can only be written with SAGEMAKER_INFERENCE_OUTPUT.")
        return _written([{"score": value} for value in values], accept)

    def _selection(self, predictions: np.ndarray, keys: Sequence[str], accept: str) -> bytes:
        if self._objective not in _SELECTABLE:
            raise ValueError(f"Objective `{self._objective}` unsupported for selectable inference predictions.")
        known = _SELECTABLE[self._objective]
        rows = [
            {key: self._content(key, prediction) if key in known else float("nan") for key in keys}
            for prediction in predictions
        ]
        if accept == CSV:
            lines = (
                ",".join(f'"{row[key]}"' if isinstance(row[key], list) else str(row[key]) for key in keys)
                for row in rows
            )
            return ("\n".join(lines) + ("\n" if self._batch else "")).encode()
        return _written(rows, accept)

    def _content(self, key: str, prediction: Any) -> Any:
        """One selected value of one prediction: a number or, with softprob, a vector of probabilities."""
        several = np.ndim(prediction) > 0
        if key == "labels":
            return list(range(self._classes)) if self._objective.startswith("multi:") else [0, 1]
        if key == "predicted_label":
            if several:
                return int(np.argmax(prediction))
            if self._objective in ("binary:hinge", "multi:softmax"):
                return float(prediction)
            return int(prediction > (0.5 if self._objective == "binary:logistic" else 0))
        if key in ("probabilities", "raw_scores"):
            return prediction.tolist() if several else [1.0 - float(prediction), float(prediction)]
        return float(max(prediction)) if several else float(prediction)


class MultiModelServer(Server):
    """One of the models in multi-model mode, where the image runs another server with other functions.

    It answers a JSON list unless CSV is accepted, which then is one line, and knows no selected content.
    """

    _accepted = (JSON, CSV)
    _unacceptable = 415

    def __init__(self, environment: Mapping[str, str], model_dir: str, version: str) -> None:
        kept = {name: value for name, value in environment.items() if name != "SAGEMAKER_INFERENCE_OUTPUT"}
        super().__init__({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": JSON, **kept}, model_dir, version)
        self._old = False

    def respond(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        return self._answer(body, headers)

    def _encoded(self, predictions: np.ndarray, accept: str) -> bytes:
        values = predictions.tolist()
        return ",".join(map(str, values)).encode() if accept == CSV else json.dumps(values).encode()


def _written(rows: list[dict[str, Any]], accept: str) -> bytes:
    if accept == RECORDIO:
        return recordio.write(None, rows)
    if accept == JSON:
        return json.dumps({"predictions": rows}).encode()
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _load(folder: Path, ensemble: bool) -> list[tuple[xgboost.Booster, bool]]:
    """Every file that is not hidden is a model: a pickle, else the library's own format. Without ensemble the first."""
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    if not files:
        raise RuntimeError(f"There is no model file in {folder}.")
    return [_loaded(file) for file in (files if ensemble else files[:1])]


def _loaded(file: Path) -> tuple[xgboost.Booster, bool]:
    try:
        with file.open("rb") as opened:
            booster, pickled = pickle.load(opened), True
    except Exception as not_pickle:
        try:
            booster, pickled = xgboost.Booster(), False
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that a file without an extension is taken for UBJSON
                booster.load_model(file)
        except Exception as not_model:
            raise RuntimeError(
                f"Model {file} cannot be loaded:\nPickle load error={not_pickle}\nXGB load model error={not_model}"
            ) from not_model
    booster.set_param({"nthread": 1})
    return booster, pickled


def _check_width(given: int, trained: int, content_type: str) -> None:
    """For pickled models, as in the image; the library itself refuses too many columns for its own format."""
    if content_type in _LIBSVM:
        if given > trained + 1:
            raise ValueError(
                f"Feature size of libsvm inference data {given} is larger than feature size of trained model {trained}."
            )
    elif given not in (trained, trained + 1):
        raise ValueError(
            f"Feature size of {content_type} inference data {given} is not consistent with feature size of trained "
            f"model {trained}."
        )


def to_dmatrix(body: bytes, content_type: str) -> xgboost.DMatrix:
    """CSV, libsvm or recordio-protobuf; libsvm without a content type. Empty CSV fields are missing values.

    libsvm columns are counted from 0, as in training. AWS's newest image counts from 1 where no 0 occurs in a request,
    which moves every feature of a model that was trained on such data: not copied.
    """
    kind = media_type(content_type)[0] or "libsvm"
    if kind in (CSV, "csv"):
        return xgboost.DMatrix(_csv(body.strip().decode()))
    if kind in _LIBSVM:
        return xgboost.DMatrix(_libsvm(body.strip().decode()))
    if kind in (RECORDIO, "recordio-protobuf"):
        return xgboost.DMatrix(recordio.read([io.BytesIO(body)])[0])
    raise ValueError(f"Content-type {content_type} is not supported.")


def _csv(text: str) -> np.ndarray:
    found = delimiter(text.split("\n", 1)[0][:512])
    split = "," if found.isalnum() else found  # as in the image: rows of one number have no delimiter to find
    try:
        return np.loadtxt(io.StringIO(text), delimiter=split, dtype=np.float32, ndmin=2)
    except ValueError:  # blanks, which loadtxt does not take
        return np.array([[cell.strip() or "nan" for cell in line.split(split)] for line in text.split("\n")]).astype(
            float
        )


def _libsvm(text: str) -> Any:
    from scipy import sparse

    rows, columns, values = [], [], []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        for column, _, value in (item.partition(":") for item in line.split() if ":" in item):
            rows.append(number)
            columns.append(int(column))
            values.append(float(value))
    width = max(columns, default=0) + 1
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(lines), width))
