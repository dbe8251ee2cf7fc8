"""Where a classifier draws its lines: its answers over two of its numbers at a time, the others at their median.

An artifact asks for it by the fact `boundaries`: pairs of features that are numbers. That is a cut through the model as
it serves, not a model of two features: a record lies in its class's area as far as its other values are common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import report_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 140  # of the grid, each way
MARGIN = 0.08  # of the range that is shown, around the records
COLOURS = (report_pictures.MORE[0], report_pictures.CURRENT, report_pictures.MORE[1], *report_pictures.MORE[2:])
Predict = Callable[[pd.DataFrame], np.ndarray]  # records to their classes


@dataclass(frozen=True)
class Records:
    """What lies on the map: the judged records, and those that the model learnt from (none: not shown)."""

    table: pd.DataFrame
    answers: np.ndarray
    learnt: pd.DataFrame
    learnt_answers: np.ndarray


def cut(predict: Predict, records: Records, pair: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The grid's values of both features, and the predicted class at each of its points, of shape (STEPS, STEPS).

    Raises ValueError for a pair of features that are not both numbers of the table.
    """
    known = [name for name in records.table if pd.api.types.is_numeric_dtype(records.table[name])]
    if len(pair) != 2 or not set(pair) <= set(known):
        raise ValueError(f"boundaries has {list(pair)}, and needs two of the features that are numbers: {known}.")
    seen = pd.concat([records.table, records.learnt], ignore_index=True)
    first, second = (reach(seen[name]) for name in pair)
    across, up = np.meshgrid(first, second)
    middle = {name: seen[name].median() if name in known else seen[name].mode()[0] for name in records.table}
    grid = pd.DataFrame({name: np.full(across.size, value) for name, value in middle.items()})
    grid[pair[0]], grid[pair[1]] = across.ravel(), up.ravel()
    return first, second, np.asarray(predict(grid)).reshape(across.shape)


def reach(values: pd.Series) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low or 1.0)
    return np.linspace(low - margin, high + margin, STEPS)


def figures(
    models: Mapping[str, Predict], records: Records, pair: Sequence[str], classes: Sequence[str]
) -> list[Figure]:
    """A picture for each model by its name, with the same records."""
    return [
        draw(name, predict, records, pair, classes, first=not place)
        for place, (name, predict) in enumerate(models.items())
    ]


def draw(
    name: str, predict: Predict, records: Records, pair: Sequence[str], classes: Sequence[str], first: bool = True
) -> Figure:
    """Areas of classes; small dots learnt from, large ones judged, a ring around those that are judged wrongly."""
    across, up, found = cut(predict, records, pair)
    codes = np.searchsorted(sorted(classes), found.astype(str))
    figure, axes = report_pictures.panel(height=3.6)
    wrong = np.asarray(predict(records.table)).astype(str) != records.answers
    for code, label in enumerate(sorted(classes)):
        colour = COLOURS[code % len(COLOURS)]
        inside = (codes == code).astype(float)
        if inside.any():
            axes.contourf(across, up, inside, levels=[0.5, 1.5], colors=[colour], alpha=0.18)
        learnt = records.learnt[records.learnt_answers == label]
        axes.scatter(learnt[pair[0]], learnt[pair[1]], s=9, color=colour, alpha=0.45, linewidths=0)
        judged = records.table[records.answers == label]
        axes.scatter(judged[pair[0]], judged[pair[1]], s=34, color=colour, linewidths=0, label=label)
    missed = records.table[wrong]
    if len(missed):
        axes.scatter(
            missed[pair[0]], missed[pair[1]], s=110, facecolors="none", edgecolors=report_pictures.INK, label="wrong"
        )
    axes.set_title(f"{name}: {1 - wrong.mean():.1%} right", color=report_pictures.INK)
    axes.set(xlabel=words(pair[0]), ylabel=words(pair[1]), xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    if first:
        axes.legend(loc="best", frameon=False, fontsize=8, labelcolor=report_pictures.INK)
    return figure


def words(column: str) -> str:
    return report_pictures.plain(column.replace("_", " "))
