"""What a model would know that it must not: columns that give the target away, and rows that would stand on both sides
of a split.

A column's own prediction is made out of sample: the mean of the target within its bins (or its classes' shares),
learned from one half of the rows and judged on the other.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import codes
from case_study_section import Section
from case_study_table import CaseTable
from case_study_target import MOST_CLASSES, is_classes, unusable
from scipy import stats

GIVEN_AWAY, SUSPICIOUS = 0.98, 0.85  # share of what is to be predicted that one column alone predicts
BINS = 64
BY_GAPS = 0.3  # the same, of whether a value is missing
ORDERED = 0.02  # the same, of the rows' order
MOST_GROUPS = 0.9  # different values of an identifier for each row, below which it names groups of rows
SAMPLE = 20_000
ALPHA = 0.001


class Lead(NamedTuple):
    """Why a column may give the target away."""

    column: str
    score: float | None
    why: str


def leakage(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    target = table.target
    if not table.target:
        return None
    sample = table.sample()
    sample = sample[sample[target].notna()]
    kind = table.columns[target]
    if unusable(target, kind, sample[target]):
        return None
    sample = sample.iloc[:: max(1, len(sample) // SAMPLE)]
    classes = is_classes(sample[target], kind)
    goal = goals(sample[target], classes)
    scores = {name: alone(sample[name], table.columns[name], goal) for name in table.columns if name != target}
    leads = [*of_columns(sample, table, goal, scores), *of_order(sample, table, goal)]
    conflicts, repeated = repeats(sample, table)
    rows = [(name, round(score, 3)) for name, score in sorted(scores.items(), key=lambda pair: -pair[1])]
    text = [
        f"How much of {target} each column predicts all by itself: 0 is no better than guessing, 1 is everything. "
        "Learned from one half of the rows and judged on the other. A column that is known only after the target, or "
        "is made of it, must not be learned from: whether it is so only who knows the data's source can say."
    ]
    if repeated:
        text.append(
            f"{repeated:,} of {len(sample):,} rows have the same features as another one. Twins have to stay on one "
            f"side of a split; {conflicts:,} differ from their twin in {target}, as no model of these columns can."
        )
    tables = [Table("What each column predicts alone", ["column", "of the target"], rows)]
    if leads:
        tables.insert(0, Table("Suspects", ["column", "of the target", "why"], leads))
    warnings = [f"{lead.column} {lead.why}" for lead in leads]
    groups = [name for name in table.features("identifier") if sample[name].nunique() < MOST_GROUPS * len(sample)]
    if groups:
        named = " and ".join(groups[:3])
        warnings.append(f"Rows that share {named} belong together: keep each on one side of a split, by grouped folds.")
    findings = [] if leads else ["No column gives the target away by itself."]
    if conflicts:
        findings.append(f"{conflicts:,} rows have a twin with equal features and another {target}.")
    return Section("leakage", "Leakage", text, tables, [], findings, warnings)


def goals(values: pd.Series, classes: bool) -> np.ndarray:
    """The target as columns to predict the mean of: one for each class, or the number's rank, which no tail rules."""
    if not classes:
        return values.rank(pct=True).to_numpy(float)[:, None]
    coded, names = codes(values, "category", MOST_CLASSES)
    return np.eye(len(names))[coded]


def alone(values: pd.Series, kind: str, goal: np.ndarray) -> float:
    """R squared, or its like for classes, of a prediction by one column; missing is a bin of its own."""
    coded, names = codes(values, "category" if kind in ("text", "identifier") else kind, BINS)
    if kind == "identifier" and (numeric := pd.to_numeric(values, errors="coerce")).notna().mean() > 0.5:
        coded, names = codes(numeric, "number", BINS)
    coded = np.where(coded < 0, len(names), coded)
    return predicted(coded, goal, len(names) + 1)


def predicted(coded: np.ndarray, goal: np.ndarray, count: int) -> float:
    half = np.random.default_rng(0).permutation(len(coded)) % 2 == 0
    errors = total = 0.0
    for mine in (half, ~half):
        rows = np.bincount(coded[mine], minlength=count)[:, None]
        sums = np.stack([np.bincount(coded[mine], each, count) for each in goal[mine].T], axis=1)
        overall = goal[mine].mean(axis=0)
        means = (sums + overall) / (rows + 1)  # a bin without rows predicts what all do
        errors += ((goal[~mine] - means[coded[~mine]]) ** 2).sum()
        total += ((goal[~mine] - overall) ** 2).sum()
    return float(max(0.0, 1 - errors / total)) if total else 0.0


def of_columns(sample: pd.DataFrame, table: CaseTable, goal: np.ndarray, scores: dict[str, float]) -> list[Lead]:
    leads = []
    for name, score in scores.items():
        gaps = sample[name].isna()
        by_gaps = predicted(gaps.to_numpy().astype(int), goal, 2) if 0 < gaps.mean() < 1 else 0.0
        if score >= GIVEN_AWAY:
            leads.append(Lead(name, round(score, 3), f"predicts {table.target} by itself nearly without a mistake."))
        elif score >= SUSPICIOUS:
            leads.append(Lead(name, round(score, 3), f"predicts {table.target} suspiciously well by itself."))
        elif by_gaps >= BY_GAPS:
            leads.append(
                Lead(name, round(by_gaps, 3), f"is missing depending on {table.target}: was it filled in later?")
            )
        elif named_after(name, table.target):
            leads.append(Lead(name, round(score, 3), f"has {table.target} in its name: is it made of it?"))
    return leads


def named_after(name: str, target: str) -> bool:
    """Whether the target's words are all among the column's."""
    words, wanted = (set(re.findall(r"[a-z]+", _spaced(each))) for each in (name, target))
    return bool(wanted) and max(map(len, wanted)) > 2 and wanted <= words


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def of_order(sample: pd.DataFrame, table: CaseTable, goal: np.ndarray) -> list[Lead]:
    """Whether the rows' order tells the target: sorted by it, or gathered class by class."""
    if len(sample) < 2 * BINS:
        return []
    place = (np.arange(len(sample)) * BINS // len(sample)).astype(int)
    score = predicted(place, goal, BINS)
    blocks = stats.kruskal(*[goal[place == each, 0] for each in range(BINS)]) if np.ptp(goal[:, 0]) else None
    if score < ORDERED or blocks is None or blocks.pvalue > ALPHA:
        return []
    return [
        Lead(
            "(order of the rows)", round(score, 3), f"tells {table.target}: split at random, or by time if it is time."
        )
    ]


def repeats(sample: pd.DataFrame, table: CaseTable) -> tuple[int, int]:
    """Rows with equal features but another target than a twin, and rows with equal features at all."""
    features = table.features("number", "category", "boolean", "time", "text")
    if not features:
        return 0, 0
    keys = pd.util.hash_pandas_object(sample[features], index=False)
    twins = keys.duplicated(keep=False)
    if not twins.any():
        return 0, 0
    labels = pd.util.hash_pandas_object(sample.loc[twins, [table.target]], index=False)
    different = labels.groupby(keys[twins].to_numpy()).transform("nunique") > 1
    return int(different.sum()), int(twins.sum())
