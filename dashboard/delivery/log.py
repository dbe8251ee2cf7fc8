"""A build's log, from where the build says that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import look
from dashboard.account import client
from dashboard.executions import logs


def show(where: Mapping[str, Any]) -> None:
    """`where` is a build's LogsLocation."""
    group, stream = where.get("groupName"), where.get("streamName")
    if not group or not stream:
        state = where.get("cloudWatchLogs", {}).get("status", "")
        st.caption("This project writes no log to CloudWatch." if state == "DISABLED" else "Nothing is printed yet.")
        return
    try:
        logs.draw(group, stream)
    except client("logs").exceptions.ResourceNotFoundException:
        st.caption(f"There is no log {look.plain(group)}, {look.plain(stream)}: nothing is printed yet, or it expired.")
