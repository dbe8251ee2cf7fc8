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
    assert job["ProcessingJobStatus"] == "Completed", job
    parts = {part: {"S3Uri": f"{out}/{part.lower()}.json"} for part in ("Constraints", "Statistics")}
    return {f"{part}Resource": file for part, file in parts.items()}


def test_data_quality_compares_answers_and_requests_with_the_baseline(
    app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any
) -> None:
    rows = "".join(f"{at % 2},{20 + at % 50},{'ab'[at % 2]}\n" for at in range(400))
    files = baseline(app, put, "quality", f"churn,age,plan\n{rows}")
    capture([record(f"{20 + at % 50},{'ac'[at % 2]}", str(at % 2)) for at in range(300)])
    summary = monitored("DataQuality", "quality", BaselineConfig=files)
    assert summary["MonitoringExecutionStatus"] == "CompletedWithViolations", summary
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
