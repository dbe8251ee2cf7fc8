"""Endpoints: all of them, or the one that the address names (`?endpoint=churn-production`)."""

from __future__ import annotations

import streamlit as st

from dashboard.endpoints import listing, one

TITLE, ICON = "Endpoints", ":material/dns:"


def page() -> None:
    if name := st.query_params.get("endpoint"):
        one.show(name)
    else:
        listing.show()
