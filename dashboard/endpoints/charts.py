"""What the endpoints' page draws over time: bars of counts, lines of everything else, gaps where there is no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import look

_HEIGHT = 220  # px
_DASHES = [[1, 0], [6, 3], [2, 2]]
_DAY = timedelta(days=1)


def counts(
    title: str, table: pd.DataFrame, unit: str, period: int, deployments: Mapping[pd.Timestamp, str], colour: str
) -> None:
    """Stacked bars. `table` has time, value and the column `colour`; a bar is `period` seconds wide."""
    shown = table[table["value"] > 0]
    top = shown.groupby("time")["value"].cumsum()
    shown = shown.assign(until=shown["time"] + pd.Timedelta(seconds=period), top=top, bottom=top - shown["value"])
    most = max(1.0, top.max() if len(shown) else 0.0)
    axis = alt.Axis(tickMinStep=1, format="~s")
    bars = alt.Chart(shown).mark_rect(stroke=None, aria=len(shown) > 0).encode(
        x=_time(table),
        x2="until:T",
        y=alt.Y("bottom:Q", title=unit, axis=axis, scale=alt.Scale(domain=[0, most], nice=True)),
        y2="top:Q",
        color=_colour(table, colour),
        tooltip=[_when("from"), alt.Tooltip("until:T", format="%H:%M"), f"{colour}:N", _value(unit, ",")],
    )  # fmt: skip
    _draw(title, table, bars, unit, deployments)


def lines(
    title: str, table: pd.DataFrame, unit: str, deployments: Mapping[pd.Timestamp, str], series: Sequence[str]
) -> None:
    """`table` has time, value and the columns of `series`: the first is the colour, a second one the dashes."""
    encoding = {
        "x": _time(table),
        "y": alt.Y("value:Q", title=unit, scale=_from_zero(table["value"].max()), axis=alt.Axis(format=",.3~f")),
        "color": _colour(table, series[0]),
        "tooltip": [_when("time"), *(f"{each}:N" for each in series), _value(unit, ",.3~f")],
    }
    base = alt.Chart(table)
    # A value between two gaps is no line, and would not be seen.
    dots = base.mark_point(filled=True, size=16, opacity=1).encode(**encoding)
    if len(series) > 1:
        kinds = list(dict.fromkeys(table[series[1]]))
        scale = alt.Scale(domain=kinds, range=_DASHES[: len(kinds)])
        encoding["strokeDash"] = alt.StrokeDash(
            f"{series[1]}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom")
        )
    _draw(title, table, base.mark_line(strokeWidth=2).encode(**encoding) + dots, unit, deployments)


def _draw(
    title: str,
    table: pd.DataFrame,
    chart: alt.Chart | alt.LayerChart,
    unit: str,
    deployments: Mapping[pd.Timestamp, str],
) -> None:
    with st.container(border=True):
        st.markdown(f"**{title}**")
        drawn = chart + _marks(deployments) if deployments else alt.layer(chart)
        st.altair_chart(
            drawn.properties(height=_HEIGHT), width="stretch", theme="streamlit", alt=f"{title} over time, in {unit}"
        )


def _time(table: pd.DataFrame) -> alt.X:
    steps = table["time"].drop_duplicates()
    start, end = steps.min(), steps.max() + (steps.iloc[1] - steps.iloc[0])
    shown = "%H:%M" if end - start < _DAY else "%d %b %H:%M"
    domain = [alt.expr(str(int(each.timestamp() * 1000))) for each in (start, end)]
    return alt.X("time:T", title=None, scale=alt.Scale(domain=domain), axis=alt.Axis(format=shown, labelOverlap=True))


def _from_zero(most: float) -> alt.Scale:
    return alt.Scale(zero=True) if most > 0 else alt.Scale(domain=[0, 1])


def _colour(table: pd.DataFrame, column: str) -> alt.Color:
    names = list(dict.fromkeys(table[column]))
    legend = (
        alt.Legend(orient="top", columns=len(names) if len(names) < 4 else 2, labelLimit=160)
        if len(names) > 1
        else None
    )
    return alt.Color(f"{column}:N", title=None, scale=alt.Scale(domain=names, range=look.SERIES), legend=legend)


def _when(title: str) -> alt.Tooltip:
    return alt.Tooltip("time:T", title=title, format="%Y-%m-%d %H:%M")


def _value(unit: str, form: str) -> alt.Tooltip:
    return alt.Tooltip("value:Q", title=unit, format=form)


def _marks(deployments: Mapping[pd.Timestamp, str]) -> alt.Chart:
    marks = pd.DataFrame({"time": list(deployments), "deployed": list(deployments.values())})
    return (
        alt.Chart(marks)
        .mark_rule(color="gray", strokeDash=[4, 4], strokeWidth=1.5)
        .encode(x="time:T", tooltip=[alt.Tooltip("time:T", format="%Y-%m-%d %H:%M:%S"), "deployed:N"])
    )
