"""The pictures of evaluation/ols_summary.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import report_pictures
from analysis_report import Picture
from report_pictures import BASELINE, CURRENT, INK, MORE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Facts = Mapping[str, Any]
OPTIMISERS = {
    "plain": BASELINE,
    "momentum": CURRENT,
    **dict(zip(("AdaGrad", "RMSProp", "Adam", "anchored"), MORE, strict=True)),
}
FLOOR = 1e-16  # of a loss above the lowest: below is rounding
TOP = 6  # columns that a picture of paths names


def intervals(summary: Facts) -> Picture:
    rows = [row for row in summary["coefficients"] if row["name"] != "Intercept"][::-1]

    def draw() -> Figure:
        longest = max(len(row["name"]) for row in rows)
        left = 0.45 + report_pictures.LETTER * longest
        figure, axes = report_pictures.panel(0.8 + 0.24 * len(rows), 6.4, (left, 0.5, 0.15, 0.1))
        at, middle = np.arange(len(rows)), np.array([row["coefficient"] for row in rows])
        reach = np.array([[row["coefficient"] - row["lower"], row["upper"] - row["coefficient"]] for row in rows]).T
        axes.axvline(0, color=report_pictures.LINE, linewidth=1)
        axes.errorbar(middle, at, xerr=reach, fmt="o", color=CURRENT, ecolor=INK, elinewidth=1.4, markersize=4)
        axes.set_yticks(at, [report_pictures.plain(row["name"]) for row in rows])
        axes.set(xlabel="weight, with its 95 % interval", ylim=(-0.7, len(rows) - 0.3))
        return figure

    note = "Where an interval crosses 0, the column may as well not matter."
    return Picture("Weights and how sure they are", draw, "Each weight with its interval", note)


def residuals(X: np.ndarray, y: np.ndarray, facts: Facts) -> Picture:
    weights = np.array([row["coefficient"] for row in facts["summary"]["coefficients"]])
    predicted = X @ weights
    off = y - predicted

    def draw() -> list[Figure]:
        first, axes = report_pictures.panel()
        axes.axhline(0, color=report_pictures.LINE, linewidth=1)
        axes.plot(predicted, off, ".", color=MORE[0], markersize=3, alpha=0.5)
        axes.set(xlabel=f"predicted log {facts['label']}", ylabel="residual")
        second, axes = report_pictures.panel()
        n = len(off)
        expected = quantiles((np.arange(n) + 0.5) / n)
        axes.plot(expected, expected, color=report_pictures.LINE, linewidth=1)
        axes.plot(expected, np.sort(off) / off.std(), ".", color=CURRENT, markersize=3)
        axes.set(xlabel="where a normal error would be", ylabel="residual, in standard deviations")
        return [first, second]

    note = (
        "Left: a cloud without shape is what the model assumes. Right: on the line the residuals are normal; tails "
        "that leave it are heavier."
    )
    alt = "Residuals against predictions, and against a normal distribution"
    return Picture("Residuals", draw, alt, note)


def quantiles(probability: np.ndarray) -> np.ndarray:
    from scipy.stats import norm

    return norm.ppf(probability)


def losses(walks: Sequence[Facts]) -> Picture:
    """A panel for each choice of rows with its optimisers, and one of plain descent with each choice of rows."""
    found: dict[str, dict[str, Facts]] = {}
    for each in walks:
        rows, optimiser = each["name"].split(", ")
        found.setdefault(rows, {})[optimiser] = each

    def draw() -> list[Figure]:
        by_rows = {rows: optimisers["plain"] for rows, optimisers in found.items()}
        return [
            *(loss_panel(rows, optimisers, OPTIMISERS) for rows, optimisers in found.items()),
            loss_panel(
                "plain, by choice of rows", by_rows, dict(zip(by_rows, (BASELINE, MORE[0], CURRENT), strict=True))
            ),
        ]

    note = "The loss above the lowest possible, which the normal equations find; both axes are logarithmic."
    alt = "The loss of each optimiser by epoch, for batch, stochastic and mini-batch"
    return Picture("Loss against epochs", draw, alt, note)


def loss_panel(title: str, walks: Mapping[str, Facts], colours: Mapping[str, str]) -> Figure:
    figure, axes = report_pictures.panel(3.0)
    for name, each in walks.items():
        # The start, epoch 0, stands where a logarithmic axis can have it.
        epochs = np.maximum(each["epochs"], 0.5)
        axes.loglog(epochs, np.maximum(each["excess"], FLOOR), color=colours[name], linewidth=1.6, label=name)
    axes.set(xlabel="epoch", ylabel="loss above the lowest")
    finish(axes, title)
    return figure


def finish(axes: Axes, title: str = "") -> None:
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.legend(fontsize=7, frameon=False, labelcolor=INK)


def surfaces(surface: Facts) -> Picture:
    def draw() -> list[Figure]:
        paths = surface["paths"]
        batch = {name.split(", ")[1]: path for name, path in paths.items() if name.startswith("batch")}
        by_rows = {name.split(", ")[0]: path for name, path in paths.items() if name.endswith("plain")}
        colours = dict(zip(by_rows, (BASELINE, MORE[0], CURRENT), strict=True))
        return [
            surface_panel(surface, batch, OPTIMISERS, "all rows, five optimisers"),
            surface_panel(surface, by_rows, colours, "plain descent, three choices of rows"),
        ]

    first, second = surface["features"]
    note = (
        f"A model of {first} and {second} alone, whose loss can be drawn: each line of the map is a height. The two "
        "say nearly the same, so the bowl is a long valley. Each point is a step; the star is the lowest."
    )
    return Picture(
        "The cost surface and the ways down",
        draw,
        "Contours of the loss over two weights with the optimisers' paths",
        note,
    )


def surface_panel(surface: Facts, paths: Facts, colours: Mapping[str, str], title: str) -> Figure:
    """The bowl is known from its lowest point and its curvature: J = least + ½ (w − best)ᵀ C (w − best)."""
    best, curvature = np.array(surface["best"]), np.array(surface["curvature"])
    points = np.concatenate([np.array(path) for path in paths.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    low, high = np.minimum(low, best), np.maximum(high, best)
    room = 0.12 * (high - low).max()
    one, other = (np.linspace(low[axis] - room, high[axis] + room, 120) for axis in (0, 1))
    grid = np.stack(np.meshgrid(one, other), axis=-1) - best
    heights = surface["least"] + 0.5 * np.einsum("...i,ij,...j", grid, curvature, grid)
    figure, axes = report_pictures.panel(3.6)
    levels = surface["least"] + np.geomspace(1e-4, heights.max() - surface["least"], 14)
    axes.contour(one, other, heights, levels=levels, colors=report_pictures.LINE, linewidths=0.8)
    for name, path in paths.items():
        at = np.array(path)
        axes.plot(at[:, 0], at[:, 1], ".-", color=colours[name], linewidth=1.1, markersize=3, label=name)
    axes.plot(*best, "*", color=INK, markersize=10)
    axes.set(xlabel=f"weight of {surface['features'][0]}", ylabel=f"weight of {surface['features'][1]}")
    finish(axes, title)
    return figure


def penalties(facts: Facts) -> Picture:
    names = [row["name"] for row in facts["summary"]["coefficients"]]
    plain = np.array([row["coefficient"] for row in facts["summary"]["coefficients"]])
    found = facts["penalties"]

    def draw() -> list[Figure]:
        return [
            *(path_panel(names, plain, each, found["paths"][each], found["chosen"][each]) for each in ("l2", "l1")),
            error_panel(found),
        ]

    note = "From left to right the penalty becomes stronger. The dashed line is the strength that was chosen."
    return Picture(
        "Weights and error under a penalty", draw, "The weights at each strength of L2 and L1, and the errors", note
    )


def path_panel(
    names: Sequence[str], unpenalised: np.ndarray, kind: str, path: Sequence[Facts], chosen: float
) -> Figure:
    figure, axes = report_pictures.panel(3.2)
    strengths = [each[kind] for each in path]
    weights = np.array([each["weights"] for each in path])
    largest = np.argsort(-np.abs(unpenalised[1:]))[:TOP] + 1
    colours = dict(zip(largest.tolist(), (CURRENT, *MORE, INK), strict=False))
    for column in range(1, weights.shape[1]):
        label = report_pictures.plain(names[column], 18) if column in colours else None
        axes.plot(strengths, weights[:, column], color=colours.get(column, BASELINE), linewidth=1.3, label=label)
    axes.axvline(chosen, color=BASELINE, linewidth=1, linestyle="--")
    axes.set(xscale="log", xlabel=f"strength of {kind.upper()}", ylabel="weight")
    finish(axes)
    return figure


def error_panel(found: Facts) -> Figure:
    figure, axes = report_pictures.panel(3.2)
    for kind, colour in (("l2", MORE[0]), ("l1", CURRENT)):
        path = found["paths"][kind]
        axes.plot([each[kind] for each in path], [each["rmse"] for each in path], color=colour, label=kind.upper())
        axes.axvline(found["chosen"][kind], color=colour, linewidth=1, linestyle="--")
    axes.set(xscale="log", xlabel="strength", ylabel="error on validation (RMSE of the logarithm)")
    finish(axes)
    return figure
