"""An execution's graph as one draws it: a button a step, coloured by its state, which its icon and words say too.

A component of ours, since no chart of Streamlit's has nodes that a keyboard reaches, that keep still while their states
change, and that take both themes' colours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import look
from dashboard.executions import graph, layout
from mlops.executions import Step

_KEY = "execution-graph"
_HERE = Path(__file__)
_ICONS = {  # of Material Symbols, which Streamlit's pages have
    "Succeeded": "check_circle",
    "Failed": "error",
    "Stopped": "stop_circle",
    "Starting": "sync",
    "Executing": "sync",
    "Stopping": "sync",
    graph.WAITING: "schedule",
}
_NO_RUN = "radio_button_unchecked"


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
    edges = graph.edges(shape)
    placed = _placed(tuple(shape), tuple((start, end) for start, end, _ in edges))
    box = {"width": layout.WIDTH, "height": layout.HEIGHT}
    data = {
        "alt": alt(title, states),
        "width": placed.width,
        "height": placed.height,
        "nodes": [
            {**node(shape[name], states[name], started.get(name)), **box, "x": x, "y": y, "chosen": name == chosen}
            for name, (x, y) in placed.nodes.items()
        ],
        "edges": [
            {
                "points": placed.ways[(start, end)],
                "label": label,
                "dim": states[end] == graph.NOT_TAKEN,
                "near": chosen in (start, end),
            }
            for start, end, label in edges
        ],
    }
    draw(_KEY, data, lambda: st.session_state.update({key: st.session_state[_KEY].chosen}))


def draw(key: str, data: Mapping[str, Any], on_chosen: Callable[[], None]) -> None:
    """A graph of `nodes` and `edges` as the component's script takes them; a click leaves the node's name in
    `st.session_state[key].chosen`.
    """
    _component()(key=key, data=data, on_chosen_change=on_chosen)


_placed = functools.lru_cache(maxsize=32)(layout.place)  # one definition has one drawing


def _component() -> Callable[..., Any]:
    js, css = (_source(ending) for ending in ("js", "css"))
    return st.components.v2.component(_KEY, js=js, css=css)


@functools.cache
def _source(ending: str) -> str:
    return _HERE.with_suffix(f".{ending}").read_text(encoding="utf-8")


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
        "name": one.name,
        "more": " · ".join(part for part in more if part),
        "said": ", ".join(part for part in (one.name, one.kind, state, how, taken, took) if part),
        "icon": _ICONS.get(state, _NO_RUN),
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
