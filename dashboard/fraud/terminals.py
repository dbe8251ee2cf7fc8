"""Where alerts come from: the terminals of the newest transactions on the map, and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look, navigation
from dashboard.fraud import reading
from dashboard.scored import forecast
from deploy import streams
from deploy.fraud_labels import FRAUD, Item
from processing.fraud_windows import MAP_SIDE

MOST = 5_000  # transactions that are looked at
_ROWS = 100
_FIELDS = ("terminal_id", "x", "y", "alert", "amount", "label", "scored_at")


@st.cache_data(ttl=60, show_spinner=False)
def read(day: str) -> tuple[pd.DataFrame, int, bool]:
    """Terminals as `table` has them, of how many transactions, and whether those are all of the day."""
    found, whole = reading.of_day(streams.BY_DAY, "day", day, _FIELDS, MOST)
    return table(found), len(found), whole


def table(transactions: Iterable[Item]) -> pd.DataFrame:
    """A row a terminal: terminal, x, y (km), transactions, alerts, rate, at least (Wilson's lower bound of the rate),
    fraud (labelled so), alerted (euros); those that are surely worst first.
    """
    rows = pd.DataFrame(
        [
            {
                "terminal": int(each["terminal_id"]),
                "x": float(each["x"]),
                "y": float(each["y"]),
                "alert": bool(each.get("alert")),
                "fraud": each.get("label") == FRAUD,
                "alerted": float(each["amount"]) if each.get("alert") else 0.0,
            }
            for each in transactions
        ],
        columns=["terminal", "x", "y", "alert", "fraud", "alerted"],
    )
    by = rows.groupby("terminal", as_index=False).agg(
        x=("x", "last"), y=("y", "last"), transactions=("alert", "size"), alerts=("alert", "sum"),
        fraud=("fraud", "sum"), alerted=("alerted", "sum"),
    )  # fmt: skip
    by["rate"] = by["alerts"] / by["transactions"]
    by["at least"] = [
        forecast.wilson(alerts, count).low if alerts else 0.0
        for alerts, count in zip(by["alerts"], by["transactions"], strict=True)
    ]
    return by.sort_values(["at least", "alerts", "terminal"], ascending=[False, False, True], ignore_index=True)


def show(day: str) -> None:
    found, count, whole = read(day)
    if found.empty:
        st.caption(f"Nothing was scored on {day}.")
        return
    alerting = found[found["alerts"] > 0]
    what = f"all {count:,} transactions" if whole else f"the newest {count:,} transactions"
    st.caption(
        f"{len(found):,} terminals of {what} of {day}, {len(alerting):,} of them with alerts. A terminal with many is "
        "likely compromised; one alert of two transactions says little, so the worst are those whose rate is surely "
        "high (the lower end of 95 %)."
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.vega_lite_chart(
            found,
            _spec(),
            width="stretch",
            theme="streamlit",
            alt=f"Map of {len(found)} terminals on {MAP_SIDE:.0f} × {MAP_SIDE:.0f} km, {len(alerting)} with alerts",
        )
    with right:
        _table(alerting, day)


def _table(alerting: pd.DataFrame, day: str) -> None:
    if alerting.empty:
        st.caption("None has an alert.")
        return
    shown = alerting.head(_ROWS)
    chosen = look.pick(
        shown[["terminal", "alerts", "transactions", "rate", "at least", "fraud", "alerted"]],
        key="terminals",
        alt="Terminals with alerts, those with the surely highest rate first",
        height=430,
        column_config={
            "rate": st.column_config.NumberColumn(format="percent", help="alerts a transaction"),
            "at least": st.column_config.NumberColumn(format="percent", help="the lower end of the rate's 95 %"),
            "fraud": st.column_config.NumberColumn(help="labelled as fraud"),
            "alerted": st.column_config.NumberColumn(format="%.0f €", help="amounts of its alerts"),
        },
    )
    if len(alerting) > _ROWS:
        st.caption(f"The first {_ROWS} of {len(alerting):,}.")
    if chosen is not None and chosen < len(shown):
        terminal = str(shown["terminal"].iloc[chosen])
        navigation.link(
            f"Alerts of terminal {terminal}", "fraud", icon=":material/arrow_forward:", terminal=terminal, day=day
        )
    else:
        st.caption("Choose one to see its alerts.")


def _spec() -> dict[str, Any]:
    """Small and gray without alerts, else as large as it has many and as dark as its rate is high."""

    def axis(name: str) -> dict[str, Any]:
        return {
            "field": name,
            "type": "quantitative",
            "title": f"{name} in km",
            "scale": {"domain": [0, MAP_SIDE], "nice": False},
            "axis": {"grid": False},
        }

    place = {"x": axis("x"), "y": axis("y")}
    tips = [
        {"field": name, "type": "quantitative", "format": form}
        for name, form in (("terminal", "d"), ("alerts", "d"), ("transactions", "d"), ("rate", ".1%"))
    ]
    return {
        "height": 430,
        "layer": [
            {
                "transform": [{"filter": "datum.alerts == 0"}],
                "mark": {"type": "circle", "size": 8, "color": "gray", "opacity": 0.45},
                "encoding": place,
            },
            {
                "transform": [{"filter": "datum.alerts > 0"}],
                "mark": {"type": "circle", "opacity": 0.9, "stroke": "gray", "strokeWidth": 0.5},
                "encoding": {
                    **place,
                    "size": {
                        "field": "alerts",
                        "type": "quantitative",
                        "scale": {"range": [50, 500]},
                        "legend": {"orient": "bottom", "tickMinStep": 1, "format": "d"},
                    },
                    "color": {
                        "field": "rate",
                        "type": "quantitative",
                        "title": "alerts a transaction",
                        "scale": {"domain": [0, 1], "range": ["#F5C26B", "#D55E00", "#7A0403"]},
                        "legend": {"orient": "bottom", "format": "%"},
                    },
                    "tooltip": tips,
                },
            },
        ],
    }
