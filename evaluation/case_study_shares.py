"""What wholes are made of: each category's parts, of all records and of those with each kind of target."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import codes
from case_study_chart_guide import Ask, choose, most_frequent
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_target import is_classes, unusable

SHOWN = 6  # columns with a picture
CONSTANT = 0.98  # share of one category that leaves nothing to learn from
RARE = 0.01
MOST_PARTS_OF_TARGET = 4  # rows of a stack below the one of all records


class Parts(NamedTuple):
    """How a column's records divide; `effective` is how many categories of equal size would be as uneven."""

    column: str
    categories: int
    largest: str
    share: float
    effective: float
    rare: int  # categories below RARE
    rare_share: float  # that they have together


def parts_of_wholes(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    names = [name for name in table.of_kind("category", "boolean") if sample[name].notna().any()]
    if not names:
        return None
    found = [divided(name, sample[name].dropna().astype(str)) for name in names]
    groups = of_target(sample, table)
    varied = sorted((each for each in found if each.categories > 1), key=lambda each: -min(each.effective, 8))
    charts = [chart(each.column, sample[each.column], groups) for each in varied if each.column != table.target][:SHOWN]
    rows = [
        (*each[:3], f"{each.share:.1%}", round(each.effective, 2), each.rare, f"{each.rare_share:.1%}")
        for each in found
    ]
    columns = ["column", "categories", "largest", "its share", "effective number", "rare ones", "their share"]
    note = (
        "Effective number: the exponential of the entropy (Hill 1973), which is the number of categories where all are "
        f"equally frequent. Rare: below {RARE:.0%}. Of {len(sample):,} rows."
    )
    findings, warnings = said(found)
    tables = [Table("Categories", columns, rows, note)]
    return Section("shares", "Parts of the whole", [], tables, charts, findings, warnings)


def divided(name: str, values: pd.Series) -> Parts:
    shares = values.value_counts(normalize=True)
    plain = shares.to_numpy()
    rare = plain[plain < RARE]
    effective = float(np.exp(-(plain * np.log(plain)).sum()))
    return Parts(name, len(shares), str(shares.index[0]), float(plain[0]), effective, len(rare), float(rare.sum()))


def of_target(sample: pd.DataFrame, table: CaseTable) -> dict[str, np.ndarray]:
    """Rows by class of the target, or by thirds of a number; none without a target."""
    if not table.target or unusable(table.target, table.columns[table.target], sample[table.target]):
        return {}
    classes = is_classes(sample[table.target], table.columns[table.target])
    kind, bins = ("category", MOST_PARTS_OF_TARGET) if classes else ("number", 3)
    coded, names = codes(sample[table.target], kind, bins)
    return {f"{table.target} {name}": coded == place for place, name in enumerate(names[:MOST_PARTS_OF_TARGET])}


def chart(name: str, values: pd.Series, groups: dict[str, np.ndarray]) -> Chart:
    known = values.astype(object).where(values.notna(), None).astype("string")
    shares = known.value_counts(normalize=True)
    choice = choose(Ask("part_to_whole", labels=len(shares)))
    names, sizes = most_frequent(list(map(str, shares.index)), shares.astype(float).tolist(), choice.most)
    title = f"Parts of {name}"
    if choice.kind != "stacked":
        return Chart("part_to_whole", choice.kind, title, {"labels": names, "values": sizes, "y_title": "share"})
    rows = {"all": shares}
    for label, mine in groups.items():
        rows[label] = known[mine].value_counts(normalize=True)
    series = {each: [float(row.get(each, 0.0)) for row in rows.values()] for each in names}
    return Chart("part_to_whole", "stacked", title, {"labels": list(rows), "series": series})


def said(found: list[Parts]) -> tuple[list[str], list[str]]:
    findings, warnings = [], []
    if constant := [each for each in found if each.share >= CONSTANT]:
        named = ", ".join(f"{each.column} ({each.share:.1%} {each.largest})" for each in constant[:5])
        warnings.append(
            f"Nearly constant, so there is little to learn from: {named}{' …' if len(constant) > 5 else ''}."
        )
    for each in sorted(found, key=lambda each: -each.rare)[:2]:
        if each.rare >= 3:
            findings.append(
                f"{each.column} has {each.rare} rare categories with {each.rare_share:.1%} of the records together: "
                "gather them, or a model learns them by heart."
            )
    return findings, warnings
