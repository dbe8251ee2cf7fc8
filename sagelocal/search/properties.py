"""Names of properties, as Search takes them, and their values in a record."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagelocal.api.errors import validation
from sagelocal.api.model import service_model

TEXT, NUMBER, BOOLEAN, TIME = "text", "number", "boolean", "time"
_TYPES = {
    **dict.fromkeys(("integer", "long", "float", "double"), NUMBER),
    "boolean": BOOLEAN,
    "timestamp": TIME,
}
_STATISTICS = ("Min", "Max", "Avg", "StdDev", "Last", "Count")


@dataclass(frozen=True)
class Property:
    """A property of one resource type: the members on the way to it, and what its values are."""

    path: tuple[str, ...]
    type: str  # TEXT, NUMBER, BOOLEAN or TIME; "" for a structure, list or map, which can only exist or not
    special: str = ""  # "metrics" or "tags": not where the shape has them

    def values(self, record: Any) -> list[Any]:
        """Every value in a record: more than one where a list is on the way."""
        if self.special == "metrics":
            return list(_metric(record, self.path[0], self.path[1]))
        if self.special == "tags":
            return [tag["Value"] for tag in record.get("Tags") or [] if tag["Key"] == self.path[0]]
        return list(_look(record, self.path))


def find(shape: StructureShape, name: str) -> Property:
    """The property of that name, in whatever case, of the records that `shape` describes. Raises AwsError."""
    first, _, rest = name.partition(".")
    if first.lower() == "tags" and rest:
        return Property((rest,), TEXT, "tags")
    if first.lower() == "metrics" and rest and {"Metrics", "FinalMetricDataList"} & set(shape.members):
        return Property(_statistic(rest), NUMBER, "metrics")
    path: list[str] = []
    found = _walk(shape, name, path)
    if found is None:
        raise validation(f"Unknown property name: {name}. A {shape.name} has: {', '.join(shape.members)}.")
    return Property(tuple(path), found)


def _statistic(rest: str) -> tuple[str, str]:
    """`loss.Min` is a statistic, `loss` the last value; metric names may have dots themselves."""
    metric, dot, last = rest.rpartition(".")
    statistic = next((one for one in _STATISTICS if dot and one.lower() == last.lower()), "")
    return (metric, statistic) if statistic else (rest, "Last")


def _walk(shape: Shape, name: str, path: list[str]) -> str | None:
    """The type of what `name` leads to from `shape`, whose members go into `path`; None where there is no such way."""
    while isinstance(shape, ListShape):
        shape = shape.member
    if not name:
        nested = isinstance(shape, StructureShape | MapShape)
        return "" if nested else _TYPES.get(shape.type_name, TEXT)
    if isinstance(shape, MapShape):
        path.append(name)  # the rest is the key, dots and all
        return TEXT if shape.value.type_name == "string" else ""
    if not isinstance(shape, StructureShape):
        return None
    first, _, rest = name.partition(".")
    member = next((one for one in shape.members if one.lower() == first.lower()), None)
    if member is None:
        return None
    path.append(member)
    return _walk(shape.members[member], rest, path)


def _look(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for member in value:
            yield from _look(member, path)
    elif not path:
        if value is not None:
            yield _parameter(value)
    elif isinstance(value, dict) and path[0] in value:
        yield from _look(value[path[0]], path[1:])


def _parameter(value: Any) -> Any:
    """A trial component's parameter is its number or its text, an artifact its value."""
    if isinstance(value, dict):
        for member in ("NumberValue", "StringValue", "Value"):
            if member in value:
                return value[member]
    return value


def _metric(record: Any, name: str, statistic: str) -> Iterator[Any]:
    for metric in record.get("Metrics") or record.get("FinalMetricDataList") or []:
        if metric["MetricName"] == name:
            yield metric.get(statistic, metric.get("Value"))


@functools.cache
def names(shape: str) -> tuple[str, ...]:
    """The properties of a shape that filters can compare, without the keys of maps."""
    return tuple(_names(service_model("sagemaker").shape_for(shape), "", 0))


def _names(shape: Shape, prefix: str, depth: int) -> Iterator[str]:
    while isinstance(shape, ListShape):
        shape = shape.member
    if isinstance(shape, StructureShape) and depth < 4:
        for name, member in shape.members.items():
            yield from _names(member, f"{prefix}.{name}" if prefix else name, depth + 1)
    elif not isinstance(shape, MapShape | StructureShape):
        yield prefix
