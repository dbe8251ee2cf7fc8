"""An execution's graph, each step as a node that says its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import look
from dashboard.executions import graph
from dashboard.graph import drawing
from mlops.executions import Step


def show(
    shape: graph.Graph,
    states: Mapping[str, str],
    started: Mapping[str, Step],
    chosen: str | None,
    *,
    title: str,
    key: str,
) -> None:
    """A click puts the step's name into the session's state under `key`."""
    nodes = {name: node(one, states[name], started.get(name)) for name, one in shape.items()}
    edges = [(start, end, label, states[end] == graph.NOT_TAKEN) for start, end, label in graph.edges(shape)]
    drawing.draw(
        "execution-graph", alt(title, states), nodes, edges, chosen, lambda name: st.session_state.update({key: name})
    )


def node(one: graph.Node, state: str, step: Step | None) -> dict[str, Any]:
    """A step as it is drawn, without its place."""
    how = "cached" if step and step.cached else "not selected" if step and step.lent else ""
    took = look.duration(step.start, step.end) if step and step.start and not how and one.kind != "Condition" else ""
    taken = {"True": "takes if", "False": "takes else"}.get(graph.outcome(step), "")
    idle = state in (graph.NOT_TAKEN, graph.NOT_RUN, graph.NOT_SELECTED)
    # Of a step that did well its kind is said, of others their state: there is room for one of them.
    first = one.kind if state == "Succeeded" and how != "not selected" else "" if how else state
    more = (first, how or taken, took)
    return {
        "more": " · ".join(part for part in more if part),
        "said": ", ".join(part for part in (one.name, one.kind, state, how, taken, took) if part),
        "icon": look.icon(state) or ("schedule" if state == graph.WAITING else "radio_button_unchecked"),
        "colour": look.colour(state),
        "dim": idle,
    }


def alt(title: str, states: Mapping[str, str]) -> str:
    """`Graph of churn's 14 steps: 11 Succeeded, 3 Not taken`."""
    counts: dict[str, int] = {}
    for state in states.values():
        counts[state] = counts.get(state, 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"Graph of {title}'s {len(states)} steps: {said}"
