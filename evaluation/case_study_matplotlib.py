"""Charts of a case study as matplotlib's figures, for the paper: the same data as the page's."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from case_study_chart_guide import upright
from case_study_section import Chart
from report_pictures import HEIGHT, INK, LINE, WIDTH, panel, percent, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2f6f9f", "#d9622b", "#2f855a", "#8250a8", "#b7791f", "#8a97a6")
NAME = 24  # letters of a label
SMALL = 0.062  # inches that one takes
MOST_COLUMNS, MOST_ROWS = 8, 12  # of a matrix in half the page's width
FULL = 7.0  # inches of a figure that fills the page's width


def figure(chart: Chart) -> Figure:
    """With its title. Narrow ones are as wide as `report_pictures.WIDTH`, so two stand side by side on the paper."""
    drawn = KINDS[chart.kind](chart.data)
    drawn.text(0.01, 1 - 0.04 / drawn.get_figheight(), plain(chart.title), va="top", fontweight="bold", color=INK)
    return drawn


def is_wide(chart: Chart) -> bool:
    """Whether the figure fills the page's width."""
    return chart.kind == "heatmap" and (len(chart.data["x"]) > MOST_COLUMNS or len(chart.data["y"]) > MOST_ROWS)


def _panel(
    height: float = HEIGHT,
    width: float = WIDTH,
    *,
    beside: Sequence[str] = (),
    below: Sequence[str] = (),
    right: float = 0.15,
    top: float = 0.34,
) -> tuple[Figure, Axes]:
    """Axes with room for the names beside and, turned, below them: that matplotlib finds it takes twice the time."""
    left = 0.42 + SMALL * max(map(len, beside)) if beside else 0.72
    more = max(0.0, 0.72 * SMALL * max(map(len, below)) - 0.12) if below else 0.0
    return panel(height + more, width, (left, 0.5 + more, right, top))


def _names(labels: Sequence[Any]) -> list[str]:
    return [plain(str(label), NAME) for label in labels]


def _series(data: Mapping[str, Any], values: str = "values") -> dict[str, Any]:
    return dict(data["series"]) if "series" in data else {"": data[values]}


def _numbers(values: Sequence[Any]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], float)


def _finish(axes: Axes, data: Mapping[str, Any], turned: bool = False) -> None:
    x, y = plain(str(data.get("x_title", ""))), plain(str(data.get("y_title", "")))
    axes.set(xlabel=y if turned else x, ylabel=x if turned else y)
    if "x" in data.get("log", ()):
        axes.set_xscale("log")
    if "y" in data.get("log", ()):
        axes.set_yscale("log")
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(fontsize=7, loc="best")


def _bar(data: Mapping[str, Any]) -> Figure:
    labels, series = _names(data["labels"]), _series(data)
    standing = upright(labels)
    lying = 0.95 + 0.22 * len(labels) * max(1.0, 0.6 * len(series))
    drawn, axes = _panel(HEIGHT) if standing else _panel(lying, beside=labels)
    at, thick = np.arange(len(labels)), 0.8 / len(series)
    for place, (name, values) in enumerate(series.items()):
        shifted = at + (place - (len(series) - 1) / 2) * thick
        draw = axes.bar if standing else axes.barh
        draw(shifted, _numbers(values), thick * 0.94, color=COLOURS[place % len(COLOURS)], label=plain(name) or None)
        if place == 0 and data.get("low"):
            middle = _numbers(values)
            spread = np.abs([middle - _numbers(data["low"]), _numbers(data["high"]) - middle])
            style: Any = {"fmt": "none", "ecolor": INK, "elinewidth": 0.8, "capsize": 2}
            if standing:
                axes.errorbar(shifted, middle, yerr=spread, **style)
            else:
                axes.errorbar(middle, shifted, xerr=spread, **style)
    for place, (name, values) in enumerate(data.get("lines", {}).items(), len(series)):
        along = (at, _numbers(values)) if standing else (_numbers(values), at)
        axes.plot(
            *along, color=COLOURS[place % len(COLOURS)], marker="o", markersize=3, linewidth=1.4, label=plain(name)
        )
    if standing:
        axes.set_xticks(at, labels)
    else:
        axes.set_yticks(at, labels, fontsize=8)
        axes.set_ylim(len(labels) - 0.5, -0.5)
    _finish(axes, data, turned=not standing)
    return drawn


