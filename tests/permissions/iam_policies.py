"""IAM's evaluation of a role's own policies: what is allowed somewhere and denied nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iam_templates import Stack

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    action: str
    resource: str  # ARN, "*" for an action that knows no resources
    context: Mapping[str, str]  # condition keys


def statements(stack: Stack, role: str) -> list[dict[str, Any]]:
    """All that the policies of a role say, by its logical id."""
    properties = stack.properties(role)
    managed = {stack.resolve({"Ref": each}): each for each in stack.of("AWS::IAM::ManagedPolicy")}
    found = [each["PolicyDocument"] for each in properties.get("Policies", [])]
    found += [stack.properties(managed[arn])["PolicyDocument"] for arn in properties.get("ManagedPolicyArns", [])]
    return [statement for document in found for statement in document["Statement"]]


def allows(every: Iterable[Statement], request: Request) -> bool:
    effects = {each["Effect"] for each in every if applies(each, request)}
    return effects == {"Allow"}


def applies(statement: Statement, request: Request) -> bool:
    return (
        any(_matches(each.lower(), request.action.lower()) for each in _listed(statement["Action"]))
        and any(_matches(each, request.resource) for each in _listed(statement["Resource"]))
        and all(_holds(name, keys, request.context) for name, keys in statement.get("Condition", {}).items())
    )


def actions(every: Iterable[Statement]) -> Iterator[tuple[str, Statement]]:
    """What is allowed, an action at a time."""
    for each in every:
        if each["Effect"] == "Allow":
            for action in _listed(each["Action"]):
                yield action, each


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    """IAM's wildcards cross every separator."""
    expression = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, given: wanted == given,
    "StringLike": _matches,
    "ArnEquals": _matches,
    "ArnLike": _matches,
    "Bool": lambda wanted, given: wanted.lower() == given.lower(),
}


def _holds(operator: str, keys: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    if operator == "Null":
        return all((key not in context) == (str(wanted).lower() == "true") for key, wanted in keys.items())
    compare = _OPERATORS[operator.removesuffix("IfExists")]
    return all(
        any(compare(str(each), context[key]) for each in _listed(wanted))
        if key in context
        else operator.endswith("IfExists")
        for key, wanted in keys.items()
    )
