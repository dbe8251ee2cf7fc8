"""What CreatePipeline and UpdatePipeline check in a definition before they take it.

AWS's published JSON schema of definitions (2025-04) refuses what its own SDK writes, so these checks follow the SDK
3.27 and the API's shapes, with what `step_types` says of each type. "Unable to parse pipeline definition." and "Model
Validation failed" are AWS's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.api.model import operation_model
from sagelocal.api.validation import problems as shape_problems
from sagelocal.workflow import cache, conditions, expressions, graph, parameters, retries
from sagelocal.workflow.expressions import ExpressionError
from sagelocal.workflow.step_types import STEP_TYPES, members
from sagelocal.workflow.steps import RUN, cleanup, foreach
from sagelocal.workflow.steps.resources import RESOURCES

VERSION = "2020-12-01"
MAX_BYTES = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_ROOT = ("Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps")
Definition = dict[str, Any]


def parse(text: str) -> Definition:
    """The definition that a text holds, checked. Raises AwsError naming all that is wrong."""
    try:
        definition = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unparsable([f"It is not valid JSON: {error}"]) from error
    if not isinstance(definition, dict):
        raise _unparsable(["It must be a JSON object"])
    # Each stage relies on what the one before has seen to be so.
    for stage in (_document, _steps, _functions, _references, _arguments):
        try:
            found = list(stage(definition))
        except (graph.GraphError, ExpressionError) as error:
            found = [str(error)]
        except (AttributeError, KeyError, TypeError) as error:
            found = [f"A part has the wrong JSON type or lacks a member ({error})"]
        if found:
            raise _unparsable(found)
    return definition


def _unparsable(found: list[str]) -> AwsError:
    return validation("Unable to parse pipeline definition. " + "; ".join(found) + ".")


def _unknown(value: Mapping[str, Any], members: tuple[str, ...], where: str) -> Iterator[str]:
    for member in value:
        if member not in members:
            yield f"Cannot parse {where}, unknown property '{member}', must be one of: {', '.join(members)}"


def _document(definition: Definition) -> Iterator[str]:
    yield from _unknown(definition, _ROOT, "the definition")
    if definition.get("Version") != VERSION:
        yield f"Version must be '{VERSION}', not {definition.get('Version')!r}"
    if definition.get("MlflowConfig") is not None:
        yield "MlflowConfig is not implemented by sagelocal: leave it out or null"
    if not isinstance(definition.get("Steps"), list) or not definition["Steps"]:
        yield "Steps must be a list with at least one step"
    declared = definition.get("Parameters") or []
    names = [one.get("Name") for one in declared]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"Parameter names must be unique, and '{name}' is used more than once"
    for one in declared:
        if not _NAME.fullmatch(str(one.get("Name"))):
            yield f"Parameter name '{one.get('Name')}' must match {_NAME.pattern}"
        yield from _unknown(
            one, ("Name", "Type", "DefaultValue", "EnumValues", "Description"), f"parameter '{one.get('Name')}'"
        )
        yield from parameters.problems(one)


def _steps(definition: Definition) -> Iterator[str]:
    for step in definition["Steps"]:
        yield from _step(step, None)


def _step(step: Any, branch_of: str | None) -> Iterator[str]:
    if not isinstance(step, dict) or not isinstance(step.get("Name"), str) or not isinstance(step.get("Type"), str):
        yield f"A step must be an object with Name and Type, not {json.dumps(step)[:200]}"
        return
    name, kind = step["Name"], step["Type"]
    if not _NAME.fullmatch(name):
        yield f"Step name '{name}' must match {_NAME.pattern}"
    if kind not in STEP_TYPES or kind not in RUN:
        yield f"Step '{name}' is of type '{kind}', which sagelocal does not run; it runs: {', '.join(RUN)}"
        return
    row = STEP_TYPES[kind]
    yield from _unknown(step, members(kind), f"{kind} step '{name}'")
    arguments = step.get("Arguments")
    if not isinstance(arguments, dict) and not (row.optional_arguments and arguments is None):
        yield f"Step '{name}' has no Arguments"
        return
    if row.arguments is not None:
        yield from _unknown(step["Arguments"], row.arguments, f"{kind} step '{name}'")
    yield from _settings(step)
    yield from row.problems(step)
    if kind == "Condition":
        if branch_of:
            # The developer guide, on condition steps: nesting them is not supported.
            yield f"Condition step '{name}' is nested in condition step '{branch_of}', which SageMaker does not support"
        yield from _conditions(step)
    for member in row.nested:
        for inner in step["Arguments"].get(member) or []:
            yield from _step(inner, name if kind == "Condition" else None)


def _settings(step: Mapping[str, Any]) -> Iterator[str]:
    name = step["Name"]
    for one in step.get("DependsOn") or []:
        given = {"Step": one} if isinstance(one, str) else one if isinstance(one, dict) else {}
        if not isinstance(given.get("Step"), str) or given.get("Trigger", graph.COMPLETED) not in graph.TRIGGERS:
            yield f"DependsOn of step '{name}' takes names or {{Step, Trigger}}, Trigger {', '.join(graph.TRIGGERS)}"
    if step.get("CacheConfig"):
        yield from cache.problems(name, step["CacheConfig"])
    for policy in step.get("RetryPolicies") or []:
        yield from retries.problems(name, step["Type"], policy)
    for file in step.get("PropertyFiles") or []:
        if set(file) != {"PropertyFileName", "OutputName", "FilePath"}:
            yield f"A property file of step '{name}' must have exactly PropertyFileName, OutputName and FilePath"


def _conditions(step: Mapping[str, Any]) -> Iterator[str]:
    name, arguments = step["Name"], step["Arguments"]
    if not arguments.get("Conditions"):
        yield f"Condition step '{name}' has no Conditions"
    for condition in arguments.get("Conditions") or []:
        yield from _condition(name, condition)


def _condition(step: str, condition: Any) -> Iterator[str]:
    kind = condition.get("Type") if isinstance(condition, dict) else None
    if kind not in conditions.MEMBERS:
        known = ", ".join(conditions.MEMBERS)
        yield f"Step '{step}' has a condition of the unknown type '{kind}', must be one of: {known}"
        return
    members = conditions.MEMBERS[kind]
    yield from _unknown(condition, ("Type", *members), f"{kind} condition of step '{step}'")
    for member in members:
        if condition.get(member) is None:
            yield f"The {kind} condition of step '{step}' lacks {member}"
    inner = {"Or": condition.get("Conditions"), "Not": [condition["Condition"]] if "Condition" in condition else []}
    for one in inner.get(kind) or []:
        yield from _condition(step, one)


def _functions(definition: Definition) -> Iterator[str]:
    for expression in _expressions([definition["Steps"], definition.get("PipelineExperimentConfig")]):
        yield from _expression(expression)


def _references(definition: Definition) -> Iterator[str]:
    nodes = graph.build(definition["Steps"])
    known = {one["Name"] for one in definition.get("Parameters") or []}
    for node in nodes.values():
        inside = nodes | {inner["Name"]: graph.Node(inner, ()) for inner in node.body}
        for path in expressions.references(node.own):
            if not (node.body and path.startswith(expressions.FOR_EACH_ROOTS)):
                yield from (f"Step '{node.name}': {said}" for said in _reference(path, known, inside))
    for path in expressions.references(definition.get("PipelineExperimentConfig")):
        if not path.startswith(("Parameters.", "Execution.")):
            yield f"PipelineExperimentConfig may refer to parameters and execution variables only, not to '{path}'"
        else:
            yield from _reference(path, known, nodes)


def _expressions(value: Any) -> Iterator[Mapping[str, Any]]:
    """All expressions inside, outer before inner."""
    if expressions.is_expression(value):
        yield value
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _expressions(member)


def _expression(expression: Mapping[str, Any]) -> Iterator[str]:
    ((function, argument),) = expression.items()
    if function == "Get" and not isinstance(argument, str):
        yield f"Get takes a string, not {argument!r}"
    elif function == "Std:Join" and not (isinstance(argument, dict) and isinstance(argument.get("Values"), list)):
        yield "Std:Join takes On and a list of Values"
    elif function == "Std:JsonGet":
        known = isinstance(argument, dict) and ("PropertyFile" in argument) != ("S3Uri" in argument)
        if not known or not isinstance(argument.get("Path"), str):
            yield "Std:JsonGet takes Path and either PropertyFile or S3Uri"
        else:
            expressions.parse_path(argument["Path"])
    elif function not in expressions.FUNCTIONS:
        yield f"Unknown function '{function}', must be one of: {', '.join(expressions.FUNCTIONS)}"


def _reference(path: str, known: set[str], nodes: graph.Graph) -> Iterator[str]:
    root, _, rest = path.partition(".")
    if root == "Parameters" and rest not in known:
        yield f"Unknown parameter '{rest}'; the definition declares: {', '.join(sorted(known)) or 'none'}"
    elif root == "Execution" and rest not in expressions.EXECUTION_VARIABLES:
        yield f"Unknown execution variable '{rest}', must be one of: {', '.join(expressions.EXECUTION_VARIABLES)}"
    elif root == "Steps":
        yield from _property(path, nodes)
    elif root not in expressions.ROOTS:
        yield f"Invalid reference '{path}': it must start with one of {', '.join(expressions.ROOTS)}"


def _property(path: str, nodes: graph.Graph) -> Iterator[str]:
    name, tokens = expressions.step_path(path)
    node = nodes[name]
    if tokens[0] == "PropertyFiles":
        files = [file["PropertyFileName"] for file in node.step.get("PropertyFiles") or []]
        if len(tokens) != 2 or tokens[1] not in files:
            yield f"Invalid property reference '{path}': step '{name}' has the property files {files}"
    elif not STEP_TYPES[node.type].properties(node.step, tokens):
        yield f"Invalid property reference '{path}': {node.type} step '{name}' has no such property"


def _arguments(definition: Definition) -> Iterator[str]:
    """Literal arguments against the API's shapes. What expressions will give is judged when the step runs."""
    nodes = graph.build(definition["Steps"])
    yield from foreach.problems([node.step for node in nodes.values() if node.type == "ForEach"], set(nodes))
    for node in _all_nodes(nodes):
        if node.type in RESOURCES:
            shape = operation_model("sagemaker", RESOURCES[node.type].create).input_shape
            for said in shape_problems(shape, _literal(node.arguments)):
                # Names that the engine gives are missing here, and so is whatever an expression stands for.
                if "Member must not be null" not in said and "length greater than" not in said:
                    yield f"Model Validation failed: step '{node.name}': {said}"
        elif node.type == "Fail" and not node.arguments.get("ErrorMessage"):
            yield f"Fail step '{node.name}' has no ErrorMessage"
        elif node.type == "Cleanup":
            steps = {name: each.step for name, each in nodes.items()}
            yield from cleanup.source_problems(node.step, steps, graph.upstream(node))


def _all_nodes(nodes: graph.Graph) -> Iterator[graph.Node]:
    for node in nodes.values():
        yield node
        yield from (graph.Node(inner, ()) for inner in node.body)


def _literal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _literal(member) for key, member in value.items() if not expressions.is_expression(member)}
    if isinstance(value, list):
        return [_literal(member) for member in value if not expressions.is_expression(member)]
    return value
