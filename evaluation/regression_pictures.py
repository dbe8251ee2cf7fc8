"""The pictures of a regression's report, one function a picture; each returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import report_pictures as pictures
from matplotlib.ticker import LogLocator
from scipy import stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 800  # of a cloud; more are drawn at random
MOST_FEATURES = 15
BLUE, GREEN = pictures.MORE[:2]


def answers(truth: np.ndarray, predicted: np.ndarray, unit: str, log: bool) -> Figure:
    """Every record's prediction against the truth; on the line they agree."""
    figure, axes = pictures.panel(3.6, 4.6)
    shown = some(len(truth))
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    axes.plot(ends, ends, color=pictures.BASELINE, linestyle="--", linewidth=1.2)
    axes.scatter(predicted[shown], truth[shown], s=9, color=BLUE, alpha=0.45, linewidths=0)
    axes.set(xlabel=f"prediction{of(unit)}", ylabel=f"truth{of(unit)}")
    if log:
        logarithmic(axes, "xy")
    short_numbers(axes, "xy")
    return figure


def against_prediction(predicted: np.ndarray, residual: np.ndarray, unit: str, axis: str, log: bool = False) -> Figure:
    """Residuals over the prediction, with their mean and spread by tenth: a flat, even band is what is hoped for."""
    figure, axes = pictures.panel(3.6, 4.6)
    shown = some(len(residual))
    axes.scatter(predicted[shown], residual[shown], s=9, color=BLUE, alpha=0.4, linewidths=0)
    axes.axhline(0, color=pictures.BASELINE, linewidth=1.2, linestyle="--")
    at, mean, deviation = tenths(predicted, residual)
    axes.plot(at, mean, color=pictures.CURRENT, linewidth=1.8, label="mean of a tenth")
    axes.plot(at, mean + deviation, color=pictures.CURRENT, linewidth=1, linestyle=":", label="± standard deviation")
    axes.plot(at, mean - deviation, color=pictures.CURRENT, linewidth=1, linestyle=":")
    axes.set(xlabel=f"prediction{of(unit)}", ylabel=axis)
    if log:
        logarithmic(axes, "x")
    short_numbers(axes, "x" if log else "xy")
    axes.legend(fontsize=8, loc="best", frameon=False)
    return figure


def distribution(residual: np.ndarray, axis: str) -> Figure:
    """Residuals with the normal distribution of their mean and deviation."""
    figure, axes = pictures.panel(3.0, 4.6)
    low, high = np.quantile(residual, [0.002, 0.998])
    inside = residual[(residual >= low) & (residual <= high)]
    axes.hist(inside, bins=50, density=True, color=BLUE, alpha=0.55, linewidth=0)
    at = np.linspace(low, high, 200)
    axes.plot(at, stats.norm.pdf(at, residual.mean(), residual.std()), color=pictures.CURRENT, label="normal")
    axes.set(xlabel=axis, ylabel="density")
    axes.set_yticks([])
    short_numbers(axes, "x")
    axes.legend(fontsize=8, frameon=False)
    return figure


def quantiles(residual: np.ndarray) -> Figure:
    """Quantiles of the standardised residuals against the normal distribution's."""
    figure, axes = pictures.panel(3.0, 4.6)
    ordered = np.sort((residual - residual.mean()) / residual.std())
    expected = stats.norm.ppf((np.arange(len(ordered)) + 0.5) / len(ordered))
    if len(ordered) > MOST_POINTS:  # both ends whole: they are what is looked at
        middle = np.linspace(100, len(ordered) - 101, MOST_POINTS - 200).astype(int)
        kept = np.r_[0:100, middle, len(ordered) - 100 : len(ordered)]
        ordered, expected = ordered[kept], expected[kept]
    axes.plot(expected[[0, -1]], expected[[0, -1]], color=pictures.BASELINE, linestyle="--", linewidth=1.2)
    axes.scatter(expected, ordered, s=9, color=BLUE, linewidths=0)
    axes.set(xlabel="normal quantile", ylabel="residual, in standard deviations")
    return figure


