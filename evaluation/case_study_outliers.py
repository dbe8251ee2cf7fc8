"""Values far from the rest, one column at a time and all together.

One at a time: Tukey's fences (1.5 quartile distances beyond the quartiles) and z-scores (3 standard deviations), both
counted over all rows. All together: an isolation forest (Liu, Ting and Zhou 2008), which finds rows that few random
cuts set apart although no single value may be far off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import boxes, numbers
from case_study_chart_guide import Ask, choose
from case_study_moments import moments, varied
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, rows_note, sampled_note
from sklearn.ensemble import IsolationForest

FENCE = 1.5  # quartile distances
Z = 3.0
NORMAL_FENCES, NORMAL_Z = 0.00698, 0.0027  # what a normal distribution has beyond them
FOREST_ROWS = 20_000
TREES = 100
SHOWN = 10  # rows that the forest sets apart first
MANY = 0.05  # of the values: not far from the rest, but a tail
DRAWN = 8  # columns of the picture


def outliers(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = moments(table)
    names = [name for name in varied(table) if name != table.target]
    if not names:
        return None
    sample = table.sample()
    fences = pd.DataFrame({name: sample[name].quantile([0.25, 0.75]) for name in names}).T
    reach = FENCE * (fences[0.75] - fences[0.25])
    low, high = fences[0.25] - reach, fences[0.75] + reach
    counts = beyond(table, names, low, high, found.loc[names])
    rows = [row_of(name, low[name], high[name], counts.loc[name], found.loc[name]) for name in names[:MOST_ROWS]]
    columns = ["column", "lower fence", "upper fence", "below", "above", "share", "beyond 3 SD", "share", "lowest z",
               "highest z"]  # fmt: skip
    note = rows_note(len(rows), len(names)) + sampled_note(table, len(sample), "Counts are of all rows, fences")
    tables = [Table("One column at a time", columns, rows, note)]
    forest = isolated(sample[names], table.seed)
    tables += [forest_table(forest, sample[names], table)] if len(forest) else []
    return Section(
        "outliers", "Outliers", WORDS, tables, charts(sample, names, counts), told(counts, found.loc[names], forest)
    )


WORDS = [
    "An outlier is a value to look at, not an error by itself. A normal distribution has 0.7 % of its values beyond "
    "Tukey's fences and 0.3 % beyond three standard deviations. A skewed one has many more beyond the fences: its "
    "tail. Standard deviations are themselves stretched by what they are to find.",
    "The isolation forest looks at all numbers together, gaps filled with medians. Its score is 0.5 for a row like the "
    "others and nears 1 for one that few cuts set apart. It ranks rows and says for none that it is wrong.",
]


def beyond(table: CaseTable, names: list[str], low: pd.Series, high: pd.Series, found: pd.DataFrame) -> pd.DataFrame:
    """Of all rows: below and above the fences, and beyond Z standard deviations."""
    totals = np.zeros((3, len(names)))
    centre, spread = found["mean"].to_numpy(), found["deviation"].to_numpy()
    for part in table.batches(names):
        values = part.to_numpy(float)
        with np.errstate(invalid="ignore", over="ignore"):
            totals[0] += (values < low.to_numpy()).sum(0)
            totals[1] += (values > high.to_numpy()).sum(0)
            totals[2] += (np.abs(values - centre) > Z * spread).sum(0)
    return pd.DataFrame(totals.T, names, ["below", "above", "z"]).assign(count=found["count"])


def row_of(name: str, low: float, high: float, counts: pd.Series, found: pd.Series) -> list[Any]:
    outside = counts["below"] + counts["above"]
    ends = [(found[end] - found["mean"]) / found["deviation"] for end in ("low", "high")]
    return [
        name, float(low), float(high), int(counts["below"]), int(counts["above"]), f"{outside / counts['count']:.2%}",
        int(counts["z"]), f"{counts['z'] / counts['count']:.2%}", *map(float, ends),
    ]  # fmt: skip


def isolated(frame: pd.DataFrame, seed: int) -> pd.Series:
    """Each row's score by its position in the table, highest first; empty for a single column or too few rows."""
    if frame.shape[1] < 2 or len(frame) < 20:
        return pd.Series(dtype=float)
    rows = frame.sample(min(FOREST_ROWS, len(frame)), random_state=seed)
    filled = rows.fillna(frame.median()).fillna(0.0).clip(-1e30, 1e30).astype(np.float32)
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(filled.to_numpy())
    return pd.Series(-forest.score_samples(filled.to_numpy()), rows.index).sort_values(ascending=False)


def forest_table(scores: pd.Series, frame: pd.DataFrame, table: CaseTable) -> Table:
    middle = frame.median()
    spread = (frame - middle).abs().median() * 1.4826
    spread = spread.where(spread > 0, frame.std()).replace(0, np.nan)
    rows = []
    for place, score in scores.head(SHOWN).items():
        away = ((frame.loc[place] - middle) / spread).dropna()
        most = away.abs().sort_values(ascending=False).index[:3]
        why = ", ".join(f"{name} {frame.loc[place, name]:,.4g} ({away[name]:+.0f})" for name in most)
        rows.append([int(place) + 1, float(score), why])
    note = "In brackets: robust standard deviations (from the median absolute deviation) from the median. "
    return Table(
        "Rows that an isolation forest sets apart first",
        ["row", "score", "furthest values"],
        rows,
        note + sampled_note(table, len(scores), "Scores are"),
    )


def told(counts: pd.DataFrame, found: pd.DataFrame, forest: pd.Series) -> list[str]:
    share = ((counts["below"] + counts["above"]) / counts["count"]).sort_values(ascending=False)
    said = [
        f"{(share > NORMAL_FENCES).sum()} of {len(share)} numbers have more values beyond Tukey's fences than a normal "
        f"distribution, {share.index[0]} the most ({share.iloc[0]:.1%})."
    ]
    if tails := [str(name) for name in share.index[share > MANY]]:
        said.append(f"So many values of {listed(tails)} are beyond the fences that they are a tail and no outliers.")
    furthest = ((found["high"] - found["mean"]) / found["deviation"]).sort_values(ascending=False)
    if furthest.iloc[0] > 10:
        name = furthest.index[0]
        said.append(
            f"The highest {name} ({found.loc[name, 'high']:,.6g}) lies {furthest.iloc[0]:.0f} standard deviations from "
            "the mean: an error of entry, another unit, or the one case that matters."
        )
    if len(forest) and forest.iloc[0] > 0.7:
        said.append(
            f"Row {int(forest.index[0]) + 1:,} is the oddest of all by an isolation forest ({forest.iloc[0]:.2f})."
        )
    return said


def charts(sample: pd.DataFrame, names: list[str], counts: pd.DataFrame) -> list[Chart]:
    """Boxes of the columns with most outliers, each in its own quartile distances from its median."""
    share = (counts["below"] + counts["above"]) / counts["count"]
    groups = {}
    for name in share.sort_values(ascending=False).index:
        values = numbers(sample[name])
        first, third = np.quantile(values, [0.25, 0.75])
        if third > first and share[name] > 0:
            groups[str(name)] = (values - np.median(values)) / (third - first)
        if len(groups) == DRAWN:
            break
    if not groups:
        return []
    kind = choose(Ask("comparison", labels=len(groups), y="values")).kind
    data = boxes(groups) | {"y_title": "quartile distances from the median"}
    return [
        Chart("comparison", kind, "Values beyond the fences", data, "Whiskers end at the last value within the fences.")
    ]
