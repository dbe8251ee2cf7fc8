"""A change of a plan: what it does to which resource, and the calls that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    service: str
    operation: str  # boto3's name of it
    request: dict[str, Any]


@dataclass(frozen=True)
class Change:
    sign: str  # + made, ~ changed, - removed
    kind: str
    name: str
    calls: tuple[Call, ...]
    details: tuple[str, ...] = ()
    waits: bool = False  # what follows needs the endpoint to have settled


def delete(kind: str, noun: str, member: str, name: str) -> Change:
    """Of a SageMaker resource that one call by name deletes."""
    return Change("-", kind, name, (Call("sagemaker", f"delete_{noun}", {member: name}),))
