"""Delivery."""

from __future__ import annotations

import streamlit as st

TITLE, ICON = "Delivery", ":material/local_shipping:"


def page() -> None:
    st.write("")
