"""The pictures of a report on rare events, one function a picture; each returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import report_pictures as pictures
from rare_events_metrics import ENSEMBLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, GREEN, PURPLE, GOLD = pictures.MORE
# Of members in the order of the table, the best first; the ensemble has the strongest colour.
LINES = (BLUE, GREEN, PURPLE, GOLD, pictures.BASELINE, "#6b7a8a")
Points = tuple[np.ndarray, np.ndarray]


def models(
    curves: Mapping[str, Points], order: Sequence[str], axis: tuple[str, str], style: str, legend: str
) -> Figure:
    """A curve a model, those of members thin; `style` is a line's drawstyle, `legend` its place or none."""
    figure, axes = pictures.panel(3.4, 4.6)
    for place, name in enumerate(each for each in order if each != ENSEMBLE):
        colour = LINES[place % len(LINES)]
        axes.plot(*curves[name], drawstyle=style, color=colour, linewidth=1.1, label=spoken(name))
    axes.plot(*curves[ENSEMBLE], drawstyle=style, color=pictures.CURRENT, linewidth=2.2, label=ENSEMBLE)
    axes.set(xlabel=axis[0], ylabel=axis[1], xlim=(0, 1), ylim=(0, 1.02))
    if legend:
        axes.legend(fontsize=7.5, loc=legend, frameon=False)
    return figure


def leads(members: Sequence[Mapping[str, Any]]) -> Figure:
    """The ensemble's lead over each member with its interval."""
    names = [spoken(each["name"]) for each in members]
    figure, axes = pictures.panel(0.9 + 0.34 * max(len(names), 3), 6.4)
    axes.axvline(0, color=pictures.LINE, linewidth=1.2)
    for place, each in enumerate(members):
        low, high = each["lead"]["interval"]
        axes.plot([low, high], [place, place], color=BLUE, linewidth=2.4, solid_capstyle="round")
        axes.plot(each["lead"]["difference"], place, "o", color=pictures.CURRENT, markersize=6)
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="the ensemble's lead in average precision")
    return figure


def costs(curves: Mapping[str, Points], days: Mapping[str, int], threshold: float) -> Figure:
    """Euros a day over the threshold, on a scale of log-odds: most thresholds that matter are small."""
    figure, axes = pictures.panel(3.4, 4.6)
    for name, colour, width in (("validation", pictures.BASELINE, 1.4), ("test", BLUE, 2.0)):
        limits, cost = curves[name]
        kept = limits <= 1
        at, euros = odds(limits[kept]), cost[kept] / days[name]
        some = np.unique(np.linspace(0, len(at) - 1, 600).astype(int))
        axes.plot(at[some], euros[some], color=colour, linewidth=width, label=name)
    axes.axvline(
        odds(np.array([threshold]))[0], color=pictures.CURRENT, linestyle="--", label=f"chosen: {threshold:.3f}"
    )
    as_probability(axes, "x")
    limits, cost = curves["test"]
    axes.set(
        xlabel="threshold",
        ylabel="euros a day",
        ylim=(0, 1.15 * cost[0] / days["test"]),
        xlim=odds(np.array([0.002, 0.995])),
    )
    axes.legend(fontsize=8, frameon=False)
    return figure


def spent(models: Mapping[str, Mapping[str, float]], days: int) -> Figure:
    """Euros a day of each model: of alerts, and of frauds that got none."""
    figure, axes = pictures.panel(3.4, 4.6)
    names = list(models)
    alerts = np.array([models[name]["alerts"] for name in names]) / days
    missed = np.array([models[name]["missed"] for name in names]) / days
    axes.barh(range(len(names)), missed, color=pictures.BASELINE, height=0.65, label="missed frauds")
    axes.barh(range(len(names)), alerts, left=missed, color=BLUE, height=0.65, label="alerts")
    axes.set_yticks(range(len(names)), [spoken(name) for name in names])
    axes.set(xlabel="euros a day", ylim=(len(names) - 0.5, -0.5))
    axes.legend(fontsize=8, loc="upper right", frameon=False)
    return figure


