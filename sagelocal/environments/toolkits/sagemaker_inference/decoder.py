"""Bodies to arrays: CSV by genfromtxt, which makes one row or one column a 1-D array."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from . import content_types, errors


def decode(obj: Any, content_type: str) -> Any:
    if content_type == content_types.JSON:
        return np.array(json.loads(obj))
    if content_type == content_types.CSV:
        return np.genfromtxt(io.StringIO(obj), dtype=None, delimiter=",")
    if content_type == content_types.NPY:
        return np.load(io.BytesIO(obj), allow_pickle=False)
    if content_type == content_types.NPZ:
        from scipy import sparse

        return sparse.load_npz(io.BytesIO(obj))
    raise errors.UnsupportedFormatError(content_type)
