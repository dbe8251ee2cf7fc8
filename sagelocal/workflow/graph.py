"""The steps of a definition as a graph: what waits for what, and what may start. Pure.

A step depends on what it names in DependsOn, on the steps that its arguments refer to and, inside a branch, on the
condition step.
"""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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


def progress(record: Mapping[str, Any]) -> Progress:
    """What the graph needs of a step's document."""
    return Progress(record["StepStatus"], (record.get("_properties") or {}).get("Outcome", ""))


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
    for inner in node.body:  # what a body's step waits for outside, all iterations wait for
        for one in _dependencies(Node({**inner, "Arguments": {}}, ())):
            if one.step not in named:
                named.add(one.step)
                yield one


def upstream(node: Node) -> set[str]:
    """The names of all steps that a step waits for."""
    return {dependency.step for dependency in node.dependencies} | ({node.branch[0]} if node.branch else set())


def _sorted(nodes: Graph) -> Graph:
    try:
        order = graphlib.TopologicalSorter({name: upstream(node) for name, node in nodes.items()}).static_order()
        return {name: nodes[name] for name in order}
    except graphlib.CycleError as error:
        raise GraphError(f"The steps depend on each other in a circle: {' -> '.join(error.args[1])}") from error


def select(graph: Graph, names: set[str]) -> Graph:
    """Only these steps; what they need of others is there already, so they don't wait for it."""
    kept: Graph = {}
    for name in (name for name in graph if name in names):
        node = graph[name]
        branch = node.branch if node.branch and node.branch[0] in names else None
        waits = tuple(one for one in node.dependencies if one.step in names)
        kept[name] = replace(node, dependencies=waits, branch=branch)
    return kept


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
    allowed = rescuers(graph) if _halted(started) else set(graph)
    found: dict[str, str] = {}
    for name, node in graph.items():
        if name in started:
            found[name] = started[name].status
        else:
            state = _state(node, found, started)
            found[name] = SKIPPED if state == READY and name not in allowed else state
    return found


class Frontier:
    """What may start next while steps end one by one: a step's end costs what depends on it, not the whole graph."""

    def __init__(self, graph: Graph, started: Mapping[str, Progress]) -> None:
        self._graph = graph
        self.started = dict(started)
        self._names = list(graph)
        self._order = {name: number for number, name in enumerate(self._names)}
        self._rescuers = rescuers(graph)
        self._dependents: dict[str, list[str]] = {}
        for node in graph.values():
            for name in upstream(node):
                self._dependents.setdefault(name, []).append(node.name)
        self._judge_all()

    def _judge_all(self) -> None:
        self._halted = _halted(self.started)
        self._states = states(self._graph, self.started)
        self._ready = [self._order[name] for name, state in self._states.items() if state == READY]
        heapq.heapify(self._ready)

    def take(self, limit: int | None = None) -> list[str]:
        """The next steps that may start, at most `limit`, in the graph's order; from now on they count as started."""
        taken: list[str] = []
        while self._ready and (limit is None or len(taken) < limit):
            name = self._names[heapq.heappop(self._ready)]
            self._note(name, Progress("Starting"))
            taken.append(name)
        return taken

    def end(self, name: str, progress: Progress) -> None:
        self._note(name, progress)
        if not self._halted and _halted({name: progress}):
            self._judge_all()
            return
        changed = [name]
        while changed:
            for dependent in self._dependents.get(changed.pop(), ()):
                if self._states[dependent] == WAITING and self._judge(dependent) == SKIPPED:
                    changed.append(dependent)

    def _note(self, name: str, progress: Progress) -> None:
        self.started[name] = progress
        self._states[name] = progress.status

    def _judge(self, name: str) -> str:
        state = _state(self._graph[name], self._states, self.started)
        if state == READY and self._halted and name not in self._rescuers:
            state = SKIPPED
        if state == READY:
            heapq.heappush(self._ready, self._order[name])
        self._states[name] = state
        return state


def _halted(started: Mapping[str, Progress]) -> bool:
    return any(one.status in ("Failed", "Stopped") for one in started.values())


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
