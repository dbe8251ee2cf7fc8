"""A template's properties as the request of the API that makes the resource, by botocore's shapes.

CloudFormation spells names in PascalCase where CodeBuild's and CodePipeline's APIs have camelCase, and gives numbers
and booleans as text where a template does.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}


def converted(shape: Shape, value: Any, path: str) -> Any:
    """Raises ValueError naming the property that the shape does not have, or a value that is not of its type."""
    if isinstance(shape, StructureShape):
        known = _members(shape)
        result = {}
        for name, each in _mapping(value, path).items():
            if name.lower() not in known:
                raise ValueError(_unknown(f"{path}.{name}"))
            member = known[name.lower()]
            result[member] = converted(shape.members[member], each, f"{path}.{name}")
        return result
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            raise ValueError(f"{path} is a list, not {value!r}.")
        return [converted(shape.member, each, f"{path}[{number}]") for number, each in enumerate(value)]
    if isinstance(shape, MapShape):
        return {name: converted(shape.value, each, f"{path}.{name}") for name, each in _mapping(value, path).items()}
    return _scalar(shape, value, path)


def _scalar(shape: Shape, value: Any, path: str) -> Any:
    if shape.type_name in _NUMBERS:
        try:
            return _NUMBERS[shape.type_name](value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is a number, not {value!r}.") from error
    if shape.type_name == "boolean":
        if str(value).lower() not in ("true", "false"):
            raise ValueError(f"{path} is true or false, not {value!r}.")
        return str(value).lower() == "true"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def unknown_properties(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What a template gives that the shape does not have. What intrinsic functions will return is not known here."""
    if isinstance(value, dict) and len(value) == 1 and is_function(next(iter(value))):
        if "Fn::If" in value and isinstance(value["Fn::If"], list):
            for branch in value["Fn::If"][1:]:
                yield from unknown_properties(shape, branch, path)
    elif isinstance(shape, StructureShape) and isinstance(value, dict):
        known = _members(shape)
        for name, each in value.items():
            if name.lower() in known:
                yield from unknown_properties(shape.members[known[name.lower()]], each, f"{path}.{name}")
            else:
                yield _unknown(f"{path}.{name}")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for number, each in enumerate(value):
            yield from unknown_properties(shape.member, each, f"{path}[{number}]")


def is_function(name: str) -> bool:
    return name in ("Ref", "Condition") or name.startswith("Fn::")


@functools.cache
def _members(shape: StructureShape) -> dict[str, str]:
    return {name.lower(): name for name in shape.members}


def _mapping(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path} is a mapping, not {value!r}.")
    return value


def _unknown(path: str) -> str:
    return f"{path} is no property that sagelocal knows: take it out, or check its spelling in the resource reference."
