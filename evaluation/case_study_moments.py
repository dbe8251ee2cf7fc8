"""Descriptive statistics of every number, of all rows: location and spread with their standard errors, and moments.

One pass. Batches' central moments are merged by the formulas of Chan et al. (1983) and Pébay (2008, SAND2008-6212),
which lose no digits where a mean is far from 0.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_chart_guide import Ask, choose
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, rows_note, sampled_note

SKEWED = 1.0  # |skewness| from which the mean is no typical value
HEAVY = 3.0  # excess kurtosis from which tails are heavy
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass
class Moments:
    """Of several columns at once; `sums` are those of the 2nd, 3rd and 4th power of the distance from the mean."""

    count: np.ndarray
    mean: np.ndarray
    sums: np.ndarray  # 3 × columns
    low: np.ndarray
    high: np.ndarray
    zeros: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Moments:
        """`values` is rows × columns, NaN where there is none; infinite ones don't count either."""
        known = np.isfinite(values)
        count = known.sum(0)
        some = np.maximum(count, 1)
        plain = np.where(known, values, 0.0)
        mean = plain.sum(0) / some
        away = np.where(known, values - mean, 0.0)
        squares = away * away
        sums = np.stack([squares.sum(0), (squares * away).sum(0), (squares * squares).sum(0)])
        low = np.where(known, values, np.inf).min(0, initial=np.inf)
        high = np.where(known, values, -np.inf).max(0, initial=-np.inf)
        return cls(count, mean, sums, low, high, (known & (values == 0)).sum(0))

    def merged(self, other: Moments) -> Moments:
        first, second = self.count.astype(float), other.count.astype(float)
        total = np.maximum(first + second, 1)
        gap, product = other.mean - self.mean, first * second
        (a2, a3, a4), (b2, b3, b4) = self.sums, other.sums
        third = a3 + b3 + gap**3 * product * (first - second) / total**2 + 3 * gap * (first * b2 - second * a2) / total
        fourth = (
            a4
            + b4
            + gap**4 * product * (first**2 - product + second**2) / total**3
            + 6 * gap**2 * (first**2 * b2 + second**2 * a2) / total**2
            + 4 * gap * (first * b3 - second * a3) / total
        )
        return Moments(
            self.count + other.count,
            self.mean + gap * second / total,
            np.stack([a2 + b2 + gap**2 * product / total, third, fourth]),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.zeros + other.zeros,
        )


@functools.lru_cache(maxsize=2)
def moments(table: CaseTable) -> pd.DataFrame:
    """A row for each number of the table, of all its rows; NaN where a column has too few values for a figure.

    count, zeros, mean, mean_error, deviation, deviation_error, variation (deviation over mean), low, high,
    skewness and kurtosis (of the population: m3/m2^1.5 and m4/m2² − 3), skewness_error and kurtosis_error (of a
    normal sample), and raw_2 to raw_4, the means of the 2nd to 4th power.
    """
    names = table.of_kind("number")
    if not names:
        return pd.DataFrame()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parts = (Moments.of(part.to_numpy(float)) for part in table.batches(names))
        return figures(names, functools.reduce(Moments.merged, parts))


def varied(table: CaseTable) -> list[str]:
    """Numbers with a standard deviation that a float64 holds: no constants, nothing beyond 1e154."""
    found = moments(table)
    return (
        [str(name) for name in found.index[(found["deviation"] > 0) & np.isfinite(found["deviation"])]]
        if len(found)
        else []
    )


def figures(names: list[str], found: Moments) -> pd.DataFrame:
    n = np.where(found.count > 0, found.count, np.nan).astype(float)
    mean = np.where(found.count > 0, found.mean, np.nan)
    m2, m3, m4 = found.sums / n
    m2 = np.where(m2 <= (np.abs(mean) * 1e-13) ** 2, 0.0, m2)  # what rounding leaves of a constant
    deviation = np.sqrt(np.where(n > 1, m2 * n / np.maximum(n - 1, 1), np.nan))
    skewness = np.where(m2 > 0, m3 / m2**1.5, np.nan)
    kurtosis = np.where(m2 > 0, m4 / m2**2 - 3, np.nan)
    skewness_error = np.where(n > 2, np.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))), np.nan)
    kurtosis_error = np.where(n > 3, 2 * skewness_error * np.sqrt((n**2 - 1) / ((n - 3) * (n + 5))), np.nan)
    return pd.DataFrame(
        {
            "count": found.count,
            "zeros": found.zeros,
            "mean": mean,
            "mean_error": deviation / np.sqrt(n),
            "deviation": deviation,
            "deviation_error": deviation * np.sqrt((kurtosis + 2) / (4 * n)),
            "variation": np.where(mean != 0, deviation / np.abs(mean), np.nan),
            "low": np.where(found.count > 0, found.low, np.nan),
            "high": np.where(found.count > 0, found.high, np.nan),
            "skewness": skewness,
            "skewness_error": skewness_error,
            "kurtosis": kurtosis,
            "kurtosis_error": kurtosis_error,
            "raw_2": m2 + mean**2,
            "raw_3": m3 + 3 * mean * m2 + mean**3,
            "raw_4": m4 + 4 * mean * m3 + 6 * mean**2 * m2 + mean**4,
        },
        index=names,
    )


