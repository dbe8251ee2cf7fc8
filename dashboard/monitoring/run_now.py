"""Running a monitor at once, over a window that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from dashboard import account, changes, look
from dashboard.changes import Change
from dashboard.monitoring.monitors import Monitor
from deploy import managed_verdicts, verdicts
from mlops import monitoring

WINDOWS = {
    "Last 15 minutes": timedelta(minutes=15),
    "Last hour": timedelta(hours=1),
    "Last 6 hours": timedelta(hours=6),
    "Last day": timedelta(days=1),
    "Last 7 days": timedelta(days=7),
    "Last 30 days": timedelta(days=30),
}
LONGEST_MANAGED = timedelta(days=1)  # of a monitoring schedule that runs once


def button(monitor: Monitor) -> None:
    changes.button("Run now", change(monitor), key=f"run-{monitor.name}", icon=":material/play_arrow:")


def change(monitor: Monitor) -> Change:
    own = f"Starts the pipeline **{look.plain(monitor.name)}** over the window: two processing jobs."
    once = (
        f"Makes a monitoring schedule that runs the job definition of **{look.plain(monitor.name)}** once over the "
        "window, waits for its verdict, and deletes that schedule again."
    )
    alarm = "Its verdict is published, so an alarm may go off, and a retraining start with it."
    return Change(
        title=f"Run {monitor.name} now?",
        does=f"{once if monitor.managed else own} {alarm}",
        confirm=f"Run {monitor.name}",
        call=lambda length: run(monitor, length),
        ask=lambda: ask(monitor),
    )


def ask(monitor: Monitor) -> dict[str, Any]:
    fitting = [each for each, length in WINDOWS.items() if not monitor.managed or length <= LONGEST_MANAGED]
    chosen = st.selectbox("Window", fitting, index=1, key="run-window", help="of traffic, up to now")
    return {"length": WINDOWS[chosen]}


def run(monitor: Monitor, length: timedelta) -> str:
    """What to say of it. One of AWS's engine is waited for."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)  # capture times have no fractions
    sagemaker = account.client("sagemaker")
    if not monitor.managed:
        execution = verdicts.start(sagemaker, monitor.name, end - length, end)
        return f"{monitor.name} runs: execution {execution.rsplit('/', 1)[1]}."
    window = (end - length, end)
    poll = account.target().poll
    found = managed_verdicts.run(sagemaker, account.client("s3"), monitor.name, monitor.kind, *window, poll=poll)
    return f"{monitor.name}: {monitoring.sentence(found)}."
