"""Registry."""

from __future__ import annotations

import streamlit as st

TITLE, ICON = "Registry", ":material/inventory_2:"


def page() -> None:
    st.write("")