def descriptive_statistics(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = moments(table)
    found = found[found["count"] > 0] if len(found) else found
    if not len(found):
        return None
    sample = table.sample()
    quantiles = {name: sample[name].quantile(list(QUANTILES)) for name in found.index}
    errors = {name: median_error(sample[name].dropna().to_numpy(float)) for name in found.index}
    shown = found.head(MOST_ROWS)
    statistics = [
        [
            name, int(row["count"]), row["mean"], row.mean_error, row.deviation, row.deviation_error, row.variation,
            row.low, *quantiles[name].tolist(), row.high, errors[name],
        ]
        for name, row in shown.iterrows()
    ]  # fmt: skip
    raw = [[name, row["mean"], row.raw_2, row.raw_3, row.raw_4] for name, row in shown.iterrows()]
    standardised = [
        [name, row["skewness"], row["skewness_error"], row["kurtosis"], row["kurtosis_error"], shape(row)]
        for name, row in shown.iterrows()
    ]
    tables = [
        Table(
            "Location and spread",
            ["column", "values", "mean", "± SE", "SD", "± SE", "SD / mean", "lowest", "5 %", "25 %", "median", "75 %",
             "95 %", "highest", "SE of the median"],
            statistics,
            rows_note(len(shown), len(found)) + sampled_note(table, len(sample), "Quantiles are"),
        ),
        Table("Raw moments", ["column", "mean of x", "of x²", "of x³", "of x⁴"], raw),
        Table(
            "Standardised moments",
            ["column", "skewness", "± SE", "excess kurtosis", "± SE", "in words"],
            standardised,
            "SE: of a normal sample of that size; a figure beyond two of them is no accident of sampling.",
        ),
    ]  # fmt: skip
    findings = told(found, quantiles)
    return Section("descriptive-statistics", "Descriptive statistics", WORDS, tables, charts(found), findings)


WORDS = [
    "Counts, means, deviations, extremes and moments are of all rows. A standard error (SE) says how far a figure "
    "would differ in another sample of the same size: about twice of it to either side holds the true value 95 times "
    "in 100. It knows nothing of a sample that was drawn one-sidedly.",
]


def median_error(values: np.ndarray) -> float:
    """Half the width of the 68 % interval between order statistics: no assumption about the shape."""
    if len(values) < 10:
        return float("nan")
    half = 0.5 / np.sqrt(len(values))
    low, high = np.quantile(values, [0.5 - half, 0.5 + half])
    return float(high - low) / 2


def shape(row: pd.Series) -> str:
    if np.isnan(row["skewness"]):
        return "constant"
    side = "to the right" if row["skewness"] > 0 else "to the left"
    size = abs(row["skewness"])
    skewed = "symmetric" if size < 0.5 else f"moderately skewed {side}" if size < SKEWED else f"strongly skewed {side}"
    tails = "heavy tails" if row["kurtosis"] > HEAVY else "light tails" if row["kurtosis"] < -1 else ""
    return ", ".join(filter(None, [skewed, tails]))


def told(found: pd.DataFrame, quantiles: dict[str, pd.Series]) -> list[str]:
    """The most skewed column, and those that say nothing or hardly vary."""
    said = []
    skewed = found[found.skewness.abs() >= SKEWED].skewness.abs().sort_values(ascending=False)
    if len(skewed):
        name = str(skewed.index[0])
        mean, median = found.loc[name, "mean"], quantiles[name][0.5]
        said.append(
            f"{len(skewed)} of {len(found)} numbers are strongly skewed, {name} the most (skewness "
            f"{found.loc[name, 'skewness']:.1f}): its mean {mean:,.4g} is not typical, its median is {median:,.4g}."
        )
    constant = [str(name) for name in found.index[found.low == found.high]]
    if constant:
        said.append(
            f"{listed(constant)} {'has' if len(constant) == 1 else 'have'} one value only and can explain nothing."
        )
    zeros = found[(found.zeros > 0.5 * found["count"]) & (found.low < found.high)]
    if len(zeros):
        said.append(
            f"Most values of {listed([str(name) for name in zeros.index])} are 0: whether there is any, and how much, "
            "are two questions."
        )
    return said


def charts(found: pd.DataFrame) -> list[Chart]:
    ranked = found.skewness.dropna()
    ranked = ranked[ranked.abs().sort_values(ascending=False).index]
    if len(ranked) < 2:
        return []
    choice = choose(Ask("ranking", labels=len(ranked)))
    top = ranked.head(choice.most)
    data = {
        "labels": [str(name) for name in top.index],
        "values": top.round(3).tolist(),
        "y_title": "skewness",
    }
    return [Chart("ranking", choice.kind, "Skewness of the numbers", data, "0 is symmetric; beyond ±1 is strong.")]
