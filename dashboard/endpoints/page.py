"""Endpoints."""

from __future__ import annotations

import streamlit as st

TITLE, ICON = "Endpoints", ":material/dns:"


def page() -> None:
    st.write("")
