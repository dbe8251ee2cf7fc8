"""Request bodies to arrays and predictions to bodies, as the framework images' toolkits do by default.

Two toolkits: `sagemaker-containers`, behind the scikit-learn and XGBoost images, and `sagemaker-inference`, behind
PyTorch's and behind every image's multi-model mode. They read and write CSV differently.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
from typing import Any

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
NPZ = "application/x-npz"
LIBSVM = ("text/libsvm", "text/x-libsvm")
RECORDIO = "application/x-recordio-protobuf"
TEXT = (JSON, CSV)  # handed to user code as str; every other type as bytes


class UnsupportedFormatError(Exception):
    """A content type that the image's default functions don't read or write."""

    def __init__(self, content_type: str | None, known: tuple[str, ...]) -> None:
        super().__init__(
            f"Content type {content_type!r} is not supported by this image's default functions, which know "
            f"{', '.join(known)}: define input_fn or output_fn for it."
        )


def to_squeezed_array(body: Any, content_type: str) -> Any:
    """A numpy array of strings (CSV) or of whatever JSON or NPY holds.

    A CSV of one row is a 1-D array, of one cell a 0-D one: sagemaker-containers squeezes.
    """
    import numpy as np

    if content_type == CSV:
        return np.array(list(csv.reader(io.StringIO(body), strict=True))).squeeze()
    return _to_array(body, content_type, (JSON, CSV, NPY))


def to_array(body: Any, content_type: str | None) -> Any:
    """A numpy array, of numpy's own guess where the body is CSV; a sparse matrix of an NPZ body.

    sagemaker-inference reads CSV with genfromtxt: one row or one column is a 1-D array, and columns of integers beside
    columns of fractions make a 1-D array of records, which PyTorch can't take.
    """
    import numpy as np

    if content_type == CSV:
        return np.genfromtxt(io.StringIO(body), dtype=None, delimiter=",")
    if content_type == NPZ:
        from scipy import sparse

        return sparse.load_npz(io.BytesIO(body))
    return _to_array(body, content_type, (JSON, CSV, NPY, NPZ))


def _to_array(body: Any, content_type: str | None, known: tuple[str, ...]) -> Any:
    import numpy as np

    if content_type == JSON:
        return np.array(json.loads(body))
    if content_type == NPY:
        return np.load(io.BytesIO(body), allow_pickle=False)  # older images would unpickle what a caller sends
    raise UnsupportedFormatError(content_type, known)


def to_dmatrix(body: Any, content_type: str) -> Any:
    """The XGBoost image's default: CSV, libsvm or recordio-protobuf, no JSON. Empty CSV fields are missing values."""
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
        return xgboost.DMatrix(_libsvm(body.decode() if isinstance(body, (bytes, bytearray)) else body))
    if kind == RECORDIO:
        return xgboost.DMatrix(_recordio().read([io.BytesIO(body)])[0])
    raise UnsupportedFormatError(content_type, (CSV, *LIBSVM, RECORDIO))


def _libsvm(text: str) -> Any:
    """Dense: what a row leaves out is 0 (missing in images before 3.2-0). Columns count from 1 where none is 0."""
    import numpy as np

    lines = [[word.split(":", 1) for word in line.split() if ":" in word] for line in text.strip().split("\n")]
    cells = [(row, int(column), float(value)) for row, line in enumerate(lines) for column, value in line]
    if not cells:
        return np.empty((0, 0))
    first = min(1, min(column for _row, column, _value in cells))
    data = np.zeros((len(lines), max(column for _row, column, _value in cells) - first + 1))
    for row, column, value in cells:
        data[row, column - first] = value
    return data


def _delimiter(line: str) -> str:
    found = csv.Sniffer().sniff(line).delimiter if "," not in line else ","
    return "," if found.isalnum() else found


def _recordio() -> Any:
    """The algorithms' own reader, a package beside this one both in sagelocal and inside a sandbox."""
    beside = (__package__ or "").rpartition(".")[0]
    return importlib.import_module(f"{beside}.algorithms.recordio".lstrip("."))


def encode_rows(prediction: Any, accept: str) -> bytes:
    """The inverse of `to_squeezed_array`; a 1-D prediction is a CSV column."""
    import numpy as np

    if accept == CSV:
        array = np.array(prediction)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(array.reshape(-1, 1) if array.ndim == 1 else array)
        return out.getvalue().encode()
    return _encode(prediction, accept)


def encode(prediction: Any, accept: str) -> bytes:
    """The inverse of `to_array`; a 1-D prediction is a CSV column, a scalar no CSV at all (ValueError)."""
    import numpy as np

    if accept == CSV:
        out = io.StringIO()
        np.savetxt(out, prediction, delimiter=",", fmt="%s")
        return out.getvalue().encode()
    return _encode(prediction, accept)


def _encode(prediction: Any, accept: str) -> bytes:
    import numpy as np

    if accept == JSON:
        return json.dumps(prediction, default=plain).encode()
    if accept == NPY:
        buffer = io.BytesIO()
        np.save(buffer, prediction)
        return buffer.getvalue()
    raise UnsupportedFormatError(accept, (JSON, CSV, NPY))


def plain(value: Any) -> Any:
    """For json.dumps: arrays, tensors and numpy's numbers as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} can't be written as JSON: return an array or define output_fn.")
