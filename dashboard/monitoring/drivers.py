"""Explainability's part of a report: which features drive the model, beside the baseline's ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.monitoring import charts
from dashboard.monitoring.distributions import BASELINE, NOW
from dashboard.monitoring.reports import Report
from evaluation.feature_ranking import SMALLEST_NDCG, ndcg

SHOWN = 20
_METHODS = ("kernel_shap", "tree_shap")

Values = dict[str, dict[str, float]]  # by label: a feature's global value


def shap(document: Mapping[str, Any]) -> Values:
    """Global SHAP values of an analysis.json."""
    found = document.get("explanations", {})
    labels: Mapping[str, Any] = next((found[method] for method in _METHODS if method in found), {})
    return {label: each.get("global_shap_values", {}) for label, each in labels.items()}


def sentence(report: Report) -> str:
    now, before = shap(report.analysis), shap(report.baseline.constraints)
    if not now:
        return "The run left no values."
    label, values = next(iter(now.items()))
    first = ", ".join(sorted(values, key=lambda name: -abs(values[name]))[:3])
    score = ndcg(before.get(label, {}), values)
    about = f" (nDCG {score:.3f}, at least {SMALLEST_NDCG} is the same)" if score is not None else ""
    same = "other features than" if report.violations else "the same features as"
    return f"The model is driven by {same} in the baseline{about}. Most by {first}."


def ranking(values: Mapping[str, float], before: Mapping[str, float]) -> list[dict[str, Any]]:
    """A row a feature, the strongest first, with its place in the baseline's ranking."""
    places = {name: at for at, name in enumerate(sorted(before, key=lambda name: -abs(before[name])), 1)}
    ordered = sorted(values, key=lambda name: -abs(values[name]))
    return [
        {
            "place": at,
            "feature": name,
            "was": places.get(name),
            "now": values[name],
            "baseline": before.get(name),
        }
        for at, name in enumerate(ordered, 1)
    ]


def draw(report: Report) -> None:
    before = shap(report.baseline.constraints)
    for label, values in shap(report.analysis).items():
        old = before.get(label, {})
        rows = ranking(values, old)
        st.subheader("What drives the model" + (f": {label}" if label != "label0" else ""))
        frame = pd.DataFrame(
            [
                {"name": row["feature"], "value": value, "side": side}
                for row in rows[:SHOWN]
                for side, value in ((BASELINE, row["baseline"]), (NOW, row["now"]))
                if value is not None
            ]
        )
        chart = charts.values(frame, "global SHAP value")
        st.altair_chart(
            chart, width="stretch", alt="Global SHAP value of each feature, in the baseline and in this run"
        )
        number = st.column_config.NumberColumn(format="%.4f")
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            placeholder="",
            column_config={"now": number, "baseline": number},
            alt="Ranking of the features now and in the baseline",
        )
