"""A data quality check for people: verdict, what moved side by side with the baseline, every feature's distances."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import drift_taxonomy
import numpy as np
import pandas as pd
import report_pictures
from analysis_report import Badge, Gauge, Picture, Report, Section, Table
from data_constraints import Comparison
from data_drift import (
    Measures,
    Points,
    baseline_categories,
    baseline_points,
    categorical_measures,
    distribution_function,
    largest_gap,
    numeric_measures,
)
from data_statistics import Profile, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 24
SHOWN_CATEGORIES = 10
SHOWN_WITHOUT_VIOLATION = 3  # features nearest to their threshold, so that a clean report shows what it looked at
NOTE = (
    "Gap: the largest difference of the two distribution functions, or of one category's share. Distance: what the "
    "method makes of it; a Robust one is what remains after the difference that two samples of these sizes may show by "
    "chance, and of ChiSquared it is the p-value, which must not fall below its threshold. PSI: population stability "
    "index, over the baseline's tenths. JS: Jensen-Shannon distance. Wasserstein: in standard deviations of the "
    "baseline. The last three are for comparison with other tools: no check uses them."
)


def compared(
    title: str,
    subtitle: str,
    baseline: dict[str, Any],
    current: Profile,
    comparisons: Sequence[Comparison],
    violations: Sequence[Mapping[str, str]],
) -> Report:
    """Of a table and its baseline's statistics."""
    named = list(dict.fromkeys(violation["feature_name"] for violation in violations))
    ordered = sorted(comparisons, key=lambda each: (each.name not in named, -_nearness(each), -(each.gap or 0)))
    shown = [each for each in ordered if each.name in named] or ordered[:SHOWN_WITHOUT_VIOLATION]
    described = {feature["name"]: feature for feature in baseline["features"]}
    failed: dict[str, list[str]] = {name: [] for name in named}
    for each in violations:
        failed[each["feature_name"]].append(each["constraint_check_type"])
    sections: list[Section] = [_violations(violations)] if violations else []
    sections += [picture for each in shown if (picture := _picture(each, described[each.name], current))]
    sections.append(_features(ordered, described, current, set(named)))
    sections.append(drift_taxonomy.section(drift_taxonomy.classify(drift_taxonomy.Evidence(_drifted(failed)))))
    return Report(title, _verdict(named, len(comparisons)), not violations, subtitle, named, sections)


def described(title: str, subtitle: str, statistics: Mapping[str, Any]) -> Report:
    """Of a baseline: there is nothing to judge yet."""
    rows = []
    for feature in statistics["features"]:
        body = feature.get("numerical_statistics") or feature["string_statistics"]
        common = body["common"]
        share = common["num_present"] / max(1, common["num_present"] + common["num_missing"])
        numbers = [body.get(name) for name in ("mean", "std_dev", "min", "max", "distinct_count")]
        rows.append((feature["name"], feature["inferred_type"], f"{share:.1%}", *numbers))
    columns = ("Feature", "Type", "Present", "Mean", "Std. dev.", "Min", "Max", "Different texts")
    records, features = statistics["dataset"]["item_count"], len(rows)
    verdict = f"A baseline of {records:,} records with {features} features: nothing was compared."
    return Report(title, verdict, None, subtitle, (), [Table("Every feature", columns, rows)])


def _verdict(named: Sequence[str], compared: int) -> str:
    if not named:
        return f"The records look like the baseline: all {compared} features are within every threshold."
    return f"The records differ from the baseline in {len(named)} of {max(compared, len(named))} features."


