"""A log of CloudWatch Logs: the end of a stream, older lines on demand, and those with a text in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import account, look

LINES = 500
_MOST_READ = 100_000  # lines, of a search
_LONGEST = 10_000  # characters of a line; an event of CloudWatch Logs may have 256 KB
_PAGE = 10_000  # GetLogEvents' own limit
_STREAMS = 200  # offered
# ECMA-48: control sequences (CSI), strings such as a window's title (OSC), and escapes of two signs.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True)
class Lines:
    lines: Sequence[str]
    more: bool  # whether there are older ones


def draw(group: str, stream: str) -> None:
    """The end of a stream, or its lines with a text. Raises CloudWatch Logs' ResourceNotFoundException."""
    text = st.text_input("Find in the log", key="log-find", icon=":material/search:", placeholder="error")
    wanted = st.session_state.get(_asked(stream), LINES)
    logs = account.client("logs")
    got = search(logs, group, stream, text) if text else tail(logs, group, stream, wanted)
    _lines(got, text)
    if got.more and not text:
        st.button("Older lines", key="log-older", icon=":material/expand_less:", on_click=_older, args=(stream,))


def _asked(stream: str) -> str:
    return f"log-lines {stream}"


def _older(stream: str) -> None:
    st.session_state[_asked(stream)] = st.session_state.get(_asked(stream), LINES) + LINES


def _lines(got: Lines, text: str) -> None:
    lines = "1 line" if len(got.lines) == 1 else f"{len(got.lines)} lines"
    if text:
        said = f"{lines} with “{text}”" + (", the last ones; there may be more" if got.more else "")
    else:
        said = f"The last {lines}" if got.more else lines
    st.caption(look.plain(said))
    if got.lines:
        with st.container(height=420, border=False, autoscroll=True):
            st.code("\n".join(got.lines), language=None, wrap_lines=True)


def streams(logs: Any, group: str, prefix: str = "", *, recent: bool = False) -> list[str]:
    """Names by the alphabet, which numbers trials and hosts; `recent`: the newest of all, last written ones first. None
    where there is no such group.
    """
    order: dict[str, Any] = (
        {"orderBy": "LastEventTime", "descending": True} if recent else {"logStreamNamePrefix": prefix}
    )
    try:
        found = logs.describe_log_streams(logGroupName=group, limit=50, **order)
        names = [one["logStreamName"] for one in found["logStreams"]]
        while not recent and found.get("nextToken") and len(names) < _STREAMS:
            found = logs.describe_log_streams(logGroupName=group, limit=50, nextToken=found["nextToken"], **order)
            names += [one["logStreamName"] for one in found["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return names


def tail(logs: Any, group: str, stream: str, count: int) -> Lines:
    """The last `count` lines."""
    found: list[str] = []
    token = ""
    while True:
        more = {"nextToken": token} if token else {}
        asked = min(_PAGE, count + 1 - len(found))
        page = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=asked, startFromHead=False, **more)
        found = [stripped(event["message"]) for event in page["events"]] + found
        # CloudWatch Logs: the beginning is reached when the token comes back as it was sent.
        if len(found) > count or page["nextBackwardToken"] == token:
            return Lines(found[-count:], len(found) > count)
        token = page["nextBackwardToken"]


def stripped(line: str) -> str:
    """Without a terminal's escapes; of a line that a progress bar wrote over itself, what stood there last. A very long
    one is cut.
    """
    plain = _ESCAPES.sub("", line).rstrip("\r\n").rpartition("\r")[2]
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]} …"


def search(logs: Any, group: str, stream: str, text: str) -> Lines:
    """The last LINES lines with a text in any case, of the last _MOST_READ."""
    read = tail(logs, group, stream, _MOST_READ)
    found = [line for line in read.lines if text.casefold() in line.casefold()]
    return Lines(found[-LINES:], read.more or len(found) > LINES)
