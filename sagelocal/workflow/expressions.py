"""The expressions of a pipeline definition, and paths into what they look at. Nothing here does I/O by itself.

{"Get": "Parameters.X" | "Execution.X" | "Steps.S.<path>" | "PipelineExperimentConfig.X"}
{"Std:Join": {"On": "/", "Values": [...]}}
{"Std:JsonGet": {"PropertyFile": {"Get": "Steps.S.PropertyFiles.F"} , "Path": "a.b[0]"}}   or "S3Uri" for PropertyFile
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

FUNCTIONS = ("Get", "Std:Join", "Std:JsonGet")
ROOTS = ("Parameters", "Execution", "Steps", "PipelineExperimentConfig")
FOR_EACH_ROOTS = ("ForEach.CurrentItem", "IterationOutput.")  # inside a ForEach step only, which gives them values
EXECUTION_VARIABLES = (
    "StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn",
    "TrainingJobName", "ProcessingJobName",
)  # fmt: skip
Path = list[str | int]
_TOKEN = re.compile(r"""\.?(?P<name>[^.\[\]'"]+)|\[(?P<index>\d+)\]|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""")


class ExpressionError(ValueError):
    """An expression that has no value; the message names it."""


@dataclass(frozen=True)
class Scope:
    """What expressions look at. `properties` gives a step's Describe response, the others read a file's JSON."""

    parameters: Mapping[str, Any]
    execution: Mapping[str, Any]
    experiment: Mapping[str, Any]
    properties: Callable[[str], Any]
    property_file: Callable[[str, str], Any]  # step name, property file's name -> parsed JSON
    json: Callable[[str], Any]  # S3 URI -> parsed JSON


def is_expression(value: Any) -> bool:
    """A single-member object whose member is a function's name; an unknown `Std:` function counts, to be refused."""
    return (
        isinstance(value, dict)
        and len(value) == 1
        and (key := next(iter(value)))
        and (key == "Get" or key.startswith("Std:"))
    )


def resolve(value: Any, scope: Scope, shape: Shape | None = None) -> Any:
    """`value` with every expression in it replaced by its value, and nulls dropped from objects.

    With the request's `shape`, a number or boolean that an expression gives where the API takes a string becomes one
    (an Integer parameter as hyperparameter); what the definition says literally is left for the validator to judge.
    Raises ExpressionError.
    """
    if is_expression(value):
        result = evaluate(value, scope)
        takes_text = shape is not None and shape.type_name == "string"
        return text(result) if takes_text and isinstance(result, int | float) else result
    if isinstance(value, dict):
        return {key: resolve(member, scope, _member(shape, key)) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [resolve(member, scope, shape.member if isinstance(shape, ListShape) else None) for member in value]
    return value


def _member(shape: Shape | None, key: str) -> Shape | None:
    if isinstance(shape, StructureShape):
        return shape.members.get(key)
    return shape.value if isinstance(shape, MapShape) else None


def evaluate(expression: Mapping[str, Any], scope: Scope) -> Any:
    """The value of one expression. Raises ExpressionError."""
    ((function, argument),) = expression.items()
    if function == "Get":
        return _get(argument, scope)
    if function == "Std:Join":
        return str(argument.get("On", "")).join(text(resolve(value, scope)) for value in argument["Values"])
    if function == "Std:JsonGet":
        return _json_get(argument, scope)
    raise ExpressionError(f"Unknown function '{function}', must be one of: {', '.join(FUNCTIONS)}")


def _get(path: str, scope: Scope) -> Any:
    root, _, rest = path.partition(".")
    if root == "Steps":
        step, tokens = step_path(path)
        return look_up(scope.properties(step), tokens, path)
    roots = {"Parameters": scope.parameters, "Execution": scope.execution, "PipelineExperimentConfig": scope.experiment}
    if root not in roots:
        raise ExpressionError(f"Unknown reference '{path}': it must start with one of {', '.join(ROOTS)}")
    if rest not in roots[root]:
        raise ExpressionError(f"There is no '{path}' here")
    return roots[root][rest]


def _json_get(argument: Mapping[str, Any], scope: Scope) -> Any:
    if "PropertyFile" in argument:
        step, tokens = step_path(argument["PropertyFile"]["Get"])
        document = scope.property_file(step, str(tokens[1]))
        where = f"property file '{tokens[1]}' of step '{step}'"
    else:
        where = resolve(argument["S3Uri"], scope)
        document = scope.json(where)
    found = look_up(document, parse_path(argument["Path"]), argument["Path"], where)
    if found is None or isinstance(found, dict | list):
        raise ExpressionError(f"'{argument['Path']}' in {where} is not a string, number or boolean")
    return found


def step_path(path: str) -> tuple[str, Path]:
    """The step's name and the path behind it: "Steps.Train.ModelArtifacts" -> ("Train", ["ModelArtifacts"])."""
    parts = path.split(".", 2)
    if len(parts) != 3 or parts[0] != "Steps" or not parts[1]:
        raise ExpressionError(f"Invalid property reference '{path}': expected Steps.<step name>.<property>")
    return parts[1], parse_path(parts[2])


def parse_path(path: str) -> Path:
    """`a.b[0]['c d']` -> ["a", "b", 0, "c d"]. Raises ExpressionError."""
    tokens: Path = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if not match:
            raise ExpressionError(f"Invalid path '{path}' at '{path[position:]}'")
        name, index, key = match["name"], match["index"], match["key"]
        tokens.append(int(index) if index is not None else name if name is not None else key)
        position = match.end()
    if not tokens:
        raise ExpressionError("A path is empty")
    return tokens


def look_up(document: Any, tokens: Sequence[str | int], path: str, where: str = "") -> Any:
    """The value at a path; a string on a list finds the member of that name. Raises ExpressionError naming the part."""
    found = document
    for token in tokens:
        found = _step_into(found, token)
        if found is _NOTHING:
            raise ExpressionError(f"'{path}' has no value{f' in {where}' if where else ''}: there is no '{token}'")
    return found


_NOTHING = object()


def _step_into(value: Any, token: str | int) -> Any:
    if isinstance(value, dict) and isinstance(token, str):
        return value.get(token, _NOTHING)
    if isinstance(value, list) and isinstance(token, int):
        return value[token] if token < len(value) else _NOTHING
    if isinstance(value, list):
        return next((member for member in value if isinstance(member, dict) and _is_named(member, token)), _NOTHING)
    return _NOTHING


def _is_named(member: Mapping[str, Any], name: str | int) -> bool:
    """OutputName, InputName, ChannelName, MetricName, VariantName, Name … : AWS's lists have one such member each."""
    return any(key.endswith("Name") and value == name for key, value in member.items())


def references(value: Any) -> Iterator[str]:
    """Every `Get` path anywhere inside, for instance "Parameters.Eta"."""
    if is_expression(value) and "Get" in value:
        yield value["Get"]
    elif isinstance(value, dict):
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def text(value: Any) -> str:
    """A value as part of a string. Booleans as JSON writes them (AWS's own spelling is not documented)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ExpressionError(f"A {type(value).__name__} cannot be part of a string")
