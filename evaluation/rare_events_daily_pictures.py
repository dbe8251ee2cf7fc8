"""The picture of alerts over the days: ranking, alerts and volume, with what happened marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import report_pictures as pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, GREEN, PURPLE, GOLD = pictures.MORE
BAND = "95 % of resamples of the day's cards"


def over_time(days: pd.DataFrame, events: Mapping[str, str], new: int | None = None) -> Figure:
    """Ranking, alerts and volume over the days, the events (a text at a day) marked; `new`: a scenario to follow."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(pictures.STYLE):
        figure = Figure(figsize=(11.0, 8.4), layout="constrained")
        panels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
        figure.suptitle(title(new), fontsize=12, fontweight="bold", x=0.005, ha="left")
    ranking, alerts, volume = panels
    at = pd.to_datetime(days.index)
    _band(ranking, at, days, "average_precision")
    _lines(ranking, at, days, {"average_precision": ("average precision", pictures.CURRENT)})
    cards = "precision at the top of the day's cards"
    _lines(ranking, at, days, {"card_precision": (cards, BLUE)}, thin=True)
    _lines(alerts, at, days, {"precision": ("precision of the alerts", BLUE), "recall": ("recall", GREEN)})
    if new is not None and f"recall_{new}" in days:
        name = f"recall of the new fraud (scenario {new})"
        _lines(alerts, at, days, {f"recall_{new}": (name, pictures.CURRENT)})
    _volume(volume, at, days, new)
    for axes, name in ((ranking, "how well scores rank frauds"), (alerts, "how good the alerts are")):
        axes.set_ylabel(name)
        axes.set(ylim=(-0.03, 1.18), yticks=[0, 0.25, 0.5, 0.75, 1])  # room for the legend
        pictures.percent(axes.yaxis)
    step = max(1, len(at) // 10)
    volume.set_xticks(at[::step], [f"{day:%d %b}" for day in at[::step]])
    volume.set_xlabel(f"day of the transactions (UTC, {at[-1]:%Y})")
    _mark(panels, events)
    figure.align_ylabels(panels)
    return figure


def title(new: int | None) -> str:
    return "Alerts day by day" if new is None else "Alerts day by day, before and after a new kind of fraud"


def _band(axes: Axes, at: pd.DatetimeIndex, days: pd.DataFrame, name: str) -> None:
    """What chance does to a day of so few frauds."""
    low, high = (days.get(f"{name}_{end}") for end in ("low", "high"))
    if low is not None and high is not None:
        axes.fill_between(at, low, high, color=pictures.CURRENT, alpha=0.15, linewidth=0, label=BAND)


def _lines(
    axes: Axes, at: pd.DatetimeIndex, days: pd.DataFrame, lines: Mapping[str, tuple[str, str]], thin: bool = False
) -> None:
    for name, (label, colour) in lines.items():
        if name in days:
            width, size = (1.1, 2.5) if thin else (1.8, 3.5)
            axes.plot(at, days[name], color=colour, label=label, marker="o", markersize=size, linewidth=width)
    axes.legend(fontsize=8.5, loc="upper left", ncols=3, frameon=False)
    axes.grid(axis="y", color=pictures.LINE, linewidth=0.6)


def _volume(axes: Axes, at: pd.DatetimeIndex, days: pd.DataFrame, new: int | None) -> None:
    frauds = days["frauds"].fillna(0) if "frauds" in days else pd.Series(0.0, index=days.index)
    own = days[f"frauds_{new}"].fillna(0) if new is not None and f"frauds_{new}" in days else 0 * frauds
    axes.bar(at, frauds - own, width=0.8, color=pictures.BASELINE, label="frauds of known kinds")
    if new is not None:
        name = f"the new fraud (scenario {new})"
        axes.bar(at, own, width=0.8, bottom=frauds - own, color=pictures.CURRENT, label=name)
    axes.plot(at, days["alerts"], color=BLUE, linewidth=1.6, label="alerts")
    axes.set_ylabel("transactions a day")
    most = max(float(frauds.max()), float(days["alerts"].max()), 1.0)
    axes.set(ylim=(0, 1.25 * most))
    axes.legend(fontsize=8.5, loc="upper left", ncols=3, frameon=False)


def _mark(panels: Sequence[Axes], events: Mapping[str, str]) -> None:
    for day, text in sorted(events.items()):
        moment = pd.Timestamp(day) - pd.Timedelta("12h")
        for axes in panels:
            axes.axvline(moment, color=pictures.INK, linewidth=1.0, linestyle=":")
        panels[0].annotate(
            text,
            (moment, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 4),
            textcoords="offset points",
            fontsize=8.5,
            annotation_clip=False,
        )
