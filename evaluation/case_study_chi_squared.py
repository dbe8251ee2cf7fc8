"""Chi-squared tests of independence of each two categories, with what such a test needs said where it is not there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from analysis_report import Badge, Table
from case_study_bins import codes, crossed
from case_study_chart_guide import Ask, choose
from case_study_dependence import cramers_v, discoveries
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, p_text, rows_note, sampled_note
from scipy import stats

LEVELS = 30  # of a category; what is rarer is one level
PAIRS = 1000
EXPECTED = 5  # rows in a cell, below which the statistic is no longer chi-squared (Cochran 1954: in 20 % of the cells)
FEW_CELLS = 0.2
LEVEL = 0.05


@dataclass(frozen=True)
class Independence:
    statistic: float
    freedom: int
    p_value: float
    size: float  # Cramér's V, corrected for chance
    least: float  # smallest expected count
    thin: float  # share of cells that expect fewer than EXPECTED rows
    exact: bool  # whether the p-value is Fisher's

    @property
    def trusted(self) -> bool:
        """By Cochran's rule, or because the test is exact."""
        return self.exact or (self.thin <= FEW_CELLS and self.least >= 1)


def independence(counts: np.ndarray) -> Independence | None:
    """Of a table of counts, without a continuity correction; by Fisher's exact test where a 2 × 2 table is thin. None
    where one of the two has a single level."""
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    if min(counts.shape, default=0) < 2:
        return None
    found = stats.chi2_contingency(counts, correction=False)
    thin = float((found.expected_freq < EXPECTED).mean())
    exact = counts.shape == (2, 2) and thin > 0
    p_value = stats.fisher_exact(counts.astype(int)).pvalue if exact else found.pvalue
    least = float(found.expected_freq.min())
    return Independence(
        float(found.statistic), int(found.dof), float(p_value), cramers_v(counts), least, thin, bool(exact)
    )


def chi_squared_tests(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    grouped = {
        name: codes(sample[name], table.columns[name], LEVELS)
        for name in table.of_kind("category", "boolean")
        if sample[name].nunique() < max(3, len(sample) / 2)
    }
    every = list(itertools.combinations(grouped, 2))
    found = {}
    for first, second in every[:PAIRS]:
        if test := independence(crossed(grouped[first][0], grouped[second][0])):
            found[first, second] = test
    if not found:
        return None
    adjusted = dict(zip(found, discoveries(np.array([each.p_value for each in found.values()])), strict=True))
    ranked = sorted(found, key=lambda pair: -np.nan_to_num(found[pair].size))
    rows = [row_of(pair, found[pair], float(adjusted[pair])) for pair in ranked[:MOST_ROWS]]
    note = rows_note(len(rows), len(found)) + sampled_note(table, len(sample), "All figures are")
    columns = ["category", "with", "chi-squared", "degrees of freedom", "p", "adjusted p", "Cramér's V",
               "least expected", "cells below 5", "test"]  # fmt: skip
    thin = [pair for pair in found if not found[pair].trusted]
    warnings = [thin_words(thin, len(found))] if thin else []
    charts = [residuals(ranked[0], sample, table)] if found[ranked[0]].size >= 0.1 else []
    return Section(
        "chi-squared", "Chi-squared tests", WORDS, [Table("Tests of independence", columns, rows, note)], charts,
        told(found, adjusted), warnings,
    )  # fmt: skip


WORDS = [
    "Each two categories are tested for independence. With many pairs some are significant by chance, so p-values are "
    "adjusted (Benjamini and Hochberg): of those below 0.05 at most 5 % are false. Cramér's V says how strong a "
    "dependence is, from 0 to 1; with many rows a V that matters to nobody is significant.",
    "The test needs rows enough: at least 5 expected in four cells of five and 1 in each (Cochran's rule). Where a "
    "table of two by two has fewer, Fisher's exact test takes its place; larger ones are marked.",
]


def row_of(pair: tuple[str, str], each: Independence, adjusted: float) -> list[Any]:
    badge = Badge("Fisher's, exact") if each.exact else Badge("sound", True) if each.trusted else Badge("thin", False)
    return [
        *pair, each.statistic, each.freedom, p_text(each.p_value), p_text(adjusted), each.size, each.least,
        f"{each.thin:.0%}", badge,
    ]  # fmt: skip


def thin_words(thin: list[tuple[str, str]], tests: int) -> str:
    names = listed([f"{first} with {second}" for first, second in thin], 3)
    return (
        f"{len(thin)} of {tests} chi-squared tests have too few rows in their cells ({names}): take their p-values as "
        "hints, or join rare levels first."
    )


def told(found: dict[tuple[str, str], Independence], adjusted: dict[tuple[str, str], float]) -> list[str]:
    sure = [pair for pair in found if adjusted[pair] < LEVEL]
    weak = [pair for pair in sure if found[pair].size < 0.1]
    said = [f"{len(sure)} of {len(found)} pairs of categories are dependent at 5 % false discoveries."]
    if weak:
        said[0] += f" {len(weak)} of them hardly (Cramér's V below 0.1)."
    return said


def residuals(pair: tuple[str, str], sample: Any, table: CaseTable) -> Chart:
    """Where the strongest pair departs from independence."""
    (first, rows), (second, columns) = (codes(sample[name], table.columns[name], 12) for name in pair)
    counts = crossed(first, second)
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    shares = np.outer(1 - counts.sum(1) / counts.sum(), 1 - counts.sum(0) / counts.sum())
    away = (counts - expected) / np.sqrt(np.maximum(expected * shares, 1e-12))
    most = float(np.abs(away).max())
    z = [[round(float(each), 2) for each in row] for row in away]
    text = [[f"{each:+.1f}" for each in row] for row in away]
    data = {"x": columns[: counts.shape[1]], "y": rows[: counts.shape[0]], "z": z, "low": -most, "high": most}
    data |= {"text": text, "x_title": pair[1], "y_title": pair[0]}
    caption = "Adjusted residuals: beyond ±2 a cell has more or fewer rows than independence would give it."
    choice = choose(Ask("correlation", x="category", y="category"))
    return Chart("correlation", choice.kind, f"Where {pair[0]} and {pair[1]} depend on each other", data, caption)
