"""The charts of this page: a run beside its baseline, and runs over time. The two sides differ by shape, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from dashboard import look
from dashboard.monitoring.distributions import BASELINE, NOW

HEIGHT = 260
_FULL = "%Y-%m-%d %H:%M:%S"
_SIDES = alt.Scale(domain=[BASELINE, NOW], range=[look.SERIES[0], look.SERIES[1]])
_LEGEND = alt.Legend(title=None, orient="top")


def histogram(frame: pd.DataFrame) -> Any:
    """Of columns from, to, share, side: the baseline as filled bars, the run as a stepped line over them."""
    colour = alt.Color("side:N", scale=_SIDES, legend=_LEGEND)
    x, y = alt.X("from:Q", title=None, scale=alt.Scale(zero=False, nice=False)), alt.Y("share:Q").title("share")
    y = y.axis(alt.Axis(format="%"))
    tips = [
        alt.Tooltip("from:Q", format=".4g"),
        alt.Tooltip("to:Q", format=".4g"),
        alt.Tooltip("share:Q", format=".1%"),
    ]
    bars = (
        alt.Chart(frame[frame["side"] == BASELINE])
        .mark_bar(opacity=0.55)
        .encode(x=x.bin("binned"), x2="to:Q", y=y, color=colour, tooltip=tips)
    )
    now = frame[frame["side"] == NOW]
    ends = now.tail(1).assign(**{"from": now["to"].tail(1)})
    lines = (
        alt.Chart(pd.concat([now, ends]))
        .mark_line(interpolate="step-after", strokeWidth=2.5)
        .encode(x=x, y=y, color=colour, tooltip=tips)
    )
    return (bars + lines).properties(height=HEIGHT)


def categories(frame: pd.DataFrame) -> Any:
    """Of columns value, share, side: pairs of bars, the baseline's first."""
    order = list(dict.fromkeys(frame["value"]))
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share", axis=alt.Axis(format="%")),
            y=alt.Y("value:N", title=None, sort=order, axis=alt.Axis(labelLimit=180)),
            yOffset=alt.YOffset("side:N", sort=[BASELINE, NOW]),
            color=alt.Color("side:N", scale=_SIDES, legend=_LEGEND, sort=[BASELINE, NOW]),
            tooltip=["value:N", "side:N", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(height=max(HEIGHT, 34 * len(order) + 90))
    )


def values(frame: pd.DataFrame, title: str) -> Any:
    """Of columns name, value, side: a line of two points each, so that what moved is seen; the run's is a diamond."""
    order = list(dict.fromkeys(frame["name"]))
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=200, grid=True, labelOverlap=False))
    x = alt.X("value:Q", title=title)
    base = alt.Chart(frame)
    joined = base.mark_line(color="gray", opacity=0.6).encode(x=x, y=y, detail="name:N")
    layers = [joined]
    if "low" in frame:
        held = frame.dropna(subset=["low"])
        layers.append(alt.Chart(held).mark_rule(opacity=0.5).encode(x="low:Q", x2="high:Q", y=y, color=_side()))
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=x,
        y=y,
        color=_side(),
        shape=alt.Shape("side:N", scale=alt.Scale(domain=[BASELINE, NOW], range=["circle", "diamond"]), legend=_LEGEND),
        tooltip=["name:N", "side:N", alt.Tooltip("value:Q", format=".4g")],
    )
    return alt.layer(*layers, points).properties(height=max(HEIGHT, 24 * len(order) + 110))


def _side() -> Any:
    return alt.Color("side:N", scale=_SIDES, legend=_LEGEND)


def curves(frame: pd.DataFrame, across: str, up: str, *, diagonal: bool = False, points: bool = False) -> Any:
    """Of columns x, y, side: the baseline dashed."""
    unit = alt.Scale(domain=[0, 1])
    lines = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2.5, point=points)
        .encode(
            x=alt.X("x:Q", title=across, scale=unit),
            y=alt.Y("y:Q", title=up, scale=unit),
            order="order:Q",
            color=_side(),
            strokeDash=alt.StrokeDash(
                "side:N", scale=alt.Scale(domain=[BASELINE, NOW], range=[[6, 4], [1, 0]]), legend=_LEGEND
            ),
            tooltip=["side:N", alt.Tooltip("x:Q", format=".3f"), alt.Tooltip("y:Q", format=".3f")],
        )
    )
    if not diagonal:
        return lines.properties(height=HEIGHT + 40)
    straight = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
    chance = alt.Chart(straight).mark_line(strokeDash=[2, 3], color="gray").encode(x="x:Q", y="y:Q")
    return (chance + lines).properties(height=HEIGHT + 40)


def over_time(frame: pd.DataFrame, up: str, limits: pd.DataFrame | None = None, numbers: str = "") -> Any:
    """Of columns time, value, series: a line a series with a point a run; `limits` (time, limit, series) dashed.

    `numbers` is d3's format of the values.
    """
    names = list(dict.fromkeys(frame["series"]))
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=names, range=[look.SERIES[at % len(look.SERIES)] for at in range(len(names))]),
        legend=alt.Legend(title=None, orient="top", columns=3, symbolLimit=12),
    )
    x = _when(frame)
    y = alt.Y("value:Q", title=up, scale=alt.Scale(zero=False), axis=alt.Axis(format=numbers))
    base = alt.Chart(frame).encode(x=x, y=y, color=colour)
    tips = ["series:N", alt.Tooltip("time:T", format=_FULL), alt.Tooltip("value:Q", format=".4g")]
    layers = [
        base.mark_line(strokeWidth=2),
        base.mark_point(filled=True, size=60).encode(shape=alt.Shape("series:N", legend=None), tooltip=tips),
    ]
    if "low" in frame:
        held = alt.Chart(frame.dropna(subset=["low"]))
        layers.insert(0, held.mark_rule(opacity=0.5).encode(x=x, y="low:Q", y2="high:Q", color=colour))
    if limits is not None and len(limits):
        stepped = alt.Chart(limits).mark_line(strokeDash=[5, 4], interpolate="step-after", strokeWidth=1.5)
        layers.append(stepped.encode(x=x, y="limit:Q", color=colour))
    return alt.layer(*layers).properties(height=HEIGHT + 60)


def counts(frame: pd.DataFrame) -> Any:
    """Of columns time, value: violations of each run as bars."""
    return (
        alt.Chart(frame)
        .mark_bar(size=8, color=look.SERIES[5])
        .encode(
            x=_when(frame),
            y=alt.Y("value:Q", title="violations", axis=alt.Axis(tickMinStep=1, format="d")),
            tooltip=[alt.Tooltip("time:T", format=_FULL), "value:Q"],
        )
        .properties(height=120)
    )


def _when(frame: pd.DataFrame) -> Any:
    """An axis of time, of as much of it as tells points apart."""
    length = (frame["time"].max() - frame["time"].min()).total_seconds()
    said = (
        "%H:%M:%S" if length < 600 else "%H:%M" if length < 86400 else "%m-%d %H:%M" if length < 5 * 86400 else "%m-%d"
    )
    return alt.X("time:T", title=None, axis=alt.Axis(format=said, labelOverlap=True))


def ordered(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Curves' points together, each with its place along its curve."""
    return pd.concat([each.assign(order=range(len(each))) for each in frames], ignore_index=True)
