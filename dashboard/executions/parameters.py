"""The fields of a pipeline's parameters: what a definition declares, and what is wrong with what was put in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool
_LONGEST = 1024  # characters of a value, by StartPipelineExecution's model
DISPLAY_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}"  # PipelineExecutionDisplayName's pattern


@dataclass(frozen=True)
class Field:
    name: str
    kind: str  # String, Integer, Float or Boolean
    default: Value | None  # None: a value has to be given
    choices: tuple[Value, ...] = ()  # EnumValues


def fields(definition: Mapping[str, Any]) -> list[Field]:
    """In the definition's order."""
    return [
        Field(each["Name"], each["Type"], each.get("DefaultValue"), tuple(each.get("EnumValues") or ()))
        for each in definition.get("Parameters") or []
    ]


def start(field: Field, given: str | None) -> Value | None:
    """What a field begins with: a value that another execution had, as text, if the field can still have it."""
    found = field.default if given is None else read(field, given)
    found = field.default if found is None else found
    return found if not field.choices or found in field.choices else field.default


def read(field: Field, text: str) -> Value | None:
    """A value as the API has it, in text, in the parameter's type; None for what is none."""
    try:
        if field.kind == "Boolean":
            return {"true": True, "false": False}[text.lower()]
        return {"Integer": int, "Float": float}.get(field.kind, str)(text)
    except (KeyError, ValueError):
        return None


def problem(field: Field, value: Value | None) -> str:
    """Why an execution would not start, or fail at its first step; "" for a value that may go."""
    if value is None or value == "":
        return (
            "It has no default: give a value." if field.default is None else "Give a value, or go back to its default."
        )
    if len(text(value)) > _LONGEST:
        return f"It has {len(text(value))} characters, and at most {_LONGEST} go."
    if field.choices and value not in field.choices:
        return f"One of {', '.join(map(str, field.choices))} is needed."
    if not isinstance(value, str) or value == field.default:
        return ""
    return _form(str(field.default or ""), value)


def _form(default: str, value: str) -> str:
    """A text whose default is of a certain form should be of that form, too."""
    if value != value.strip():
        return "It begins or ends with a space."
    if default.startswith("s3://") and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+", value):
        return "An address on S3 is needed: s3://bucket/key."
    if default.startswith("ml.") and not re.fullmatch(r"ml\.[a-z0-9-]+\.[a-z0-9]+", value):
        return "An instance type of SageMaker is needed, such as ml.m5.large."
    return ""


def text(value: Value) -> str:
    """As the API takes it; the SDK writes a truth value as Python does."""
    return str(value)


def changed(known: list[Field], values: Mapping[str, Value | None]) -> dict[str, str]:
    """What has to be sent: the parameters that differ from their defaults."""
    return {
        each.name: text(value) for each in known if (value := values[each.name]) is not None and value != each.default
    }
