"""Arrays to bodies and back. A CSV of one row or one column is a 1-D array: it is squeezed."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np

from ._content_types import CSV, JSON, NPY
from ._errors import ClientError, UnsupportedFormatError


def array_to_npy(array_like: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array_like)
    return buffer.getvalue()


def npy_to_numpy(npy_array: bytes) -> Any:
    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def array_to_json(array_like: Any) -> str:
    return json.dumps(array_like, default=_plain)


def json_to_numpy(string_like: str, dtype: Any = None) -> Any:
    return np.array(json.loads(string_like), dtype=dtype)


def csv_to_numpy(string_like: str, dtype: Any = None) -> Any:
    """Numbers where all fields are numbers, else text. Raises ClientError where `dtype` does not fit."""
    array = np.array(list(csv.reader(io.StringIO(string_like), strict=True))).squeeze()
    try:
        return array.astype(dtype)
    except ValueError as error:
        if dtype is not None:
            raise ClientError(f"The CSV has fields that are no {dtype}: {error}") from error
        return array


def array_to_csv(array_like: Any) -> str:
    """A 1-D array is a column."""
    array = np.array(array_like)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(array.reshape(-1, 1) if array.ndim == 1 else array)
    return out.getvalue()


def decode(obj: Any, content_type: str) -> Any:
    return _known({NPY: npy_to_numpy, CSV: csv_to_numpy, JSON: json_to_numpy}, content_type)(obj)


def encode(array_like: Any, content_type: str) -> Any:
    return _known({NPY: array_to_npy, CSV: array_to_csv, JSON: array_to_json}, content_type)(array_like)


def _known(functions: dict[str, Any], content_type: str) -> Any:
    if content_type not in functions:
        raise UnsupportedFormatError(content_type)
    return functions[content_type]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} can't be written as JSON")
