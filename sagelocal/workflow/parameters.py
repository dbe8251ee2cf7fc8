"""A pipeline's parameters: their declaration in the definition and their values for one execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagelocal.api.errors import validation
from sagelocal.workflow.expressions import text

TYPES: dict[str, tuple[type, ...]] = {"String": (str,), "Integer": (int,), "Float": (int, float), "Boolean": (bool,)}
_BOOLEANS = {"true": True, "false": False}  # the SDK sends Python's "True"


def problems(parameter: Mapping[str, Any]) -> list[str]:
    """What is wrong with a declaration `{Name, Type, DefaultValue?, EnumValues?}`."""
    name, kind = parameter.get("Name"), parameter.get("Type")
    if kind not in TYPES:
        return [f"Parameter '{name}' has the unknown type '{kind}', must be one of: {', '.join(TYPES)}"]
    found = []
    default, allowed = parameter.get("DefaultValue"), parameter.get("EnumValues")
    if default is not None and not _is(kind, default):
        found.append(f"The default value {default!r} of parameter '{name}' is not of type {kind}")
    if allowed is not None and default is not None and default not in allowed:
        found.append(f"The default value {default!r} of parameter '{name}' is not one of its values {allowed}")
    return found


def values(declared: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Typed values by name: those of StartPipelineExecution (always strings) over the defaults. Raises AwsError."""
    names = {parameter["Name"] for parameter in declared}
    passed: dict[str, str] = {}
    for one in given:
        if one["Name"] not in names:
            known = ", ".join(sorted(names)) or "none"
            raise validation(f"Unknown pipeline parameter '{one['Name']}'. The pipeline's parameters: {known}.")
        if one["Name"] in passed:
            raise validation(f"Pipeline parameter '{one['Name']}' is given more than once.")
        passed[one["Name"]] = one["Value"]
    without = [one["Name"] for one in declared if one["Name"] not in passed and one.get("DefaultValue") is None]
    if without:
        raise validation(f"Pipeline parameters without a default value must be given: {', '.join(without)}.")
    return {one["Name"]: _value(one, passed) for one in declared}


def listed(chosen: Mapping[str, Any]) -> list[dict[str, str]]:
    """As ListPipelineParametersForExecution shows them."""
    return [{"Name": name, "Value": text(value)} for name, value in chosen.items()]


def _value(parameter: Mapping[str, Any], passed: Mapping[str, str]) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    if name not in passed:
        default = parameter["DefaultValue"]
        return float(default) if kind == "Float" else default
    value = _parsed(name, kind, passed[name])
    allowed = parameter.get("EnumValues")
    if allowed is not None and value not in allowed:
        raise validation(
            f"Value '{value}' of pipeline parameter '{name}' is not one of its values: {', '.join(map(str, allowed))}."
        )
    return value


def _parsed(name: str, kind: str, value: str) -> Any:
    try:
        if kind == "Boolean":
            return _BOOLEANS[value.lower()]
        return {"String": str, "Integer": int, "Float": float}[kind](value)
    except (ValueError, KeyError) as error:
        raise validation(f"Value '{value}' of pipeline parameter '{name}' is not of type {kind}.") from error


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "Boolean" or not isinstance(value, bool))
