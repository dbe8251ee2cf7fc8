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
    look.component("mlops_monitoring_strip", __file__, _HTML)(
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
