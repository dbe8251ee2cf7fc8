"""What a schedule's execution runs, on what data, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagelocal.app import SageLocal
from tests.sagelocal.monitoring.conftest import CLARIFY, ENDPOINT, record

pytestmark = pytest.mark.namespaces
CSV = {"dataset_format": '{"csv": {"header": true}}', "output_path": "/opt/ml/processing/output"}


def baseline(app: SageLocal, put: Any, name: str, rows: str, **environment: str) -> dict[str, Any]:
    """URIs of the files that a baselining job makes of rows."""
    from tests.sagelocal.jobs.conftest import ended, source
    from tests.sagelocal.monitoring.conftest import MONITOR

    folder = "/opt/ml/processing/input/baseline_dataset_input"
    out = f"s3://{app.settings.bucket}/{name}/baseline"
    request = {
        "ProcessingJobName": f"{name}-baseline",
        "RoleArn": app.settings.role_arn,
        "AppSpecification": {"ImageUri": MONITOR},
        "Environment": {**CSV, "dataset_source": folder, **environment},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "ProcessingInputs": [source("baseline_dataset_input", put(f"{name}/rows.csv", rows))],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "monitoring_output",
                    "S3Output": {"S3Uri": out, "LocalPath": CSV["output_path"], "S3UploadMode": "EndOfJob"},
                }
            ]
        },
    }
    app.call("CreateProcessingJob", request)
    job = ended(app, "ProcessingJob", f"{name}-baseline")
    assert job["ProcessingJobStatus"] == "Completed", job["FailureReason"]
    parts = {part: {"S3Uri": f"{out}/{part.lower()}.json"} for part in ("Constraints", "Statistics")}
    return {f"{part}Resource": file for part, file in parts.items()}


def test_data_quality_compares_answers_and_requests_with_the_baseline(
    app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any
) -> None:
    rows = "".join(f"{at % 2},{20 + at % 50},{'ab'[at % 2]}\n" for at in range(400))
    files = baseline(app, put, "quality", f"churn,age,plan\n{rows}")
    capture([record(f"{20 + at % 50},{'ac'[at % 2]}", str(at % 2)) for at in range(300)])
    summary = monitored("DataQuality", "quality", BaselineConfig=files)
    assert summary["MonitoringExecutionStatus"] == "CompletedWithViolations", summary.get("FailureReason")
    job = app.call("DescribeProcessingJob", {"ProcessingJobName": summary["ProcessingJobArn"].split("/")[1]})
    assert job["MonitoringScheduleArn"].endswith("monitoring-schedule/quality")
    target = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert target.startswith(f"s3://{app.settings.bucket}/quality/out/{ENDPOINT}/quality/20")
    made = got(target.removeprefix(f"s3://{app.settings.bucket}/"))
    assert {"/statistics.json", "/constraints.json", "/constraint_violations.json"} <= made.keys()
    features = json.loads(made["/statistics.json"])["features"]
    assert [feature["name"] for feature in features] == ["churn", "age", "plan"]
    violations = json.loads(made["/constraint_violations.json"])["violations"]
    assert {each["feature_name"] for each in violations} == {"plan"}


def test_no_data_is_a_failed_execution_that_says_where_it_looked(app: SageLocal, monitored: Any) -> None:
    summary = monitored("DataQuality", "empty")
    assert summary["MonitoringExecutionStatus"] == "Failed"
    assert "ProcessingJobArn" not in summary
    where = f"s3://{app.settings.bucket}/captured/{ENDPOINT}/"
    assert summary["FailureReason"].startswith(f"Job inputs had no data: there is no captured request under {where}")


def truth(put: Any, name: str, labels: dict[str, str]) -> None:
    from datetime import UTC, datetime

    lines = [
        json.dumps(
            {
                "groundTruthData": {"data": label, "encoding": "CSV"},
                "eventMetadata": {"eventId": event},
                "eventVersion": "0",
            }
        )
        for event, label in labels.items()
    ]
    put(f"{name}/truth/{datetime.now(UTC):%Y/%m/%d/%H}/labels.jsonl", "\n".join(lines))


def test_model_quality_merges_the_ground_truth_first(
    app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any
) -> None:
    rows = "".join(f"{at % 2},{0.9 if at % 2 else 0.2},{at % 2}\n" for at in range(100))
    files = baseline(
        app,
        put,
        "model",
        f"prediction,probability,label\n{rows}",
        analysis_type="MODEL_QUALITY",
        problem_type="BinaryClassification",
        inference_attribute="prediction",
        probability_attribute="probability",
        ground_truth_attribute="label",
    )
    del files["StatisticsResource"]
    capture([record(f"{20 + at},a", f"{at / 100}", f"event-{at}") for at in range(100)])
    truth(put, "model", {f"event-{at}": str(int(at > 60)) for at in range(100)})
    summary = monitored(
        "ModelQuality",
        "model",
        BaselineConfig=files,
        application={"ProblemType": "BinaryClassification"},
        endpoint_input={"ProbabilityAttribute": "0", "ProbabilityThresholdAttribute": 0.5},
    )
    assert summary["MonitoringExecutionStatus"] == "CompletedWithViolations", summary.get("FailureReason")
    jobs = [job["ProcessingJobName"] for job in app.call("ListProcessingJobs", {})["ProcessingJobSummaries"]]
    suffix = summary["ProcessingJobArn"].split("model-quality-monitoring-")[1]
    assert f"groundtruth-merge-{suffix}" in jobs
    made = next(body for key, body in got("model/out/").items() if key.endswith("/statistics.json"))
    metrics = json.loads(made)["binary_classification_metrics"]
    assert json.loads(made)["dataset"]["item_count"] == 100
    # From 0.5 on or above it: ten or eleven requests are taken for positive that are not.
    assert metrics["accuracy"]["value"] == pytest.approx(0.895, abs=0.006)


def test_without_ground_truth_the_execution_fails(capture: Any, monitored: Any) -> None:
    capture([record("20,a", "0.5")])
    summary = monitored("ModelQuality", "untold", application={"ProblemType": "BinaryClassification"})
    assert summary["MonitoringExecutionStatus"] == "Failed"
    assert summary["FailureReason"].startswith("Job inputs had no data: there is no ground truth under s3://")


BIAS = {
    "version": "1.0",
    "headers": ["age", "plan", "churn"],
    "label": "churn",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "plan", "value_or_threshold": [1]}],
}


def test_bias_of_live_predictions(app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any) -> None:
    capture([record(f"{20 + at},{at % 2}", f"{(at % 4) / 4}", f"event-{at}") for at in range(80)])
    truth(put, "bias", {f"event-{at}": str(int(at % 4 > 1)) for at in range(80)})
    summary = monitored(
        "ModelBias",
        "bias",
        application={"ImageUri": CLARIFY, "ConfigUri": put("bias/analysis_config.json", json.dumps(BIAS))},
        endpoint_input={"ProbabilityAttribute": "0", "ProbabilityThresholdAttribute": 0.5},
    )
    assert summary["MonitoringExecutionStatus"] == "Completed", summary.get("FailureReason")
    made = next(body for key, body in got("bias/out/").items() if key.endswith("/analysis.json"))
    facets = json.loads(made)["post_training_bias_metrics"]["facets"]["plan"]
    assert facets[0]["value_or_threshold"] == "1"
    assert {"DPPL", "DI"} <= {metric["name"] for metric in facets[0]["metrics"]}
    assert json.loads(made)["pre_training_bias_metrics"]["label"] == "churn"
