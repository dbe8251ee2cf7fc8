"""Requests against botocore's shapes, with AWS's wording.

botocore checks types, required members and minima before it sends; AWS also checks maxima, enums and patterns. So does
this module, since a pipeline's step arguments never pass through botocore on their way to the service.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.utils import parse_timestamp

from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_model

# (shape, constraint) -> value: documented differences from the model, each with its source.
_OVERRIDES: dict[tuple[str, str], Any] = {
    # Service quotas page "Endpoints and inference": 25 MB for real-time endpoints; the model still says 6 MB.
    ("BodyBlob", "max"): 25 * 1024 * 1024,
}
_UNLIMITED = float("inf")
_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str, datetime),
    "blob": (str, bytes, bytearray),
}


def validate(service: str, operation: str, params: dict[str, Any], code: str = "ValidationException") -> None:
    """Raises AwsError, naming every member that breaks a constraint of `operation`'s input shape."""
    shape = operation_model(service, operation).input_shape
    try:
        found = problems(shape, params) if shape is not None else []
    except RecursionError as error:  # a search expression has search expressions, hundreds deep in this one
        raise AwsError(code, "The request is nested too deeply.") from error
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
        raise AwsError(code, count + "; ".join(found))


def problems(shape: Shape, value: Any, path: str = "") -> list[str]:
    """What AWS would say about `value`, one sentence a broken constraint; empty when it is valid."""
    return list(_walk(shape, value, path))


def _walk(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _list(shape, value, path)
    elif isinstance(shape, MapShape):
        yield from _map(shape, value, path)
    else:
        yield from _scalar(shape, value, path)


def _structure(shape: StructureShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _wrong_type(shape, value, path)
        return
    if getattr(shape, "is_document_type", False):
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield _failed(None, _join(path, name), "Member must not be null")
    for name, member in value.items():
        if name not in shape.members:
            # AWS's JSON services ignore these; botocore refuses to send them, and a typing error helps nobody.
            yield f"Unknown parameter '{name}' in {_quoted(path) if path else 'the request'}, must be one of: " + (
                ", ".join(shape.members) or "(none)"
            )
        elif member is not None:
            yield from _walk(shape.members[name], member, _join(path, name))
    if getattr(shape, "is_tagged_union", False) and sum(v is not None for v in value.values()) != 1:
        yield _failed(value, path, "Exactly one member of the union must be set: " + ", ".join(shape.members))


def _list(shape: ListShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, (list, tuple)):
        yield _wrong_type(shape, value, path)
        return
    yield from _limits(shape, len(value), value, path, "Member must have length")
    for number, member in enumerate(value, 1):
        yield from _walk(shape.member, member, f"{path}.{number}.member")


def _map(shape: MapShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _wrong_type(shape, value, path)
        return
    yield from _limits(shape, len(value), value, path, "Member must have length")
    for key, member in value.items():
        for part, kind, inner in (("key", shape.key, key), ("value", shape.value, member)):
            yield from (
                _failed(
                    value, path, f"Map {part} must satisfy constraint: [{said.partition('constraint: ')[2] or said}]"
                )
                for said in _walk(kind, inner, path)
            )


def _scalar(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not _is_of_type(shape, value):
        yield _wrong_type(shape, value, path)
        return
    if shape.type_name == "string":
        yield from _limits(shape, len(value), value, path, "Member must have length")
        yield from _string(shape, value, path)
    elif shape.type_name == "timestamp":
        if not _is_time(value):
            yield _failed(value, path, "Member must be a time: epoch seconds or ISO 8601")
    elif shape.type_name == "blob":
        yield from _limits(shape, len(value), f"<{len(value)} bytes>", path, "Member must have length")
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _limits(shape, value, value, path, "Member must have value")


def _is_of_type(shape: Shape, value: Any) -> bool:
    wanted = _SCALARS[shape.type_name]
    # bool is an int to Python and not to AWS
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _is_time(value: Any) -> bool:
    """Whether clients could read it back: botocore makes a datetime of it, which ends with the year 9999."""
    try:
        parse_timestamp(value)
    except (ValueError, OverflowError, OSError, RuntimeError):
        return False
    return True


def _string(shape: Shape, value: str, path: str) -> Iterator[str]:
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        yield _failed(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        yield _failed(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _limits(shape: Shape, size: float, value: Any, path: str, what: str) -> Iterator[str]:
    low = constraint(shape, "min", -_UNLIMITED)
    high = constraint(shape, "max", _UNLIMITED)
    if size < low:
        yield _failed(value, path, f"{what} greater than or equal to {low}")
    if size > high:
        yield _failed(value, path, f"{what} less than or equal to {high}")


def constraint(shape: Shape, name: str, otherwise: float) -> float:
    override = _OVERRIDES.get((shape.name, name))
    return override if override is not None else shape.metadata.get(name, otherwise)


@functools.cache
def compiled(pattern: str) -> regex.Pattern[str]:
    """A model's pattern. They are Java's: a surrogate pair is one code point there, a match is of the whole value."""
    return regex.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))


def _failed(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else repr(value) if not isinstance(value, str) else f"'{value}'"
    if len(shown) > 300:
        shown = shown[:300] + "…"
    return f"Value {shown} at {_quoted(path)} failed to satisfy constraint: {constraint}"


def _wrong_type(shape: Shape, value: Any, path: str) -> str:
    return _failed(value, path, f"Member must be of type {shape.type_name}, not {type(value).__name__}")


def _quoted(path: str) -> str:
    return f"'{path}'"


def _join(path: str, name: str) -> str:
    """AWS names members in its messages with a lower-case first letter: 'processingResources.clusterConfig'."""
    lowered = name[:1].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered
