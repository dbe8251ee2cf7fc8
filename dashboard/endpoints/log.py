"""The last lines that an endpoint's containers wrote."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboard import account
from dashboard.endpoints.described import Found
from deploy import state

_STREAMS, _LINES, _TALL = 20, 200, 15


def show(found: Found) -> None:
    group = f"/aws/sagemaker/Endpoints/{found.name}"
    names = streams(group)
    if not names:
        st.caption(f"There is no log {group}: no container of it has written anything.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Container", names, key=f"log-{found.name}", width=420)
        if st.button("Read again", icon=":material/refresh:"):
            st.cache_data.clear()
    lines = last(group, chosen)
    height: int | Literal["content"] = 360 if len(lines) > _TALL else "content"
    st.code("\n".join(lines) or "(nothing)", language=None, height=height, wrap_lines=True)
    st.caption(f"The end of {group}, {chosen}: {_LINES} lines at most.")


@account.kept
def streams(group: str) -> list[str]:
    """Those that were written to last come first; none where there is no such group."""
    logs = account.client("logs")
    found = state.find(
        lambda **name: logs.describe_log_streams(**name, orderBy="LastEventTime", descending=True, limit=_STREAMS),
        logGroupName=group,
    )
    return [each["logStreamName"] for each in (found or {}).get("logStreams", [])]


@account.kept
def last(group: str, stream: str) -> list[str]:
    events = account.client("logs").get_log_events(
        logGroupName=group, logStreamName=stream, limit=_LINES, startFromHead=False
    )
    return [event["message"].rstrip("\n") for event in events["events"]]
