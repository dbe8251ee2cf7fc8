"""Charts of a case study as Plotly's traces and layout: plain JSON for the script in the page, which draws it.

Colours that begin with `@` are the page's own (`@ink` is its `--ink`): the script puts in what light or dark paper has.
Python's plotly package only lends its copy of plotly.js.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from case_study_chart_guide import upright
from case_study_section import Chart

COLOURS = ("#3b82b8", "#d9622b", "#2f9e6e", "#9064bd", "#c08a24", "#8a97a6")
DIVERGING = [[0, "#c8531d"], [0.5, "@track"], [1, "#2f7ab5"]]
SHADES = [[0, "@track"], [1, "#2f7ab5"]]
DIGITS = 5  # that count
NAME = 26  # letters of a label; all of it is in the tip
LINE_HEIGHT, FRAME, HEIGHT = 26, 80, 290  # pixels

Drawing = dict[str, Any]


def drawing(chart: Chart) -> Drawing:
    """`{"data": traces, "layout": layout}` of Plotly's JSON schema, with theme colours still by name."""
    data = chart.data
    layout: Drawing = {"height": HEIGHT, "xaxis": _axis(data, "x"), "yaxis": _axis(data, "y")}
    traces = KINDS[chart.kind](data, layout)
    if not any(trace.get("showlegend", True) and trace.get("name") for trace in traces) or len(traces) < 2:
        layout["showlegend"] = False
    return {"data": _plain(traces), "layout": _plain(layout)}


def script() -> str:
    """plotly.js 4.8 MB long as 1.9 MB of base64 of its gzip, which browsers unpack by themselves."""
    code = resources.files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(code, 9, mtime=0)).decode()


