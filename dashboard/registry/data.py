"""What two versions learnt from: where it is, how much it is, and which features' distributions moved between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.registry import charts
from dashboard.registry.measured import Version
from dashboard.registry.reading import Document
from evaluation import data_drift
from mlops import lineage

# Of constraints.json (developer guide, "Schema for constraints"): distances from which on a feature has moved.
_METHOD, _NUMBERS, _CATEGORIES = "comparison_method", "comparison_threshold", "categorical_comparison_threshold"
_DEFAULTS = {_METHOD: "Robust", _NUMBERS: 0.1, _CATEGORIES: 0.1}  # Model Monitor's own
_SOURCE = ("Raw data", "Hash of their content", "Training records", "Features", "Held-out records", "Of these positive")
_MOST = 30  # features that moved, in the table
_MOST_VALUES = 15  # of a category that are drawn


@dataclass(frozen=True)
class Moved:
    feature: str
    distance: float | None  # beyond what samples of these sizes differ by; None where it can't be told
    threshold: float
    why: str = ""

    @property
    def moved(self) -> bool:
        return bool(self.why) or (self.distance is not None and self.distance > self.threshold)


def show(candidate: Version, current: Version | None) -> None:
    both = [candidate, *([current] if current else [])]
    st.table(sources(both))
    missing = [f"{each.label}: {_why(each)}" for each in both if "data statistics" not in each.documents]
    for each in missing:
        st.caption(look.plain(f"No statistics of the data of {each}"))
    if missing or current is None:
        return
    found = compare(candidate, current)
    moved = [each for each in found if each.moved]
    many = f"{len(moved)} of {len(found)} features moved" if moved else f"None of {len(found)} features moved"
    st.subheader(f"{many} since {current.label}", anchor=False)
    if moved:
        st.table(rows(moved[:_MOST]))
    names = [each.feature for each in found]
    feature = st.selectbox("Distribution of", names, key="registry-feature")
    if feature:
        _draw(feature, both)
    with st.expander("Every feature"):
        st.dataframe(
            pd.DataFrame([vars(each) | {"moved": each.moved} for each in found]).drop(columns="why"),
            hide_index=True,
            column_config={"distance": st.column_config.NumberColumn(format="%.3f")},
            alt=f"How far every feature moved since {current.label}",
        )
        st.caption(
            "The distance is the largest difference of the two distributions beyond what samples of these sizes differ "
            f"by, the threshold that of {current.label}'s own constraints, or else Model Monitor's."
        )


def _why(version: Version) -> str:
    return version.missing.get("data statistics", "it was registered without a baseline")


def sources(both: Sequence[Version]) -> list[dict[str, str]]:
    found = {each.label.capitalize(): source(each) for each in both}
    names = [name for name in _SOURCE if any(name in each for each in found.values())]
    return [{"": name, **{label: look.plain(each.get(name, "–")) for label, each in found.items()}} for name in names]


def source(version: Version) -> dict[str, str]:
    uri = version.properties.get("InputDataUrl", "")
    statistics, tested = version.documents.get("data statistics", {}), version.evaluation.get("dataset") or {}
    values = (
        short(uri),
        str(lineage.version(uri)["hash"] or "") if uri else "",
        _count(statistics.get("dataset", {}).get("item_count")),
        _count(len(statistics.get("features", [])) or None),
        _count(tested.get("records")),
        _count(tested.get("positive")),
    )
    return {name: value for name, value in zip(_SOURCE, values, strict=True) if value}


def short(uri: str) -> str:
    """How an address ends, which is where two of them differ."""
    parts = uri.rstrip("/").rsplit("/", 3)
    return "…/" + "/".join(parts[1:]) if len(parts) == 4 else uri


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else ""


def compare(candidate: Version, current: Version) -> list[Moved]:
    """Of every feature of either, what moved most first."""
    ours, theirs = (_features(each) for each in (candidate, current))
    config = settings(current.documents.get("data constraints", {}))
    names = list(dict.fromkeys([*theirs, *ours]))
    found = [_compare(name, theirs.get(name), ours.get(name), config) for name in names]
    return sorted(found, key=lambda each: (not each.why, -(each.distance or 0.0)))


def _features(version: Version) -> dict[str, Document]:
    return {each["name"]: each for each in version.documents["data statistics"].get("features", [])}


def settings(constraints: Document) -> dict[str, Any]:
    return _DEFAULTS | dict(constraints.get("monitoring_config", {}).get("distribution_constraints", {}))


def _compare(name: str, before: Document | None, now: Document | None, config: Mapping[str, Any]) -> Moved:
    numeric = before is not None and "numerical_statistics" in before
    threshold = float(config[_NUMBERS if numeric else _CATEGORIES])
    if before is None or now is None:
        return Moved(name, None, threshold, "is new" if before is None else "is gone")
    if ("numerical_statistics" in now) is not numeric:
        return Moved(name, None, threshold, f"was {before['inferred_type']}, is {now['inferred_type']}")
    return Moved(name, _distance(dict(before), dict(now), str(config[_METHOD])), threshold)


def _distance(before: dict[str, Any], now: dict[str, Any], method: str) -> float | None:
    """None for free text, and for statistics without a sketch, as other tools write them."""
    try:
        if "numerical_statistics" in before:
            old, new = data_drift.baseline_points(before), data_drift.baseline_points(now)
            return None if old is None or new is None else data_drift.numeric_distance(old, new, method)
        were, are = data_drift.baseline_categories(before), data_drift.baseline_categories(now)
        return None if were is None or are is None else data_drift.linfinity_distance(were, are, method)
    except (ValueError, KeyError):
        return None


def rows(found: Sequence[Moved]) -> list[dict[str, str]]:
    return [
        {
            "Feature": look.plain(each.feature),
            "Distance": "" if each.distance is None else f"{each.distance:.3f}",
            "Threshold": f"{each.threshold:g}",
            "": _said(each),
        }
        for each in found
    ]


def _said(each: Moved) -> str:
    return f":orange-badge[:material/warning: {look.plain(each.why or 'moved')}]"


def _draw(feature: str, both: Sequence[Version]) -> None:
    found = {each.label: _features(each).get(feature) for each in both}
    numeric = any(each and "numerical_statistics" in each for each in found.values())
    shares = [row for label, each in found.items() if each for row in _shares(label, each, numeric=numeric)]
    if shares:
        charts.distributions(shares, list(found), feature, numeric=numeric)


def _shares(label: str, feature: Document, *, numeric: bool) -> list[dict[str, Any]]:
    """A row for each bucket of a histogram, or value of a category."""
    if numeric:
        body = feature.get("numerical_statistics", {})
        buckets = body.get("distribution", {}).get("kll", {}).get("buckets", [])
        members = [("lower", "lower_bound"), ("upper", "upper_bound")]
    else:
        body = feature.get("string_statistics", {})
        buckets = body.get("distribution", {}).get("categorical", {}).get("buckets", [])[:_MOST_VALUES]
        members = [("value", "value")]
    total = body.get("common", {}).get("num_present", 0)
    return [
        {"version": label, "share": each["count"] / total, **{ours: each[theirs] for ours, theirs in members}}
        for each in buckets
        if total and math.isfinite(each["count"])
    ]
