"""Model Monitor's model quality: the numbers of AWS's own sample, and every violation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import model_quality
from model_quality import Predictions, check, describe, suggest


def labels(text: str) -> np.ndarray:
    return np.array(list(text))


def test_binary_metrics_are_those_of_the_guides_sample() -> None:
    """One true positive, one true negative and two false positives: the confusion matrix of the developer guide."""
    found = describe(
        "BinaryClassification", Predictions(labels("0001"), labels("0111"), np.array([0.1, 0.6, 0.7, 0.9]))
    )
    metrics = found["binary_classification_metrics"]
    assert metrics["confusion_matrix"] == {"0": {"0": 1, "1": 2}, "1": {"0": 0, "1": 1}}
    expected = {
        "recall": 1.0, "precision": 1 / 3, "accuracy": 0.5, "auc": 1.0, "f0_5": 0.3846153846153846, "f1": 0.5,
        "f2": 0.7142857142857143, "true_positive_rate": 1.0, "true_negative_rate": 1 / 3,
        "false_positive_rate": 2 / 3, "false_negative_rate": 0.0, "recall_best_constant_classifier": 1.0,
        "precision_best_constant_classifier": 0.25, "accuracy_best_constant_classifier": 0.25,
        "f0_5_best_constant_classifier": 0.29411764705882354, "f1_best_constant_classifier": 0.4,
        "f2_best_constant_classifier": 0.625,
    }  # fmt: skip
    assert {name: metrics[name]["value"] for name in expected} == pytest.approx(expected)
    assert metrics["recall"]["standard_deviation"] == "NaN"
    assert metrics["receiver_operating_characteristic_curve"]["false_positive_rates"][-1] == 1.0


def test_regression_and_deviations_of_200_records() -> None:
    truth = np.arange(200.0)
    metrics = describe("Regression", Predictions(truth, truth + np.tile([1.0, -3.0], 100)))["regression_metrics"]
    assert metrics["mae"]["value"] == 2.0
    assert metrics["mse"]["value"] == 5.0
    assert metrics["rmse"]["value"] == pytest.approx(5**0.5)
    assert 0 < metrics["mae"]["standard_deviation"] < 0.1


def test_multiclass_metrics() -> None:
    found = describe("MulticlassClassification", Predictions(labels("aabbc"), labels("abbbc")))
    metrics = found["multiclass_classification_metrics"]
    assert metrics["accuracy"]["value"] == pytest.approx(0.8)
    assert metrics["weighted_recall"]["value"] == pytest.approx(0.8)
    assert metrics["weighted_precision"]["value"] == pytest.approx((2 * 1 + 2 * 2 / 3 + 1) / 5)
    assert metrics["accuracy_best_constant_classifier"]["value"] == pytest.approx(0.4)


def test_a_baseline_holds_against_itself_and_worse_metrics_are_named() -> None:
    good = describe("BinaryClassification", Predictions(labels("0011"), labels("0011")))
    bad = describe("BinaryClassification", Predictions(labels("0011"), labels("0111")))
    constraints = suggest("BinaryClassification", good)["binary_classification_constraints"]
    assert constraints["false_positive_rate"] == {"threshold": 0.0, "comparison_operator": "GreaterThanThreshold"}
    assert check(constraints, good["binary_classification_metrics"]) == []
    violations = {each["metric_name"]: each for each in check(constraints, bad["binary_classification_metrics"])}
    assert {"precision", "accuracy", "false_positive_rate"} <= violations.keys()
    assert "recall" not in violations
    assert violations["accuracy"] == {
        "constraint_check_type": "LessThanThreshold",
        "description": "Metric accuracy with 0.75 +/- NaN was LessThanThreshold '1.0'",
        "metric_name": "accuracy",
    }


def test_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text("label,probability\n1,0.9\n0,0.2\n1,0.4\n")
    constraints: dict[str, Any] = {
        "binary_classification_constraints": {"auc": {"threshold": 0.8, "comparison_operator": "LessThanThreshold"}}
    }
    (tmp_path / "constraints.json").write_text(json.dumps(constraints))
    environment = {
        "dataset_source": str(tmp_path), "output_path": str(tmp_path / "out"), "probability_attribute": "probability",
        "dataset_format": '{"csv": {"header": true, "output_columns_position": "START"}}',
        "ground_truth_attribute": "0", "problem_type": "BinaryClassification",
        "baseline_constraints": str(tmp_path / "constraints.json"),
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["model_quality.py", "--job-output", str(tmp_path / "out" / "job")])
    model_quality.main()
    out = tmp_path / "out"
    statistics = json.loads((out / "statistics.json").read_text())
    assert statistics["binary_classification_metrics"]["recall"]["value"] == 0.5
    assert json.loads((out / "constraint_violations.json").read_text())["violations"] == []
    assert (out / "job" / "message").read_text().startswith("Completed: ")
    monkeypatch.setenv("ground_truth_attribute", "truth")
    with pytest.raises(ValueError, match="ground_truth_attribute is 'truth', and the columns are label, probability"):
        model_quality.main()
