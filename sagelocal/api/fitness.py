"""Whether a value fits its shape, prepared once a shape: for calls of which there are hundreds a second.

The rules are those of `validation`, which finds AWS's words for a value that does not fit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagelocal.api import validation

_SHORT, _KNOWN = 256, 4096
Test = Callable[[Any], bool]
_ANYTHING, _ASCII = ".*", r"\p{ASCII}*"  # patterns that need no engine


def fits(shape: Shape) -> Test:
    """A test of values by all constraints of `shape`, which does not hold itself."""
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return _list(shape)
    if isinstance(shape, MapShape) or shape.type_name in ("timestamp", "blob"):
        return lambda value: not validation.problems(shape, value)
    return _string(shape) if shape.type_name == "string" else _number(shape)


def _structure(shape: StructureShape) -> Test:
    tests = {name: fits(member) for name, member in shape.members.items()}
    required, union = shape.required_members, getattr(shape, "is_tagged_union", False)

    def test(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        for name in required:
            if value.get(name) is None:
                return False
        for name, member in value.items():
            if name not in tests or (member is not None and not tests[name](member)):
                return False
        return not union or sum(member is not None for member in value.values()) == 1

    return test


def _list(shape: ListShape) -> Test:
    member, (low, high) = fits(shape.member), _limits(shape)
    return lambda value: isinstance(value, list | tuple) and low <= len(value) <= high and all(map(member, value))


def _string(shape: Shape) -> Test:
    matches, (low, high) = _pattern(shape), _limits(shape)
    if allowed := getattr(shape, "enum", None):
        return lambda value: isinstance(value, str) and value in allowed and matches(value)
    return lambda value: isinstance(value, str) and low <= len(value) <= high and matches(value)


def _pattern(shape: Shape) -> Callable[[str], bool]:
    pattern = shape.metadata.get("pattern")
    if pattern is None:
        return lambda text: True
    if pattern == _ANYTHING:
        return lambda text: "\n" not in text
    if pattern == _ASCII:
        return str.isascii
    match = validation.compiled(pattern).fullmatch
    if validation.constraint(shape, "max", float("inf")) > _SHORT:
        return lambda text: match(text) is not None
    return functools.lru_cache(_KNOWN)(lambda text: match(text) is not None)  # names, which come again and again


def _number(shape: Shape) -> Test:
    low, high = _limits(shape)
    if shape.type_name == "boolean":
        return lambda value: isinstance(value, bool)
    types: Any = int if shape.type_name in ("integer", "long") else (int, float)
    return lambda value: isinstance(value, types) and not isinstance(value, bool) and low <= value <= high


def _limits(shape: Shape) -> tuple[float, float]:
    infinite = float("inf")
    return validation.constraint(shape, "min", -infinite), validation.constraint(shape, "max", infinite)
