"""A record's SHAP values in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

COUNT = 3


def words(shap: Mapping[str, float], record: Mapping[str, Any], phrases: Mapping[str, str], count: int = COUNT) -> str:
    """What raises this record's score the most, the strongest first: "Month-to-month contract; months a customer: 2".

    `phrases`: feature to its words, with {} for the value; "feature: value" for one that has none. Empty where nothing
    raises it, or no SHAP values are known.
    """
    raising = sorted((name for name, value in shap.items() if value > 0), key=lambda name: -shap[name])
    return "; ".join(phrase(name, record.get(name, ""), phrases) for name in raising[:count])


def phrase(name: str, value: Any, phrases: Mapping[str, str]) -> str:
    text = "unknown" if value is None or value == "" or (isinstance(value, float) and math.isnan(value)) else str(value)
    return phrases.get(name, f"{name}: {{}}").replace("{}", text)
