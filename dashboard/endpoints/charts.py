"""What the endpoints' page draws over time: bars of counts, lines of everything else, gaps where there is no value.

Vega-Lite as it is, since a page draws many of them every few seconds: Altair takes twenty times as long to write one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look

Spec = dict[str, Any]
_HEIGHT, _LEGEND = 230, 40  # px
_DASHES = [[1, 0], [6, 3], [2, 2]]
_DAY = timedelta(days=1)
_MOMENT = "%Y-%m-%d %H:%M"
_X: Spec = {"field": "time", "type": "temporal"}


def counts(
    title: str, table: pd.DataFrame, unit: str, period: int, deployments: Mapping[pd.Timestamp, str], colour: str
) -> None:
    """Stacked bars. `table` has time, value and the column `colour`; a bar is `period` seconds wide."""
    shown = table[table["value"] > 0]
    top = shown.groupby("time")["value"].cumsum()
    shown = shown.assign(until=shown["time"] + pd.Timedelta(seconds=period), top=top, bottom=top - shown["value"])
    scale = {"domain": [0, max(1.0, top.max() if len(shown) else 0.0)], "nice": True}
    bars = {
        "mark": {"type": "rect", "stroke": None},
        "encoding": {
            "x": _time(table),
            "x2": {"field": "until"},
            "y": {
                "field": "bottom",
                "type": "quantitative",
                "title": unit,
                "axis": {"tickMinStep": 1, "format": "~s"},
                "scale": scale,
            },
            "y2": {"field": "top"},
            "color": _colour(table, colour),
            "tooltip": [_tip("time", "from", _MOMENT), _tip("until", "to", "%H:%M"), _tip(colour), _value(unit, ",")],
        },
    }
    _draw(title, shown, [bars], unit, deployments)


def lines(
    title: str, table: pd.DataFrame, unit: str, deployments: Mapping[pd.Timestamp, str], series: Sequence[str]
) -> None:
    """`table` has time, value and the columns of `series`: the first is the colour, a second one the dashes."""
    encoding: Spec = {
        "x": _time(table),
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": unit,
            "axis": {"format": ",.3~f"},
            "scale": {"zero": True} if table["value"].max() > 0 else {"domain": [0, 1]},
        },
        "color": _colour(table, series[0]),
        "tooltip": [_tip("time", "time", _MOMENT), *map(_tip, series), _value(unit, ",.3~f")],
    }
    # A value between two gaps is no line, and would not be seen.
    dots = {"mark": {"type": "point", "filled": True, "size": 16, "opacity": 1}, "encoding": encoding}
    dashes = {"strokeDash": _dashes(table, series[1])} if len(series) > 1 else {}
    path = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**encoding, **dashes}}
    _draw(title, table, [path, dots], unit, deployments)


def _draw(
    title: str, table: pd.DataFrame, layers: list[Spec], unit: str, deployments: Mapping[pd.Timestamp, str]
) -> None:
    with st.container(border=True):
        st.markdown(f"**{title}**")
        legends = sum("strokeDash" in each["encoding"] for each in layers)
        spec = {"layer": [*layers, *_marks(deployments)], "height": _HEIGHT + legends * _LEGEND}
        st.vega_lite_chart(table, spec, width="stretch", theme="streamlit", alt=f"{title} over time, in {unit}")


def _time(table: pd.DataFrame) -> Spec:
    steps = table["time"].drop_duplicates()
    start, end = steps.min(), steps.max() + (steps.iloc[1] - steps.iloc[0])
    axis = {"format": "%H:%M" if end - start < _DAY else "%d %b %H:%M", "labelOverlap": True}
    # As expressions: beside missing values Vega-Lite takes plain numbers of a time for nothing.
    domain = [{"expr": f"{each.timestamp() * 1000:.0f}"} for each in (start, end)]
    return {**_X, "title": None, "scale": {"domain": domain}, "axis": axis}


def _colour(table: pd.DataFrame, column: str) -> Spec:
    names = list(dict.fromkeys(table[column]))
    legend = {"orient": "top", "columns": len(names) if len(names) < 4 else 2, "labelLimit": 160}
    return _named(column, {"domain": names, "range": look.SERIES}, legend if len(names) > 1 else None)


def _dashes(table: pd.DataFrame, column: str) -> Spec:
    kinds = list(dict.fromkeys(table[column]))
    return _named(column, {"domain": kinds, "range": _DASHES[: len(kinds)]}, {"orient": "bottom"})


def _named(column: str, scale: Spec, legend: Spec | None) -> Spec:
    return {"field": column, "type": "nominal", "title": None, "scale": scale, "legend": legend}


def _tip(column: str, title: str = "", moment: str = "") -> Spec:
    kind = {"type": "temporal", "format": moment} if moment else {"type": "nominal"}
    return {"field": column, "title": title or column, **kind}


def _value(unit: str, form: str) -> Spec:
    return {"field": "value", "type": "quantitative", "title": unit, "format": form}


def _marks(deployments: Mapping[pd.Timestamp, str]) -> list[Spec]:
    if not deployments:
        return []
    values = [{"time": when.isoformat(), "deployed": what} for when, what in deployments.items()]
    tips = [_tip("time", "time", f"{_MOMENT}:%S"), _tip("deployed")]
    mark = {"type": "rule", "color": "gray", "strokeDash": [4, 4], "strokeWidth": 1.5}
    return [{"data": {"values": values}, "mark": mark, "encoding": {"x": _X, "tooltip": tips}}]
