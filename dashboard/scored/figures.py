"""A row of figures, each with what limits it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard.scored.forecast import Estimate


def show(figures: Mapping[str, tuple[str, str]]) -> None:
    """Label to figure and the words beneath it; side by side, and beneath each other on a phone."""
    for column, (label, (figure, note)) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, figure, note or None, "off", delta_arrow="off", border=True, height="stretch")


def between(estimate: Estimate, form: str = ",.0f") -> str:
    return f"{estimate.low:{form}} to {estimate.high:{form}}"
