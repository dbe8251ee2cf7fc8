"""How large differences are, whatever the number of rows: a p-value says that there is one, not that it matters.

Of two groups Cohen's d (the difference of means over the pooled SD), Hedges' g (d without its bias in small groups;
Hedges 1981), and the rank-biserial correlation (how much more often one group's value is the larger; Kerby 2014). Of
several groups eta squared (the share of the variance that lies between them) and omega squared, without its bias. Of
two categories Cramér's V, corrected for chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from analysis_report import Table
from case_study_bins import codes, crossed
from case_study_chart_guide import Ask, choose
from case_study_dependence import cramers_v, discoveries, eta_squared
from case_study_moments import varied
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, p_text, rows_note, sampled_note
from scipy import stats

GROUPS = 10  # of a category, at most
FEWEST = 5  # values in a group
PAIRS = 300  # of a category and a number where there is no target to look at
MEDIUM = 0.5  # Cohen's d, in his own words (1988)
LEVEL = 0.05
REACH = 1.959964  # standard errors of a 95 % interval


@dataclass(frozen=True)
class TwoGroups:
    """Of the second group against the first: positive where the second has the larger values."""

    difference: float
    d: float
    g: float
    low: float  # of the 95 % interval of g
    high: float
    rank_biserial: float
    p_value: float  # of Mann and Whitney's test


def two_groups(first: np.ndarray, second: np.ndarray) -> TwoGroups:
    """NaN for d and g where nothing varies. The interval is of Hedges and Olkin's (1985) large-sample variance."""
    n1, n2 = len(first), len(second)
    freedom = n1 + n2 - 2
    pooled = np.sqrt(((n1 - 1) * first.var(ddof=1) + (n2 - 1) * second.var(ddof=1)) / freedom)
    difference = float(second.mean() - first.mean())
    d = difference / pooled if pooled > 0 else float("nan")
    g = d * (1 - 3 / (4 * freedom - 1))
    error = np.sqrt((n1 + n2) / (n1 * n2) + g**2 / (2 * (n1 + n2)))
    found = stats.mannwhitneyu(second, first, method="asymptotic")
    rank = 2 * float(found.statistic) / (n1 * n2) - 1
    p_value = float(found.pvalue) if pooled > 0 else float("nan")
    return TwoGroups(difference, d, g, g - REACH * error, g + REACH * error, rank, p_value)


def omega_squared(groups: Sequence[np.ndarray]) -> float:
    """Eta squared as it would be in the population (Hays 1963), never below 0."""
    whole = np.concatenate(groups)
    between = sum(len(each) * (each.mean() - whole.mean()) ** 2 for each in groups)
    total = ((whole - whole.mean()) ** 2).sum()
    within = (total - between) / (len(whole) - len(groups))
    return float(max(0.0, (between - (len(groups) - 1) * within) / (total + within))) if total > 0 else float("nan")


