"""The steps of a definition as a graph: what waits for what, and what may start. Pure.

A step depends on what it names in DependsOn, on the steps that its arguments refer to and, inside a branch, on the
condition step.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagelocal.workflow.expressions import references, step_path

COMPLETED = "Completed"
# DependsOn's {"Step", "Trigger"} (SDK 3.27): the upstream states that let the dependent step run.
TRIGGERS = {
    COMPLETED: ("Succeeded",),
    "Failed": ("Failed",),
    "Stopped": ("Stopped",),
    "Any": ("Succeeded", "Failed", "Stopped"),
}
ENDED = ("Succeeded", "Failed", "Stopped")
# States of a step that has no record: it will never run, it waits, it may start.
SKIPPED, WAITING, READY = "Skipped", "Waiting", "Ready"
_BRANCHES = {"IfSteps": "True", "ElseSteps": "False"}


class GraphError(ValueError):
    """Steps that do not make a graph; the message names them."""


@dataclass(frozen=True)
class Dependency:
    step: str
    trigger: str = COMPLETED


@dataclass(frozen=True)
class Node:
    """One step; `branch` is its condition step's name and the outcome that lets it run."""

    step: Mapping[str, Any]
    dependencies: tuple[Dependency, ...]
    branch: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return str(self.step["Name"])

    @property
    def type(self) -> str:
        return str(self.step["Type"])

    @property
    def arguments(self) -> dict[str, Any]:
        return self.step.get("Arguments") or {}

    @property
    def own(self) -> dict[str, Any]:
        """The step's members that its expressions are in: without the branches of a condition step."""
        nested = _BRANCHES if self.type == "Condition" else {}
        arguments = {name: value for name, value in self.arguments.items() if name not in nested}
        return {name: value for name, value in self.step.items() if name != "DependsOn"} | {"Arguments": arguments}

    @property
    def body(self) -> list[Mapping[str, Any]]:
        """The steps of a ForEach step's body: no nodes of the graph, the step's own function runs them."""
        return self.arguments.get("ForEachBody") or [] if self.type == "ForEach" else []


@dataclass(frozen=True)
class Progress:
    """A step that has started: its StepStatus and, of a condition step, its outcome ("True", "False")."""

    status: str
    outcome: str = ""


Graph = dict[str, Node]


def build(steps: Sequence[Mapping[str, Any]]) -> Graph:
    """All steps, those of branches too, each after what it depends on. Raises GraphError."""
    nodes: Graph = {}
    for node in _nodes(steps, None):
        if node.name in nodes:
            raise GraphError(f"Step names must be unique, and '{node.name}' is used more than once")
        nodes[node.name] = node
    for node in nodes.values():
        for dependency in node.dependencies:
            if dependency.step not in nodes:
                raise GraphError(f"Step '{node.name}' depends on step '{dependency.step}', which does not exist")
            if nodes[dependency.step].type == "Fail":
                raise GraphError(f"Step '{node.name}' depends on Fail step '{dependency.step}', which never completes")
    return _sorted(nodes)


def _nodes(steps: Sequence[Mapping[str, Any]], branch: tuple[str, str] | None) -> Iterator[Node]:
    for step in steps:
        yield Node(step, tuple(_dependencies(Node(step, ()))), branch)
        if step["Type"] == "Condition":
            for member, outcome in _BRANCHES.items():
                yield from _nodes(step["Arguments"].get(member) or [], (step["Name"], outcome))


def _dependencies(node: Node) -> Iterator[Dependency]:
    explicit = [
        Dependency(one) if isinstance(one, str) else Dependency(one["Step"], one.get("Trigger", COMPLETED))
        for one in node.step.get("DependsOn") or []
    ]
    yield from explicit
    named = {dependency.step for dependency in explicit} | {inner["Name"] for inner in node.body}
    for path in references(node.own):
        if path.startswith("Steps.") and (name := step_path(path)[0]) not in named:
            named.add(name)
            yield Dependency(name)


def upstream(node: Node) -> set[str]:
    """The names of all steps that a step waits for."""
    return {dependency.step for dependency in node.dependencies} | ({node.branch[0]} if node.branch else set())


def _sorted(nodes: Graph) -> Graph:
    try:
        order = graphlib.TopologicalSorter({name: upstream(node) for name, node in nodes.items()}).static_order()
        return {name: nodes[name] for name in order}
    except graphlib.CycleError as error:
        raise GraphError(f"The steps depend on each other in a circle: {' -> '.join(error.args[1])}") from error


def rescuers(graph: Graph) -> set[str]:
    """Steps that run because another one failed or stopped, and the steps behind them."""
    found: set[str] = set()
    for node in graph.values():
        if any(one.trigger != COMPLETED for one in node.dependencies) or upstream(node) & found:
            found.add(node.name)
    return found


def states(graph: Graph, started: Mapping[str, Progress]) -> dict[str, str]:
    """Every step's StepStatus or, where it has not started, SKIPPED, WAITING or READY.

    Once a step has failed, nothing new starts but the rescuers (AWS documents only that running steps finish).
    """
    halted = any(one.status in ("Failed", "Stopped") for one in started.values())
    allowed = rescuers(graph) if halted else set(graph)
    found: dict[str, str] = {}
    for name, node in graph.items():
        if name in started:
            found[name] = started[name].status
        else:
            state = _state(node, found, started)
            found[name] = SKIPPED if state == READY and name not in allowed else state
    return found


def _state(node: Node, found: Mapping[str, str], started: Mapping[str, Progress]) -> str:
    judged = [_judge(found[one.step], TRIGGERS[one.trigger]) for one in node.dependencies]
    if node.branch:
        condition, outcome = node.branch
        judged.append(_judge(found[condition], ("Succeeded",)))
        if condition in started and started[condition].outcome not in ("", outcome):
            return SKIPPED
    return next((state for state in (SKIPPED, WAITING) if state in judged), READY)


def _judge(state: str, wanted: Sequence[str]) -> str:
    if state in wanted:
        return READY
    return SKIPPED if state in ENDED or state == SKIPPED else WAITING
