"""What a model goes by: how much worse it gets when one feature's values change places among the records.

Breiman, "Random Forests", 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import report_pictures as pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FEATURES = 15  # of a picture


def measure(
    records: pd.DataFrame, loss: Callable[[pd.DataFrame], np.ndarray], before: float, shuffles: int, seed: int
) -> pd.DataFrame:
    """Index features, the most important first; columns `mean` and `deviation` of the loss's rise over the shuffles.

    Args:
        records: as the model takes them. All shuffles of a feature go through it in one call.
        loss: of so many records, which are all of them `shuffles` times; shape (shuffles,).
        before: the loss of the records as they are.
    """
    random, rows = np.random.default_rng(seed), len(records)
    repeated = pd.concat([records] * shuffles, ignore_index=True)
    rises = {}
    for name in records.columns:
        order = np.concatenate([random.permutation(rows) + start * rows for start in range(shuffles)])
        rises[name] = loss(repeated.assign(**{name: repeated[name].to_numpy()[order]})) - before
    table = pd.DataFrame(rises)
    found = pd.DataFrame({"mean": table.mean(), "deviation": table.std(ddof=1).fillna(0.0)})
    return found.sort_values("mean", ascending=False)


def figure(found: pd.DataFrame, axis: str) -> Figure:
    """Of `measure`'s result, or of a part of it."""
    top = found.head(MOST_FEATURES)
    names = [pictures.plain(str(name), pictures.NAME_LIMIT) for name in top.index]
    left = 0.3 + pictures.LETTER * max(map(len, names))
    drawn, axes = pictures.panel(0.7 + 0.24 * len(top), margins=(left, 0.5, 0.2, 0.1))
    bars = {"color": pictures.MORE[0], "ecolor": pictures.INK, "capsize": 2, "height": 0.62}
    axes.barh(range(len(top)), top["mean"], xerr=top["deviation"], **bars)
    axes.axvline(0, color=pictures.LINE, linewidth=1)
    axes.set_yticks(range(len(top)), names)
    axes.set(ylim=(len(top) - 0.5, -0.5), xlabel=axis)
    return drawn
