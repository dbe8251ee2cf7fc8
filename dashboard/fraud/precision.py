"""How right the alerts were, by day, as far as labels say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.fraud import reading
from dashboard.scored import forecast
from deploy import streams
from deploy.fraud_labels import FRAUD, Item
from processing.fraud_windows import DAY, LABEL_DELAY

DAYS = 30
TOP = 100  # cards a day, as many as a team looks at
_MOST = 5_000  # alerts of a day that are read
_DELAY = LABEL_DELAY // DAY  # days
_FIELDS = ("customer_id", "score", "label")
_KINDS = ("fraud", "genuine", "not labelled")


@dataclass(frozen=True)
class Day:
    """`cards`: customers with the highest alerts, TOP of them at most; the counts after it are of these."""

    day: str
    alerts: int
    cards: int
    labelled: int
    fraud: int
    whole: bool = True  # all alerts of the day were read

    @property
    def precision(self) -> forecast.Estimate | None:
        return forecast.wilson(self.fraud, self.labelled) if self.labelled else None


def of_day(day: str, alerts: Sequence[Item], whole: bool = True, top: int = TOP) -> Day:
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
    return Day(day, len(alerts), len(first), len(labelled), sum(FRAUD in labels[card] for card in labelled), whole)


@st.cache_data(ttl=60, show_spinner=False)
def read(last: str) -> list[Day]:
    """The DAYS up to `last` that have alerts, oldest first. Raises ClientError."""

    def one(day: str) -> Day:
        return of_day(day, *reading.of_day(streams.ALERTS_BY_DAY, "alert_day", day, _FIELDS, _MOST))

    found = reading.side_by_side(one, reading.before(date.fromisoformat(last), DAYS))
    return [each for each in reversed(found.values()) if each.alerts]


def show(last: str) -> None:
    days = read(last)
    if not days:
        st.caption(f"No alerts in the {DAYS} days up to {last}.")
        return
    labelled = sum(each.labelled for each in days)
    if not labelled:
        st.info("No alert of these days is labelled: mark some, or wait for chargebacks.", icon=":material/info:")
    st.altair_chart(
        _chart(days), width="stretch", alt="Card precision by day, above the number of cards by their labels"
    )
    st.caption(
        f"Card precision: of the {TOP} customers with a day's highest alerts, the share of fraud among those that are "
        f"labelled, {labelled:,} of {sum(each.cards for each in days):,}; lines are 95 % by chance alone. Where "
        "analysts choose what they label, the rest may be otherwise: a day is known when nearly all of it is labelled. "
        f"Chargebacks take {_DELAY} days, so of the shaded days labels still come. Fraud without an alert is not in it."
    )
    if cut := [each.day for each in days if not each.whole]:
        st.caption(f"Of {', '.join(cut)} only the newest {_MOST:,} alerts were read.")
    st.dataframe(
        table(reversed(days)),
        hide_index=True,
        column_config={
            "labelled": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "card precision": st.column_config.NumberColumn(format="percent"),
        },
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
                "card precision": each.precision.value if each.precision else None,
                "95 %": f"{each.precision.low:.0%} to {each.precision.high:.0%}" if each.precision else "",
            }
            for each in days
        ]
    )


def _chart(days: Sequence[Day]) -> Any:
    import altair as alt

    first, last = (date.fromisoformat(each.day) for each in (days[0], days[-1]))
    # By noon, so that a day's bar and point stand in its middle.
    x = alt.X(
        "day:T",
        title=None,
        axis=alt.Axis(format="%d %b", tickCount={"interval": "day", "step": 1} if len(days) < 8 else 10),
        scale=alt.Scale(type="utc", domain=[first.isoformat(), (last + timedelta(days=1)).isoformat()]),
    )
    points = pd.DataFrame(
        [
            {"day": _noon(each.day), "precision": found.value, "low": found.low, "high": found.high, **_told(each)}
            for each in days
            if (found := each.precision)
        ],
        columns=["day", "precision", "low", "high", "labelled", "of"],
    )
    y = alt.Y("precision:Q", title="card precision", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    base = alt.Chart(points)
    tips = [
        alt.Tooltip("day:T", format="%Y-%m-%d"),
        *(alt.Tooltip(f"{name}:Q", format=".0%") for name in ("precision", "low", "high")),
        "labelled:Q",
        alt.Tooltip("of:Q", title="cards"),
    ]
    colour = look.SERIES[0]
    layers = [
        *_shade(first, last),
        base.mark_rule(color=colour, opacity=0.5).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(color=colour, strokeWidth=2).encode(x=x, y=y),
        base.mark_point(color=colour, filled=True, size=60, opacity=1).encode(x=x, y=y, tooltip=tips),
    ]
    counts = pd.DataFrame([row for each in days for row in _counts(each)])
    bars = (
        alt.Chart(counts)
        .mark_bar(size=max(4, min(30, 500 // ((last - first).days + 1))))
        .encode(
            x=x,
            y=alt.Y("cards:Q", title="cards", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=list(_KINDS), range=[look.SERIES[5], look.SERIES[2], "#9aa4b1"]),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip("day:T", format="%Y-%m-%d"), "label:N", "cards:Q"],
        )
        .properties(height=110)
    )
    return alt.vconcat(alt.layer(*layers).properties(height=220), bars)


def _noon(day: str) -> str:
    return f"{day}T12:00:00Z"


def _told(day: Day) -> Mapping[str, int]:
    return {"labelled": day.labelled, "of": day.cards}


def _counts(day: Day) -> list[dict[str, Any]]:
    numbers = (day.fraud, day.labelled - day.fraud, day.cards - day.labelled)
    return [
        {"day": _noon(day.day), "label": kind, "cards": number, "place": place}
        for place, (kind, number) in enumerate(zip(_KINDS, numbers, strict=True))
    ]


def _shade(first: date, last: date) -> list[Any]:
    """The days of which labels still come."""
    import altair as alt

    since = max(first, datetime.now(UTC).date() - timedelta(days=_DELAY))
    until = last + timedelta(days=1)
    if since >= until:
        return []
    span = pd.DataFrame([{"from": since.isoformat(), "to": until.isoformat()}])
    return [alt.Chart(span).mark_rect(opacity=0.12, color="gray").encode(x="from:T", x2="to:T")]
