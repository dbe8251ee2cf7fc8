"""What Model Monitor reads of a captured request: its features, by the names that the baseline has.

By itself it would take answers and requests together, as columns without names. Deployment writes the names in.
"""

from __future__ import annotations

import csv
import json
from typing import Any

NAMES: list[str] = []


def preprocess_handler(inference_record: Any) -> list[dict[str, Any]]:
    """A row for each record of the request, which is CSV without a header or JSON."""
    data = inference_record.endpoint_input.data
    if str(data).lstrip()[:1] not in ("{", "["):
        return [dict(zip(NAMES, row)) for row in csv.reader(data.splitlines()) if row]  # noqa: B905  old Pythons run it
    content = json.loads(data)
    rows = content.get("instances", content) if isinstance(content, dict) else content
    return [rows] if isinstance(rows, dict) else rows
