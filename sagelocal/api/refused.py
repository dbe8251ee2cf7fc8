"""Members of requests that AWS has and sagelocal has not, as data: refused by name, and listed in docs/sagelocal.md.

Each part of sagelocal says what it refuses in a `REFUSED` beside its `OPERATIONS`: operation -> paths. A path names
members from the request down, `[]` goes through a list, and `=` refuses one value only:
`ProcessingInputs[].DatasetDefinition`, `PrimaryContainer.Mode=MultiModel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sagelocal.api.errors import not_implemented
from sagelocal.api.model import operation_model

Paths = Mapping[str, str]  # path -> remedy, "" where there is none


def paths(*names: str) -> dict[str, str]:
    """For paths without a remedy."""
    return dict.fromkeys(names, "")


def others(operation: str, structure: str, known: Iterable[str]) -> dict[str, str]:
    """All members of a structure of a request but the known ones; "" is the request itself."""
    shape: Any = operation_model("sagemaker", operation).input_shape
    for name in structure.split(".") if structure else []:
        shape = shape.members[name.removesuffix("[]")]
        shape = shape.member if name.endswith("[]") else shape
    prefix = f"{structure}." if structure else ""
    return {f"{prefix}{name}": "" for name in shape.members if name not in known}


def refuse(request: Mapping[str, Any], refused: Paths) -> None:
    """Raises AwsError naming the first refused member that the request has."""
    for path, remedy in refused.items():
        where, _, value = path.partition("=")
        for place, found in _values(request, where.split("."), ""):
            if value and str(found) == value:
                raise not_implemented(f"The field {place} with the value {value}", remedy)
            if not value and _is_given(found):
                raise not_implemented(f"The field {place}", remedy)


def _is_given(value: Any) -> bool:
    """Clients send null, false and empty values for a member that they leave out."""
    return value is not None and value is not False and value not in ("", [], {})


def _values(value: Any, names: list[str], place: str) -> Iterator[tuple[str, Any]]:
    """Every value that a path leads to, with its own place: `InputDataConfig[2].InputMode`."""
    if not names:
        yield place, value
        return
    name, *rest = names
    member = name.removesuffix("[]")
    if not isinstance(value, Mapping) or member not in value:
        return
    here = f"{place}.{member}" if place else member
    if not name.endswith("[]"):
        yield from _values(value[member], rest, here)
    elif isinstance(value[member], list):
        for number, inner in enumerate(value[member]):
            yield from _values(inner, rest, f"{here}[{number}]")
