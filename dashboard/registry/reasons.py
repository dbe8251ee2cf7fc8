"""What drives the answers of two versions: each feature's mean of |SHAP value| over the data they were judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.registry import charts
from dashboard.registry.measured import Version

_MOST = 15  # features that are drawn


def show(candidate: Version, current: Version | None) -> None:
    both = [candidate, *([current] if current else [])]
    found = {each.label: importances(each) for each in both}
    if not found[candidate.label]:
        _nothing(candidate)
        return
    label = _label(found[candidate.label])
    values = {version: each.get(label) or next(iter(each.values()), {}) for version, each in found.items()}
    rows = drawn(values)
    charts.bars(rows, list(values), "mean of |SHAP value|")
    st.caption("How much a feature moves an answer, one way or the other. Other data have other values.")
    with st.expander("Every feature"):
        table = pd.DataFrame(values).rename_axis("feature").reset_index()
        st.dataframe(table, hide_index=True, alt="Mean of |SHAP value| of every feature")


def _nothing(candidate: Version) -> None:
    gone = candidate.missing.get("explanation", "")
    look.empty(f"{candidate.label.capitalize()} has no explanation. {look.plain(gone)}")


def _label(found: Mapping[str, Any]) -> str:
    """Of several classes the one to look at."""
    if len(found) == 1:
        return next(iter(found))
    return str(st.selectbox("Explained", list(found), key="registry-explained"))


def importances(version: Version) -> dict[str, dict[str, float]]:
    """By method and class: feature to value. Of Clarify's analysis.json, else of the evaluation."""
    explained = version.documents.get("explanation", {}).get("explanations", {})
    found = {
        f"{method.replace('_', ' ')}, {label}": _numbers(each["global_shap_values"])
        for method, labels in explained.items()
        if isinstance(labels, Mapping)
        for label, each in labels.items()
        if isinstance(each, Mapping) and isinstance(each.get("global_shap_values"), Mapping)
    }
    if found:
        return found
    judged = _numbers((version.evaluation.get("feature_importance") or {}).get("mean_absolute_shap") or {})
    return {"evaluation": judged} if judged else {}


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(each) for name, each in values.items() if isinstance(each, int | float)}


def drawn(values: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """The features that count most in any of the versions, the first one most in the first version."""
    features: Sequence[str] = list(dict.fromkeys(name for each in values.values() for name in each))
    most = sorted(features, key=lambda name: -max(each.get(name, 0.0) for each in values.values()))[:_MOST]
    first = next(iter(values.values()))
    return [
        {"version": version, "feature": name, "value": each[name]}
        for name in sorted(most, key=lambda name: -first.get(name, 0.0))
        for version, each in values.items()
        if name in each
    ]