def embedded(drawings: Sequence[Drawing]) -> str:
    """As JSON that no markup inside can end early."""
    return json.dumps(drawings, separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\!--")


def _axis(data: Mapping[str, Any], which: str) -> Drawing:
    axis: Drawing = {"automargin": True, "title": {"text": data.get(f"{which}_title", "")}}
    if which in data.get("log", ()):
        axis |= {"type": "log", "dtick": 1}
    return axis


def _series(data: Mapping[str, Any], values: str = "values") -> dict[str, list[Any]]:
    return dict(data["series"]) if "series" in data else {"": data[values]}


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _bar(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    labels, series = list(map(str, data["labels"])), _series(data)
    standing = upright(labels)
    traces: list[Drawing] = []
    for place, (name, values) in enumerate(series.items()):
        at = {"x": labels, "y": values} if standing else {"x": values, "y": labels}
        trace: Drawing = {"type": "bar", "name": name, **at, "orientation": "v" if standing else "h"}
        trace |= {"marker": {"color": _colour(place)}, "hovertemplate": _tip(standing, name)}
        if place == 0 and data.get("low"):
            error = _interval(values, data["low"], data["high"])
            trace["error_y" if standing else "error_x"] = error
        traces.append(trace)
    for place, (name, values) in enumerate(data.get("lines", {}).items(), len(series)):
        line = {"color": _colour(place), "width": 2}
        at = {"x": labels, "y": values} if standing else {"x": values, "y": labels}
        traces.append({"type": "scatter", "mode": "lines+markers", "name": name, **at, "line": line})
    if not standing:
        layout["xaxis"], layout["yaxis"] = layout["yaxis"], layout["xaxis"]
    _name_axis(layout, labels, standing)
    if not standing:
        layout["height"] = max(200, FRAME + LINE_HEIGHT * len(labels) * max(1, round(0.7 * len(series))))
    return traces


def _tip(standing: bool, name: str) -> str:
    pair = "%{x}: %{y}" if standing else "%{y}: %{x}"
    return f"{pair}<extra>{name}</extra>" if name else f"{pair}<extra></extra>"


def _interval(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Drawing:
    up = [None if None in (a, b) else b - a for a, b in zip(values, high, strict=True)]
    down = [None if None in (a, b) else a - b for a, b in zip(values, low, strict=True)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": "@ink", "thickness": 1.2}


def _name_axis(layout: Drawing, labels: Sequence[str], below: bool) -> None:
    short = [
        textwrap.shorten(label, NAME, placeholder="…") if len(label) > NAME and " " in label else label
        for label in labels
    ]
    short = [label if len(label) <= NAME else label[: NAME - 1] + "…" for label in short]
    names = {"type": "category", "tickmode": "array", "tickvals": list(labels), "ticktext": short, "showgrid": False}
    if below:
        layout["xaxis"] |= names
    else:
        layout["yaxis"] |= names | {"autorange": "reversed"}


def _stacked(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    labels = list(map(str, data["labels"]))
    traces = [
        {"type": "bar", "orientation": "h", "name": name, "x": values, "y": labels, "marker": {"color": _colour(place)}}
        | {"hovertemplate": f"{name}: %{{x:.1%}}<extra></extra>", "texttemplate": "%{x:.0%}", "textposition": "inside"}
        | {"insidetextanchor": "middle", "textangle": 0}
        for place, (name, values) in enumerate(data["series"].items())
    ]
    _name_axis(layout, labels, False)
    layout |= {"barmode": "stack", "height": max(150, FRAME + 20 + 34 * len(labels))}
    layout["xaxis"] |= {"tickformat": ".0%", "range": [0, 1]}
    return traces


def _line(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    traces: list[Drawing] = []
    for place, (name, values) in enumerate(data["series"].items()):
        colour = _colour(place)
        if band := data.get("bands", {}).get(name):
            edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            traces.append(edge | {"x": data["x"], "y": band["low"]})
            traces.append(edge | {"x": data["x"], "y": band["high"], "fill": "tonexty", "fillcolor": colour + "33"})
        line = {"color": colour, "width": 2}
        traces.append({"type": "scatter", "mode": "lines", "name": name, "x": data["x"], "y": values, "line": line})
    for place, (name, at) in enumerate(data.get("points", {}).items()):
        marker = {"color": _colour(place), "size": 6}
        traces.append({"type": "scatter", "mode": "markers", "name": name, **at, "marker": marker})
    layout["hovermode"] = "x unified" if len(data["series"]) > 1 else "closest"
    return traces


def _histogram(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    edges, series = data["edges"], _series(data, "counts")
    pairs = list(itertools.pairwise(edges))
    middles = [
        math.sqrt(low * high) if "x" in data.get("log", ()) and low > 0 else (low + high) / 2 for low, high in pairs
    ]
    spans = [f"{low:.4g} to {high:.4g}" for low, high in pairs]
    traces = [
        {"type": "bar", "name": name, "x": middles, "width": [high - low for low, high in pairs], "y": counts}
        | {"marker": {"color": _colour(place), "line": {"width": 0.5, "color": "@card"}}, "customdata": spans}
        | {"opacity": 1 if len(series) == 1 else 0.55, "hovertemplate": f"%{{customdata}}: %{{y}}<extra>{name}</extra>"}
        for place, (name, counts) in enumerate(series.items())
    ]
    if "x" in data.get("log", ()):  # widths of bars are in the axis' own unit there, so bars are drawn as steps
        traces = [_steps(trace, edges) for trace in traces]
    for place, (name, curve) in enumerate(data.get("curves", {}).items(), len(series)):
        line = {"color": _colour(place), "width": 2}
        traces.append(
            {"type": "scatter", "mode": "lines", "name": name, "x": curve["x"], "y": curve["y"], "line": line}
        )
    layout |= {"barmode": "overlay", "bargap": 0}
    return traces


def _steps(bar: Drawing, edges: Sequence[float]) -> Drawing:
    line = {"shape": "hv", "color": bar["marker"]["color"], "width": 1.5}
    step = {"type": "scatter", "mode": "lines", "name": bar["name"], "x": list(edges), "y": [*bar["y"], bar["y"][-1]]}
    return (
        step
        | {"line": line, "fill": "tozeroy", "customdata": [*bar["customdata"], ""]}
        | {"hovertemplate": bar["hovertemplate"]}
    )


def _box(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    labels = list(map(str, data["labels"]))
    parts = {"q1": "q1", "median": "median", "q3": "q3", "lowerfence": "low", "upperfence": "high"}
    box = {
        "type": "box",
        "name": "",
        "y": labels,
        "orientation": "h",
        **{key: data[name] for key, name in parts.items()},
    }
    traces: list[Drawing] = [
        box | {"marker": {"color": COLOURS[0]}, "fillcolor": COLOURS[0] + "55", "line": {"width": 1.5}}
    ]
    for label, values in data.get("outliers", {}).items():
        marker = {"color": COLOURS[0], "size": 4, "opacity": 0.6}
        traces.append(
            {"type": "scatter", "mode": "markers", "x": list(values), "y": [str(label)] * len(values), "marker": marker}
            | {"showlegend": False, "hovertemplate": "%{y}: %{x}<extra></extra>"}
        )
    layout["xaxis"], layout["yaxis"] = layout["yaxis"], layout["xaxis"]
    _name_axis(layout, labels, False)
    layout |= {"height": max(200, FRAME + 34 * len(labels)), "showlegend": False}
    return traces


def _scatter(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    groups = list(map(str, data["group"])) if data.get("group") else [""] * len(data["x"])
    traces: list[Drawing] = []
    for place, group in enumerate(dict.fromkeys(groups)):
        mine = [at for at, each in enumerate(groups) if each == group]
        marker = {"color": _colour(place), "size": 5 if len(groups) > 300 else 7, "opacity": 0.65}
        xs, ys = [data["x"][at] for at in mine], [data["y"][at] for at in mine]
        traces.append({"type": "scatter", "mode": "markers", "name": group, "x": xs, "y": ys, "marker": marker})
    for place, (name, curve) in enumerate(data.get("curves", {}).items(), len(traces)):
        line = {"color": _colour(place), "width": 2}
        traces.append(
            {"type": "scatter", "mode": "lines", "name": name, "x": curve["x"], "y": curve["y"], "line": line}
        )
    return traces


def _heatmap(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    columns, rows = list(map(str, data["x"])), list(map(str, data["y"]))
    signed = data.get("low") is not None and data["low"] < 0
    trace: Drawing = {"type": "heatmap", "x": columns, "y": rows, "z": data["z"], "xgap": 1, "ygap": 1}
    trace |= {"colorscale": DIVERGING if signed else SHADES, "zmin": data.get("low"), "zmax": data.get("high")}
    trace |= {"hovertemplate": "%{y} × %{x}: %{z}<extra></extra>", "colorbar": {"thickness": 10, "outlinewidth": 0}}
    if data.get("text") and len(columns) <= 12:
        trace |= {"text": data["text"], "texttemplate": "%{text}", "textfont": {"size": 10.5}}
    _name_axis(layout, columns, True)
    _name_axis(layout, rows, False)
    layout["height"] = max(240, 130 + 24 * len(rows))
    return [trace]


def _waterfall(data: Mapping[str, Any], layout: Drawing) -> list[Drawing]:
    labels = list(map(str, data["labels"]))
    trace: Drawing = {"type": "waterfall", "x": labels, "y": data["values"], "measure": data["measure"]}
    trace |= {"text": [f"{value:,.0f}" for value in data["values"]], "textposition": "outside", "cliponaxis": False}
    trace |= {"increasing": {"marker": {"color": COLOURS[2]}}, "decreasing": {"marker": {"color": COLOURS[1]}}}
    trace |= {"totals": {"marker": {"color": COLOURS[0]}}, "connector": {"line": {"color": "@edge", "width": 1}}}
    trace["hovertemplate"] = "%{x}: %{text}<extra></extra>"
    _name_axis(layout, labels, True)
    return [trace]


KINDS: dict[str, Callable[[Mapping[str, Any], Drawing], list[Drawing]]] = {
    "bar": _bar,
    "stacked": _stacked,
    "line": _line,
    "histogram": _histogram,
    "box": _box,
    "scatter": _scatter,
    "heatmap": _heatmap,
    "waterfall": _waterfall,
}


def _plain(value: Any) -> Any:
    """Numbers with the digits that count, texts without markup of their own, and nothing that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None or key in ("zmin", "zmax")}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value
    number = float(value)
    return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None


def _text(value: str) -> str:
    """Plotly takes some tags for markup: only the tips' own stay."""
    marked = value.replace("<extra>", "\0").replace("</extra>", "\1")
    return marked.replace("<", "&lt;").replace("\0", "<extra>").replace("\1", "</extra>")
