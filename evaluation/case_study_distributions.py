"""How each column's values are spread: one small chart a column, and what stands out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from case_study_bins import decades, edges, numbers
from case_study_chart_guide import Ask, choose, most_frequent
from case_study_section import Chart, Section
from case_study_table import CaseTable

SHOWN = 24  # columns; the target's first
SPIKE = 0.5  # share of one value among many others
SKEWED = 2.0
MOST_SAID = 6  # columns
FEW = 20  # values that are not yet called spread


def overview(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    names = [name for name in table.of_kind("number", "category", "boolean") if sample[name].nunique() > 1]
    names.sort(key=lambda name: (name != table.target, list(table.columns).index(name)))
    if not names:
        return None
    charts = [chart(name, sample[name], table.columns[name]) for name in names[:SHOWN]]
    seen = f" Drawn from {len(sample):,} rows." if len(sample) < table.rows else ""
    left = f" {len(names) - SHOWN} further columns are in the tables only." if len(names) > SHOWN else ""
    words = f"Bars are counts of records.{seen}{left}"
    findings = [said for name in table.of_kind("number") if (said := remark(name, numbers(sample[name])))][:MOST_SAID]
    return Section("distributions", "Distributions", [words], [], charts, findings)


def chart(name: str, values: pd.Series, kind: str) -> Chart:
    known = values.dropna()
    missing = f"{values.isna().mean():.1%} missing." if values.isna().any() else ""
    if kind != "number":
        choice = choose(Ask("distribution", labels=known.nunique()))
        counts = known.astype(str).value_counts()
        labels, shown = most_frequent(list(counts.index), counts.astype(float).tolist(), choice.most)
        return Chart(
            "distribution", choice.kind, name, {"labels": labels, "values": shown, "y_title": "records"}, missing
        )
    plain = numbers(values)
    distinct, counts_ = np.unique(plain, return_counts=True)
    choice = choose(Ask("distribution", labels=len(distinct), x="number", decades=decades(plain)))
    if choice.kind == "bar":
        data = {"labels": [f"{each:g}" for each in distinct], "values": counts_.tolist()}
        return Chart("distribution", "bar", name, data | {"y_title": "records"}, missing)
    bounds = edges(plain, log=choice.log)
    counted, _ = np.histogram(plain, bounds)
    data = {"edges": bounds.tolist(), "counts": counted.tolist(), "y_title": "records", "x_title": name}
    if choice.log:
        return Chart("distribution", "histogram", name, data | {"log": ["x"]}, f"Logarithmic axis. {missing}".strip())
    return Chart("distribution", "histogram", name, data, missing)


def remark(name: str, values: np.ndarray) -> str:
    """What stands out in one column of numbers; empty if nothing does."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= FEW or not values.std():
        return ""
    share = counts.max() / len(values)
    if share > SPIKE:
        return f"{name} is {distinct[counts.argmax()]:g} in {share:.0%} of the records; the rest is spread widely."
    skew = float(np.mean(((values - values.mean()) / values.std()) ** 3))
    if abs(skew) > SKEWED:
        tail, middle = ("right", "above") if skew > 0 else ("left", "below")
        return f"{name} has a long tail to the {tail} (skewness {skew:.1f}): its mean lies {middle} its median."
    return ""
