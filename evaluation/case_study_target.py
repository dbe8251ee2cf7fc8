"""What each column says about the target, on one scale and with the test that fits the pair.

| target  | column   | strength       | test           |
|---------|----------|----------------|----------------|
| classes | number   | eta squared    | Kruskal-Wallis |
| classes | category | Cramér's V     | chi-squared    |
| number  | number   | Spearman's rho | its t          |
| number  | category | eta squared    | Kruskal-Wallis |

Ranked by the share of the target's entropy that a column takes away (its mutual information with the target), which all
pairs have; p-values are adjusted for their number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import codes, crossed, numbers, plain_numbers
from case_study_chart_guide import Ask, choose
from case_study_dependence import chi_squared, cramers_v, discoveries, eta_squared, spearman, told
from case_study_distributions import chart as distribution
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_target_pictures import balance, picture
from scipy import stats

MOST_CLASSES = 20
MOST_WHOLE = 10  # different whole numbers, up to which they are classes
MOST_CATEGORIES = 60
SHOWN = 6  # columns with a picture
RARE = 0.1  # share of a class from which the target is unbalanced
TELLING = 0.02  # share of the target's entropy that is worth a word
FEWEST = 5  # records of a group that is compared
ALPHA = 0.05


class Relation(NamedTuple):
    """A column's with the target; p is adjusted once all are known."""

    column: str
    told: float | None  # share of the target's entropy
    measure: str
    strength: float | None
    test: str
    p: float | None

    @property
    def shown(self) -> bool:
        return self.p is not None and self.p < ALPHA


