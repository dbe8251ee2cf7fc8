"""How right the alerts were, by day, as far as labels say it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.fraud import reading
from dashboard.scored import forecast
from deploy.fraud_labels import FRAUD, Item
from processing.fraud_windows import DAY, LABEL_DELAY

DAYS = 30
TOP = 100  # cards a day, as many as a team looks at
_DELAY = LABEL_DELAY // DAY  # days
_KINDS = {"fraud": look.SERIES[5], "genuine": look.SERIES[2], "not labelled": "#9aa4b1"}
_LEFT = 52  # px for the axis, so that both charts' days stand above each other


@dataclass(frozen=True)
class Day:
    """`cards`: customers with the highest alerts, TOP of them at most; the counts after it are of these."""

    day: str
    alerts: int
    cards: int
    labelled: int
    fraud: int

    @property
    def precision(self) -> forecast.Estimate | None:
        return forecast.wilson(self.fraud, self.labelled) if self.labelled else None


def of_day(day: str, alerts: Sequence[Item], top: int = TOP) -> Day:
    """A card is as suspicious as its highest alert, fraud if one of its alerts was, genuine if others are labelled.

    The Fraud Detection Handbook's card precision (Le Borgne et al., 2022, chapter 4), of those that are labelled.
    """
    scores: dict[int, float] = {}
    labels: dict[int, set[str]] = {}
    for each in alerts:
        card = int(each["customer_id"])
        scores[card] = max(scores.get(card, 0.0), float(each["score"]))
        labels.setdefault(card, set()).update([each["label"]] if each.get("label") else [])
    first = sorted(scores, key=lambda card: (-scores[card], card))[:top]
    labelled = [card for card in first if labels[card]]
    return Day(day, len(alerts), len(first), len(labelled), sum(FRAUD in labels[card] for card in labelled))


def show(last: str) -> None:
    found = reading.alerts_of(reading.before(date.fromisoformat(last), DAYS))
    days = [of_day(day, alerts) for day, alerts in reversed(found.items()) if alerts]
    if not days:
        st.caption(f"No alert in the {DAYS} days up to {last}.")
        return
    labelled = sum(each.labelled for each in days)
    if labelled:
        st.altair_chart(_precision(days), width="stretch", alt="Card precision by day, with intervals of 95 %")
    else:
        st.info("No alert of these days is labelled: mark some, or wait for chargebacks.", icon=":material/info:")
    st.altair_chart(_counts(days), width="stretch", alt="Cards with the highest alerts by day and label")
    st.caption(
        f"Card precision: of the {TOP} customers with a day's highest alerts, the share of fraud among those that are "
        f"labelled, {labelled:,} of {sum(each.cards for each in days):,}; lines are 95 % by chance alone. Where "
        "analysts choose what they label, the rest may be otherwise: a day is known when nearly all of it is labelled. "
        f"Chargebacks take {_DELAY} days, so of the shaded days labels still come. Fraud without an alert is not in it."
    )
    if cut := [day for day, alerts in found.items() if len(alerts) >= reading.MOST]:
        st.caption(f"Of {', '.join(cut)} only the newest {reading.MOST:,} alerts were read.")
    st.dataframe(
        table(reversed(days)),
        hide_index=True,
        column_config={
            "labelled": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "card precision": st.column_config.NumberColumn(format="percent"),
        },
        placeholder="",
        alt="Card precision by day, newest first",
    )


def table(days: Iterable[Day]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "day": each.day,
                "alerts": each.alerts,
                f"cards (at most {TOP})": each.cards,
                "labelled": each.labelled / each.cards,
                "fraud": each.fraud,
                "genuine": each.labelled - each.fraud,
                "card precision": round(each.precision.value, 3) if each.precision else None,
                "95 %": f"{each.precision.low:.0%} to {each.precision.high:.0%}" if each.precision else "",
            }
            for each in days
        ]
    )


def _precision(days: Sequence[Day]) -> Any:
    rows = [
        {"day": _noon(each.day), "precision": found.value, "low": found.low, "high": found.high}
        | {"labelled": each.labelled, "cards": each.cards}
        for each in days
        if (found := each.precision)
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(x=_days(days))
    y = alt.Y("precision:Q", title="card precision", scale=alt.Scale(domain=[0, 1]))
    y = y.axis(alt.Axis(format="%", minExtent=_LEFT))
    shares = [alt.Tooltip(f"{name}:Q", format=".0%") for name in ("precision", "low", "high")]
    tips = [alt.Tooltip("day:T", format="%Y-%m-%d"), *shares, "labelled:Q", "cards:Q"]
    colour = look.SERIES[0]
    return alt.layer(
        _shade(days),
        base.mark_rule(color=colour, opacity=0.5, strokeWidth=2).encode(y="low:Q", y2="high:Q"),
        base.mark_line(color=colour, strokeWidth=2).encode(y=y),
        base.mark_point(color=colour, filled=True, size=60, opacity=1).encode(y=y, tooltip=tips),
    ).properties(height=230)


def _counts(days: Sequence[Day]) -> Any:
    rows = [
        {"day": _noon(each.day), "label": kind, "cards": number, "place": place}
        for each in days
        for place, (kind, number) in enumerate(
            zip(_KINDS, (each.fraud, each.labelled - each.fraud, each.cards - each.labelled), strict=True)
        )
    ]
    colour = alt.Scale(domain=list(_KINDS), range=list(_KINDS.values()))
    bars = alt.Chart(pd.DataFrame(rows)).mark_bar(size=min(30, 600 // _span(days)))
    return bars.encode(
        x=_days(days),
        y=alt.Y("cards:Q", axis=alt.Axis(tickMinStep=1, minExtent=_LEFT)),
        color=alt.Color("label:N", scale=colour, legend=alt.Legend(title=None, orient="bottom")),
        order="place:Q",
        tooltip=[alt.Tooltip("day:T", format="%Y-%m-%d"), "label:N", "cards:Q"],
    ).properties(height=190)


def _noon(day: str) -> str:
    """A day's bar and point stand in its middle."""
    return f"{day}T12:00:00Z"


def _span(days: Sequence[Day]) -> int:
    return (date.fromisoformat(days[-1].day) - date.fromisoformat(days[0].day)).days + 1


def _days(days: Sequence[Day]) -> Any:
    """The axis of days, which are UTC's."""
    until = (date.fromisoformat(days[-1].day) + timedelta(days=1)).isoformat()
    scale = alt.Scale(type="utc", padding=0, domain=[f"{days[0].day}T00:00:00Z", f"{until}T00:00:00Z"])
    ticks: Any = {"interval": "day", "step": 1 + _span(days) // 10}
    return alt.X("day:T", title=None, scale=scale, axis=alt.Axis(format="%d %b", tickCount=ticks, labelOverlap=True))


def _shade(days: Sequence[Day]) -> Any:
    """The days of which labels still come."""
    first, last = (datetime.fromisoformat(f"{each.day}T00:00:00Z") for each in (days[0], days[-1]))
    until = last + timedelta(days=1)
    since = min(max(datetime.now(UTC) - timedelta(days=_DELAY), first), until)
    span = pd.DataFrame([{"from": since.isoformat(), "to": until.isoformat()}])
    return alt.Chart(span).mark_rect(opacity=0.12, color="gray").encode(x="from:T", x2="to:T")
