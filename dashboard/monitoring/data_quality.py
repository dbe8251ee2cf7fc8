"""Data quality's part of a report: distributions side by side, then every feature in a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.monitoring import charts, distributions
from dashboard.monitoring.distributions import Feature
from dashboard.monitoring.reports import Report

DRAWN = 6  # features that are drawn without being asked for


def sentence(report: Report) -> str:
    subjects = report.subjects
    names = set(distributions.by_name(report.baseline.statistics)) | set(distributions.by_name(report.statistics))
    total = max(len(names), len(subjects))
    if not subjects:
        return f"The records look like the baseline: all {total} features are within their limits."
    return f"The records differ from the baseline in {len(subjects)} of {total} features."


def draw(report: Report, subjects: Sequence[str]) -> None:
    """`subjects`: the violated features, the gravest first."""
    before, now = report.baseline.statistics, report.statistics
    if not now or not before:
        return
    found = distributions.features(before, now)
    both = [each.name for each in found if each.expected and each.observed]
    nearest = sorted(found, key=lambda each: -(each.distance or 0.0) - (each.gap or 0.0) / 1000)
    first = [each for each in subjects if each in both] or [each.name for each in nearest if each.name in both][:2]
    st.subheader("Distributions")
    chosen = st.multiselect(
        "Features", both, default=first[:DRAWN], key=f"features-{report.job.get('ProcessingJobName')}"
    )
    facts = {each.name: each for each in found}
    for at in range(0, len(chosen), 2):
        for name, column in zip(chosen[at : at + 2], st.columns(2), strict=False):
            with column:
                _distribution(facts[name], report)
    st.subheader("Every feature")
    _table(found, set(subjects), report)


def _distribution(feature: Feature, report: Report) -> None:
    before = distributions.by_name(report.baseline.statistics)[feature.name]
    now = distributions.by_name(report.statistics)[feature.name]
    st.markdown(f":material/bar_chart: **{look.plain(feature.name)}**")
    one, other = distributions.points(before), distributions.points(now)
    alt = f"Distribution of {feature.name} in the baseline and in this run"
    if (one or other) and not distributions.few(one, other):
        chart = charts.histogram(distributions.histogram(one, other))
    else:
        sides = [
            distributions.as_counts(side) if side else distributions.counts(each)
            for side, each in ((one, before), (other, now))
        ]
        if not all(side.sum() for side in sides):
            st.caption("One of the two has no values to draw.")
            return
        chart = charts.categories(distributions.shares(*sides))
    st.altair_chart(chart, width="stretch", alt=alt)
    st.caption(_apart(feature))


def _apart(feature: Feature) -> str:
    if feature.gap is None:
        return "Not compared: the two are of different types."
    where = f" at {feature.where:.4g}" if feature.where is not None else " in one value's share"
    return f"{feature.gap:.1%} apart{where}; population stability index {feature.psi:.2g}"


def _table(found: Sequence[Feature], violated: set[str], report: Report) -> None:
    ordered = sorted(found, key=lambda each: (each.name not in violated, -(each.distance or 0.0), -(each.gap or 0.0)))
    before, now = (distributions.by_name(each) for each in (report.baseline.statistics, report.statistics))
    rows = [
        {
            "feature": each.name,
            "": "violated" if each.name in violated else "",
            "type": each.expected
            if each.expected == each.observed
            else f"{each.expected or '–'} → {each.observed or 'missing'}",
            "present in the baseline": each.expected_completeness,
            "present now": each.completeness,
            "gap": each.gap,
            "distance": each.distance,
            "PSI": each.psi,
            "mean in the baseline": _mean(before.get(each.name)),
            "mean now": _mean(now.get(each.name)),
        }
        for each in ordered
    ]
    share = st.column_config.NumberColumn(format="percent")
    number = st.column_config.NumberColumn(format="%.4g")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        placeholder="",
        column_config={
            **dict.fromkeys(("present in the baseline", "present now", "gap"), share),
            **dict.fromkeys(("distance", "PSI", "mean in the baseline", "mean now"), number),
        },
        alt="Type, completeness and distances of every feature",
    )
    st.caption(
        "Gap: the largest difference of the distribution functions, or of one value's share. Distance: what remains "
        "of it after the difference that two samples of these sizes may show by chance. PSI: population stability index"
    )


def _mean(feature: object) -> float | None:
    if not isinstance(feature, dict):
        return None
    found = feature.get("numerical_statistics", {}).get("mean")
    return float(found) if found is not None else None
