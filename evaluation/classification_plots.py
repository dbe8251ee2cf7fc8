"""The pictures of a classifier's report, one function a picture; each returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import report_pictures as pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE = pictures.MORE[0]
MOST_FEATURES = 12
MARGINS = (0.62, 0.5, 0.12, 0.12)


def canvas(x: str, y: str, margins: tuple[float, float, float, float] | None = MARGINS) -> tuple[Figure, Axes]:
    figure, axes = pictures.panel(3.5, 4.6, margins)
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def roc(false_positive_rate: np.ndarray, true_positive_rate: np.ndarray, metric: dict, point: tuple) -> Figure:
    figure, axes = canvas("false positive rate", "true positive rate (recall)")
    axes.plot([0, 1], [0, 1], color=pictures.BASELINE, linestyle="--", label="guessing")
    axes.plot(false_positive_rate, true_positive_rate, color=BLUE, linewidth=2, label=f"model, area {interval(metric)}")
    axes.plot(*point, "o", color=pictures.CURRENT, markersize=8, label="at the chosen threshold")
    legend(axes, "lower right")
    return figure


def precision_recall(recall: np.ndarray, precision: np.ndarray, metric: dict, share: float, point: tuple) -> Figure:
    figure, axes = canvas("recall", "precision")
    axes.axhline(share, color=pictures.BASELINE, linestyle="--", label=f"guessing, {share:.1%} positive")
    label = f"model, average precision\n{interval(metric)}"
    axes.step(recall, precision, where="post", color=BLUE, linewidth=2, label=label)
    axes.plot(*point, "o", color=pictures.CURRENT, markersize=8, label="at the chosen threshold")
    axes.set_ylim(0, 1.02)
    legend(axes)
    return figure


def confusion(matrix: Mapping[str, Mapping[str, int]], label: str) -> Figure:
    """Cells shaded by their share of the row: patches and no image, so that the page turns them for dark paper."""
    from matplotlib.patches import Rectangle

    names = list(matrix)
    size = max(3.2, 0.75 * len(names) + 1.4)
    figure, axes = pictures.panel(height=size * 0.85, width=size * 1.25)
    for row, actual in enumerate(names):
        total = max(sum(matrix[actual].values()), 1)
        for column, predicted in enumerate(names):
            count = matrix[actual][predicted]
            colour = BLUE if row == column else pictures.CURRENT
            patch = Rectangle(
                (column - 0.48, row - 0.48), 0.96, 0.96, color=colour, alpha=0.06 + 0.5 * count / total, linewidth=0
            )
            axes.add_patch(patch)
            text = f"{count:,}\n{count / total:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=pictures.INK)
    shown = [pictures.plain(each, 16) for each in names]
    axes.set_xticks(range(len(names)), shown)
    axes.set_yticks(range(len(names)), shown)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set(xlabel=f"called by the model ({pictures.plain(label)})", ylabel="true")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return figure


def calibration(points: dict[str, list], brier: dict) -> Figure:
    figure, axes = canvas("mean predicted probability", "observed share")
    end = max(points["mean_probability"] + points["observed_share"]) * 1.05
    axes.plot([0, end], [0, end], color=pictures.BASELINE, linestyle="--", label="perfect")
    rows, share = np.array(points["records"]), np.array(points["observed_share"])
    error = 1.96 * np.sqrt(share * (1 - share) / rows)
    label = f"model, Brier score\n{interval(brier)}"
    axes.errorbar(points["mean_probability"], share, yerr=error, color=BLUE, marker="o", capsize=3, label=label)
    axes.set_ylim(bottom=0)
    legend(axes)
    return figure


def scores(answers: np.ndarray, probability: np.ndarray, threshold: float, label: str) -> Figure:
    figure, axes = canvas("predicted probability", "records", None)
    bins, name = np.linspace(0, 1, 41), pictures.plain(label)
    for answer, colour in ((0, BLUE), (1, pictures.CURRENT)):
        counts = np.histogram(probability[answers == answer], bins)[0]
        axes.stairs(counts, bins, fill=True, color=colour, alpha=0.6, linewidth=0, label=f"{name} = {answer}")
    axes.axvline(threshold, color=pictures.INK, linestyle=":", label=f"threshold {threshold:.3f}")
    axes.set_xlim(0, 1)
    legend(axes)
    return figure


def cost(validation: tuple, test: tuple, threshold: float) -> Figure:
    figure, axes = canvas("threshold", "mean cost per record", None)
    axes.step(*validation, where="post", color=pictures.BASELINE, linewidth=1.5, label="validation")
    axes.step(*test, where="post", color=BLUE, linewidth=2, label="test")
    axes.axvline(threshold, color=pictures.CURRENT, linestyle="--", label=f"chosen: {threshold:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, None))
    legend(axes, "lower right")
    return figure


def shap_summary(values: pd.DataFrame, shown: pd.DataFrame, seed: int = 0) -> Figure:
    """A dot a record: how far the feature moved its log-odds, coloured by the feature's own value.

    values: SHAP values, shape (records, features); shown: the features' values on a scale of 0 to 1, the same shape.
    """
    from matplotlib.colors import LinearSegmentedColormap

    order = list(values.abs().mean().sort_values(ascending=False).index[:MOST_FEATURES])
    names = [pictures.plain(name, pictures.NAME_LIMIT) for name in order]
    left = 0.3 + pictures.LETTER * max(map(len, names))
    figure, axes = pictures.panel(0.9 + 0.26 * len(order), margins=(left, 0.5, 0.12, 0.3))
    random = np.random.default_rng(seed)
    heights = [
        place + crowding(values[name].to_numpy()) * random.uniform(-0.38, 0.38, len(values))
        for place, name in enumerate(order)
    ]
    colours = LinearSegmentedColormap.from_list("value", (BLUE, "#c9c4cf", pictures.CURRENT))
    effects, value = (part[order].to_numpy(dtype=float).T.ravel() for part in (values, shown))
    axes.scatter(effects, np.concatenate(heights), c=value, cmap=colours, s=7, vmin=0, vmax=1, linewidths=0)
    axes.axvline(0, color=pictures.LINE, linewidth=1)
    axes.set_yticks(range(len(order)), names)
    axes.set(ylim=(len(order) - 0.5, -0.5), xlabel="effect on the log-odds of a positive")
    # What the colours mean: a legend takes the page's colours, a colour bar would not.
    for text, at in (("low value", 0.0), ("middle", 0.5), ("high value", 1.0)):
        axes.plot([], [], "o", color=colours(at), markersize=5, label=text)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.2, fontsize=8, handletextpad=0
    )
    return figure


def legend(axes: Axes, place: Literal["best", "lower right"] = "best") -> None:
    """On paper of its own, as lines may pass below it."""
    axes.legend(loc=place, fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")


def crowding(values: np.ndarray, bins: int = 60) -> np.ndarray:
    """0 to 1: how many records lie near each value, so that a row of dots is thick where records are many."""
    counts, edges = np.histogram(values, bins)
    near = counts[np.clip(np.digitize(values, edges[1:-1]), 0, bins - 1)]
    return np.sqrt(near / counts.max())


def interval(metric: Mapping[str, Any]) -> str:
    bounds = metric["confidence_interval"]
    return f"{metric['value']:.3f} ({bounds['lower']:.3f} to {bounds['upper']:.3f})"
