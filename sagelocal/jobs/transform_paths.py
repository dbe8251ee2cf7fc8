"""The JSONPath expressions of a transform job's InputFilter and OutputFilter.

AWS supports a subset of Jayway's JsonPath (developer guide, "Supported JSONPath Operators"): `$`, `.name`, `*`,
`['a','b']`, `[0,-1]` and `[1:3]`; the API reference also mixes indexes and slices, as in `$[0,5:]`. What an expression
names must be there: a missing attribute or index fails the record (for indexes the API reference says so).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 63  # characters; the API model's limit
_SEGMENT = re.compile(
    r"\.(?P<name>[^.\[\]*'\",:\s]+)|\.(?P<child>\*)|\.?\[\s*(?P<inside>(?:'[^']*'|\"[^\"]*\"|[^\]'\"])*?)\s*\]"
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_NUMBER = re.compile(r"(?P<index>-?\d+)|(?P<start>-?\d+)?\s*:\s*(?P<end>-?\d+)?")


class PathError(ValueError):
    """An expression that is none, or that names what a record does not have."""


@dataclass(frozen=True)
class _Names:
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Items:
    items: tuple[int | slice, ...]

    @property
    def many(self) -> bool:
        return len(self.items) > 1 or isinstance(self.items[0], slice)


@dataclass(frozen=True)
class _All:
    many = True


_Segment = _Names | _Items | _All


class Path:
    """A parsed expression. Raises PathError, quoting it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._segments = _parse(text)

    @property
    def is_root(self) -> bool:
        return not self._segments

    @property
    def indexes_only(self) -> bool:
        """Whether it can select from a CSV row, which counts as an array of strings."""
        return len(self._segments) <= 1 and all(not isinstance(segment, _Names) for segment in self._segments)

    def select(self, value: Any) -> Any:
        """One value where the expression can name one only; else a list, or an object for several names."""
        try:
            return _select(self._segments, value)
        except PathError as error:
            raise PathError(f"{self.text} selects nothing: {error}") from None


def _parse(text: str) -> tuple[_Segment, ...]:
    if not text.startswith("$"):
        raise PathError(f'The JSONPath "{text}" must begin with $.')
    segments: list[_Segment] = []
    position = 1
    while position < len(text):
        match = _SEGMENT.match(text, position)
        segment = _segment(match) if match else None
        if match is None or segment is None:
            raise PathError(
                f'The JSONPath "{text}" is not supported from "{text[position:]}" on: SageMaker takes $, .name, *, '
                "['name','name'], [number,number] and [start:end]."
            )
        segments.append(segment)
        position = match.end()
    return tuple(segments)


def _segment(match: re.Match[str]) -> _Segment | None:
    if match["name"]:
        return _Names((match["name"],))
    if match["child"] or match["inside"] == "*":
        return _All()
    if match["inside"].startswith(("'", '"')):
        names = [_QUOTED.fullmatch(part.strip()) for part in re.findall(r"'[^']*'|\"[^\"]*\"", match["inside"])]
        separators = _QUOTED.sub("", match["inside"]).replace(" ", "")
        if separators != "," * (len(names) - 1):
            return None
        return _Names(tuple(each[1] if each[1] is not None else each[2] for each in names if each))
    items = [_item(part.strip()) for part in match["inside"].split(",")]
    return None if None in items else _Items(tuple(item for item in items if item is not None))


def _item(text: str) -> int | slice | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match["index"]:
        return int(match["index"])
    return slice(*(int(part) if part else None for part in (match["start"], match["end"])))


def _select(segments: Sequence[_Segment], value: Any) -> Any:
    if not segments:
        return value
    head, rest = segments[0], segments[1:]
    if isinstance(head, _Names):
        return _select(rest, _named(head, value))
    if isinstance(head, _Items) and not head.many:
        return _select(rest, _picked(head, value)[0])
    found = [_select(rest, each) for each in (_picked(head, value) if isinstance(head, _Items) else _children(value))]
    flat = any(isinstance(segment, _All) or (isinstance(segment, _Items) and segment.many) for segment in rest)
    return [item for each in found for item in each] if flat else found


def _named(head: _Names, value: Any) -> Any:
    if not isinstance(value, dict):
        raise PathError(f"{_kind(value)} has no attribute {head.names[0]!r}")
    if missing := [name for name in head.names if name not in value]:
        raise PathError(f"the object has no attribute {missing[0]!r}")
    return {name: value[name] for name in head.names} if len(head.names) > 1 else value[head.names[0]]


def _picked(head: _Items, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PathError(f"{_kind(value)} has no indexes")
    found: list[Any] = []
    for item in head.items:
        if isinstance(item, slice):
            found += value[item]
        elif -len(value) <= item < len(value):
            found.append(value[item])
        else:
            raise PathError(f"index {item} is outside an array of {len(value)}")
    return found


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise PathError(f"{_kind(value)} has no children")


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
