"""Bodies to DMatrix."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost
from sagemaker_containers import _errors


def csv_to_dmatrix(input: str | bytes, dtype: Any = None) -> xgboost.DMatrix:  # noqa: A002 - AWS's name
    """Empty fields are missing values; a newline at the end is a ragged row, and an error."""
    text = input.decode() if isinstance(input, (bytes, bytearray)) else input
    first = text.split("\n", 1)[0][:512]
    delimiter = "," if "," in first else csv.Sniffer().sniff(first).delimiter
    delimiter = "," if delimiter.isalnum() else delimiter
    rows = [[field or "nan" for field in line.split(delimiter)] for line in text.split("\n")]
    return xgboost.DMatrix(np.array(rows).astype(dtype))


def libsvm_to_dmatrix(string_like: str | bytes) -> xgboost.DMatrix:
    """Dense: what a row leaves out is 0. Columns count from 1 where none is 0."""
    text = string_like.decode() if isinstance(string_like, (bytes, bytearray)) else string_like
    lines = [[word.split(":", 1) for word in line.split() if ":" in word] for line in text.strip().split("\n")]
    cells = [(row, int(column), float(value)) for row, line in enumerate(lines) for column, value in line]
    if not cells:
        return xgboost.DMatrix(np.empty((0, 0)))
    first = min(1, min(column for _row, column, _value in cells))
    data = np.zeros((len(lines), max(column for _row, column, _value in cells) - first + 1))
    for row, column, value in cells:
        data[row, column - first] = value
    return xgboost.DMatrix(data)


def decode(obj: Any, content_type: str) -> xgboost.DMatrix:
    """CSV and libsvm; recordio is read by the image's own input_fn only."""
    kind = content_type.partition(";")[0].strip()
    known: dict[str, Callable[[str | bytes], xgboost.DMatrix]] = {
        "text/csv": csv_to_dmatrix,
        "text/libsvm": libsvm_to_dmatrix,
        "text/x-libsvm": libsvm_to_dmatrix,
    }
    if kind not in known:
        raise _errors.UnsupportedFormatError(kind)
    return known[kind](obj)
