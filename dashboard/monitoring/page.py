"""Monitoring."""

from __future__ import annotations

import streamlit as st

TITLE, ICON = "Monitoring", ":material/monitor_heart:"


def page() -> None:
    st.write("")
