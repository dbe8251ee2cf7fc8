"""Charts of a campaign and of a forecast."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.scored.campaign import Curve, Plan

_MOST_POINTS = 400
_HEIGHT = 300


def profit(curve: Curve, marks: dict[str, Plan]) -> None:
    """The expected profit over how many get an offer; `marks`: what to call a plan."""
    at = np.unique(np.linspace(0, len(curve.threshold) - 1, _MOST_POINTS).round().astype(int))
    points = pd.DataFrame(
        {
            "customers": curve.customers[at],
            "expected profit": curve.profit[at],
            "from probability": np.minimum(curve.threshold[at], 1),
            "cost": curve.cost[at],
        }
    )
    marked = pd.DataFrame(
        {
            "customers": [plan.customers for plan in marks.values()],
            "expected profit": [plan.profit for plan in marks.values()],
            "from probability": [min(plan.threshold, 1) for plan in marks.values()],
            "plan": list(marks),
        }
    )
    x = alt.X("customers:Q", title="customers with an offer")
    y = alt.Y("expected profit:Q", title="expected profit")
    tooltip = [
        alt.Tooltip("customers:Q", format=",d"),
        alt.Tooltip("from probability:Q", format=".3f"),
        alt.Tooltip("expected profit:Q", format=",.0f"),
    ]
    line = alt.Chart(points).mark_line(color=look.SERIES[0]).encode(x=x, y=y, tooltip=tooltip)
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color="#888888", strokeDash=[4, 4]).encode(y="y:Q")
    colours = alt.Scale(domain=list(marks), range=[look.SERIES[1], look.SERIES[2], look.SERIES[3]][: len(marks)])
    dots = (
        alt.Chart(marked)
        .mark_point(size=140, filled=True, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("plan:N", scale=colours, legend=alt.Legend(title=None, orient="bottom", labelLimit=300)),
            shape=alt.Shape("plan:N", scale=alt.Scale(domain=list(marks)), legend=None),
            tooltip=["plan:N", *tooltip],
        )
    )
    said = "; ".join(f"{name}: {plan.customers} customers, {plan.profit:,.0f}" for name, plan in marks.items())
    st.altair_chart(
        (zero + line + dots).properties(height=_HEIGHT), width="stretch", alt=f"Expected profit by customers. {said}"
    )


def sensitivity(rates: np.ndarray, profits: dict[str, np.ndarray], assumed: float) -> None:
    """Profit over the share of leavers whom the offer keeps."""
    points = pd.concat(
        [pd.DataFrame({"save rate": rates, "profit": found, "plan": name}) for name, found in profits.items()]
    )
    rule = alt.Chart(pd.DataFrame({"x": [assumed]})).mark_rule(color="#888888", strokeDash=[4, 4]).encode(x="x:Q")
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color="#888888", strokeDash=[4, 4]).encode(y="y:Q")
    lines = (
        alt.Chart(points)
        .mark_line()
        .encode(
            x=alt.X("save rate:Q", axis=alt.Axis(format="%"), title="share of leavers whom the offer keeps"),
            y=alt.Y("profit:Q", title="expected profit"),
            color=alt.Color(
                "plan:N",
                scale=alt.Scale(domain=list(profits), range=look.SERIES[: len(profits)]),
                legend=alt.Legend(title=None, orient="bottom", labelLimit=300),
            ),
            strokeDash=alt.StrokeDash("plan:N", scale=alt.Scale(domain=list(profits)), legend=None),
            tooltip=["plan:N", alt.Tooltip("save rate:Q", format=".0%"), alt.Tooltip("profit:Q", format=",.0f")],
        )
    )
    st.altair_chart(
        (zero + rule + lines).properties(height=_HEIGHT),
        width="stretch",
        alt=f"Expected profit by save rate, {assumed:.0%} being assumed: " + ", ".join(profits),
    )


def reliability(groups: pd.DataFrame) -> None:
    """Predicted against observed shares, with intervals; on the diagonal a forecast is right."""
    top = float(max(groups[["predicted", "high"]].max())) * 1.05
    limits = alt.Scale(domain=[0, min(1.0, top)])
    diagonal = (
        alt.Chart(pd.DataFrame({"x": [0, min(1.0, top)]}))
        .mark_line(color="#888888", strokeDash=[4, 4])
        .encode(x=alt.X("x:Q", scale=limits), y=alt.Y("x:Q", scale=limits))
    )
    tooltip = [
        alt.Tooltip("records:Q", format=",d"),
        alt.Tooltip("expected:Q", format=",.1f"),
        alt.Tooltip("actual:Q", format=",d"),
        alt.Tooltip("predicted:Q", format=".1%"),
        alt.Tooltip("observed:Q", format=".1%"),
    ]
    x = alt.X("predicted:Q", scale=limits, axis=alt.Axis(format="%"), title="predicted")
    bars = (
        alt.Chart(groups)
        .mark_rule(color=look.SERIES[0], strokeWidth=2)
        .encode(x=x, y=alt.Y("low:Q", scale=limits, axis=alt.Axis(format="%"), title="came true"), y2="high:Q")
    )
    points = (
        alt.Chart(groups)
        .mark_point(color=look.SERIES[0], filled=True, size=80, opacity=1)
        .encode(x=x, y=alt.Y("observed:Q", scale=limits), tooltip=tooltip)
    )
    said = ", ".join(f"{row.predicted:.0%} and {row.observed:.0%}" for row in groups.itertuples())
    st.altair_chart(
        (diagonal + bars + points).properties(height=_HEIGHT),
        width="stretch",
        alt=f"Predicted and actual share of each group: {said}",
    )
