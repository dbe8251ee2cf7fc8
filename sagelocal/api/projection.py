"""Responses held to botocore's output shapes."""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape


def project(shape: Shape | None, value: Any) -> Any:
    """`value` with only the members that `shape` has: what a document keeps for itself never leaves."""
    if value is None or shape is None:
        return None if shape is not None else {}
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not getattr(shape, "is_document_type", False):
        return {
            name: project(member, value[name]) for name, member in shape.members.items() if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [project(shape.member, member) for member in value]
    if isinstance(shape, MapShape):
        return {key: project(shape.value, member) for key, member in value.items()}
    return value
