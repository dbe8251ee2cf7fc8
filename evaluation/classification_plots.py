"""The pictures of a classifier's report, one function a picture; each returns a matplotlib figure."""

from __future__ import annotations

from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

BLUE, ORANGE, GREY, DARK = "#2f6f9f", "#d9822b", "#9aa5b1", "#243b53"
MOST_FEATURES = 12
plt.rcParams.update(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.labelcolor": DARK,
        "axes.titlecolor": DARK,
        "axes.titleweight": "bold",
        "axes.titlesize": 11,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e4e7eb",
        "legend.frameon": False,
        "figure.dpi": 110,
        "savefig.bbox": "tight",
    }
)


def canvas(title: str, x: str, y: str, size: tuple[float, float] = (5.2, 4.2)) -> tuple[Figure, Any]:
    figure, axes = plt.subplots(figsize=size)
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def roc(false_positive_rate: np.ndarray, true_positive_rate: np.ndarray, metric: dict, point: tuple) -> Figure:
    figure, axes = canvas("ROC curve", "False positive rate", "True positive rate (recall)")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="guessing")
    axes.plot(false_positive_rate, true_positive_rate, color=BLUE, linewidth=2, label=f"model, area {interval(metric)}")
    axes.plot(*point, "o", color=ORANGE, markersize=8, label="at the chosen threshold")
    axes.legend(loc="lower right")
    return figure


def precision_recall(recall: np.ndarray, precision: np.ndarray, metric: dict, share: float, point: tuple) -> Figure:
    figure, axes = canvas("Precision and recall", "Recall", "Precision")
    axes.axhline(share, color=GREY, linestyle="--", label=f"guessing, {share:.1%} positive")
    label = f"model, average precision\n{interval(metric)}"
    axes.step(recall, precision, where="post", color=BLUE, linewidth=2, label=label)
    axes.plot(*point, "o", color=ORANGE, markersize=8, label="at the chosen threshold")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="best")
    return figure


def confusion(matrix: dict[str, dict[str, int]], label: str) -> Figure:
    counts = np.array([[matrix[a][p] for p in ("0", "1")] for a in ("0", "1")])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = canvas("Confusion matrix", f"Predicted {label}", f"Actual {label}")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else DARK
        text = f"{count:,}\n{shares[row, column]:.0%} of actual {row}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=12)
    axes.set_xticks([0, 1])
    axes.set_yticks([0, 1])
    axes.grid(False)
    return figure


def calibration(points: dict[str, list], brier: dict) -> Figure:
    figure, axes = canvas("Calibration, ten groups of equal size", "Mean predicted probability", "Observed share")
    end = max(points["mean_probability"] + points["observed_share"]) * 1.05
    axes.plot([0, end], [0, end], color=GREY, linestyle="--", label="perfect")
    rows, share = np.array(points["records"]), np.array(points["observed_share"])
    error = 1.96 * np.sqrt(share * (1 - share) / rows)
    label = f"model, Brier score\n{interval(brier)}"
    axes.errorbar(points["mean_probability"], share, yerr=error, color=BLUE, marker="o", capsize=3, label=label)
    axes.set_ylim(bottom=0)
    axes.legend(loc="best")
    return figure


def scores(answers: np.ndarray, probability: np.ndarray, threshold: float, label: str) -> Figure:
    figure, axes = canvas("Predicted probabilities", "Probability", "Records")
    bins = np.linspace(0, 1, 41)
    axes.hist(probability[answers == 0], bins, color=BLUE, alpha=0.7, label=f"{label} = 0")
    axes.hist(probability[answers == 1], bins, color=ORANGE, alpha=0.7, label=f"{label} = 1")
    axes.axvline(threshold, color=DARK, linestyle=":", label=f"threshold {threshold:.3f}")
    axes.legend()
    return figure


def cost(validation: tuple, test: tuple, threshold: float) -> Figure:
    figure, axes = canvas("What a threshold costs", "Threshold", "Mean cost per record")
    axes.step(*validation, where="post", color=GREY, linewidth=1.5, label="validation")
    axes.step(*test, where="post", color=BLUE, linewidth=2, label="test")
    axes.axvline(threshold, color=ORANGE, linestyle="--", label=f"chosen: {threshold:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.legend(loc="lower right")
    return figure


def permutation(importance: pd.DataFrame) -> Figure:
    """`importance`: index features, columns `mean` and `deviation`, most important first."""
    top = importance.head(MOST_FEATURES)[::-1]
    figure, axes = canvas("Permutation importance", "Loss of average precision when shuffled", "", (6.2, 4.6))
    axes.barh(top.index, top["mean"], xerr=top["deviation"], color=BLUE, ecolor=DARK, capsize=2, height=0.65)
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    return figure


def shap_summary(values: pd.DataFrame, shown: pd.DataFrame, seed: int = 0) -> Figure:
    """A dot a record: how far the feature moved its log-odds, coloured by the feature's own value.

    values: SHAP values, shape (records, features); shown: the features' values on a scale of 0 to 1, the same shape.
    """
    order = values.abs().mean().sort_values(ascending=False).index[:MOST_FEATURES][::-1]
    figure, axes = canvas("SHAP summary", "Effect on the log-odds of a positive", "", (6.8, 4.9))
    random = np.random.default_rng(seed)
    for height, name in enumerate(order):
        spread = crowding(values[name].to_numpy()) * random.uniform(-0.38, 0.38, len(values))
        points = axes.scatter(
            values[name], height + spread, c=shown[name], cmap="coolwarm", s=7, vmin=0, vmax=1, linewidths=0
        )
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.set_yticks(range(len(order)), order)
    axes.grid(axis="y", visible=False)
    bar = figure.colorbar(points, ax=axes, ticks=[0, 1], pad=0.02, aspect=40)
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("Feature value (a category's: its share of positives)", labelpad=-16, fontsize=9)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
    return figure


def crowding(values: np.ndarray, bins: int = 60) -> np.ndarray:
    """0 to 1: how many records lie near each value, so that a row of dots is thick where records are many."""
    counts, edges = np.histogram(values, bins)
    near = counts[np.clip(np.digitize(values, edges[1:-1]), 0, bins - 1)]
    return np.sqrt(near / counts.max())


def interval(metric: dict) -> str:
    bounds = metric["confidence_interval"]
    return f"{metric['value']:.3f} ({bounds['lower']:.3f} to {bounds['upper']:.3f})"
