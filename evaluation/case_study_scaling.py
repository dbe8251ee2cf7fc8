"""Five ways to put numbers on one scale, and what each does to skewness and outliers.

Those that only shift and stretch (z-score, min-max, decimal, SD over mean) leave the shape as it is: skewness, kurtosis
and the share of outliers are the same before and after. Clipping changes it. What differs among the first is how well
most values use the scale, and what a single far value does to all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from analysis_report import Table
from case_study_bins import boxes, numbers
from case_study_moments import varied
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, rows_note, sampled_note
from scipy import stats

CLIPPED = (0.01, 0.99)  # quantiles
FENCE = 1.5  # Tukey's, in quartile distances
CROWDED = 0.25  # of the min-max scale, on which 98 % of the values lie
DRAWN = 12  # columns of the picture


def z_score(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std(ddof=1)


def min_max(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def decimal(values: np.ndarray) -> np.ndarray:
    """By the smallest power of ten that brings every value below 1."""
    most = np.abs(values).max()
    power = np.floor(np.log10(most)) + 1 if most > 0 else 0
    return values / 10.0**power


def clipping(values: np.ndarray) -> np.ndarray:
    """To the 1st and 99th percentile, then z-scores."""
    clipped = np.clip(values, *np.quantile(values, CLIPPED))
    return z_score(clipped) if clipped.std() > 0 else clipped - clipped[0]


def over_mean(values: np.ndarray) -> np.ndarray:
    """So that the mean is 1 and the deviation is SD over mean, the coefficient of variation; NaN for a mean of 0."""
    mean = values.mean()
    return values / mean if abs(mean) > 1e-12 * np.abs(values).max() else np.full(len(values), np.nan)


METHODS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "z-score": z_score,
    "min-max": min_max,
    "decimal": decimal,
    "clipping": clipping,
    "SD over mean": over_mean,
}


def normalisations(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    plain = {name: numbers(sample[name]) for name in varied(table) if name != table.target}
    plain = {name: values for name, values in plain.items() if len(values) > 2 and values.min() < values.max()}
    if not plain:
        return None
    shown = dict(list(plain.items())[:MOST_ROWS])
    before = {name: effect(values) for name, values in shown.items()}
    compared = [row for name, values in shown.items() for row in rows_of(name, values, before[name])]
    advised = [[name, *before[name], crowding(values), advice(values)] for name, values in shown.items()]
    note = rows_note(len(shown), len(plain)) + sampled_note(table, len(sample), "All figures are")
    tables = [
        Table(
            "Which to take",
            ["column", "skewness", "outliers", "98 % of the values on", "take"],
            [[name, skew, f"{share:.1%}", f"{crowd:.0%} of the min-max scale", take]
             for name, skew, share, crowd, take in advised],
            note,
        ),
        Table(
            "Normalisations compared",
            ["column", "method", "lowest", "highest", "mean", "SD", "skewness", "outliers (1.5 IQR)"],
            compared,
        ),
    ]  # fmt: skip
    return Section("normalisations", "Normalisations compared", WORDS, tables, charts(plain), told(advised))


WORDS = [
    "z-score: (x − mean) / SD. Min-max: from 0 to 1. Decimal: divided by the power of ten that brings all below 1. "
    "Clipping: beyond the 1st and 99th percentile values are set to these, then z-scores. SD over mean: divided by the "
    "mean, so that the SD is the coefficient of variation; it needs a zero that means nothing is there.",
    "All but clipping shift and stretch only: skewness and outliers stay what they are. Where few values are far off, "
    "min-max and decimal scaling leave the many a small part of the scale. Trees need no scaling; distances, penalties "
    "and gradients do. Fit the scale on training rows only.",
]


def rows_of(name: str, values: np.ndarray, before: tuple[float, float]) -> list[list[Any]]:
    rows: list[list[Any]] = [[name, "as it is", *located(values), before[0], f"{before[1]:.1%}"]]
    for method, scale in METHODS.items():
        found = scale(values)
        if np.isfinite(found).all():
            skew, share = effect(found)
            rows.append([name, method, *located(found), skew, f"{share:.1%}"])
    return rows


def located(values: np.ndarray) -> list[float]:
    deviation = float(values.std(ddof=1))
    mean = float(values.mean()) if abs(values.mean()) > 1e-9 * deviation else 0.0
    return [float(values.min()), float(values.max()), mean, deviation]


def effect(values: np.ndarray) -> tuple[float, float]:
    """Skewness, and the share of values beyond Tukey's fences."""
    first, third = np.quantile(values, [0.25, 0.75])
    reach = FENCE * (third - first)
    tiny = 1e-9 * max(abs(first), abs(third), 1e-300)  # rounding of a scale is no outlier
    beyond = (values < first - reach - tiny) | (values > third + reach + tiny)
    skew = float(stats.skew(values)) if values.min() < values.max() else float("nan")
    return skew, float(beyond.mean())


def crowding(values: np.ndarray) -> float:
    """The part of the whole range that the 1st to the 99th percentile spans."""
    low, high = np.quantile(values, CLIPPED)
    return float((high - low) / (values.max() - values.min()))


def advice(values: np.ndarray) -> str:
    skew, share = effect(values)
    if len(np.unique(values[:1000])) <= 2:
        return "none: two values"
    if crowding(values) < CROWDED:
        return "clipping: far values would crowd the rest"
    if abs(skew) > 2:
        return "a logarithm first, then z-score" if values.min() >= 0 and skew > 0 else "clipping"
    if share == 0 and abs(skew) < 0.5 and stats.kurtosis(values) < -1:
        return "min-max: flat and bounded"
    return "z-score"


def told(advised: list[list[Any]]) -> list[str]:
    crowded = [(row[3], row[0]) for row in advised if row[3] < CROWDED]
    if not crowded:
        return []
    share, name = min(crowded)
    return [
        f"Min-max scaling would leave 98 % of {name}'s values on {share:.1%} of its scale: far values stretch it. "
        f"{len(crowded)} of {len(advised)} numbers are better clipped."
    ]


def charts(plain: Mapping[str, np.ndarray]) -> list[Chart]:
    """The most crowded column under each method, each on its own scale from 0 to 1."""
    name = min(plain, key=lambda each: crowding(plain[each]))
    scaled = {method: scale(plain[name]) for method, scale in METHODS.items()}
    usable = {method: values for method, values in scaled.items() if np.isfinite(values).all()}
    data = boxes({method: min_max(values) for method, values in usable.items() if values.min() < values.max()})
    caption = (
        "Every method's result, stretched from its lowest to its highest value: all but clipping are the same picture."
    )
    title = f"{name} under five normalisations"
    return [Chart("comparison", "box", title, data | {"y_title": "lowest to highest"}, caption)]