def _stacked(data: Mapping[str, Any]) -> Figure:
    labels = _names(data["labels"])
    drawn, axes = _panel(0.95 + 0.32 * len(labels), beside=labels, top=0.58)
    left = np.zeros(len(labels))
    for place, (name, values) in enumerate(data["series"].items()):
        width = np.nan_to_num(_numbers(values))
        bars = axes.barh(
            np.arange(len(labels)), width, left=left, color=COLOURS[place % len(COLOURS)], label=plain(name, NAME)
        )
        texts = [f"{each:.0%}" if each >= 0.05 else "" for each in width]
        axes.bar_label(bars, texts, label_type="center", color="white", fontsize=7)
        left += width
    axes.set_yticks(np.arange(len(labels)), labels)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlim=(0, 1))
    percent(axes.xaxis)
    axes.legend(fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return drawn


def _line(data: Mapping[str, Any]) -> Figure:
    drawn, axes = _panel()
    x = _times(data["x"])
    for place, (name, values) in enumerate(data["series"].items()):
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(x, _numbers(values), color=colour, linewidth=1.4, label=plain(name, NAME) or None)
        if band := data.get("bands", {}).get(name):
            axes.fill_between(x, _numbers(band["low"]), _numbers(band["high"]), color=colour, alpha=0.2, linewidth=0)
    for place, (name, at) in enumerate(data.get("points", {}).items()):
        axes.scatter(
            _times(at["x"]), _numbers(at["y"]), s=10, color=COLOURS[place % len(COLOURS)], label=plain(name, NAME)
        )
    if getattr(x, "dtype", None) is not None and x.dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    elif x and isinstance(x[0], str):
        axes.set_xticks(axes.get_xticks()[:: max(1, len(x) // 6)])
    _finish(axes, data)
    return drawn


def _times(values: Sequence[Any]) -> Any:
    """As NumPy's times where all are ISO dates, else as they are."""
    values = list(values)
    try:
        if values and all(isinstance(each, str) and len(each) >= 7 for each in values):
            return np.array(values, "datetime64[s]")
    except ValueError:
        pass
    return values


def _histogram(data: Mapping[str, Any]) -> Figure:
    drawn, axes = _panel()
    series = _series(data, "counts")
    for place, (name, counts) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        alpha = 0.85 if len(series) == 1 else 0.45
        axes.stairs(_numbers(counts), data["edges"], fill=True, color=colour, alpha=alpha, label=plain(name) or None)
    for place, (name, curve) in enumerate(data.get("curves", {}).items(), len(series)):
        axes.plot(curve["x"], curve["y"], color=COLOURS[place % len(COLOURS)], linewidth=1.4, label=plain(name))
    _finish(axes, data)
    return drawn


def _box(data: Mapping[str, Any]) -> Figure:
    labels = _names(data["labels"])
    drawn, axes = _panel(0.95 + 0.26 * max(len(labels), 2), beside=labels)
    keys = {"whislo": "low", "q1": "q1", "med": "median", "q3": "q3", "whishi": "high"}
    boxes = [{key: data[name][place] for key, name in keys.items()} | {"fliers": []} for place in range(len(labels))]
    style = {"facecolor": COLOURS[0] + "55", "edgecolor": COLOURS[0]}
    line = {"color": COLOURS[0]}
    axes.bxp(
        boxes, positions=range(len(labels)), orientation="horizontal", widths=0.6, patch_artist=True, showfliers=False,
        boxprops=style, medianprops=line | {"linewidth": 2}, whiskerprops=line, capprops=line,
    )  # fmt: skip
    places = {str(label): place for place, label in enumerate(data["labels"])}
    for label, values in data.get("outliers", {}).items():
        axes.scatter(values, [places[str(label)]] * len(values), s=4, color=COLOURS[0], alpha=0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set(xlabel=plain(str(data.get("y_title", ""))), ylabel=plain(str(data.get("x_title", ""))))
    if "y" in data.get("log", ()):
        axes.set_xscale("log")
    return drawn


def _scatter(data: Mapping[str, Any]) -> Figure:
    drawn, axes = _panel()
    groups = np.array(list(map(str, data["group"])) if data.get("group") else [""] * len(data["x"]))
    x, y = _numbers(data["x"]), _numbers(data["y"])
    size = 6 if len(x) > 300 else 12
    for place, group in enumerate(dict.fromkeys(groups)):
        mine, colour = groups == group, COLOURS[place % len(COLOURS)]
        axes.scatter(x[mine], y[mine], s=size, color=colour, alpha=0.6, linewidths=0, label=plain(group, NAME) or None)
    for place, (name, curve) in enumerate(data.get("curves", {}).items(), len(set(groups))):
        axes.plot(curve["x"], curve["y"], color=COLOURS[place % len(COLOURS)], linewidth=1.4, label=plain(name))
    _finish(axes, data)
    return drawn


def _heatmap(data: Mapping[str, Any]) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    columns, rows = _names(data["x"]), _names(data["y"])
    large = len(columns) > MOST_COLUMNS or len(rows) > MOST_ROWS
    below = [] if upright(columns) and not large else columns
    height = 0.9 + (0.2 if large else 0.25) * max(len(rows), 4)
    drawn, axes = _panel(height, FULL if large else WIDTH, beside=rows, below=below, right=0.7)
    signed = data.get("low") is not None and data["low"] < 0
    shades = ["#c8531d", "#f1f4f7", "#2f6f9f"] if signed else ["#f1f4f7", "#2f6f9f"]
    z = np.array([_numbers(row) for row in data["z"]])
    colours = LinearSegmentedColormap.from_list("case", shades)
    image = axes.imshow(
        z, cmap=colours, vmin=data.get("low"), vmax=data.get("high"), aspect="auto", interpolation="nearest"
    )
    turned: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if below else {}
    axes.set_xticks(range(len(columns)), columns, fontsize=7, **turned)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    if data.get("text") and len(columns) <= 12:
        low, high = np.nanmin(z, initial=np.inf), np.nanmax(z, initial=-np.inf)
        low, high = data.get("low") or low, data.get("high") or high
        far = max(abs(low), abs(high)) or 1.0
        for row, texts in enumerate(data["text"]):
            for column, text in enumerate(texts):
                dark = abs(z[row, column]) > 0.6 * far if np.isfinite(z[row, column]) else False
                axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color="white" if dark else INK)
    box, width = axes.get_position(), drawn.get_figwidth()
    bar = drawn.colorbar(image, cax=drawn.add_axes((box.x1 + 0.1 / width, box.y0, 0.12 / width, box.height)))
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_edgecolor(LINE)  # type: ignore[operator]
    axes.set(xlabel=plain(str(data.get("x_title", ""))), ylabel=plain(str(data.get("y_title", ""))))
    return drawn


def _waterfall(data: Mapping[str, Any]) -> Figure:
    drawn, axes = _panel(HEIGHT + 0.15)
    level = 0.0
    for place, (value, measure) in enumerate(zip(data["values"], data["measure"], strict=True)):
        start = level if measure == "relative" else 0.0
        colour = COLOURS[0] if measure != "relative" else COLOURS[2] if value >= 0 else COLOURS[1]
        axes.bar(place, value, 0.7, bottom=start, color=colour)
        level = start + value
        axes.annotate(
            f"{value:,.0f}", (place, max(start, level)), (0, 2), textcoords="offset points", ha="center", fontsize=7
        )
        if place < len(data["values"]) - 1:
            axes.hlines(level, place + 0.35, place + 0.65, color=LINE)
    labels = ["\n".join(textwrap.wrap(name, 84 // len(data["labels"]))) for name in _names(data["labels"])]
    axes.set_xticks(range(len(labels)), labels, fontsize=7)
    _finish(axes, data)
    return drawn


KINDS: dict[str, Callable[[Mapping[str, Any]], Figure]] = {
    "bar": _bar,
    "stacked": _stacked,
    "line": _line,
    "histogram": _histogram,
    "box": _box,
    "scatter": _scatter,
    "heatmap": _heatmap,
    "waterfall": _waterfall,
}
