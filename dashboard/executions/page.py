"""Pipelines."""

from __future__ import annotations

import streamlit as st

TITLE, ICON = "Pipelines", ":material/account_tree:"


def page() -> None:
    st.write("")
