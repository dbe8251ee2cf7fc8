"""Where rows are lost on the way from the files to what a model could be made of."""

from __future__ import annotations

from typing import Any

from case_study_chart_guide import Ask, choose
from case_study_section import Chart, Section
from case_study_table import CaseTable

MOSTLY_MISSING = 0.5  # share of gaps, from which a column would be left out rather than its rows

Step = tuple[str, float, str]  # label, value, measure


def losses(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    if "columns" not in facts:
        return None
    rows = of_rows(table, facts)
    charts = [waterfall("Rows, from the files to complete ones", rows)]
    kept = rows[-1][1] / max(rows[0][1], 1)
    text = [
        "Nothing but unreadable rows is dropped before this report. The other steps say what would be left if a model "
        f"could only take complete rows. Columns with gaps in more than {MOSTLY_MISSING:.0%} of the rows don't count "
        "there: one would rather leave out the column."
    ]
    findings = [f"{kept:.0%} of the rows could be learned from as they are, without gaps, repeats or a missing target."]
    warnings = []
    if skipped := facts.get("skipped_rows"):
        warnings.append(f"{skipped:,} rows have too many or too few fields and are not in this report at all.")
    return Section("flow", "From raw to usable", text, [], charts, findings, warnings)


def of_rows(table: CaseTable, facts: dict[str, Any]) -> list[Step]:
    skipped, columns = facts.get("skipped_rows", 0), facts["columns"]
    steps: list[Step] = [("rows in the files", table.rows + skipped, "absolute")]
    if skipped:
        steps += [("unreadable", -skipped, "relative"), ("rows of the table", table.rows, "total")]
    left = table.rows
    if table.target:
        without = min(left, columns.get(table.target, {}).get("missing", 0))
        left -= without
        steps.append((f"without {table.target}", -without, "relative"))
    repeated = min(left, facts.get("duplicates", {}).get("rows", {}).get("repeated", 0))
    left -= repeated
    steps.append(("repeat another", -repeated, "relative"))
    gaps = round(left * share_with_gaps(table))
    return [*steps, ("with a gap", -gaps, "relative"), ("complete", left - gaps, "total")]


def share_with_gaps(table: CaseTable) -> float:
    """Of the rows that have a target, in columns that are there mostly; of a sample where there are many rows."""
    sample = table.sample()
    if table.target:
        sample = sample[sample[table.target].notna()]
    if not len(sample):
        return 0.0
    missing = sample.isna()
    return float(missing.loc[:, missing.mean() <= MOSTLY_MISSING].any(axis=1).mean())


def waterfall(title: str, steps: list[Step]) -> Chart:
    data = {
        "labels": [label for label, _, _ in steps],
        "values": [value for _, value, _ in steps],
        "measure": [measure for _, _, measure in steps],
    }
    return Chart("flow", choose(Ask("flow", labels=len(steps))).kind, title, data)
