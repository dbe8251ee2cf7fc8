"""The steps of an execution's definition as a graph: what waits for what, and how far each has come. Pure.

A step waits for what it names in DependsOn, for the steps that its arguments refer to and, in a branch, for the
condition step, whose outcome says whether it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.executions import Step
from mlops.selection import references

Document = Mapping[str, Any]
BRANCHES = {"IfSteps": "True", "ElseSteps": "False"}  # member of a condition's arguments: the outcome that takes it
_BRANCH_LABELS = {"True": "if", "False": "else"}
_TRIGGERS = {"Failed": "if it fails", "Stopped": "if it is stopped", "Any": "in any case"}  # else: when it succeeded
# States of steps that have not started, beside AWS's words for those that have.
WAITING, NOT_RUN, NOT_TAKEN, NOT_SELECTED = "Waiting", "Not run", "Not taken", "Not selected"


@dataclass(frozen=True)
class Node:
    name: str
    kind: str  # Type
    needs: tuple[tuple[str, str], ...]  # steps that it waits for, each with what is said on the way, mostly nothing
    branch: tuple[str, str] | None = None  # its condition step, and the outcome that lets it run

    @property
    def upstream(self) -> list[str]:
        return [name for name, _ in self.needs]


Graph = dict[str, Node]


def build(definition: Document) -> Graph:
    """Every step, those of branches too, after all that it waits for. A ForEach step's body is within its node."""
    nodes = {node.name: node for node in _nodes(definition.get("Steps") or [], None)}
    known = {
        name: Node(name, node.kind, tuple(one for one in node.needs if one[0] in nodes and one[0] != name), node.branch)
        for name, node in nodes.items()
    }
    return {name: known[name] for name in _ordered(known)}


def _nodes(steps: Sequence[Document], branch: tuple[str, str] | None) -> Iterator[Node]:
    for step in steps:
        name, kind = str(step["Name"]), str(step.get("Type", ""))
        needs = dict(_needs(step))
        if branch:
            needs.setdefault(branch[0], _BRANCH_LABELS[branch[1]])
        yield Node(name, kind, tuple(needs.items()), branch)
        arguments = step.get("Arguments") or {}
        for member, outcome in BRANCHES.items():
            yield from _nodes(arguments.get(member) or [], (name, outcome))


def _needs(step: Document) -> Iterator[tuple[str, str]]:
    """What a step waits for by itself, the references in its branches' steps left out: those wait themselves."""
    arguments = step.get("Arguments") or {}
    own = {**step, "Arguments": {name: value for name, value in arguments.items() if name not in BRANCHES}}
    body = {inner["Name"] for inner in arguments.get("ForEachBody") or []}
    for path in references(own):
        if (name := path.split(".")[1]) not in body:
            yield name, ""
    for inner in (step, *(arguments.get("ForEachBody") or [])):
        for one in inner.get("DependsOn") or []:
            name, trigger = (one, "") if isinstance(one, str) else (one["Step"], one.get("Trigger", ""))
            if name not in body:
                yield name, _TRIGGERS.get(trigger, "")


def _ordered(nodes: Graph) -> list[str]:
    """Each after its needs, otherwise as the definition has them; what waits in a circle comes last."""
    found: dict[str, None] = {}
    left = list(nodes)
    while left:
        ready = [name for name in left if all(need in found for need in nodes[name].upstream)] or left
        found |= dict.fromkeys(ready)
        left = [name for name in left if name not in found]
    return list(found)


def edges(graph: Graph) -> list[tuple[str, str, str]]:
    """(from, to, label) of what is drawn: an edge that says no more than a longer way does is left out."""
    above: dict[str, set[str]] = {}
    found = []
    for node in graph.values():
        needs = [(need, label) for need, label in node.needs if need in above]  # not: what waits in a circle
        behind = set().union(*(above[need] for need, _ in needs))
        above[node.name] = behind | {need for need, _ in needs}
        found += [(need, node.name, label) for need, label in needs if need not in behind]
    return found


def states(
    graph: Graph, steps: Mapping[str, Step], *, running: bool, selected: Sequence[str] | None = None
) -> dict[str, str]:
    """Each step's StepStatus, or why it has none. `selected` are the steps of a selective execution."""
    found: dict[str, str] = {}
    for name, node in graph.items():
        if name in steps:
            found[name] = steps[name].status
        elif selected is not None and name not in selected:
            found[name] = NOT_SELECTED
        elif _passed_by(node, steps, found):
            found[name] = NOT_TAKEN
        else:
            found[name] = WAITING if running else NOT_RUN
    return found


def _passed_by(node: Node, steps: Mapping[str, Step], found: Mapping[str, str]) -> bool:
    """Whether its branch, or that of a step it needs, was not taken."""
    if any(found.get(need) == NOT_TAKEN for need in node.upstream):
        return True
    return node.branch is not None and outcome(steps.get(node.branch[0])) not in ("", node.branch[1])


def outcome(step: Step | None) -> str:
    """Of a condition step: "True", "False"; "" while it is not known."""
    return str(step.metadata.get("Condition", {}).get("Outcome", "")) if step else ""
