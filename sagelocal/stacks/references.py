"""References of a template that lead nowhere, in CloudFormation's words: MiniStack takes their names for values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Document = dict[str, Any]
_WRITTEN = re.compile(r"\$\{([^!}][^}]*)\}")  # of Fn::Sub; ${!x} is text


def unresolved(template: Document, conditions: Mapping[str, bool]) -> Iterator[str]:
    """A resource whose condition is false is not there; of Fn::If only the branch that is taken counts."""
    resources = template.get("Resources") or {}
    there = {name for name, each in resources.items() if conditions.get(each.get("Condition"), True)}
    known = there | set(template.get("Parameters") or {})
    for name in sorted(there):
        found = {*_references(resources[name].get("Properties"), conditions)}
        yield from _missing(found - known, "Resources")
        yield from _missing(_waited_for(resources[name]) - set(resources), "Resources")
        if name in found:
            yield f"Circular dependency between resources: [{name}]"
    for output in (template.get("Outputs") or {}).values():
        if conditions.get(output.get("Condition"), True):
            yield from _missing({*_references(output.get("Value"), conditions)} - known, "Outputs")


def _missing(names: set[str], block: str) -> Iterator[str]:
    if names:
        yield f"Unresolved resource dependencies [{', '.join(sorted(names))}] in the {block} block of the template"


def _waited_for(resource: Document) -> set[str]:
    named = resource.get("DependsOn") or []
    return {named} if isinstance(named, str) else set(named)


def _references(value: Any, conditions: Mapping[str, bool]) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _references(each, conditions)
    elif isinstance(value, dict):
        for name, given in value.items():
            yield from _of(name, given, conditions)


def _of(name: str, given: Any, conditions: Mapping[str, bool]) -> Iterator[str]:
    if name == "Ref" and isinstance(given, str):
        yield from _own(given)
    elif name == "Fn::GetAtt":
        yield str(given[0] if isinstance(given, list) else given).partition(".")[0]
    elif name == "Fn::Sub":
        text, values = given if isinstance(given, list) else (given, {})
        yield from (one for found in _WRITTEN.findall(text) if found not in values for one in _own(found.split(".")[0]))
        yield from _references(values, conditions)
    elif name == "Fn::If" and isinstance(given, list) and given[0] in conditions:
        yield from _references(given[1 if conditions[given[0]] else 2], conditions)
    else:
        yield from _references(given, conditions)


def _own(name: str) -> Iterator[str]:
    """Without what CloudFormation itself gives."""
    if not name.startswith("AWS::"):
        yield name
