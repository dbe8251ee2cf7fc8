"""The pictures of a comparison: two versions in the same two colours everywhere, each with its words for who can't see.

Data are rows with the member `version`, which is a version's label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import look

Rows = Sequence[dict[str, Any]]

_ROW = 34  # pixels of a line in a chart of lines


def _colour(labels: Sequence[str]) -> alt.Color:
    return alt.Color(
        "version:N",
        scale=alt.Scale(domain=list(labels), range=look.SERIES[: len(labels)]),
        legend=alt.Legend(title=None, orient="top"),
    )


def intervals(rows: Rows, labels: Sequence[str]) -> None:
    """Rows: metric, value, lower, upper; all between 0 and 1."""
    metrics = list(dict.fromkeys(each["metric"] for each in rows))
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("metric:N", sort=metrics, title=None, axis=alt.Axis(labelLimit=160, grid=True)),
        yOffset=alt.YOffset("version:N", sort=list(labels)),
        color=_colour(labels),
        tooltip=[
            "version",
            "metric",
            *(alt.Tooltip(f"{each}:Q", format=".4f") for each in ("value", "lower", "upper")),
        ],
    )
    lines = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("lower:Q", title=None), x2="upper:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("value:Q", title=None))
    _draw(lines + points, height=_ROW * len(metrics) + 60, alt="Metrics of the versions, each with its 95 % interval")


def curve(
    rows: Rows, labels: Sequence[str], x: str, y: str, title: str, *, diagonal: bool, points: bool = False
) -> None:
    """Rows: x, y and their order."""
    scale = alt.Scale(domain=[0, 1]) if all(0 <= each[at] <= 1 for each in rows for at in ("x", "y")) else alt.Scale()
    lines = (
        alt.Chart(pd.DataFrame(rows))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=35) if points else False)
        .encode(
            x=alt.X("x:Q", title=x, scale=scale),
            y=alt.Y("y:Q", title=y, scale=scale),
            order="order:Q",
            color=_colour(labels),
            tooltip=["version", alt.Tooltip("x:Q", title=x, format=".3f"), alt.Tooltip("y:Q", title=y, format=".3f")],
        )
    )
    even = alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]})).mark_line(strokeDash=[4, 4], color="gray", opacity=0.6)
    chart = alt.layer(*([even.encode(x="x:Q", y="y:Q")] if diagonal else []), lines)
    st.markdown(f"**{look.plain(title)}**")
    _draw(chart, height=300, alt=f"{title}: {y} over {x} of {' and '.join(labels)}")


def confusion(matrix: dict[str, dict[str, float]], label: str) -> None:
    """Of `{actual: {predicted: count}}`; a cell is as dark as its share of the actual ones."""
    rows = [
        {"actual": actual, "predicted": predicted, "records": count, "share": count / (sum(row.values()) or 1)}
        for actual, row in matrix.items()
        for predicted, count in row.items()
    ]
    most = max(len(matrix), 1)
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("predicted:N", title="predicted", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("actual:N", title="is"),
        tooltip=["actual", "predicted", "records", alt.Tooltip("share:Q", format=".1%", title="of the actual")],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), legend=None)
    )
    numbers = base.mark_text(fontSize=13 if most < 6 else 9).encode(
        text=alt.Text("records:Q", format=","),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value("#222")),
    )
    st.markdown(f"**{look.plain(label)}**")
    said = "; ".join(f"is {each['actual']}, predicted {each['predicted']}: {each['records']:,}" for each in rows[:16])
    _draw(cells + numbers, height=min(90 + 55 * most, 480), alt=f"Confusion matrix of {label}. {said}")


def bars(rows: Rows, labels: Sequence[str], title: str) -> None:
    """Rows: feature, value; as they are to be read from above."""
    features = list(dict.fromkeys(each["feature"] for each in rows))
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=title),
            y=alt.Y("feature:N", sort=features, title=None, axis=alt.Axis(labelLimit=180)),
            yOffset=alt.YOffset("version:N", sort=list(labels)),
            color=_colour(labels),
            tooltip=["version", "feature", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    _draw(chart, height=_ROW * len(features) + 60, alt=f"{title} of {' and '.join(labels)}, by feature")


def gaps(rows: Rows, labels: Sequence[str], title: str) -> None:
    """Rows: metric, value, and lower and upper or None; 0 is no difference between a group and the others."""
    metrics = list(dict.fromkeys(each["metric"] for each in rows))
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("metric:N", sort=metrics, title=None, axis=alt.Axis(grid=True)),
        yOffset=alt.YOffset("version:N", sort=list(labels)),
        color=_colour(labels),
        tooltip=["version", "metric", "meaning", alt.Tooltip("value:Q", format=".4f")],
    )
    lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("lower:Q", title=None), x2="upper:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x=alt.X("value:Q", title=None))
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color="gray").encode(x="x:Q")
    st.markdown(f"**{look.plain(title)}**")
    said = f"Bias metrics of {title}, of {' and '.join(labels)}; 0 is no difference from the others"
    _draw(zero + lines + points, height=28 * len(metrics) + 60, alt=said)


def distributions(rows: Rows, labels: Sequence[str], feature: str, *, numeric: bool) -> None:
    """Rows: share, and of numbers lower and upper of the bucket, else the value."""
    share = alt.Axis(format="%")
    colour, words = _colour(labels), f"Distribution of {feature} in the data of {' and '.join(labels)}"
    if numeric:
        chart = (
            alt.Chart(pd.DataFrame(rows))
            .mark_bar(opacity=0.55)
            .encode(
                x=alt.X("lower:Q", title=feature, bin="binned"),
                x2="upper:Q",
                y=alt.Y("share:Q", title="share of records", stack=None, axis=share),
                color=colour,
                tooltip=["version", "lower", "upper", alt.Tooltip("share:Q", format=".1%")],
            )
        )
        _draw(chart, height=300, alt=words)
        return
    values = list(dict.fromkeys(each["value"] for each in rows))
    chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of records", axis=share),
            y=alt.Y("value:N", sort=values, title=None, axis=alt.Axis(labelLimit=200)),
            yOffset=alt.YOffset("version:N", sort=list(labels)),
            color=colour,
            tooltip=["version", "value", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    _draw(chart, height=_ROW * len(values) + 60, alt=words)


def _draw(chart: Any, *, height: int, alt: str) -> None:
    st.altair_chart(chart.properties(height=height), width="stretch", alt=alt)