def _drifted(failed: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Features whose values are distributed otherwise: a missing column or a wrong type is a fault of the data."""
    kinds = {"baseline_drift_check", "categorical_values_check"}
    return {name: checks for name, checks in failed.items() if kinds & set(checks)}


def _violations(violations: Sequence[Mapping[str, str]]) -> Table:
    rows = [tuple(each[key] for key in ("feature_name", "constraint_check_type", "description")) for each in violations]
    return Table("Violations", ("Feature", "Check", "Finding"), rows)


def _features(ordered: Sequence[Comparison], described: Mapping[str, Any], current: Profile, named: set[str]) -> Table:
    rows = [_row(each, _measures(described[each.name], current), each.name in named) for each in ordered]
    columns = (
        "Feature",
        "Type",
        "Present",
        "Method",
        "Gap",
        "Distance",
        "Threshold",
        "",
        "PSI",
        "JS",
        "Wasserstein",
        "",
    )
    marks = frozenset(place for place, each in enumerate(ordered) if each.name in named)
    return Table("Every feature", columns, rows, NOTE, marks)


def _row(each: Comparison, measures: Measures | None, violated: bool) -> tuple[Any, ...]:
    changed = each.observed_type != each.expected_type
    kind = f"{each.expected_type} → {each.observed_type}" if changed else each.expected_type
    verdict = Badge("violated", False) if violated else Badge("as the baseline", True)
    if each.distance is None and not violated:
        verdict = Badge("no drift check")
    return (
        each.name,
        kind,
        f"{each.completeness:.1%}",
        each.method or "not compared",
        f"{each.gap:.1%}" if each.gap is not None else None,
        each.distance,
        each.threshold,
        Gauge(_nearness(each)) if each.distance is not None else None,
        *((measures.psi, measures.jensen_shannon, measures.wasserstein) if measures else (None, None, None)),
        verdict,
    )


def _nearness(comparison: Comparison) -> float:
    """Distance as a multiple of its threshold; over 1 is drift."""
    if comparison.distance is None or comparison.threshold is None:
        return 0.0
    if comparison.method == "ChiSquared":  # a small p-value is the far one
        return min(comparison.threshold / max(comparison.distance, 1e-12), 10.0)
    return comparison.distance / max(comparison.threshold, 1e-12)


def _samples(described: dict[str, Any], current: Profile) -> tuple[Points, Points] | tuple[pd.Series, pd.Series] | None:
    """Baseline and current, either as numbers or as counts; None where there is nothing to lay side by side."""
    column = current.columns[described["name"]]
    if numeric := baseline_points(described):
        return (numeric, points(column)) if column.numbers else None
    counts = baseline_categories(described)
    if counts is None or column.categories is None or not column.categories.sum():
        return None
    return counts, column.categories.astype(float)


def _measures(described: dict[str, Any], current: Profile) -> Measures | None:
    match _samples(described, current):
        case (pd.Series() as baseline, pd.Series() as now):
            return categorical_measures(baseline, now)
        case (tuple() as baseline, tuple() as now):
            return numeric_measures(baseline, now)
    return None


def _picture(each: Comparison, described: dict[str, Any], current: Profile) -> Picture | None:
    samples = _samples(described, current)
    if samples is None:
        return None
    if isinstance(samples[0], tuple) and len(np.union1d(samples[0][0], samples[1][0])) <= SHOWN_CATEGORIES:
        samples = _counts(samples[0]), _counts(samples[1])  # 0 and 1 are better seen as categories
    draw = _categories if isinstance(samples[0], pd.Series) else _numbers
    alt = f"Distribution of {each.name}, baseline and current"
    return Picture(each.name, functools.partial(draw, each.name, *samples), alt)


def _counts(sample: Points) -> pd.Series:
    counts = pd.Series(sample[1]).groupby(sample[0]).sum()
    return counts.set_axis([f"{value:g}" for value in counts.index])


def _numbers(name: str, baseline: Points, current: Points) -> list[Figure]:
    values = np.concatenate([baseline[0], current[0]])
    edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-9), BINS + 1)
    samples = {"baseline": baseline, "current": current}
    at = np.linspace(edges[0], edges[-1], 400)
    shares = {
        label: np.histogram(sample[0], edges, weights=sample[1])[0] / sample[1].sum()
        for label, sample in samples.items()
    }
    functions = {label: distribution_function(at, sample) for label, sample in samples.items()}
    where, gap = largest_gap(baseline, current)
    return [
        report_pictures.histogram(name, edges, shares),  # type: ignore[arg-type]
        report_pictures.curves(name, at, functions, "share at or below", f"{gap:.1%} apart at {where:g}"),  # type: ignore[arg-type]
    ]


def _categories(_: str, baseline: pd.Series, current: pd.Series) -> Figure:
    shares = pd.concat(
        [baseline / baseline.sum(), current / current.sum()], axis=1, keys=["baseline", "current"]
    ).fillna(0)
    shares = shares.loc[shares.max(axis=1).nlargest(SHOWN_CATEGORIES).index]
    return report_pictures.bars(list(shares.index), {name: shares[name].tolist() for name in shares})
