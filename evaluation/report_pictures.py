"""Plots in the style of the reports: one look, and colours that the page turns for dark paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE, CURRENT, INK, LINE = "#8a97a6", "#d9622b", "#243447", "#c3ccd5"
MORE = ("#2f6f9f", "#2f855a", "#8250a8", "#b7791f")  # for what is neither baseline nor current
WIDTH = 4.6  # inches; two stand side by side on a page, one fills a phone
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
    "legend.frameon": False,
}


def panel(height: float = 2.7, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one plot; sizes in inches. A picture with several plots takes a panel for each."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # not pyplot: no window system and no global state

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def percent(axis: Any, decimals: int | None = 0) -> None:
    """Shares on this axis, from 0 to 1, read as percent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))
