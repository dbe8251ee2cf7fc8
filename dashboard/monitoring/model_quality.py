"""Model quality's part of a report: every metric against its limit, confusion matrices, curves and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.monitoring import charts, kinds
from dashboard.monitoring.distributions import BASELINE, NOW
from dashboard.monitoring.reports import Report


def sentence(report: Report) -> str:
    named = report.subjects
    if not named:
        return "The predictions are as good as the baseline's, as far as these records can tell."
    worst = ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")
    return f"The predictions are worse than the baseline allows: {worst}."


def draw(report: Report) -> None:
    now, before = kinds.metrics(report.statistics), kinds.metrics(report.baseline.statistics)
    if not now:
        return
    st.subheader("Metrics")
    rows = table(now, before, kinds.limits(report.baseline.constraints), set(report.subjects))
    number = st.column_config.NumberColumn(format="%.4f")
    config = dict.fromkeys(("now", "± deviation", "baseline", "constant answer"), number)
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        placeholder="",
        column_config=config,
        alt="Metrics now, in the baseline, and their limits",
    )
    st.caption("A limit counts as crossed beyond three standard errors of the run's own records.")
    if "confusion_matrix" in now:
        _confusions(now["confusion_matrix"], before.get("confusion_matrix"))
    _curves(now, before)
    _calibration(report)
    _residuals(report)


def table(
    now: Mapping[str, Any], before: Mapping[str, Any], limits: Mapping[str, Any], violated: set[str]
) -> list[dict[str, Any]]:
    """A row a metric, violated ones first."""
    rows = []
    for name, found in now.items():
        if "value" not in found or name.endswith(kinds.CONSTANT):
            continue
        limit = limits.get(name)
        verdict = "worse" if name in violated else "good" if limit else "no limit"
        rows.append(
            {
                "metric": name,
                "verdict": verdict,
                "now": found["value"],
                "± deviation": deviation(found),
                "limit": _limit(limit),
                "baseline": before.get(name, {}).get("value"),
                "constant answer": now.get(f"{name}{kinds.CONSTANT}", {}).get("value"),
            }
        )
    return sorted(rows, key=lambda row: row["verdict"] != "worse")


def deviation(metric: Mapping[str, Any]) -> float | None:
    """None where a file has it as NaN, which JSON writes as text."""
    found = metric.get("standard_deviation", "NaN")
    return None if found in ("NaN", None) else float(found)


def _limit(limit: Mapping[str, Any] | None) -> str:
    if not limit or "threshold" not in limit:
        return ""
    sign = "≤" if limit.get("comparison_operator") == "GreaterThanThreshold" else "≥"
    return f"{sign} {float(limit['threshold']):.4f}"


def _confusions(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    st.subheader("Confusion matrix")
    sides = {"This run": now, **({"Baseline": before} if before else {})}
    for (title, matrix), column in zip(sides.items(), st.columns(2), strict=False):
        with column:
            st.caption(f"{title}: of the records of a truth (row), how many were predicted as what (column)")
            st.dataframe(_shares(matrix), hide_index=True, placeholder="", alt=f"Confusion matrix: {title}")


def _shares(matrix: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    rows = []
    for truth, row in matrix.items():
        size = sum(row.values())
        cells = {
            f"predicted {label}": f"{count:,} ({count / size:.0%})" if size else "0" for label, count in row.items()
        }
        rows.append({"truth": truth, **cells, "all": f"{size:,}"})
    return pd.DataFrame(rows)


def _curves(now: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    pairs = (
        ("ROC curve", "receiver_operating_characteristic_curve", "false_positive_rates", "true_positive_rates", True),
        ("Precision and recall", "precision_recall_curve", "recalls", "precisions", False),
    )
    if not any(key in now for _, key, *_ in pairs):
        return
    for (title, key, across, up, diagonal), column in zip(pairs, st.columns(2), strict=True):
        frames = [
            pd.DataFrame({"x": side[key][across], "y": side[key][up], "side": name})
            for name, side in ((BASELINE, before), (NOW, now))
            if key in side
        ]
        with column:
            st.subheader(title)
            chart = charts.curves(charts.ordered(frames), _words(across), _words(up), diagonal=diagonal)
            st.altair_chart(chart, width="stretch", alt=f"{title} of the baseline and of this run")


def _words(member: str) -> str:
    return member.removesuffix("s").replace("_", " ")


def _calibration(report: Report) -> None:
    frames = []
    for name, document in ((BASELINE, report.baseline.statistics), (NOW, report.statistics)):
        if bins := document.get("calibration"):
            triples = zip(bins["records"], bins["positives"], bins["probabilities"], strict=True)
            rows = [(total / records, positives / records) for records, positives, total in triples if records]
            frames.append(pd.DataFrame(rows, columns=["x", "y"]).assign(side=name))
    if frames:
        st.subheader("Calibration")
        chart = charts.curves(
            charts.ordered(frames), "predicted probability", "share that came true", diagonal=True, points=True
        )
        st.altair_chart(chart, width="stretch", alt="Share that came true by predicted probability")
        st.caption("On the dotted line what is predicted happens. By tenth of the probability.")


def _residuals(report: Report) -> None:
    frames = []
    for name, document in ((BASELINE, report.baseline.statistics), (NOW, report.statistics)):
        if found := document.get("residuals"):
            edges, counts = found["edges"], found["counts"]
            total = sum(counts) or 1
            rows = {"from": edges[:-1], "to": edges[1:], "share": [each / total for each in counts], "side": name}
            frames.append(pd.DataFrame(rows))
    if frames:
        st.subheader("Residuals")
        st.altair_chart(
            charts.histogram(pd.concat(frames, ignore_index=True)), width="stretch", alt="Truth less prediction"
        )
        st.caption("Truth less prediction.")
