"""Columns of time: their range and gaps, trend and seasons, and what else changed with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_chart_guide import Ask, choose
from case_study_section import Chart, Section
from case_study_table import CaseTable
from scipy import stats

PERIODS = (("day", "D"), ("week", "W"), ("month", "M"), ("quarter", "Q"), ("year", "Y"))
FINER = (("minute", "min"), ("hour", "h"))
FEWEST, MOST = 12, 130  # periods that a chart shows
COLUMNS = 3  # of time, with charts
LONG = 5  # periods without a record in the middle of the records, from which it is a gap
SEASON = 0.1  # Cramér's V against even shares, from which a season is told
ALPHA = 0.01
MOVED, MOST_MOVED = 0.1, 3  # distance of distributions that is told, of so many columns
FEWEST_SHOWN = 5  # records of a period
FEW = 30  # records, below which nothing changes
PARTS = {
    "hour": ([f"{each:02d}" for each in range(24)], lambda times: times.hour),
    "weekday": (["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], lambda times: times.dayofweek),
    "month": (
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        lambda times: times.month - 1,
    ),
}
CYCLES = {"hour": pd.Timedelta(days=3), "weekday": pd.Timedelta(weeks=3), "month": pd.Timedelta(days=2 * 366)}


class Course(NamedTuple):
    """Records by period, the periods without any among them."""

    unit: str
    periods: pd.PeriodIndex
    counts: np.ndarray


def times(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    names = [name for name in table.of_kind("time") if sample[name].nunique() > 1]
    if not names:
        return None
    rows, charts, findings, warnings = [], list[Chart](), list[str](), list[str]()
    for name in names:
        known, (low, high) = pd.DatetimeIndex(sample[name].dropna()), bounds(table, name)
        course = counted(known, low, high)
        unit, empty, gap, slope = (
            course.unit,
            int((course.counts == 0).sum()),
            longest_gap(course),
            trend(course.counts),
        )
        rows.append(
            (name, f"{low:%Y-%m-%d %H:%M}", f"{high:%Y-%m-%d %H:%M}", unit, len(course.counts), empty, gap[0], slope)
        )
        if gap[0] >= LONG:
            warnings.append(f"{name}: no records for {gap[0]} {unit}s from {gap[1]}: were they not kept?")
        if high > pd.Timestamp.now() + pd.Timedelta(days=1):
            warnings.append(f"{name} has times in the future, up to {high:%Y-%m-%d}.")
        if slope:
            course_ = "grows" if slope > 0 else "shrinks"
            findings.append(f"Records by {name}: their number {course_} by {abs(slope):.1%} of the mean each {unit}.")
        if len(rows) <= COLUMNS:
            for found, said in (seasons(name, known, high - low), changes(sample, table, name, course)):
                charts += found
                findings += said
            charts.insert(0, over_time(name, course, len(known) / table.rows))
    columns = ["column", "first", "last", "period", "periods", "without records", "longest gap", "trend a period"]
    note = (
        "Trend: Theil's and Sen's slope of the records in a period, as a share of their mean, where Mann's and "
        f"Kendall's test finds one (p below {ALPHA}). First and last are of all rows, the rest is of {len(sample):,}."
    )
    text = ["Times are UTC. The period is the finest of which a chart can show all."]
    return Section("times", "Times", text, [Table("Columns of time", columns, rows, note)], charts, findings, warnings)


def bounds(table: CaseTable, name: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Of all rows."""
    ends = [(part.min(), part.max()) for each in table.batches([name]) if len(part := each[name].dropna())]
    return min(low for low, _ in ends), max(high for _, high in ends)


def counted(known: pd.DatetimeIndex, low: pd.Timestamp, high: pd.Timestamp) -> Course:
    """By the finest period of which there are at most MOST."""
    choices = (*FINER, *PERIODS) if high - low < pd.Timedelta(days=FEWEST) else PERIODS
    lengths = [len(pd.period_range(low, high, freq=code)) for _, code in choices]
    unit, code = choices[next((place for place, each in enumerate(lengths) if each <= MOST), -1)]
    periods = pd.period_range(low, high, freq=code)
    at = periods.get_indexer(known.to_period(code))  # type: ignore[no-untyped-call]
    return Course(unit, periods, np.bincount(at[at >= 0], minlength=len(periods)))


