"""The charts of experiments, of tables that `runs` makes."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from dashboard import look
from dashboard.experiments.axes import Axis
from dashboard.experiments.runs import Metric

_LEGEND = alt.Legend(title=None, orient="top", labelLimit=320, columns=2)
Chart = Any  # Altair's layers, concatenations and charts have no type in common that its functions return
_GRAY = "#8a8f98"  # on light and dark
_STAR = "M0,-1L0.24,-0.33L0.95,-0.31L0.38,0.13L0.59,0.81L0,0.4L-0.59,0.81L-0.38,0.13L-0.95,-0.31L-0.24,-0.33Z"


def parallel(axes: list[Axis], points: pd.DataFrame, metric: Metric, best: int) -> Chart:
    """A line a run; the `best` first ones stand out, and the one under the pointer."""
    order = [axis.name for axis in axes]
    x = alt.X("axis:N", sort=order, axis=alt.Axis(title=None, labelAngle=0, labelLimit=120, domain=False, ticks=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.04, 1.04], nice=False))
    over = alt.selection_point(fields=["run"], on="pointerover", nearest=True, empty=False, clear="pointerout")
    many = points["run"].nunique()
    faint = max(0.08, min(0.45, 30 / many)) if many else 0.45
    tooltip = [alt.Tooltip("run:N", title="run"), alt.Tooltip("metric:Q", title=metric.name, format=".5g")]
    tooltip += [alt.Tooltip("axis:N", title="on the axis"), alt.Tooltip("label:N", title="value")]
    lines = alt.Chart(points).encode(x=x, y=y, detail="run:N", order=alt.Order("position:Q"))
    lines = lines.transform_calculate(position=f"indexof({order!r}, datum.axis)")
    rules = alt.Chart(pd.DataFrame({"axis": order, "low": 0.0, "high": 1.0})).mark_rule(color=_GRAY)
    ticks = pd.DataFrame(
        [(axis.name, place, label) for axis in axes for place, label in axis.ticks], columns=["axis", "y", "label"]
    )
    at = alt.Chart(ticks).encode(x=x, y=y)
    return alt.layer(
        lines.mark_line(color=_GRAY, opacity=faint, strokeWidth=1.2),
        rules.encode(x=x, y=alt.Y("low:Q", axis=None), y2="high:Q"),
        lines.transform_filter(alt.datum.rank <= best).mark_line(color=look.SERIES[0], opacity=0.9, strokeWidth=2),
        lines.transform_filter(alt.datum.rank == 1).mark_line(color=look.SERIES[1], strokeWidth=3.5),
        lines.transform_filter(over).mark_line(color=look.SERIES[5], strokeWidth=3),
        alt.Chart(points).mark_point(size=90, opacity=0).encode(x=x, y=y, tooltip=tooltip).add_params(over),
        at.mark_tick(orient="horizontal", color=_GRAY, thickness=1, size=8),
        at.mark_text(align="left", dx=7, fontSize=11, color=look.ink()).encode(text="label:N"),
    ).properties(height=360)


def scatter(found: pd.DataFrame, metric: Metric, parameter: str, *, logarithmic: bool) -> Chart:
    """The metric against a hyperparameter, the best run with a star."""
    if pd.api.types.is_numeric_dtype(found["value"]):
        kind: Any = "log" if logarithmic and found["value"].min() > 0 else "linear"
        whole = bool((found["value"] % 1 == 0).all())
        axis = alt.Axis(tickMinStep=1, format="d") if whole else alt.Axis()
        x = alt.X("value:Q", title=parameter, axis=axis, scale=alt.Scale(type=kind, zero=False, nice=False, padding=20))
    else:
        x = alt.X("value:N", title=parameter, axis=alt.Axis(labelAngle=0))
    y = alt.Y("metric:Q", title=metric.name, scale=alt.Scale(zero=False))
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("value", title="value"), alt.Tooltip("metric:Q", format=".5g")]
    drawn = alt.Chart(found).encode(x=x, y=y, tooltip=tooltip)
    return alt.layer(
        drawn.transform_filter("!datum.best").mark_circle(size=55, opacity=0.65, color=look.SERIES[0]),
        drawn.transform_filter("datum.best").mark_point(shape=_STAR, size=220, filled=True, color=look.SERIES[1]),
    ).properties(height=300)


def progress(found: pd.DataFrame, metric: Metric, what: str) -> Chart:
    """Values by number, and the best so far as a line that only gets better; a colour a series."""
    several = found["series"].nunique() > 1
    colour: Any = alt.value(look.SERIES[0])
    if several:
        colour = alt.Color("series:N", scale=alt.Scale(range=look.SERIES), legend=_LEGEND)
    x = alt.X("number:Q", title=what, axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(zero=False))
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("number:Q", title=what), alt.Tooltip("value:Q", format=".5g")]
    drawn = alt.Chart(found).encode(x=x, color=colour, tooltip=tooltip)
    y = alt.Scale(zero=False)
    return alt.layer(
        drawn.mark_line(interpolate="step-after", strokeWidth=2).encode(y=alt.Y("best:Q", title=metric.name, scale=y)),
        drawn.mark_circle(size=45, opacity=0.7).encode(y=alt.Y("value:Q", title=metric.name, scale=y)),
    ).properties(height=300)


def curves(found: pd.DataFrame, what: str) -> Chart:
    """Metrics over iterations: columns `metric`, `x`, `value`."""
    colour = alt.Color("metric:N", scale=alt.Scale(range=look.SERIES), legend=_LEGEND)
    return (
        alt.Chart(found)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("x:Q", title=what, scale=alt.Scale(nice=False)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=colour,
            tooltip=["metric:N", alt.Tooltip("x:Q", title=what), alt.Tooltip("value:Q", format=".5g")],
        )
        .properties(height=300)
    )
