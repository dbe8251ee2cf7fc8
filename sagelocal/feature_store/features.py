"""The feature types and their values, which the API writes as texts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

INTEGRAL, FRACTIONAL, STRING = "Integral", "Fractional", "String"
LIST, SET, VECTOR = "List", "Set", "Vector"
Document = dict[str, Any]
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,5})?", re.ASCII)
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def integral(value: str) -> int:
    """A 64-bit signed integer. Raises ValueError."""
    number = int(value) if _INTEGER.fullmatch(value) else None
    if number is None or not _SMALLEST <= number <= _LARGEST:
        raise ValueError(f"'{value}' is no Integral: a 64-bit signed integer")
    return number


def fractional(value: str) -> float:
    """A finite double. Raises ValueError: what has no value is left out of a record."""
    number = float(value) if _DECIMAL.fullmatch(value) else math.inf
    if not math.isfinite(number):
        raise ValueError(f"'{value}' is no Fractional: a finite double-precision number")
    return number


READERS: dict[str, Callable[[str], Any]] = {INTEGRAL: integral, FRACTIONAL: fractional, STRING: str}


@dataclass(frozen=True)
class Feature:
    """One FeatureDefinition. `dimension` is a vector's number of elements."""

    name: str
    type: str
    collection: str = ""
    dimension: int = 0

    @classmethod
    def of(cls, definition: Document) -> Feature:
        config = (definition.get("CollectionConfig") or {}).get("VectorConfig") or {}
        return cls(
            definition["FeatureName"],
            definition["FeatureType"],
            definition.get("CollectionType") or "",
            config.get("Dimension", 0),
        )

    def check(self, given: Document) -> Document | None:
        """A FeatureValue as it is kept; None for one without a value. Raises ValueError."""
        value, values = given.get("ValueAsString"), given.get("ValueAsStringList")
        if value is not None and values is not None:
            raise ValueError("it has both a ValueAsString and a ValueAsStringList")
        if value is None and values is None:
            return None
        if bool(self.collection) != (values is not None):
            wanted = "ValueAsStringList" if self.collection else "ValueAsString"
            raise ValueError(f"it takes a {wanted}, since its CollectionType is {self.collection or 'none'}")
        if values is None:
            if self.type != STRING:
                READERS[self.type](str(value))
            return {"FeatureName": self.name, "ValueAsString": value}
        return {"FeatureName": self.name, "ValueAsStringList": self._checked(values)}

    def _checked(self, values: list[str]) -> list[str]:
        for value in values:
            READERS[self.type](value)
        if self.collection == VECTOR and len(values) != self.dimension:
            raise ValueError(f"it has {len(values)} elements, and its vector's Dimension is {self.dimension}")
        return list(dict.fromkeys(values)) if self.collection == SET else values
