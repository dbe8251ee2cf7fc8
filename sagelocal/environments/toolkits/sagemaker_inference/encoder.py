"""Arrays to bodies: text for JSON and CSV, bytes for NPY."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from . import content_types, errors

SUPPORTED_CONTENT_TYPES = {content_types.JSON, content_types.CSV, content_types.NPY}


def encode(array_like: Any, content_type: str) -> str | bytes:
    if content_type == content_types.JSON:
        return json.dumps(array_like, default=_plain)
    if content_type == content_types.CSV:
        out = io.StringIO()
        np.savetxt(out, array_like, delimiter=",", fmt="%s")
        return out.getvalue()
    if content_type == content_types.NPY:
        buffer = io.BytesIO()
        np.save(buffer, array_like)
        return buffer.getvalue()
    raise errors.UnsupportedFormatError(content_type)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} can't be written as JSON")
