"""What kind of drift a run shows, as evaluation/drift_taxonomy.py names it, from the run's files alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.monitoring import findings
from dashboard.monitoring.findings import Finding
from dashboard.monitoring.reports import Report
from deploy.declaration import Kind
from evaluation import drift_taxonomy
from evaluation.drift_taxonomy import Evidence, Metric

CONSTANT = "_best_constant_classifier"


def classify(kind: Kind, report: Report) -> list[drift_taxonomy.Finding]:
    """Nothing for bias and explanations, and where the files do not say enough."""
    if kind is Kind.DATA_QUALITY and (report.statistics or report.violations):
        return drift_taxonomy.classify(Evidence(drifted(findings.ranked(report.violations))))
    if kind is Kind.MODEL_QUALITY:
        return _of_quality(report)
    return []


def drifted(found: Sequence[Finding]) -> dict[str, list[str]]:
    """Features whose values are distributed otherwise: a missing column or a wrong type is a fault of the data."""
    made: dict[str, list[str]] = {}
    for each in found:
        made.setdefault(each.subject, []).append(each.check)
    return {name: checks for name, checks in made.items() if set(findings.DRIFT) & set(checks)}


def _of_quality(report: Report) -> list[drift_taxonomy.Finding]:
    now, before = metrics(report.statistics), metrics(report.baseline.statistics)
    if "confusion_matrix" not in now or "confusion_matrix" not in before:
        return []
    named = {each["metric_name"] for each in report.violations if "metric_name" in each}
    performance = [
        Metric(name, float(before[name]["value"]), float(found["value"]), name in named)
        for name, found in now.items()
        if "value" in found and "value" in before.get(name, {}) and not name.endswith(CONSTANT)
    ]
    binary = {"0", "1"} >= set(now["confusion_matrix"])
    scores = drift_taxonomy.binned(report.statistics.get("calibration")) if binary else None
    earlier = drift_taxonomy.binned(report.baseline.statistics.get("calibration")) if scores else None
    return drift_taxonomy.classify(
        drift_taxonomy.of_confusions(now["confusion_matrix"], before["confusion_matrix"], scores, earlier, performance)
    )


def metrics(document: Mapping[str, Any]) -> dict[str, Any]:
    """The group of metrics of a statistics.json of model quality, whatever its problem."""
    return next((value for name, value in document.items() if name.endswith("_metrics")), {})


def limits(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a constraints.json: threshold and comparison_operator by metric."""
    return next((value for name, value in document.items() if name.endswith("_constraints")), {})
