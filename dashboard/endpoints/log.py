"""What an endpoint's containers printed."""

from __future__ import annotations

import streamlit as st

from dashboard import account, logs, look
from dashboard.endpoints.described import Found


def show(found: Found) -> None:
    group = f"/aws/sagemaker/Endpoints/{found.name}"
    streams = logs.streams(account.client("logs"), group, recent=True)
    if not streams:
        st.caption(f"There is no log {look.plain(group)}: no container of it has written anything.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Container", streams, key=f"log-{found.name}", width=420)
        st.button("Read again", icon=":material/refresh:")  # as every rerun does
    logs.draw(group, chosen)
