"""A graph as one draws it: a button a node, coloured by its state, which its icon and words say too.

A component of ours, since no chart of Streamlit's has nodes that a keyboard reaches, that keep still while their states
change, and that take both themes' colours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import look
from dashboard.graph import layout

_BOX = {"width": layout.WIDTH, "height": layout.HEIGHT}
_place = functools.lru_cache(maxsize=32)(layout.place)  # one definition has one drawing


def draw(
    key: str,
    alt: str,
    nodes: Mapping[str, Mapping[str, Any]],
    edges: Sequence[tuple[str, str, str, bool]],
    chosen: str | None,
    on_chosen: Callable[[str], None],
) -> None:
    """
    Args:
        key: of the session's state.
        alt: what the graph is, for who can't see it.
        nodes: by name, each after those with an edge to it: `title` (without one its name), `more` (a line beneath it),
            `said` (all of it in words), `icon` (of Material Symbols), `colour` (of look), `dim`.
        edges: from, to, label, whether it is dim.
        chosen: the node that stands out, with its edges.
        on_chosen: called with a node's name when it is clicked.
    """
    placed = _place(tuple(nodes), tuple((start, end) for start, end, *_ in edges))
    data = {
        "alt": alt,
        "width": placed.width,
        "height": placed.height,
        "nodes": [
            {"title": name, **nodes[name], "name": name, **_BOX, "x": x, "y": y, "chosen": name == chosen}
            for name, (x, y) in placed.nodes.items()
        ],
        "edges": [
            {"points": placed.ways[start, end], "label": label, "dim": dim, "near": chosen in (start, end)}
            for start, end, label, dim in edges
        ],
    }
    component = look.component("mlops_graph", __file__)
    component(key=key, data=data, on_chosen_change=lambda: on_chosen(st.session_state[key].chosen))