def trend(counts: np.ndarray) -> float | None:
    """Slope a period as a share of the mean, None where no trend is shown; the first and the last period, which are
    seldom whole, don't count."""
    inner = counts[1:-1] if len(counts) > FEWEST else counts
    if len(inner) < 4 or not np.ptp(inner):
        return None
    at = np.arange(len(inner))
    if stats.kendalltau(at, inner).pvalue > ALPHA:
        return None
    return float(stats.theilslopes(inner, at)[0] / inner.mean())


def longest_gap(course: Course) -> tuple[int, str]:
    """Of periods without records, and the first of them."""
    best, start, run = 0, "", 0
    for place, count in enumerate(course.counts):
        run = 0 if count else run + 1
        if run > best:
            best, start = run, str(course.periods[place - run + 1])
    return best, start


def over_time(name: str, course: Course, share: float) -> Chart:
    choice = choose(Ask("change", points=len(course.counts), x="time"))
    at = [each.start_time.isoformat() for each in course.periods]
    title = f"Records a {course.unit} by {name}"
    if choice.kind == "bar":
        labels = list(map(str, course.periods))
        return Chart("change", "bar", title, {"labels": labels, "values": course.counts.tolist(), "y_title": "records"})
    caption = "" if share > 0.999 else f"Of a sample: {share:.1%} of the rows."
    data = {"x": at, "series": {"records": course.counts.tolist()}, "y_title": f"records a {course.unit}"}
    return Chart("change", choice.kind, title, data, caption)


def seasons(name: str, known: pd.DatetimeIndex, span: pd.Timedelta) -> tuple[list[Chart], list[str]]:
    """Shares of records by hour, weekday and month, for cycles that the range holds a few of."""
    charts, findings = [], []
    for part, (labels, of) in PARTS.items():
        at = np.asarray(of(known))
        if span < CYCLES[part] or not at.any():
            continue
        counts = np.bincount(at, minlength=len(labels))
        strength = float(np.sqrt(stats.chisquare(counts).statistic / counts.sum() / (len(labels) - 1)))
        if strength < SEASON:
            continue
        peak, low = labels[int(counts.argmax())], labels[int(counts.argmin())]
        findings.append(f"{name}: {part} {peak} has most records, {low} fewest (V against even shares {strength:.2f}).")
        data = {"labels": labels, "values": (counts / counts.sum()).tolist(), "y_title": "share of records"}
        kind = choose(Ask("comparison", labels=len(labels))).kind
        charts.append(Chart("comparison", kind, f"Records by {part} of {name}", data))
    return charts, findings


def changes(sample: pd.DataFrame, table: CaseTable, name: str, course: Course) -> tuple[list[Chart], list[str]]:
    """The numbers whose values differ most between the first and the last third of the time, and their course."""
    known = sample[sample[name].notna()].sort_values(name)
    third = len(known) // 3
    moved = []
    for column in table.of_kind("number"):
        before, after = known[column].iloc[:third].dropna(), known[column].iloc[-third:].dropna()
        if third >= FEW and min(len(before), len(after)) >= FEW:
            found = stats.ks_2samp(before, after)
            if found.pvalue < ALPHA and found.statistic > MOVED:
                moved.append((float(found.statistic), column))
    moved = sorted(moved, reverse=True)[:MOST_MOVED]
    charts = [course_of(known, name, column, course) for _, column in moved]
    findings = [
        f"{column} changed over {name}: the first and the last third lie {distance:.2f} apart (Kolmogorov and Smirnov)."
        for distance, column in moved
    ]
    return charts, findings


def course_of(known: pd.DataFrame, name: str, column: str, course: Course) -> Chart:
    grouped = known.groupby(known[name].dt.to_period(course.periods.freq))[column]
    quartiles = grouped.quantile([0.25, 0.5, 0.75]).unstack()[grouped.count() >= 5]
    at = [each.start_time.isoformat() for each in quartiles.index]
    low, middle, high = ([float(each) for each in quartiles[share]] for share in (0.25, 0.5, 0.75))
    data = {"x": at, "series": {"median": middle}, "bands": {"median": {"low": low, "high": high}}, "y_title": column}
    return Chart(
        "change", "line", f"{column} over {name}", data, f"Median a {course.unit}; the band holds the middle half."
    )
