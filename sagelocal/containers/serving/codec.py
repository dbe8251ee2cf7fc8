"""Request bodies to arrays and predictions to bodies, as the framework images' toolkits do by default."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
LIBSVM = ("text/libsvm", "text/x-libsvm")
TEXT = (JSON, CSV)  # handed to user code as str; every other type as bytes


class UnsupportedFormatError(Exception):
    """A content type that the image's default functions don't read or write."""

    def __init__(self, content_type: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"Content type {content_type!r} is not supported by this image's default functions, which know "
            f"{', '.join(known)}: define input_fn or output_fn for it."
        )


def to_array(body: Any, content_type: str) -> Any:
    """A numpy array of strings (CSV) or of whatever JSON or NPY holds.

    A CSV of one row is a 1-D array, of one cell a 0-D one: the toolkit of the scikit-learn image squeezes.
    """
    import numpy as np

    if content_type == JSON:
        return np.array(json.loads(body))
    if content_type == CSV:
        return np.array(list(csv.reader(io.StringIO(body), strict=True))).squeeze()
    if content_type == NPY:
        return np.load(io.BytesIO(body), allow_pickle=False)  # AWS's toolkit would unpickle what a caller sends
    raise UnsupportedFormatError(content_type, (JSON, CSV, NPY))


def to_dmatrix(body: Any, content_type: str) -> Any:
    """The XGBoost image's default: CSV or libsvm, never JSON. Empty CSV fields are missing values."""
    import numpy as np
    import xgboost

    kind = content_type.partition(";")[0].strip()
    if kind == CSV:
        text = body.decode() if isinstance(body, bytes) else body
        delimiter = _delimiter(text.split("\n", 1)[0][:512])
        # Lines are split as they come: a trailing newline is a ragged last row and an error, on AWS too.
        rows = [[field or "nan" for field in line.split(delimiter)] for line in text.split("\n")]
        return xgboost.DMatrix(np.array(rows).astype(float))
    if kind in LIBSVM:
        from sklearn.datasets import load_svmlight_file

        return xgboost.DMatrix(load_svmlight_file(io.BytesIO(body), zero_based=True)[0])
    raise UnsupportedFormatError(content_type, (CSV, *LIBSVM))


def _delimiter(line: str) -> str:
    found = csv.Sniffer().sniff(line).delimiter if "," not in line else ","
    return "," if found.isalnum() else found


def encode(prediction: Any, accept: str) -> bytes:
    """The inverse of `to_array`; a 1-D prediction is a CSV column."""
    import numpy as np

    if accept == JSON:
        return json.dumps(prediction, default=_plain).encode()
    if accept == CSV:
        array = np.array(prediction)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(array.reshape(-1, 1) if array.ndim < 2 else array)
        return out.getvalue().encode()
    if accept == NPY:
        buffer = io.BytesIO()
        np.save(buffer, prediction)
        return buffer.getvalue()
    raise UnsupportedFormatError(accept, (JSON, CSV, NPY))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} can't be written as JSON: return an array or define output_fn.")
