"""Experiments."""

from __future__ import annotations

import streamlit as st

TITLE, ICON = "Experiments", ":material/science:"


def page() -> None:
    st.write("")
