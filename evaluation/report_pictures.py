"""Plots in the style of the reports: one look, and colours that the page turns for dark paper.

`histogram`, `bars` and `curves` lay the same things of two or more samples, such as baseline and captured, over or
beside each other, the first in grey. For anything else take a `panel`. matplotlib takes 20 to 40 ms of CPU to draw one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE, CURRENT, INK, LINE = "#8a97a6", "#d9622b", "#243447", "#c3ccd5"
MORE = ("#2f6f9f", "#2f855a", "#8250a8", "#b7791f")  # for what is neither baseline nor current
COLOURS = (BASELINE, CURRENT, *MORE)
WIDTH, HEIGHT = 4.6, 2.7  # inches; two stand side by side on a page, one fills a phone
LETTER = 0.066  # inches that a letter of a label takes
NAME_LIMIT = 28  # letters of a category's name
STYLE: Any = {  # of matplotlib's rcParams
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


def panel(
    height: float = HEIGHT, width: float = WIDTH, margins: tuple[float, float, float, float] | None = None
) -> tuple[Figure, Axes]:
    """A figure with one plot. A picture with several plots takes a panel for each.

    Sizes are inches, and so are the margins (left, bottom, right, top) around the axes. Without margins matplotlib
    finds them, which doubles the time that the figure takes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # not pyplot: no window system and no global state

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout=None if margins else "constrained")
        if margins:
            left, bottom, right, top = margins
            figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
        return figure, figure.subplots()


def plain(text: str, limit: int = 60) -> str:
    """A name as a label: cut where it is long, and its dollars no mathematics."""
    text = " ".join(text.split())
    return (text if len(text) <= limit else f"{text[: limit - 1]}…").replace("$", r"\$")


def histogram(name: str, edges: Sequence[float], shares: Mapping[str, Sequence[float]]) -> Figure:
    """Shares of the records by bin, one for each two neighbouring edges, of samples by their label."""
    figure, axes = panel(margins=(0.62, 0.5, 0.1, 0.32))
    for place, (label, share) in enumerate(shares.items()):
        colour = COLOURS[place % len(COLOURS)]
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.55 if place == 0 else 0.18, linewidth=0)
        axes.stairs(share, edges, color=colour, linewidth=1.2 if place == 0 else 1.8, label=label)
    axes.set(ylabel="share of records", xlabel=plain(name), xlim=(edges[0], edges[-1]), ylim=(0, None))
    axes.locator_params(nbins=6)
    percent(axes.yaxis)
    _legend(axes)
    return figure


def bars(names: Sequence[str], shares: Mapping[str, Sequence[float]]) -> Figure:
    """Shares of the records by category, of samples by their label."""
    labels = [plain(str(name), NAME_LIMIT) for name in names]
    left = 0.25 + LETTER * max(map(len, labels))
    figure, axes = panel(0.6 + 0.34 * max(len(labels), 2), margins=(left, 0.1, 0.55, 0.32))
    thick = 0.8 / len(shares)
    for place, (label, share) in enumerate(shares.items()):
        at = np.arange(len(labels)) + (place - (len(shares) - 1) / 2) * thick
        drawn = axes.barh(at, share, height=thick * 0.94, color=COLOURS[place % len(COLOURS)], label=label)
        axes.bar_label(drawn, fmt="{:.1%}", padding=3, fontsize=8, color=INK)
    axes.set_yticks(np.arange(len(labels)), labels)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlim=(0, max(float(np.max(list(shares.values()))), 1e-9)))
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    _legend(axes)
    return figure


def curves(name: str, at: Sequence[float], values: Mapping[str, Sequence[float]], axis: str, title: str = "") -> Figure:
    """Shares, from 0 to 1, over `at`, of samples by their label; `axis` says what the values are."""
    figure, axes = panel(margins=(0.62, 0.5, 0.1, 0.32))
    for place, (label, each) in enumerate(values.items()):
        axes.plot(at, each, color=COLOURS[place % len(COLOURS)], linewidth=1.8, label=label)
    axes.set(ylabel=axis, xlabel=plain(name), xlim=(at[0], at[-1]), ylim=(0, 1.02))
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.locator_params(nbins=6)
    percent(axes.yaxis)
    if not title:
        _legend(axes)
    return figure


def _legend(axes: Axes) -> None:
    labels = axes.get_legend_handles_labels()[1]
    if len(labels) > 1:
        legend = axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=len(labels), frameon=False, borderaxespad=0.2, fontsize=9
        )
        for text in legend.get_texts():
            text.set_color(INK)


def percent(axis: Any, decimals: int | None = 0) -> None:
    """Shares on this axis, from 0 to 1, read as percent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))
