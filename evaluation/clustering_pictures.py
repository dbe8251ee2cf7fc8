"""The plots of a segmentation's page. Segments have the same colour in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import report_pictures
from report_pictures import BASELINE, CURRENT, INK, MORE, NAME_LIMIT, plain
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (CURRENT, *MORE)
MOST_POINTS = 3000  # drawn
MEASURES = {
    "silhouette": "silhouette (higher is better)",
    "davies_bouldin": "Davies-Bouldin (lower is better)",
    "dunn": "Dunn (higher is better)",
    "within": "sum of squares within (elbow)",
    "stability": "stability",
}


def colour(label: int) -> str:
    return BASELINE if label < 0 else COLOURS[label % len(COLOURS)]


def scatter(points: np.ndarray, labels: np.ndarray, names: Mapping[int, str]) -> Figure:
    """Of many records some, drawn in no order, so that no segment covers another."""
    plane = PCA(2).fit_transform(points) if points.shape[1] > 2 else points
    shown = np.random.default_rng(0).permutation(len(plane))[:MOST_POINTS]
    figure, axes = report_pictures.panel(height=4.4, width=7.0)
    x, y = plane[shown, 0], plane[shown, -1]
    axes.scatter(x, y, s=7, color=[colour(each) for each in labels[shown]], alpha=0.6, linewidths=0)
    for label in sorted(names):
        axes.scatter([], [], s=24, color=colour(label), label=plain(names[label]))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)
    axes.set(xlabel="first principal component", ylabel="second")
    return figure


def profiles(table: pd.DataFrame, labels: np.ndarray, names: Mapping[int, str]) -> list[Figure]:
    medians = table.groupby(labels).median()
    drawn = []
    for name in table.columns:
        figure, axes = report_pictures.panel(0.7 + 0.38 * len(names))
        bars(axes, names, [float(medians.loc[label, name]) for label in sorted(names)])
        axes.set_title(f"{plain(str(name))}, median")
        drawn.append(figure)
    return drawn


def bars(axes: Axes, names: Mapping[int, str], values: Sequence[float]) -> None:
    labels = sorted(names)
    drawn = axes.barh(range(len(labels)), values, color=[colour(each) for each in labels], height=0.7)
    axes.bar_label(drawn, labels=[f"{each:,.4g}" if each < 1000 else f"{each:,.0f}" for each in values], padding=3)
    axes.set_yticks(range(len(labels)), [plain(names[each], 2 * NAME_LIMIT) for each in labels])
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlim=(0, max([*values, 1e-9]) * 1.2))
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def silhouettes(points: np.ndarray, labels: np.ndarray, names: Mapping[int, str]) -> Figure:
    """The diagram of Rousseeuw 1987."""
    single = silhouette_samples(points, labels)
    figure, axes = report_pictures.panel(height=3.6, width=7.0)
    start, gap = 0, max(1, len(labels) // 60)
    for label in sorted(set(labels)):
        values = np.sort(single[labels == label])[::-1]
        axes.fill_betweenx(np.arange(start, start + len(values)), 0, values, color=colour(label), linewidth=0)
        axes.text(
            -0.02, start + len(values) / 2, plain(names[label], 2 * NAME_LIMIT), ha="right", va="center", fontsize=8
        )
        start += len(values) + gap
    axes.axvline(single.mean(), color=INK, linestyle=":", linewidth=1.2)
    axes.set(xlabel="silhouette; dotted: the mean", ylim=(start, -gap), xlim=(min(-0.75, single.min()), 1))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    return figure


def by_number(candidates: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[Figure]:
    """A measure each, of the algorithms that are told how many segments to make."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for each in candidates:
        if each["representation"] == found["representation"] and each["elbow"] is not None:
            told.setdefault(each["algorithm"].replace("_", " "), []).append(each)
    drawn = []
    for measure, axis in MEASURES.items():
        figure, axes = report_pictures.panel(height=2.9)
        for place, (name, several) in enumerate(told.items()):
            points = [(each["segments"], each[measure]) for each in several if each[measure] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[place], markersize=4, label=name)
        axes.axvline(found["segments"], color=INK, linestyle=":", linewidth=1.2)
        axes.set(xlabel="segments", ylabel=axis)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="best", frameon=False, fontsize=8)
        drawn.append(figure)
    return drawn
