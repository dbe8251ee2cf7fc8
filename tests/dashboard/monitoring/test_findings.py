"""Violations in words, ranked; and what kind of drift they are."""

from __future__ import annotations

from typing import Any

from dashboard.monitoring import findings, kinds
from dashboard.monitoring.reports import Baseline, Report
from deploy.declaration import Kind
from tests.dashboard.monitoring.monitored import MOVED, VIOLATIONS


def violation(subject: str, check: str, description: str, **more: str) -> dict[str, str]:
    return {"feature_name": subject, "constraint_check_type": check, "description": description, **more}


def test_the_gravest_come_first() -> None:
    given = [
        violation("age", "baseline_drift_check", "Robust distance exceeds the threshold, 0.06 against 0.05."),
        violation(
            "plan", "baseline_drift_check", "Baseline drift distance: 0.64 exceeds threshold: 0.1"
        ),  # AWS's words
        violation("zip", "completeness_check", "Expected: at least 100.0% present. Observed: 90.0%."),
        violation("name", "missing_column_check", "Column is missing."),
    ]
    found = findings.ranked(given)
    assert [each.subject for each in found] == ["name", "zip", "plan", "age"]
    assert (found[2].measured, found[2].limit) == (0.64, 0.1)
    assert found[2].words == "is distributed otherwise"


def test_a_metrics_value_and_limit_are_read_past_its_deviation() -> None:
    text = "Metric auc with 0.4830 +/- 0.0109 was LessThanThreshold '0.8153'"
    (found,) = findings.ranked(
        [{"metric_name": "auc", "constraint_check_type": "LessThanThreshold", "description": text}]
    )
    assert (found.subject, found.measured, found.limit, found.words) == ("auc", 0.483, 0.8153, "is below its limit")
    text = "Metric f0_5 with 0.1 +/- 0.01 was LessThanThreshold '0.5'"
    (found,) = findings.ranked(
        [{"metric_name": "f0_5", "constraint_check_type": "LessThanThreshold", "description": text}]
    )
    assert found.measured == 0.1  # the 5 of the name is none


def test_a_facets_metric_and_a_ranking_name_whom_they_are_about() -> None:
    bias = {
        "facet": "gender",
        "facet_value": "Female",
        "metric_name": "DPPL",
        "constraint_check_type": "bias_drift_check",
    }
    shap = {"label": "label0", "metric_name": "shap", "constraint_check_type": "feature_attribution_drift_check"}
    shap["description"] = "Feature attribution drift 0.71 exceeds threshold 0.9"
    found = {each.check: each for each in findings.ranked([bias, shap])}
    assert found["bias_drift_check"].subject == "DPPL of gender Female"
    drift = found["feature_attribution_drift_check"]
    assert (drift.subject, drift.measured, drift.limit) == ("shap of label0", 0.71, 0.9)


def verdicts(kind: Kind, report: Report) -> dict[str, str]:
    return {each.kind: each.verdict for each in kinds.classify(kind, report)}


def test_moved_inputs_are_a_covariate_shift_and_a_missing_column_is_none() -> None:
    assert (
        verdicts(Kind.DATA_QUALITY, Report(violations=tuple(VIOLATIONS), statistics=MOVED))["Covariate shift"] == "seen"
    )
    missing = (violation("age", "missing_column_check", "Column is missing."),)
    assert verdicts(Kind.DATA_QUALITY, Report(violations=missing, statistics=MOVED))["Covariate shift"] == "not seen"


def quality(matrix: dict[str, dict[str, int]], positives: list[float]) -> dict[str, Any]:
    metrics = {"confusion_matrix": matrix, "auc": {"value": 0.8, "standard_deviation": 0.01}}
    bins = {"records": [500.0, 500.0], "positives": positives, "probabilities": [100.0, 400.0]}
    return {"dataset": {"item_count": 1000}, "binary_classification_metrics": metrics, "calibration": bins}


def test_labels_that_are_not_what_probabilities_say_are_concept_drift() -> None:
    before = quality({"0": {"0": 400, "1": 100}, "1": {"0": 100, "1": 400}}, [100.0, 400.0])
    now = quality({"0": {"0": 250, "1": 250}, "1": {"0": 250, "1": 250}}, [250.0, 250.0])
    found = verdicts(Kind.MODEL_QUALITY, Report(statistics=now, baseline=Baseline(statistics=before)))
    assert found["Concept drift (real)"] == "seen"
    assert found["Change of the labels"] == "not seen"
    assert verdicts(Kind.MODEL_QUALITY, Report(statistics=before, baseline=Baseline(statistics=before)))[
        "Concept drift (real)"
    ] == ("not seen")


def test_without_the_baselines_statistics_no_kind_is_claimed() -> None:
    assert kinds.classify(Kind.MODEL_QUALITY, Report(statistics=quality({"0": {"0": 1}}, [1.0, 1.0]))) == []
    assert kinds.classify(Kind.MODEL_BIAS, Report(analysis={"version": "1.0"})) == []
