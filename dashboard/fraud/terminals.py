"""Where alerts come from: the terminals of a week's alerts on the map, and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look, navigation
from dashboard.fraud import reading
from deploy.fraud_labels import FRAUD, Item
from processing.fraud_windows import MAP_SIDE

DAYS = 7  # as the feature that says what is usual at a terminal
_ROWS = 100
_HEIGHT = 470
_USUAL = "terminal_7d_count"


def table(alerts: Iterable[Item]) -> pd.DataFrame:
    """A row a terminal, most alerts first: terminal, x, y (km), alerts, customers, fraud (labelled so), amount (of its
    alerts, euros), usual (payments of DAYS, a week before the first alert), rate (alerts a usual payment, 1 at most).
    """
    rows = pd.DataFrame(
        [
            {
                "terminal": int(each["terminal_id"]),
                "x": float(each["x"]),
                "y": float(each["y"]),
                "customer": int(each["customer_id"]),
                "fraud": each.get("label") == FRAUD,
                "amount": float(each["amount"]),
                "usual": float(each.get("features", {}).get(_USUAL, "nan")),
                "scored_at": each["scored_at"],
            }
            for each in alerts
        ],
        columns=["terminal", "x", "y", "customer", "fraud", "amount", "usual", "scored_at"],
    ).sort_values("scored_at")
    by = rows.groupby("terminal", as_index=False).agg(
        x=("x", "last"), y=("y", "last"), alerts=("fraud", "size"), customers=("customer", "nunique"),
        fraud=("fraud", "sum"), amount=("amount", "sum"), usual=("usual", "first"),
    )  # fmt: skip
    by["rate"] = (by["alerts"] / by["usual"]).clip(upper=1.0)
    return by.sort_values(["alerts", "amount", "terminal"], ascending=[False, False, True], ignore_index=True)


def show(day: str) -> None:
    days = reading.before(date.fromisoformat(day), DAYS)
    alerts = [each for found in reading.alerts_of(days).values() for each in found]
    found = table(alerts)
    if found.empty:
        st.caption(f"No alert in the {DAYS} days up to {day}.")
        return
    st.caption(
        f"{len(found):,} terminals with the {len(alerts):,} alerts of {days[-1]} to {day}. One with many, large on the "
        f"map, is likely compromised. The rate is against its payments of {DAYS} days a week earlier: the model's own "
        "figures of terminals are as late."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.vega_lite_chart(
            found,
            _spec(),
            width="stretch",
            theme="streamlit",
            alt=f"Map of {len(found)} terminals with alerts on {MAP_SIDE:.0f} × {MAP_SIDE:.0f} km",
        )
    with right:
        _table(found, day)


def _table(found: pd.DataFrame, day: str) -> None:
    shown = found.head(_ROWS)
    chosen = look.pick(
        shown[["terminal", "alerts", "rate", "fraud", "amount"]],
        key="terminals",
        alt="Terminals with alerts, those with most first",
        height=_HEIGHT,
        column_config={
            "terminal": st.column_config.NumberColumn(width="small"),
            "alerts": st.column_config.NumberColumn(width="small"),
            "rate": st.column_config.NumberColumn(format="percent", width="small", help="alerts a usual payment"),
            "fraud": st.column_config.NumberColumn(width="small", help="of the alerts, labelled as fraud"),
            "amount": st.column_config.NumberColumn("€", format="%.0f", help="of its alerts together"),
        },
    )
    if chosen is not None and chosen < len(shown):
        terminal = str(shown["terminal"].iloc[chosen])
        label = f"Alerts of terminal {terminal} on {day}"
        navigation.link(label, "fraud", icon=":material/arrow_forward:", terminal=terminal, day=day)
    else:
        more = f"The first {_ROWS} of {len(found):,}. " if len(found) > _ROWS else ""
        st.caption(f"{more}Choose one to see its alerts.")


def _spec() -> dict[str, Any]:
    """As large as a terminal has many alerts, as red as its rate is high."""

    def axis(name: str) -> dict[str, Any]:
        scale = {"domain": [0, MAP_SIDE], "nice": False}
        return {"field": name, "type": "quantitative", "title": f"{name} in km", "scale": scale}

    size = {"scale": {"range": [30, 600]}, "legend": None}
    colours = {"domain": [0, 1], "range": [look.SERIES[4], look.SERIES[1], "#D1330B"]}
    forms = {"terminal": "d", "alerts": "d", "customers": "d", "fraud": "d", "usual": ".0f", "rate": ".0%"}
    return {
        "height": _HEIGHT,
        "mark": {"type": "circle", "opacity": 0.85, "stroke": "gray", "strokeWidth": 0.5},
        "encoding": {
            "x": axis("x"),
            "y": axis("y"),
            "size": {"field": "alerts", "type": "quantitative", **size},
            "color": {
                "field": "rate",
                "type": "quantitative",
                "title": "alerts a usual payment",
                "scale": colours,
                "legend": {"orient": "bottom", "format": "%"},
            },
            "tooltip": [{"field": name, "type": "quantitative", "format": form} for name, form in forms.items()],
        },
    }
