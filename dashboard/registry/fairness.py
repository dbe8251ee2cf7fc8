"""Bias of the data's labels and of the predictions, of two versions, group by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import bias, look
from dashboard.registry import charts, measured, reading
from dashboard.registry.measured import Version
from dashboard.registry.reading import Document
from mlops import models

_STAGES = {
    bias.AFTER: "Bias of the predictions",
    bias.BEFORE: "Bias of the data's labels",
}
_DOCUMENTS = ("bias of the predictions", "bias of the data", "bias")
_CHECKS = {bias.AFTER: "ModelBias", bias.BEFORE: "DataBias"}
_MOST = 12  # groups that are drawn


@dataclass(frozen=True)
class Measured:
    stage: str
    facet: str
    group: str
    metric: str
    meaning: str
    value: float
    error: float | None  # standard error

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.stage, self.facet, self.group, self.metric

    @property
    def who(self) -> str:
        return f"{self.facet} = {self.group}"


def show(candidate: Version, current: Version | None) -> None:
    both = [candidate, *([current] if current else [])]
    found = {each.label: measures(each) for each in both}
    if not found[candidate.label]:
        _nothing(candidate)
        return
    broken = violations(candidate)
    for each in sentences(broken, found[candidate.label]):
        st.warning(look.plain(each), icon=":material/warning:")
    for stage, title in _STAGES.items():
        of_stage = {
            label: {key: each for key, each in rows.items() if each.stage == stage} for label, rows in found.items()
        }
        if of_stage[candidate.label]:
            _stage(title, _CHECKS[stage], candidate, of_stage, broken)


def _nothing(candidate: Version) -> None:
    gone = [why for what, why in candidate.missing.items() if what in _DOCUMENTS]
    look.empty(f"{candidate.label.capitalize()} has no bias report. {look.plain('; '.join(gone))}")


def measures(version: Version) -> dict[tuple[str, str, str, str], Measured]:
    documents = [version.documents.get(each, {}) for each in _DOCUMENTS]
    found = [each for document in documents for each in _measures(document)]
    return {each.key: each for each in found}


def _measures(analysis: Document) -> list[Measured]:
    return [
        Measured(
            stage,
            facet,
            group,
            metric["name"],
            str(metric.get("description", "")),
            float(metric["value"]),
            metric.get("standard_deviation"),
        )
        for stage, facet, group, metric in bias.metrics(analysis)
        if isinstance(metric.get("value"), int | float)
    ]


def violations(version: Version) -> list[Document]:
    """Of the checks against the version that it was compared with when it was made."""
    reports = [measured.addresses(version.package).get(each, "") for each in _DOCUMENTS]
    wanted = tuple(f"{each.rpartition('/')[0]}/constraint_violations.json" for each in reports if each)
    files = reading.files(wanted)
    return [row for each in files.found.values() for row in each.get("violations", []) if isinstance(row, Mapping)]


def sentences(violations: Sequence[Document], found: Mapping[Any, Measured]) -> list[str]:
    """One for each group that is farther from fair than the check allows."""
    groups: dict[str, list[str]] = {}
    for each in violations:
        who, metric = f"{each.get('facet')} = {each.get('facet_value')}", str(each.get("metric_name", ""))
        values = [one.value for one in found.values() if (one.who, one.metric) == (who, metric)]
        groups.setdefault(who, []).append(f"{metric} {values[0]:.3g}" if values else metric)
    return [f"{who} is farther from fair than the check allows: {', '.join(broken)}." for who, broken in groups.items()]


def _stage(
    title: str,
    check: str,
    candidate: Version,
    found: Mapping[str, Mapping[Any, Measured]],
    broken: Sequence[Document],
) -> None:
    st.subheader(title, anchor=False)
    verdict = candidate.properties.get(f"{check}{models.CHECK}")
    said = f"The check against the version of its time: {verdict}. " if verdict else ""
    st.caption(look.plain(f"{said}0 is no difference between a group and the others. Lines: 95 % intervals."))
    labels = list(found)
    groups = list(dict.fromkeys(each.who for each in found[candidate.label].values()))[:_MOST]
    for start in range(0, len(groups), 2):
        for column, who in zip(st.columns(2), groups[start : start + 2], strict=False):
            if rows := _drawn(found, who):
                with column:
                    charts.gaps(rows, labels, who)
    with st.expander("Every metric"):
        st.dataframe(pd.DataFrame(table(found, broken)), hide_index=True, alt=f"{title}: every metric of every group")


def _drawn(found: Mapping[str, Mapping[Any, Measured]], who: str) -> list[dict[str, Any]]:
    return [
        {
            "version": label,
            "metric": each.metric,
            "meaning": each.meaning,
            "value": each.value,
            **dict(zip(("lower", "upper"), bias.interval(each.value, each.error), strict=True)),
        }
        for label, rows in found.items()
        for each in rows.values()
        if each.who == who and each.metric not in bias.NO_AXIS
    ]


def table(found: Mapping[str, Mapping[Any, Measured]], broken: Sequence[Document]) -> list[dict[str, Any]]:
    """A row for each group and metric, with a column for each version."""
    marked = {(f"{each.get('facet')} = {each.get('facet_value')}", each.get("metric_name")) for each in broken}
    labels: Sequence[str] = list(found)
    keys = list(dict.fromkeys(key for rows in found.values() for key in rows))
    rows = []
    for key in keys:
        of_key = {label: found[label].get(key) for label in labels}
        first = next(each for each in of_key.values() if each)
        values = {label: each.value if each else None for label, each in of_key.items()}
        row: dict[str, Any] = {"group": first.who, "metric": first.metric, **values}
        if len(labels) == 2:
            ours, theirs = values.values()
            row["difference"] = None if ours is None or theirs is None else ours - theirs
        row |= {"check": "violated"} if (first.who, first.metric) in marked else {}
        rows.append(row | {"meaning": first.meaning})
    return rows
