"""Which values are missing, together with which others, and why that may be.

Rubin's (1976) kinds: completely at random (MCAR: the gaps depend on nothing), at random (MAR: they depend on columns
that are there), not at random (MNAR: on the missing value itself). And a gap can be structural: there is nothing to
record, as the age of a garage that a house has not. Only MCAR can be tested; for the others there are signs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Badge, Table
from case_study_bins import codes, crossed
from case_study_chart_guide import MOST_CELLS, Ask, choose
from case_study_dependence import cramers_v, discoveries
from case_study_mcar import Mcar, little
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, p_text, rows_note, sampled_note, share_text
from scipy import stats

TESTED_ROWS = 10_000  # for Little's test, whose time grows with patterns and rows
TESTED_COLUMNS = 20
MOST_PATTERNS = 12  # that are listed
JUDGED = 40  # columns with gaps whose reasons are looked for
RULE = 0.98  # share of the gaps, and of what is not one, that a structural rule must explain
FEWEST = 10  # gaps and values, below which nothing is said about why
WEAK = 0.1  # Cramér's V or rank-biserial correlation, below which a dependence is of no use
EDGE = 0.05  # of the values lie exactly on their extreme: cut off there, or a limit of what was measured
LEVEL = 0.05
CODES = {0.0, -1.0, *(sign * float("9" * digits) for digits in range(1, 7) for sign in (1, -1))}  # for "not known"
APART = 0.03  # of the other values' range, by which a code lies beyond them
DIFFERENT = 20  # other values: fewer are levels, and an end of them is a level, too


@dataclass(frozen=True)
class Reason:
    """What speaks for a kind of gap: `strength` is the size of the dependence on `column`, 0 to 1."""

    kind: str
    sign: str
    column: str = ""
    strength: float = float("nan")
    p_value: float = float("nan")


def missing_values(table: CaseTable, facts: dict[str, Any]) -> Section:
    sample = table.sample()
    gaps = sample.isna()
    shares = shares_missing(table, facts, gaps)
    gone = [name for name, share in shares.items() if share > 0]
    stands = stand_ins(sample, table)
    hidden = [stand_ins_table(stands)] if stands else []
    odd = [stand_ins_words(stands)] if stands else []
    if not gone:
        return Section("missing-values", "Missing values", ["No value is missing."], hidden, findings=odd)
    partly = [name for name in gone if 0 < gaps[name].sum() < len(sample)]
    test = little_test(sample, table, partly)
    reasons = {name: reason(name, sample, table) for name in partly[:JUDGED]}
    note = sampled_note(table, len(sample), "Reasons and patterns are")
    tables = [shares_table(shares, gone, reasons, table.rows, note)]
    tables += [patterns_table(gaps, gone, note)] if len(gone) > 1 else []
    tables += [*([mcar_table(test)] if test else []), *hidden]
    return Section(
        "missing-values", "Missing values", words(test), tables, charts(shares, gone, gaps, partly),
        [*findings(shares, reasons, test, gaps, partly), *odd], warnings(shares, reasons, table.target),
    )  # fmt: skip


def shares_missing(table: CaseTable, facts: dict[str, Any], gaps: pd.DataFrame) -> dict[str, float]:
    """Of all rows where the processing job counted them, else of the sample."""
    counted = facts.get("columns", {})
    return {name: counted.get(name, {}).get("missing_share", float(gaps[name].mean())) for name in table.columns}


def little_test(sample: pd.DataFrame, table: CaseTable, partly: list[str]) -> Mcar | None:
    """Over numbers and truths; those with gaps first, as complete ones say less."""
    plain = table.of_kind("number", "boolean")
    chosen = [name for name in partly if name in plain] + [name for name in plain if name not in partly]
    if not any(name in partly for name in chosen[:TESTED_COLUMNS]):
        return None
    frame = sample[chosen[:TESTED_COLUMNS]]
    rows = frame.sample(min(TESTED_ROWS, len(frame)), random_state=table.seed)
    return little(rows.astype(float).to_numpy(float, na_value=np.nan))


def reason(name: str, sample: pd.DataFrame, table: CaseTable) -> Reason:
    """The best guess at why values of a column are missing."""
    gone = sample[name].isna().to_numpy()
    if min(gone.sum(), (~gone).sum()) < FEWEST:
        return Reason("too few to tell", f"{gone.sum():,} gaps, {(~gone).sum():,} values")
    others = [other for other in table.columns if other != name and table.columns[other] not in ("text", "identifier")]
    twins = [other for other in others if same(gone, sample[other].isna().to_numpy())]
    others = [other for other in others if other not in twins]
    together = f"; always together with {listed(twins, 3)}" if twins else ""
    found = why(name, gone, sample, others, table)
    return replace(found, sign=found.sign + together)


def why(name: str, gone: np.ndarray, sample: pd.DataFrame, others: list[str], table: CaseTable) -> Reason:
    if rule := structural(gone, sample, others, table):
        return rule
    found = [dependence(gone, sample[other], table.columns[other]) for other in others]
    if found:
        adjusted = discoveries(np.array([p for _, p in found]))
        strengths = np.array([size if p < LEVEL else 0.0 for (size, _), p in zip(found, adjusted, strict=True)])
        best = int(np.argmax(strengths))
        if strengths[best] >= WEAK:
            sign = f"goes with {others[best]} ({strengths[best]:.2f})"
            return Reason("MAR", sign, others[best], float(strengths[best]), float(adjusted[best]))
    return edge(sample[name], table.columns[name]) or Reason("as if MCAR", "no other column tells which are missing")


def structural(gone: np.ndarray, sample: pd.DataFrame, others: list[str], table: CaseTable) -> Reason | None:
    """A value of another column that says exactly where the gaps are."""
    for other in others:
        column = sample[other]
        if table.columns[other] == "time" or (column.nunique() > 50 and table.columns[other] != "number"):
            continue
        likely = column[gone].mode(dropna=True)
        if len(likely) and same(gone, (column == likely.iloc[0]).fillna(False).to_numpy(bool)):
            value = f"{likely.iloc[0]:g}" if table.columns[other] == "number" else str(likely.iloc[0])
            return Reason("structural", f"missing where {other} is {value}", other, 1.0)
    return None


def same(gone: np.ndarray, held: np.ndarray) -> bool:
    """Whether a rule explains nearly all gaps and says hardly ever that there is one where there is none."""
    both = (gone & held).sum()
    return bool(held.any() and both >= RULE * gone.sum() and both >= RULE * held.sum())


def dependence(gone: np.ndarray, other: pd.Series, kind: str) -> tuple[float, float]:
    """How strongly gaps go with another column, 0 to 1, and the p-value: rank-biserial correlation and Mann–Whitney's
    test for numbers and times, Cramér's V and chi-squared for categories."""
    known = other.notna().to_numpy()
    if kind in ("number", "time"):
        first, second = (other[known & each].to_numpy() for each in (gone, ~gone))
        if min(len(first), len(second)) < FEWEST:
            return 0.0, 1.0
        found = stats.mannwhitneyu(first.astype(float), second.astype(float), method="asymptotic")
        return abs(2 * float(found.statistic) / (len(first) * len(second)) - 1), float(found.pvalue)
    counts = crossed(gone[known].astype(int), codes(other[known], kind)[0])
    if min(counts.shape, default=0) < 2:
        return 0.0, 1.0
    counts = counts[:, counts.sum(0) > 0]
    if min(counts.shape) < 2 or not counts.sum(1).all():
        return 0.0, 1.0
    size = cramers_v(counts)
    return (0.0 if np.isnan(size) else size), float(stats.chi2_contingency(counts, correction=False).pvalue)