def reliability(groups: Sequence[Mapping[str, Any]]) -> Figure:
    """Observed share over the mean probability of each group, both in log-odds."""
    figure, axes = pictures.panel(3.4, 4.6)
    mean = np.array([each["mean_probability"] for each in groups])
    share = np.array([each["observed_share"] for each in groups])
    low, high = np.array([each["interval"] for each in groups]).T
    ends = odds(np.array([1e-4, 0.9995]))
    axes.plot(ends, ends, color=pictures.BASELINE, linestyle="--", linewidth=1.2, label="perfect")
    at, middle = odds(mean), odds(share)
    error = [np.maximum(middle - odds(low), 0), np.maximum(odds(high) - middle, 0)]
    axes.errorbar(
        at, middle, yerr=error, fmt="o-", color=BLUE, capsize=2.5, markersize=4.5, linewidth=1.2, label="test"
    )
    as_probability(axes, "xy")
    axes.set(xlabel="mean probability", ylabel="observed share", xlim=ends, ylim=ends)
    axes.legend(fontsize=8, loc="upper left", frameon=False)
    return figure


def distribution(answers: np.ndarray, probability: np.ndarray, threshold: float) -> Figure:
    """How probabilities spread, of events and of the rest, each as shares of its own."""
    figure, axes = pictures.panel(3.4, 4.6)
    first, last = odds(np.array([1e-4, 0.9995])).tolist()
    bins = np.linspace(first, last, 46)
    for answer, colour, label in ((0, pictures.BASELINE, "genuine"), (1, pictures.CURRENT, "fraud")):
        values = np.clip(odds(probability[answers == answer]), first, last)
        axes.hist(
            values, bins, weights=np.full(len(values), 1 / max(len(values), 1)), color=colour, alpha=0.6, label=label
        )
    axes.axvline(odds(np.array([threshold]))[0], color=BLUE, linestyle="--", label=f"threshold {threshold:.3f}")
    as_probability(axes, "x")
    axes.set(xlabel="probability", ylabel="share of its kind", xlim=(first, last))
    pictures.percent(axes.yaxis)
    axes.legend(fontsize=8, frameon=False)
    return figure


def over_time(
    days: Sequence[str], lines: Mapping[str, tuple[Sequence[float], str, str]], axis: str, top: float | None = None
) -> Figure:
    """By day: a line each, with its colour and style."""
    figure, axes = pictures.panel(3.2, 4.6)
    place = np.arange(len(days))
    for name, (values, colour, style) in lines.items():
        axes.plot(place, values, color=colour, linestyle=style, marker="o", markersize=3.5, linewidth=1.6, label=name)
    step = max(1, len(days) // 6)
    axes.set_xticks(place[::step], [day[5:] for day in days[::step]])
    axes.set(xlabel="day", ylabel=axis, ylim=(0, top))
    axes.legend(fontsize=8, ncols=len(lines), loc="upper center", bbox_to_anchor=(0.5, 1.14), frameon=False)
    return figure


def scenarios(rows: Sequence[Mapping[str, Any]], names: Sequence[str], what: str, axis: str) -> Figure:
    """Bars of each model by kind of event."""
    figure, axes = pictures.panel(3.2, 9.4)
    thick = 0.8 / len(names)
    for place, name in enumerate(names):
        colour = pictures.CURRENT if name == ENSEMBLE else LINES[(place - 1) % len(LINES)]
        at = np.arange(len(rows)) + (place - (len(names) - 1) / 2) * thick
        axes.bar(at, [each[what][name] for each in rows], thick * 0.92, color=colour, label=spoken(name))
    axes.set_xticks(range(len(rows)), [f"{each['name']}\n{each['frauds']:,} frauds" for each in rows])
    axes.set(ylabel=axis, ylim=(0, 1.05))
    axes.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.24), frameon=False)
    return figure


def reasons(values: Mapping[str, float], most: int = 12) -> Figure:
    """Mean size of the contributions, largest first."""
    top = list(values.items())[:most][::-1]
    names = [spoken(name) for name, _ in top]
    left = 0.3 + pictures.LETTER * max(map(len, names))
    figure, axes = pictures.panel(0.7 + 0.24 * len(top), 6.0, margins=(left, 0.5, 0.15, 0.1))
    axes.barh(names, [value for _, value in top], color=BLUE, height=0.65)
    axes.set(xlabel="mean size of the contribution to the log-odds")
    return figure


def odds(probability: np.ndarray) -> np.ndarray:
    bounded = np.clip(probability, 1e-5, 1 - 1e-5)
    return np.asarray(np.log(bounded / (1 - bounded)))


def as_probability(axes: Axes, which: str) -> None:
    """Ticks of an axis in log-odds as probabilities."""
    ticks = np.array([0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    for name in which:
        getattr(axes, f"set_{name}ticks")(
            odds(ticks), ["0.0001", "0.001", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999"]
        )
        getattr(axes, f"{name}axis").set_tick_params(labelsize=8)


def spoken(name: str) -> str:
    """`one_class_svm` as words."""
    return {"one_class_svm": "one-class SVM"}.get(name, name.replace("_", " "))
