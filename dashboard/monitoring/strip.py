"""A monitor's history as a strip: a cell a run in the order of time, each a link, told apart by height and mark, too.

Streamlit has no row of small links, so this is a component of our own: its script writes text, never HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboard import look
from dashboard.monitoring.monitors import Monitor
from dashboard.monitoring.runs import Run, State

MARKS = {
    State.HEALTHY: "",
    State.NOTHING: "–",
    State.FAILED: "✕",
    State.STOPPED: "■",
    State.RUNNING: "…",
}
_MOST = 99  # that a cell has room for
_HTML = "<ol></ol><p></p>"
_CSS = """
ol { display: flex; flex-wrap: wrap; align-items: end; gap: 2px; margin: 0; padding: 3px; list-style: none; }
a { display: flex; align-items: center; justify-content: center; box-sizing: border-box; width: 22px; height: 30px;
    border-radius: 4px; border: 1.5px solid transparent; color: var(--st-text-color); text-decoration: none;
    font: 600 12px/1 var(--st-font); }
li { display: flex; align-items: end; height: 30px; width: 22px; }
.healthy a { background: var(--st-green-color); height: 12px; }
.violations a { background: var(--st-red-color); color: var(--st-background-color); }
.nothing a { border: 1.5px dashed var(--st-gray-color); height: 22px; }
.failed a { border-color: var(--st-orange-color); color: var(--st-orange-text-color); height: 22px; }
.stopped a { border-color: var(--st-gray-color); color: var(--st-gray-text-color); height: 22px; font-size: 9px; }
.running a { border-color: var(--st-blue-color); color: var(--st-blue-text-color); height: 22px; }
a:hover { filter: brightness(1.15); outline: 1px solid var(--st-text-color); }
a:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
a[aria-current] { outline: 2px solid var(--st-text-color); outline-offset: 1px; }
p { margin: 2px 3px 0; font: 12px/1.3 var(--st-font); color: var(--st-gray-text-color); }
"""
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ol");
  list.setAttribute("aria-label", data.label);
  list.replaceChildren(...data.cells.map((cell) => {
    const item = document.createElement("li"), link = document.createElement("a");
    item.className = cell.kind;
    link.href = cell.href;
    link.title = cell.said;
    link.setAttribute("aria-label", cell.said);
    link.textContent = cell.mark;
    if (cell.current) link.setAttribute("aria-current", "true");
    link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("opened", cell.id);
    };
    item.append(link);
    return item;
  }));
  parentElement.querySelector("p").textContent = data.span;
}
"""


def cells(monitor: Monitor, runs: Sequence[Run], current: str = "") -> list[dict[str, Any]]:
    """Of runs given newest first, oldest first; with words for who can't see colours, or anything."""
    return [
        {
            "id": run.id,
            "href": "?" + urlencode({"endpoint": monitor.endpoint, "monitor": monitor.name, "execution": run.id}),
            "kind": run.state.name.lower(),
            "mark": mark(run),
            "said": f"{look.moment(run.started)}: {run}",
            "current": run.id == current,
        }
        for run in reversed(runs)
    ]


def mark(run: Run) -> str:
    if run.state is State.VIOLATIONS:
        return str(run.violations) if run.violations <= _MOST else f"{_MOST}+"
    return MARKS[run.state]


def draw(monitor: Monitor, runs: Sequence[Run], current: str = "") -> None:
    """Newest first. A click opens the run's report."""
    key = f"strip-{monitor.name}"

    def opened() -> None:
        if run_id := (st.session_state.get(key) or {}).get("opened"):
            st.query_params.from_dict({"endpoint": monitor.endpoint, "monitor": monitor.name, "execution": run_id})

    made = cells(monitor, runs, current)
    first, last = look.moment(runs[-1].started), look.moment(runs[0].started)
    _component()(
        data={
            "cells": made,
            "label": f"Runs of {monitor.name}, oldest first",
            "span": first if first == last else f"{first} to {last}",
        },
        key=key,
        on_opened_change=opened,
    )


def legend() -> None:
    st.caption(
        ":green[▄] healthy · :red[■] violations, and how many · ┄ nothing to compare · :orange[✕] failed · "
        ":blue[…] running"
    )


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    """Registered once: Streamlit warns where one name comes again."""
    return st.components.v2.component("mlops_monitoring_strip", html=_HTML, css=_CSS, js=_JS)
