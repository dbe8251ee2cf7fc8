"""A build's log: its end, older lines on demand, lines with a text in them; without the terminal's colours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import look
from dashboard.account import client
from dashboard.executions import logs
from dashboard.executions.logs import Lines

# ECMA-48: control sequences (CSI), strings such as a window's title (OSC), and escapes of two signs.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def show(where: Mapping[str, Any]) -> None:
    """`where` is a build's LogsLocation."""
    group, stream = where.get("groupName"), where.get("streamName")
    if not group or not stream:
        state = where.get("cloudWatchLogs", {}).get("status", "")
        st.caption("This project writes no log to CloudWatch." if state == "DISABLED" else "Nothing is printed yet.")
        return
    text = st.text_input("Find in the log", key="log-find", icon=":material/search:", placeholder="error")
    wanted = st.session_state.get(_asked(stream), logs.LINES)
    try:
        reader = client("logs")
        got = logs.search(reader, group, stream, text) if text else logs.tail(reader, group, stream, wanted)
    except client("logs").exceptions.ResourceNotFoundException:
        st.caption(f"There is no log {look.plain(group)}, {look.plain(stream)}: nothing is printed yet, or it expired.")
        return
    _lines(Lines([stripped(line) for line in got.lines], got.more), text)
    if got.more and not text:
        st.button("Older lines", key="log-older", icon=":material/expand_less:", on_click=_older, args=(stream,))


def _asked(stream: str) -> str:
    return f"log-lines {stream}"


def _older(stream: str) -> None:
    st.session_state[_asked(stream)] = st.session_state.get(_asked(stream), logs.LINES) + logs.LINES


def _lines(got: Lines, text: str) -> None:
    if text:
        said = f"{len(got.lines)} lines with “{text}”" + (", the last ones; there may be more" if got.more else "")
    else:
        said = f"The last {len(got.lines)} lines" if got.more else f"All {len(got.lines)} lines"
    st.caption(look.plain(said))
    if got.lines:
        with st.container(height=460, border=False, autoscroll=True):
            st.code("\n".join(got.lines), language=None, wrap_lines=True)


def stripped(line: str) -> str:
    """Without escape sequences; of a line that a progress bar wrote over itself, what stood there last."""
    return _ANSI.sub("", line).rstrip("\r").rpartition("\r")[2]