def relations(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    if not table.target:
        return None
    target, kind = table.target, table.columns[table.target]
    sample = table.sample()
    sample = sample[sample[target].notna()]
    if useless := unusable(target, kind, sample[target]):
        return Section("target", f"Target: {target}", [useless], warnings=[useless])
    classes = is_classes(sample[target], kind)
    features = [name for name in table.features("number", "category", "boolean", "time") if sample[name].nunique() > 1]
    found = ranked(sample, table, features, classes)
    facts["target"] = {"classes": classes, "ranking": [each.column for each in found]}
    charts = [balance(target, sample[target]) if classes else distribution(target, sample[target], kind)]
    charts += [ranking(found)] if found else []
    charts += [picture(sample, table, each.column, classes) for each in found[:SHOWN]]
    findings, warnings = said(target, sample[target], found, classes)
    text = words(target, sample[target], classes)
    return Section("target", f"Target: {target}", text, [listed(found, len(sample))], charts, findings, warnings)


def is_classes(values: pd.Series, kind: str) -> bool:
    """Whether a target is one of classes rather than a number."""
    if kind == "number":
        return values.nunique() <= MOST_WHOLE and bool((values.dropna() % 1 == 0).all())
    return kind in ("category", "boolean")


def unusable(target: str, kind: str, values: pd.Series) -> str:
    """Why nothing can be related to the target; empty if it can."""
    if len(values) < 2 * FEWEST or values.nunique() < 2:
        return f"The target {target} has one value only, or hardly any: nothing can explain it."
    if kind in ("text", "identifier", "time"):
        return f"The target {target} is of kind {kind}, neither classes nor a number: nothing can be related to it."
    return ""


def words(target: str, values: pd.Series, classes: bool) -> list[str]:
    taken = f"{values.nunique()} classes" if classes else "a number"
    return [
        f"{target} is taken as {taken}. Columns are ranked by how much of what is unknown about it they tell (mutual "
        "information over the target's entropy), which sees any shape of relation. A strong one is no cause, and may "
        "be a leak."
    ]


def ranked(sample: pd.DataFrame, table: CaseTable, features: list[str], classes: bool) -> list[Relation]:
    goal = sample[table.target]
    coded = codes(goal, "category" if classes else "number", MOST_CLASSES if classes else 16)[0]
    found = [related(name, sample[name], table.columns[name], goal, coded, classes) for name in features]
    adjusted = discoveries(np.array([np.nan if each.p is None else each.p for each in found], float))
    found = [
        each._replace(p=None if np.isnan(p) else float(f"{p:.3g}")) for each, p in zip(found, adjusted, strict=True)
    ]
    return sorted(found, key=lambda each: -(each.told or 0))


def related(name: str, values: pd.Series, kind: str, goal: pd.Series, coded: np.ndarray, classes: bool) -> Relation:
    """`coded` is the target in classes, or in bins."""
    known = rounded(told(crossed(codes(values, kind)[0], coded)))
    if kind in ("number", "time"):
        plain = plain_numbers(values, kind)
        if classes:
            strength = rounded(eta_squared(coded, plain))
            return Relation(name, known, "eta squared", strength, "Kruskal-Wallis", kruskal(coded, plain))
        both = pd.DataFrame({"x": plain, "y": goal.to_numpy(float)}).dropna()
        rho = float(spearman(both)[0, 1])
        return Relation(name, known, "Spearman", rounded(rho), "t of rho", of_rho(rho, len(both)))
    groups = codes(values, kind, MOST_CATEGORIES)[0]
    if classes:
        counts = crossed(groups, coded)
        statistic, freedom = chi_squared(counts)
        p = float(stats.chi2.sf(statistic, freedom)) if freedom else None
        return Relation(name, known, "Cramér's V", rounded(cramers_v(counts)), "chi-squared", p)
    number = goal.to_numpy(float)
    strength = rounded(eta_squared(groups, number))
    return Relation(name, known, "eta squared", strength, "Kruskal-Wallis", kruskal(groups, number))


def rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def of_rho(rho: float, count: int) -> float | None:
    if np.isnan(rho) or count < 4:
        return None
    return float(2 * stats.t.sf(abs(rho) * np.sqrt((count - 2) / max(1e-12, 1 - rho**2)), count - 2))


def kruskal(groups: np.ndarray, values: np.ndarray) -> float | None:
    known = (groups >= 0) & np.isfinite(values)
    parts = [values[known & (groups == each)] for each in np.unique(groups[known])]
    parts = [part for part in parts if len(part) >= FEWEST]
    if len(parts) < 2 or np.ptp(np.concatenate(parts)) == 0:
        return None
    return float(stats.kruskal(*parts).pvalue)


def listed(found: list[Relation], rows: int) -> Table:
    marks = frozenset(place for place, each in enumerate(found) if each.shown)
    return Table(
        "What each column says about the target",
        ["column", "tells of the target", "measure", "strength", "test", "p, adjusted"],
        found,
        f"Of {rows:,} rows. {len(marks)} of {len(found)} are below {ALPHA}, adjusted by Benjamini and Hochberg (1995).",
    )


def ranking(found: list[Relation]) -> Chart:
    choice = choose(Ask("ranking", labels=len(found)))
    first = found[: choice.most]
    data = {"labels": [each.column for each in first], "values": [each.told or 0 for each in first]}
    title, caption = "Columns by what they say about the target", "0: nothing; 1: the target is known with the column."
    return Chart("ranking", choice.kind, title, data | {"y_title": "share of what is unknown"}, caption)


def said(target: str, values: pd.Series, found: list[Relation], classes: bool) -> tuple[list[str], list[str]]:
    findings, warnings = list[str](), list[str]()
    if strong := [each for each in found if (each.told or 0) >= TELLING][:3]:
        names = ", ".join(f"{each.column} ({each.told:.0%})" for each in strong)
        findings.append(f"{target} is told best by {names}: shares of what is unknown about it.")
    elif found:
        findings.append(f"No single column says much about {target}.")
    if idle := [each.column for each in found if not each.shown]:
        findings.append(f"No relation to {target} is shown by {', '.join(idle[:8])}{' …' if len(idle) > 8 else ''}.")
    if classes:
        shares = values.astype(str).value_counts(normalize=True)
        if shares.iloc[-1] < RARE:
            rare = f"{shares.index[-1]} is {shares.iloc[-1]:.1%} of the records"
            warnings.append(f"{target} is unbalanced: {rare}, so accuracy says little.")
    elif (plain := numbers(values)).min() > 0 and (skew := stats.skew(plain)) > 1:
        logged = stats.skew(np.log(plain))
        findings.append(f"{target} is skewed ({skew:.1f}); its logarithm ({logged:.1f}) is easier to model.")
    return findings, warnings