def effect_sizes(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    grouped = {name: codes(sample[name], table.columns[name], 1000) for name in table.of_kind("category", "boolean")}
    grouped = {name: found for name, found in grouped.items() if len(found[1]) > 1}
    values = {name: sample[name].to_numpy(float) for name in varied(table)}
    two, many = compared(table, grouped, values)
    crossings = crossings_of(table, grouped)
    if not (two or many or crossings):
        return None
    note = sampled_note(table, len(sample), "All figures are")
    tables = [two_table(two, note)] if two else []
    tables += [many_table(many, note)] if many else []
    tables += [crossings_table(crossings, note)] if crossings else []
    return Section("effect-sizes", "Effect sizes", WORDS, tables, charts(two, many), told(two, many, crossings))


WORDS = [
    "Hedges' g is the difference of two groups' means in standard deviations; Cohen called 0.2 small, 0.5 medium and "
    "0.8 large, for want of anything better to compare with. The rank-biserial correlation is the share of pairs in "
    "which the second group's value is the larger, less the share in which it is the smaller: far values don't count "
    "more. Eta squared is the share of a number's variance that lies between groups; omega squared is the same without "
    "the part that chance explains. P-values are adjusted for their number.",
]
Groups = dict[str, tuple[np.ndarray, list[str]]]


def compared(
    table: CaseTable, grouped: Groups, values: dict[str, np.ndarray]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Two groups: (number, category, first, second, TwoGroups, adjusted p). Several: (number, category, groups, eta²,
    omega², adjusted p). With a target only pairs that it is in."""
    pairs = list(itertools.product(values, grouped))
    if table.target:
        pairs = [pair for pair in pairs if table.target in pair]
    two: list[tuple[Any, ...]] = []
    many: list[tuple[Any, ...]] = []
    for number, category in pairs[:PAIRS]:
        found, names = grouped[category]
        if len(names) > GROUPS:
            continue
        known = np.isfinite(values[number])
        parts = [values[number][known & (found == place)] for place in range(len(names))]
        kept = [(name, part) for name, part in zip(names, parts, strict=True) if len(part) >= FEWEST]
        if len(kept) < 2 or all(part.std() == 0 for _, part in kept):
            continue
        if len(kept) == 2:
            (first, low), (second, high) = sorted(kept, key=lambda pair: pair[0])
            two.append((number, category, first, second, two_groups(low, high)))
        else:
            groups = [part for _, part in kept]
            p_value = float(stats.kruskal(*groups).pvalue)
            many.append((number, category, len(kept), eta(groups), omega_squared(groups), p_value))
    return adjusted_two(two), adjusted_many(many)


def eta(groups: Sequence[np.ndarray]) -> float:
    which = np.repeat(np.arange(len(groups)), [len(each) for each in groups])
    return eta_squared(which, np.concatenate(groups))


def adjusted_two(two: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    p_values = discoveries(np.array([row[4].p_value for row in two]))
    rows = [(*row, float(p)) for row, p in zip(two, p_values, strict=True)]
    return sorted(rows, key=lambda row: -abs(np.nan_to_num(row[4].g)))


def adjusted_many(many: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    p_values = discoveries(np.array([row[5] for row in many]))
    rows = [(*row[:5], float(p)) for row, p in zip(many, p_values, strict=True)]
    return sorted(rows, key=lambda row: -np.nan_to_num(row[3]))


def crossings_of(table: CaseTable, grouped: Groups) -> list[tuple[str, str, float]]:
    """Cramér's V of each two categories, or of each with the target."""
    fit = [name for name, (_, names) in grouped.items() if len(names) <= 50]
    pairs = [pair for pair in itertools.combinations(fit, 2) if not table.target or table.target in pair]
    if table.target and table.target not in fit:
        return []
    found = [(a, b, cramers_v(crossed(grouped[a][0], grouped[b][0]))) for a, b in pairs[:PAIRS]]
    return sorted((row for row in found if np.isfinite(row[2])), key=lambda row: -row[2])


def two_table(two: list[tuple[Any, ...]], note: str) -> Table:
    rows = [
        [number, category, f"{second} − {first}", each.difference, each.d, each.g, f"{each.low:.2f} to {each.high:.2f}",
         each.rank_biserial, in_words(each.g), p_text(p)]
        for number, category, first, second, each, p in two[:MOST_ROWS]
    ]  # fmt: skip
    columns = ["number", "groups of", "compared", "difference", "Cohen's d", "Hedges' g", "95 % interval of g",
               "rank-biserial", "in Cohen's words", "adjusted p"]  # fmt: skip
    return Table("Two groups", columns, rows, rows_note(len(rows), len(two)) + note)


def many_table(many: list[tuple[Any, ...]], note: str) -> Table:
    rows = [[*row[:5], p_text(row[5])] for row in many[:MOST_ROWS]]
    columns = ["number", "groups of", "groups", "eta squared", "omega squared", "adjusted p (Kruskal–Wallis)"]
    return Table("Several groups", columns, rows, rows_note(len(rows), len(many)) + note)


def crossings_table(crossings: list[tuple[str, str, float]], note: str) -> Table:
    rows = [list(row) for row in crossings[:MOST_ROWS]]
    return Table(
        "Two categories", ["category", "with", "Cramér's V"], rows, rows_note(len(rows), len(crossings)) + note
    )


def in_words(g: float) -> str:
    size = abs(g)
    if not np.isfinite(size):
        return "–"
    return "negligible" if size < 0.2 else "small" if size < MEDIUM else "medium" if size < 0.8 else "large"


def told(two: list[tuple[Any, ...]], many: list[tuple[Any, ...]], crossings: list[tuple[str, str, float]]) -> list[str]:
    said = []
    for number, category, first, second, each, p in two[:2]:
        if abs(each.g) >= MEDIUM and p < LEVEL:
            more = "higher" if each.g > 0 else "lower"
            said.append(
                f"{number} is {more} where {category} is {second} than where it is {first}: Hedges' g {each.g:.2f}, "
                f"{in_words(each.g)}."
            )
    for number, category, _, share, _, p in many[:2]:
        if share >= 0.06 and p < LEVEL:
            said.append(f"{category} explains {share:.0%} of the variance of {number}.")
    tiny = [row[0] for row in two if row[5] < LEVEL and abs(row[4].g) < 0.2]
    if tiny:
        said.append(
            f"Differences in {listed(tiny, 4)} are significant and negligible: many rows make small things sure."
        )
    if crossings and crossings[0][2] >= 0.3:
        said.append(f"{crossings[0][0]} and {crossings[0][1]} depend on each other: Cramér's V {crossings[0][2]:.2f}.")
    return said


def charts(two: list[tuple[Any, ...]], many: list[tuple[Any, ...]]) -> list[Chart]:
    if len(two) > 1:
        choice = choose(Ask("ranking", labels=len(two)))
        top = [row for row in two if np.isfinite(row[4].g)][: choice.most]
        labels = [f"{row[0]} by {row[1]}" for row in top]
        data: dict[str, Any] = {"labels": labels, "values": [round(row[4].g, 3) for row in top], "y_title": "Hedges' g"}
        data |= {"low": [round(row[4].low, 3) for row in top], "high": [round(row[4].high, 3) for row in top]}
        return [
            Chart(
                "ranking",
                choice.kind,
                "Differences of two groups",
                data,
                "In standard deviations, with 95 % intervals.",
            )
        ]
    if len(many) > 1:
        choice = choose(Ask("ranking", labels=len(many)))
        labels = [f"{row[0]} by {row[1]}" for row in many[: choice.most]]
        data = {"labels": labels, "values": [round(row[3], 4) for row in many[: choice.most]], "y_title": "eta squared"}
        return [Chart("ranking", choice.kind, "Variance between groups", data)]
    return []
