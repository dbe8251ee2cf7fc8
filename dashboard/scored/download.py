"""A table as a CSV file that people open in a spreadsheet."""

from __future__ import annotations

from typing import Any

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv(table: pd.DataFrame) -> bytes:
    """UTF-8 with a mark at its start, by which Excel knows it.

    A text that a spreadsheet would run as a formula gets an apostrophe before it, which shows it as the text that it is
    (OWASP, "CSV Injection"); numbers stay numbers, negative ones too.
    """
    safe = table.rename(columns=_harmless).copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]) and not pd.api.types.is_datetime64_any_dtype(safe[name]):
            safe[name] = safe[name].map(_harmless)
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
