"""Which of a definition's steps may run alone, with an earlier execution's results for the others. Pure.

AWS: every step on a way between two selected ones is selected, too, and what others of them refer to comes from a
source execution that has ended (the guide's "Selective execution of pipeline steps", SelectiveExecutionConfig).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboard.executions import graph
from mlops import selection
from mlops.executions import RUNNING, Step

Document = Mapping[str, Any]
_MOST = 50  # SelectedSteps, by the API's model


def problems(definition: Document, chosen: Sequence[str], source: str, status: str, ran: Sequence[Step]) -> list[str]:
    """Why AWS would refuse the steps, in sentences; none if it would not. `source` is the execution's id, `status` its
    status and `ran` its steps.
    """
    if not chosen:
        return ["Choose the steps to run."]
    found = []
    if len(chosen) > _MOST:
        found.append(f"{len(chosen)} steps are chosen, and at most {_MOST} go.")
    if left_out := between(definition, chosen):
        found.append(f"{_and(left_out)} between chosen steps: choose {'it' if len(left_out) == 1 else 'them'}, too.")
    if needs := lenders(definition, chosen):
        if status in RUNNING:
            found.append(f"{source} still runs: it lends results once it has ended.")
        succeeded = {step.name for step in ran if step.status == "Succeeded"}
        found += [
            f"{user} needs what {lender} makes, and that did not succeed in {source}: choose {lender}, too."
            for lender, user in needs.items()
            if lender not in succeeded
        ]
    return found


def _and(names: Sequence[str]) -> str:
    return f"{names[0]} lies" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} lie"


def between(definition: Document, chosen: Sequence[str]) -> list[str]:
    """Steps that are not chosen, but come after a chosen one and before another."""
    nodes = graph.build(definition)
    after = set(_downstream(nodes, chosen))
    before: set[str] = set()
    for name in reversed(nodes):
        if name in chosen or name in before:
            before |= set(nodes[name].upstream)
    return [name for name in nodes if name in after & before and name not in chosen]


def onwards(definition: Document, first: Sequence[str]) -> list[str]:
    """The steps, and all that come after them."""
    nodes = graph.build(definition)
    return [name for name in nodes if name in {*first, *_downstream(nodes, first)}]


def _downstream(nodes: graph.Graph, first: Sequence[str]) -> Iterator[str]:
    reached = set(first)
    for name, node in nodes.items():
        if reached & set(node.upstream):
            reached.add(name)
            yield name


def lenders(definition: Document, chosen: Sequence[str]) -> dict[str, str]:
    """Steps that are not chosen and whose results a chosen one refers to, with that one."""
    found: dict[str, str] = {}
    for step in selection.all_steps(definition["Steps"]):
        if step["Name"] not in chosen:
            continue
        arguments = {name: value for name, value in (step.get("Arguments") or {}).items() if name not in graph.BRANCHES}
        inside = {each["Name"] for each in arguments.get("ForEachBody") or []}
        for path in selection.references({**step, "Arguments": arguments}):
            lender = path.split(".")[1]
            if lender not in chosen and lender not in inside:
                found.setdefault(lender, step["Name"])
    return found


def unconditional(definition: Document, chosen: Sequence[str]) -> dict[str, str]:
    """Chosen steps of a branch whose condition step is not chosen: they run whatever it would say. With that step."""
    nodes = graph.build(definition)
    return {
        name: nodes[name].branch[0]  # type: ignore[index]
        for name in chosen
        if name in nodes and nodes[name].branch and nodes[name].branch[0] not in chosen  # type: ignore[index]
    }