def bands(truth: np.ndarray, found: Mapping[str, np.ndarray], unit: str, log: bool) -> Figure:
    """Intervals of records in the order of their prediction, and the truths; those outside stand out."""
    figure, axes = pictures.panel(3.6, 9.4)
    kept = np.sort(some(len(truth), 250))
    kept = kept[np.argsort(found["prediction"][kept], kind="stable")]
    lower, upper, answer = found["lower"][kept], found["upper"][kept], truth[kept]
    place, outside = np.arange(len(kept)), (answer < lower) | (answer > upper)
    axes.vlines(place, lower, upper, color=pictures.BASELINE, alpha=0.55, linewidth=1.6, label="interval")
    axes.plot(place, found["prediction"][kept], color=BLUE, linewidth=1.2, label="prediction")
    axes.scatter(place[~outside], answer[~outside], s=9, color=GREEN, linewidths=0, label="truth inside", zorder=3)
    axes.scatter(place[outside], answer[outside], s=16, color=pictures.CURRENT, label="truth outside", zorder=3)
    axes.set(xlabel="records by their prediction", ylabel=unit or "value", xlim=(-1, len(kept)))
    if log:
        logarithmic(axes, "y")
    axes.set_xticks([])
    short_numbers(axes, "y")
    axes.legend(fontsize=8, ncols=4, loc="upper left", frameon=False)
    return figure


def importance(found: pd.DataFrame, axis: str) -> Figure:
    """`found`: index features, columns `mean` and `deviation`, most important first."""
    top = found.head(MOST_FEATURES)[::-1]
    left = 0.3 + pictures.LETTER * max(map(len, top.index))
    figure, axes = pictures.panel(0.7 + 0.24 * len(top), 6.0, margins=(left, 0.5, 0.15, 0.1))
    axes.barh(top.index, top["mean"], xerr=top["deviation"], color=BLUE, ecolor=pictures.INK, height=0.65)
    axes.axvline(0, color=pictures.INK, linewidth=0.8)
    axes.set(xlabel=axis)
    short_numbers(axes, "x")
    return figure


def coverage(parts: Sequence[Mapping[str, Any]], level: float) -> Figure:
    """Coverage by part of the records, each with its own interval, and the nominal level as a line."""
    figure, axes = pictures.panel(3.0, 4.6)
    place = np.arange(len(parts))
    share = np.array([part["coverage"] for part in parts])
    low, high = (np.array([part["confidence_interval"][side] for part in parts]) for side in ("lower", "upper"))
    axes.axhline(level, color=pictures.CURRENT, linewidth=1.4, linestyle="--", label=f"nominal, {level:.0%}")
    axes.errorbar(place, share, yerr=[share - low, high - share], fmt="o", color=BLUE, capsize=3)
    axes.set_xticks(place, [f"{short(part['from'])}\nto {short(part['to'])}" for part in parts], fontsize=8)
    axes.set(xlabel="by fifth of the prediction", ylabel="truth inside", ylim=(min(low.min(), level) - 0.02, 1.005))
    pictures.percent(axes.yaxis, None)
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    return figure


def tenths(predicted: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of tenths of the records by their prediction: median prediction, mean and standard deviation of the residuals."""
    parts = [part for part in np.array_split(np.argsort(predicted, kind="stable"), 10) if len(part)]
    columns = [(np.median(predicted[part]), residual[part].mean(), residual[part].std()) for part in parts]
    at, mean, deviation = np.array(columns).T
    return at, mean, deviation


def some(rows: int, most: int = MOST_POINTS) -> np.ndarray:
    """Positions of the records that are drawn, the same ones each time."""
    return np.random.default_rng(0).permutation(rows)[:most]


def of(unit: str) -> str:
    return f", {unit}" if unit else ""


def short(value: float) -> str:
    """1,234,567 as 1.2M, 45,600 as 46k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def logarithmic(axes: Axes, which: str) -> None:
    """Ticks at 1, 2 and 5 times each power of ten: prices rarely span two of these."""
    for name in which:
        getattr(axes, f"set_{name}scale")("log", subs=[])
        getattr(axes, f"{name}axis").set_major_locator(LogLocator(subs=(1, 2, 5)))


def short_numbers(axes: Axes, which: str) -> None:
    for name in which:
        getattr(axes, f"{name}axis").set_major_formatter(lambda value, _: short(value))
