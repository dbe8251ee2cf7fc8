"""OutputParameters of Lambda and Callback steps: values held to the types that the step declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sagelocal.workflow.expressions import text

MAX_LENGTH = 1024  # of a value in a step's Metadata (the API's String1024)
_BOOLEANS = {"true": True, "false": False}
_READ: dict[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": lambda value: _BOOLEANS[value.lower()],
}
Declared = Sequence[Mapping[str, Any]]


class OutputError(ValueError):
    """An output parameter that is missing or not of its type; the message names it."""


def typed(declared: Declared, given: Mapping[str, Any]) -> dict[str, Any]:
    """The declared outputs by name, each of its OutputType; what is given beside them is not looked at.

    A callback gives strings and a Lambda function JSON: a value counts as what its text reads as, so that 5 and "5" are
    both an Integer and both a String (AWS documents neither). Raises OutputError.
    """
    return {one["OutputName"]: _value(one["OutputName"], one["OutputType"], given) for one in declared}


def listed(values: Mapping[str, Any]) -> list[dict[str, str]]:
    """As a step's Metadata shows them."""
    return [{"Name": name, "Value": text(value)} for name, value in values.items()]


def _value(name: str, kind: str, given: Mapping[str, Any]) -> Any:
    if given.get(name) is None:
        raise OutputError(f"The output parameter '{name}' is missing")
    value = given[name]
    if not isinstance(value, str | int | float):
        raise OutputError(f"The output parameter '{name}' is a {type(value).__name__}: it must be a single value")
    said = text(value)
    if len(said) > MAX_LENGTH:
        raise OutputError(f"The output parameter '{name}' has {len(said)} characters, {MAX_LENGTH} are allowed")
    try:
        return _READ[kind](said)
    except (KeyError, ValueError) as error:
        raise OutputError(f"The output parameter '{name}' is {said!r}, which is not of type {kind}") from error