def edge(values: pd.Series, kind: str) -> Reason | None:
    """Values that pile up at an end: what lies beyond may be what is missing."""
    known = values.dropna()
    if kind != "number" or known.nunique() < 20:
        return None
    for end, value in (("lowest", known.min()), ("highest", known.max())):
        share = float((known == value).mean())
        if share >= EDGE and value != 0:
            return Reason("MNAR?", f"{share:.0%} of the values are the {end}, {value:.4g}: cut off there?")
    return None


def stand_ins(sample: pd.DataFrame, table: CaseTable) -> list[tuple[str, float, float, float]]:
    """Column, value, its share and the next value: of numbers such as 0, −1 or 999 that lie apart at an end. Not of
    what most values are: where most are 0, 0 is 0."""
    found = []
    for name in table.of_kind("number"):
        known = sample[name].dropna().to_numpy(float)
        for value in (known.min(), known.max()) if len(known) else ():
            others = known[known != value]
            times = len(known) - len(others)
            common = FEWEST <= times <= len(others)
            if value not in CODES or not common or len(np.unique(others)) < DIFFERENT:
                continue
            gap = np.abs(others - value).min()
            if gap >= APART * (others.max() - others.min()):
                nearest = float(others[np.abs(others - value).argmin()])
                found.append((name, float(value), 1 - len(others) / len(known), nearest))
    return found


def stand_ins_table(stands: list[tuple[str, float, float, float]]) -> Table:
    rows = [[name, value, share_text(share), nearest] for name, value, share, nearest in stands[:MOST_ROWS]]
    return Table("Numbers that may stand for missing", ["column", "number", "share of values", "next value"], rows)


def stand_ins_words(stands: list[tuple[str, float, float, float]]) -> str:
    names = listed([f"{value:g} in {name}" for name, value, _, _ in stands], 4)
    return f"Apart from all other values, so that it may stand for none or for unknown: {names}."


def shares_table(shares: dict[str, float], gone: list[str], reasons: dict[str, Reason], rows: int, note: str) -> Table:
    ranked = sorted(gone, key=lambda name: -shares[name])
    body = [
        [name, round(shares[name] * rows), share_text(shares[name]), *reason_cells(shares[name], reasons.get(name))]
        for name in ranked[:MOST_ROWS]
    ]
    columns = ["column", "missing", "share", "points to", "sign", "adjusted p"]
    return Table("What is missing, and what that points to", columns, body, rows_note(len(body), len(ranked)) + note)


