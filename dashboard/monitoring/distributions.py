"""Distributions of one feature, the baseline's beside a run's, from two statistics.json. Pure.

Numbers come as a KLL sketch (levels whose values stand for 1, 2, 4 … each) or, where a file has none, as buckets; text
as counts by value. AWS's developer guide, "Schema for statistics".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.data_drift import (
    Points,
    categorical_measures,
    largest_gap,
    linfinity_distance,
    numeric_measures,
    sample_correction,
)

BINS = 24
CATEGORIES = 12  # shown of text; numbers of as few different values are shown as categories, too
BASELINE, NOW = "baseline", "this run"
OTHER = "all others"
Statistics = Mapping[str, Any]


@dataclass(frozen=True)
class Feature:
    """One feature of both sides; what a side lacks is None."""

    name: str
    expected: str  # inferred_type in the baseline; empty: it has no such feature
    observed: str
    expected_completeness: float | None
    completeness: float | None
    gap: float | None = None  # largest difference of distribution functions, or of one category's share
    distance: float | None = None  # as a Robust comparison counts the gap: less what two samples may differ by chance
    psi: float | None = None  # population stability index
    where: float | None = None  # numbers: at which value they lie farthest apart


def features(baseline: Statistics, now: Statistics) -> list[Feature]:
    """Of both files, in the baseline's order."""
    before, after = by_name(baseline), by_name(now)
    return [_feature(name, before.get(name), after.get(name)) for name in [*before, *(set(after) - set(before))]]


def by_name(statistics: Statistics) -> dict[str, Statistics]:
    return {each["name"]: each for each in statistics.get("features", [])}


def _feature(name: str, before: Statistics | None, after: Statistics | None) -> Feature:
    kinds = [(each or {}).get("inferred_type", "") for each in (before, after)]
    present = [completeness(each) if each else None for each in (before, after)]
    if before is None or after is None:
        return Feature(name, kinds[0], kinds[1], present[0], present[1])
    if (one := points(before)) and (other := points(after)):
        where, gap = largest_gap(one, other)
        distance = max(0.0, gap - sample_correction(float(one[1].sum()), float(other[1].sum())))
        psi = numeric_measures(one, other).psi
        return Feature(name, kinds[0], kinds[1], present[0], present[1], gap, distance, psi, where)
    first, second = counts(before), counts(after)
    if first.sum() and second.sum() and not (points(before) or points(after)):
        gap, distance = (linfinity_distance(first, second, each) for each in ("Simple", "Robust"))
        psi = categorical_measures(first, second).psi
        return Feature(name, kinds[0], kinds[1], present[0], present[1], gap, distance, psi)
    return Feature(name, kinds[0], kinds[1], present[0], present[1])


def completeness(feature: Statistics) -> float:
    """Share of records that have a value."""
    common = _body(feature).get("common", {})
    present, missing = common.get("num_present", 0), common.get("num_missing", 0)
    return float(present / (present + missing)) if present + missing else 0.0


def points(feature: Statistics) -> Points | None:
    """Sorted values and how many each stands for; None for text, and where nothing is present."""
    kll = feature.get("numerical_statistics", {}).get("distribution", {}).get("kll", {})
    levels = [np.asarray(level, float) for level in kll.get("sketch", {}).get("data", [])]
    if any(len(level) for level in levels):
        values = np.concatenate(levels)
        weights = np.repeat(2.0 ** np.arange(len(levels)), [len(level) for level in levels])
    else:
        buckets = [each for each in kll.get("buckets", []) if each["count"]]
        values = np.array([(each["lower_bound"] + each["upper_bound"]) / 2 for each in buckets])
        weights = np.array([float(each["count"]) for each in buckets])
    order = np.argsort(values, kind="stable")
    return (values[order], weights[order]) if len(values) else None


def counts(feature: Statistics) -> pd.Series:
    """A text feature's counts by value."""
    buckets = feature.get("string_statistics", {}).get("distribution", {}).get("categorical", {}).get("buckets", [])
    return pd.Series({each["value"]: float(each["count"]) for each in buckets}, dtype=float)


def _body(feature: Statistics) -> Statistics:
    found: Statistics = feature.get("numerical_statistics") or feature.get("string_statistics") or {}
    return found


def histogram(baseline: Points | None, now: Points | None, bins: int = BINS) -> pd.DataFrame:
    """Shares in bins that both sides share: columns from, to, share, side. Nothing where neither has values."""
    sides = {name: side for name, side in ((BASELINE, baseline), (NOW, now)) if side}
    if not sides:
        return pd.DataFrame({"from": [], "to": [], "share": [], "side": []})
    edges = shared_edges(list(sides.values()), bins)
    made = []
    for name, (values, weights) in sides.items():
        found, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges, weights=weights)
        made.append(pd.DataFrame({"from": edges[:-1], "to": edges[1:], "share": found / weights.sum(), "side": name}))
    return pd.concat(made, ignore_index=True)


def shared_edges(sides: Sequence[Points], bins: int) -> np.ndarray:
    """Of equal width from the smallest to the largest value; all in one bin where there is one value only."""
    low, high = min(side[0][0] for side in sides), max(side[0][-1] for side in sides)
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    return np.linspace(low, high, bins + 1)


def shares(baseline: pd.Series, now: pd.Series, most: int = CATEGORIES) -> pd.DataFrame:
    """Of each category: columns value, share, side; the rarest ones together."""
    table = pd.concat({BASELINE: baseline / baseline.sum(), NOW: now / now.sum()}, axis=1).fillna(0.0)
    ordered = table.loc[table.max(axis=1).sort_values(ascending=False, kind="stable").index]
    shown = ordered.head(most)
    if len(ordered) > most:
        shown = pd.concat([shown, ordered.iloc[most:].sum().to_frame(OTHER).T])
    made = shown.rename_axis("value").reset_index().melt("value", var_name="side", value_name="share")
    return made.astype({"value": str})


def few(baseline: Points | None, now: Points | None) -> bool:
    """Whether numbers have so few different values that they are better seen as categories."""
    sides = [side[0] for side in (baseline, now) if side]
    return bool(sides) and len(np.unique(np.concatenate(sides))) <= CATEGORIES


def as_counts(side: Points | None) -> pd.Series:
    if side is None:
        return pd.Series(dtype=float)
    found = pd.Series(side[1]).groupby(side[0]).sum()
    return found.set_axis([f"{value:g}" for value in found.index])
