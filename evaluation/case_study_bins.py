"""Values made comparable: bins of a number, codes of any column, the five numbers of a box.

Whatever comes in is a sample's column; what has no value is left out, or is code -1.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

MOST_BINS = 60
OUTLIERS = 40  # points that a box shows beyond its whiskers
WHISKER = 1.5  # of the quartiles' distance (Tukey 1977)
SKEW = 2.0  # from which orders of magnitude count


def numbers(values: pd.Series) -> np.ndarray:
    """Those that are there and finite."""
    found = values.to_numpy(float, na_value=np.nan)
    return found[np.isfinite(found)]


def plain_numbers(values: pd.Series, kind: str) -> np.ndarray:
    if kind == "time":
        known = values.notna().to_numpy()
        return np.where(known, values.to_numpy("datetime64[ns]").astype(float), np.nan)
    return values.to_numpy(float)


def edges(values: np.ndarray, most: int = MOST_BINS, log: bool = False) -> np.ndarray:
    """Of bins of equal width by Freedman and Diaconis (1981), whole steps for whole numbers; of equal ratio if `log`.

    What lies beyond ten times the quartiles' distance does not make bins wider: all stay within the first and the last.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if log:
        return np.geomspace(low, high, min(most, max(8, round(2 * len(values) ** (1 / 3)))) + 1)
    first, third = np.quantile(values, [0.25, 0.75])
    width = 2 * (third - first) / len(values) ** (1 / 3) or (high - low) / np.sqrt(len(values))
    count = int(np.clip(np.ceil((high - low) / width), 1, most))
    if np.all(values == np.floor(values)) and high - low < 2 * most:
        step = max(1, round((high - low + 1) / count))
        return np.arange(low - 0.5, high + step + 0.5, step)
    return np.linspace(low, high, count + 1)


def decades(values: np.ndarray) -> float:
    """Orders of magnitude that skewed positive numbers span, 0 for others."""
    if len(values) < 2 or values.min() <= 0:
        return 0.0
    spread = values.std()
    skewed = spread > 0 and np.mean(((values - values.mean()) / spread) ** 3) > SKEW
    return float(np.log10(values.max() / values.min())) if skewed else 0.0


def codes(values: pd.Series, kind: str, bins: int = 16) -> tuple[np.ndarray, list[str]]:
    """A small whole number for each row and what they stand for: quantile bins of numbers and times, the most frequent
    `bins - 1` categories and one for all others. Missing is -1."""
    if kind in ("number", "time"):
        plain = values.to_numpy("datetime64[ns]").astype(float) if kind == "time" else values.to_numpy(float)
        known = np.isfinite(plain) & ~values.isna().to_numpy()
        return _quantile_codes(plain, known, bins)
    found, names = pd.factorize(values, use_na_sentinel=True)
    if len(names) > bins:
        counts = np.bincount(found[found >= 0], minlength=len(names))
        rank = np.empty(len(names), int)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(names))
        kept = np.argsort(rank)[: bins - 1]
        found = np.where(found < 0, -1, np.minimum(rank[found], bins - 1))
        return found, [*map(str, np.asarray(names)[kept]), "others"]
    return found, list(map(str, names))


def _quantile_codes(plain: np.ndarray, known: np.ndarray, bins: int) -> tuple[np.ndarray, list[str]]:
    found = np.full(len(plain), -1)
    if not known.any():
        return found, []
    distinct = np.unique(plain[known])
    if len(distinct) <= bins:
        found[known] = np.searchsorted(distinct, plain[known])
        return found, [f"{each:.4g}" for each in distinct]
    inner = np.unique(np.quantile(plain[known], np.linspace(0, 1, bins + 1)[1:-1]))
    found[known] = np.searchsorted(inner, plain[known], side="right")
    bounds = [distinct[0], *inner, distinct[-1]]
    return found, [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(bounds)]


def crossed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Counts of pairs of codes, rows by the first; pairs with a missing one are left out."""
    both = (first >= 0) & (second >= 0)
    if not both.any():
        return np.zeros((0, 0))
    rows, columns = first[both], second[both]
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def boxes(groups: Mapping[str, np.ndarray], outliers: bool = True) -> dict[str, Any]:
    """The data of a box chart: quartiles, whiskers at the last values within 1.5 quartile distances, some beyond."""
    box: dict[str, Any] = {"labels": [], "low": [], "q1": [], "median": [], "q3": [], "high": [], "outliers": {}}
    for label, values in groups.items():
        q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
        reach = WHISKER * (q3 - q1)
        inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
        for name, value in zip(
            ("low", "q1", "median", "q3", "high"), (inside.min(), q1, median, q3, inside.max()), strict=True
        ):
            box[name].append(float(value))
        box["labels"].append(label)
        beyond = np.unique(values[(values < inside.min()) | (values > inside.max())])
        if outliers and len(beyond):
            box["outliers"][label] = [float(each) for each in beyond[:: max(1, len(beyond) // OUTLIERS)]]
    return box
