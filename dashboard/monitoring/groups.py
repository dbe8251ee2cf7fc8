"""Bias's part of a report: each group's metrics beside the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import bias, look
from dashboard.monitoring import charts
from dashboard.monitoring.distributions import BASELINE, NOW
from dashboard.monitoring.reports import Report


@dataclass(frozen=True)
class Measure:
    facet: str
    value: str  # or threshold
    metric: str
    meaning: str
    now: float | None
    deviation: float | None
    before: float | None
    error: str = ""
    violated: bool = False

    @property
    def group(self) -> str:
        return f"{self.facet} = {self.value}"


def sentence(report: Report) -> str:
    if not report.violations:
        return "No group is worse off than in the baseline."
    groups = list(dict.fromkeys(f"{each.get('facet')} = {each.get('facet_value')}" for each in report.violations))
    more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
    return f"Farther from fair than in the baseline: {', '.join(groups[:3])}{more}."


def measures(
    now: Mapping[str, Any], before: Mapping[str, Any], violations: Sequence[Mapping[str, Any]]
) -> list[Measure]:
    """Of two analysis.json, those that are violated first."""
    broken = {tuple(str(each.get(key)) for key in ("facet", "facet_value", "metric_name")) for each in violations}
    old = {(facet, value, each["name"]): each for _, facet, value, each in bias.metrics(before)}
    found = [
        Measure(
            facet,
            value,
            each["name"],
            each.get("description", ""),
            _number(each.get("value")),
            _number(each.get("standard_deviation")),
            _number(old.get((facet, value, each["name"]), {}).get("value")),
            each.get("error", ""),
            (facet, value, each["name"]) in broken,
        )
        for _, facet, value, each in bias.metrics(now)
    ]
    return sorted(found, key=lambda each: not each.violated)


def _number(value: Any) -> float | None:
    """Clarify writes infinities as text."""
    return float(value) if isinstance(value, int | float) else None


def draw(report: Report) -> None:
    found = measures(report.analysis, report.baseline.constraints, report.violations)
    groups = list(dict.fromkeys(each.group for each in found))
    if not groups:
        return
    st.subheader("Groups")
    st.caption("0 is equal treatment; above it a group is at a disadvantage, if the positive outcome is a good one.")
    for at in range(0, len(groups), 2):
        for group, column in zip(groups[at : at + 2], st.columns(2), strict=False):
            with column:
                _group(group, [each for each in found if each.group == group])
    rows = [
        {
            "group": each.group,
            "metric": each.metric,
            "": "violated" if each.violated else "",
            "now": each.now,
            "± deviation": each.deviation,
            "baseline": each.before,
            "meaning": each.error or each.meaning,
        }
        for each in found
    ]
    config = dict.fromkeys(("now", "± deviation", "baseline"), st.column_config.NumberColumn(format="%.4f"))
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, placeholder="", column_config=config, alt="Every metric of every group"
    )


def _group(group: str, found: Sequence[Measure]) -> None:
    st.markdown(f":material/groups: **{look.plain(group)}**")
    rows = []
    for each in found:
        if each.metric in bias.NO_AXIS:
            continue
        if each.before is not None:
            rows.append({"name": each.metric, "value": each.before, "side": BASELINE, "low": None, "high": None})
        if each.now is not None:
            low, high = bias.interval(each.now, each.deviation)
            rows.append({"name": each.metric, "value": each.now, "side": NOW, "low": low, "high": high})
    if rows:
        chart = charts.values(pd.DataFrame(rows), "0 is equal treatment")
        st.altair_chart(chart, width="stretch", alt=f"Bias metrics of {group} in the baseline and in this run")
