"""What a model server answers, and how requests for AWS's own algorithms are read and their predictions written."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from . import recordio
from .errors import UserError

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
RECORDIO = "application/x-recordio-protobuf"


@dataclass
class Answer:
    """One HTTP response of the container."""

    body: bytes
    content_type: str = JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def failed(status: int, message: str) -> Answer:
    return Answer(message.encode(), "text/plain", status)


def read(body: bytes, content_type: str, parameters: dict[str, str]) -> recordio.Matrix:
    """The instances of a request (rows, columns), sparse where the request is.

    Raises UserError for what can't be read, LookupError for a content type that nobody reads. The formats are those of
    the documentation's "common data formats for inference".
    """
    if content_type == JSON:
        return _instances(_loaded(body).get("instances"))
    if content_type == JSON_LINES:
        return _instances([_loaded(line) for line in body.splitlines() if line.strip()])
    if content_type == CSV:
        return _csv(body, int(parameters.get("label_size", 0)))
    if content_type == RECORDIO:
        return recordio.read([io.BytesIO(body)])[0]
    raise LookupError(content_type)


def _loaded(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UserError(f"The request is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise UserError("A JSON object was expected.")
    return document


def _instances(instances: Any) -> recordio.Matrix:
    if not isinstance(instances, list) or not instances:
        raise UserError('The request has no "instances".')
    rows = [_row(instance) for instance in instances]
    if any(sparse.issparse(row) for row in rows):
        width = max(row.shape[-1] for row in rows)
        return sparse.vstack([_widened(row, width) for row in rows], format="csr")
    if len({len(row) for row in rows}) > 1:
        raise UserError("The instances have different numbers of features.")
    return np.stack(rows)


def _row(instance: Any) -> Any:
    """`{"features": […]}`, `{"data": {"features": …}}` or `{"data": […]}`; with keys and shape it is sparse."""
    if not isinstance(instance, dict):
        raise UserError("An instance is a JSON object with features or data.")
    given = instance.get("features", instance.get("data"))
    if isinstance(given, dict) and "features" in given:
        given = given["features"]
    if isinstance(given, dict) and "keys" in given and given["keys"]:
        keys, values = np.asarray(given["keys"], dtype=np.int64), np.asarray(given["values"], dtype=np.float32)
        if len(keys) != len(values):
            raise UserError(f"An instance has {len(values)} values for {len(keys)} keys.")
        width = int((given.get("shape") or [int(keys.max()) + 1])[0])
        return sparse.csr_matrix((values, keys, [0, len(keys)]), shape=(1, width))
    numbers = given.get("values") if isinstance(given, dict) else given
    try:
        row = np.asarray(numbers, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"The features of an instance are no list of numbers: {error}") from error
    if row.ndim != 1:
        raise UserError("The features of an instance are no list of numbers.")
    return row


def _widened(row: Any, width: int) -> sparse.csr_matrix:
    if not sparse.issparse(row):
        row = sparse.csr_matrix(row.reshape(1, -1))
    return sparse.csr_matrix((row.data, row.indices, row.indptr), shape=(1, width))


def _csv(body: bytes, label_size: int) -> np.ndarray:
    try:
        return np.loadtxt(io.BytesIO(body), delimiter=",", dtype=np.float32, ndmin=2)[:, label_size:]
    except ValueError as error:
        raise UserError(f"The request is no CSV of numbers: {error}") from error


def write(predictions: Sequence[dict[str, Any]], accept: str, key: str) -> bytes:
    """`key` names JSON's list: predictions, or projections and scores where an algorithm's documentation says so.

    Raises LookupError for an accept type that nobody writes.
    """
    if accept == JSON:
        return json.dumps({key: list(predictions)}).encode()
    if accept == JSON_LINES:
        return "".join(f"{json.dumps(each)}\n" for each in predictions).encode()
    if accept == RECORDIO:
        return recordio.write(None, list(predictions))
    if accept == CSV:
        return "".join(f"{','.join(_cells(each))}\n" for each in predictions).encode()
    raise LookupError(accept)


def _cells(prediction: dict[str, Any]) -> list[str]:
    values: list[Any] = []
    for value in prediction.values():
        values += value if isinstance(value, list) else [value]
    return [str(value) for value in values]
