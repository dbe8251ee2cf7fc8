"""What led to a model's answer about one record: its SHAP values as bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

_MOST = 10  # bars
_RAISES, _LOWERS = "#D55E00", "#0072B2"  # of look.SERIES


def draw(record: Mapping[str, Any], shap: Mapping[str, float], *, what: str) -> None:
    """The largest ones. `shap`: feature to its value in log-odds; `what` they raise or lower: "score", "risk"."""
    raises, lowers = f"raises the {what}", f"lowers the {what}"
    largest = sorted(shap, key=lambda name: -abs(shap[name]))[:_MOST]
    table = pd.DataFrame(
        {
            "feature": [f"{name} = {record[name]}" if name in record else name for name in largest],
            "SHAP value": [shap[name] for name in largest],
            "effect": [raises if shap[name] > 0 else lowers for name in largest],
        }
    )
    colours = alt.Scale(domain=[raises, lowers], range=[_RAISES, _LOWERS])
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("SHAP value:Q", title="SHAP value, in log-odds"),
            y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("effect:N", scale=colours, legend=alt.Legend(title=None, orient="bottom")),
            tooltip=["feature", alt.Tooltip("SHAP value:Q", format="+.3f"), "effect"],
        )
    )
    said = ", ".join(f"{name} {shap[name]:+.2f}" for name in largest)
    st.altair_chart(chart, width="stretch", alt=f"SHAP values of this record: {said}")