def reason_cells(share: float, found: Reason | None) -> list[Any]:
    if found is None:
        return [Badge("all missing", False) if share >= 1 else None, None, None]
    good = {"as if MCAR": True, "MAR": None, "structural": None, "MNAR?": False}.get(found.kind)
    return [Badge(found.kind, good), found.sign, p_text(found.p_value)]


def patterns_table(gaps: pd.DataFrame, gone: list[str], note: str) -> Table:
    counts = gaps[gone].value_counts()
    rows = [
        [listed([name for name, held in zip(gone, key, strict=True) if held], 8) or "nothing", sum(key), int(count),
         share_text(count / len(gaps))]
        for key, count in counts.head(MOST_PATTERNS).items()
    ]  # fmt: skip
    more = rows_note(len(rows), len(counts)).replace(". ", " patterns. ")
    return Table("Missing together", ["missing columns", "how many", "rows", "share"], rows, more + note)


def mcar_table(test: Mcar) -> Table:
    row = [test.statistic, test.freedom, p_text(test.p_value), test.patterns, test.rows]
    note = "Over numbers and truths. Chi-squared in large samples if gaps depend on nothing."
    return Table("Little's test of MCAR", ["statistic", "degrees of freedom", "p", "patterns", "rows"], [row], note)


def words(test: Mcar | None) -> list[str]:
    said = [
        "Why a value is missing decides what may be done. Completely at random (MCAR): rows with gaps can be left out, "
        "at the price of fewer rows. At random (MAR), depending on other columns: fill in from those. Not at random "
        "(MNAR), depending on the value itself: nothing in the table can repair that. Structural: there is nothing to "
        "fill in, the gap is a value of its own."
    ]
    if test and test.p_value < LEVEL:
        said.append(
            f"Little's test speaks against MCAR (p {p_text(test.p_value)}): the means of rows with different gaps "
            "differ more than chance would have it. It cannot tell MAR from MNAR: both are possible."
        )
    elif test:
        said.append(
            f"Little's test does not speak against MCAR (p {p_text(test.p_value)}). That is no proof: with few gaps, "
            "or gaps that depend on a spread rather than a mean, it sees nothing."
        )
    return said


def findings(
    shares: dict[str, float], reasons: dict[str, Reason], test: Mcar | None, gaps: pd.DataFrame, partly: list[str]
) -> list[str]:
    most = max(shares, key=shares.__getitem__)
    said = [
        f"{sum(share > 0 for share in shares.values())} of {len(shares)} columns have gaps, {most} the most "
        f"({share_text(shares[most])})."
    ]
    for kind, meaning in (
        ("structural", "Gaps say that there is nothing to record"),
        ("MAR", "Gaps depend on other columns"),
        ("MNAR?", "Gaps may depend on the missing value itself"),
    ):
        names = [f"{name} ({found.sign})" for name, found in reasons.items() if found.kind == kind]
        said += [f"{meaning}: {listed(names, 3)}."] if names else []
    if test:
        verdict = "speaks against" if test.p_value < LEVEL else "does not speak against"
        said.append(f"Little's test {verdict} values missing completely at random (p {p_text(test.p_value)}).")
    complete = 1 - float(gaps[partly].any(axis=1).mean()) if partly else 1.0
    return [*said, f"{share_text(complete)} of the rows are complete but for columns without any value."]


def warnings(shares: dict[str, float], reasons: dict[str, Reason], target: str) -> list[str]:
    said = []
    if empty := [name for name, share in shares.items() if share >= 1]:
        said.append(f"{listed(empty)} {'has' if len(empty) == 1 else 'have'} no value at all.")
    if target and shares.get(target):
        said.append(f"{share_text(shares[target])} of the rows lack the target {target}: they teach and test nothing.")
    if telling := [name for name, found in reasons.items() if target and found.column == target]:
        said.append(
            f"Whether {listed(telling)} is missing goes with the target {target}: a gap filled in carelessly tells the "
            "answer, or hides what it told."
        )
    return said


def charts(shares: dict[str, float], gone: list[str], gaps: pd.DataFrame, partly: list[str]) -> list[Chart]:
    ranked = sorted(gone, key=lambda name: -shares[name])
    choice = choose(Ask("ranking", labels=len(ranked)))
    top = ranked[: choice.most]
    bars = {"labels": top, "values": [round(shares[name], 4) for name in top], "y_title": "share of rows missing"}
    drawn = [Chart("ranking", choice.kind, "Missing values by column", bars)]
    if len(partly) < 2:
        return drawn
    names = sorted(partly, key=lambda name: -shares[name])[:MOST_CELLS]
    together = gaps[names].astype(float).corr()
    z = [[round(float(each), 2) for each in row] for row in together.to_numpy()]
    data = {
        "x": names,
        "y": names,
        "z": z,
        "low": -1,
        "high": 1,
        "text": [[f"{each:.2f}" for each in row] for row in z],
    }
    caption = "Correlation of gaps: 1 where two columns are always missing together, −1 where one or the other is."
    return [*drawn, Chart("correlation", choose(Ask("correlation", labels=3)).kind, "Missing together", data, caption)]
