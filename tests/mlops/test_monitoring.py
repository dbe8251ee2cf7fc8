"""What `mlops monitor` says of verdicts, and where it finds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from deploy import managed_verdicts, verdicts
from deploy.declaration import Kind
from deploy.verdicts import Verdict
from mlops import monitoring

STARTED = datetime(2026, 3, 2, 10, tzinfo=UTC)
EXECUTION = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/churn-production-data-quality/execution/abc"
VIOLATION = {"feature_name": "tenure", "constraint_check_type": "baseline_drift_check", "description": "far off"}


def test_moments() -> None:
    assert monitoring.moment("2026-03-02T10:00:00Z") == STARTED
    assert monitoring.moment("2026-03-02T10:00:00") == STARTED
    assert monitoring.moment("2026-03-02T10:00:00+02:00") == datetime(2026, 3, 2, 8, tzinfo=UTC)
    ago = datetime.now(UTC) - monitoring.moment("2h")
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=1)
    with pytest.raises(ValueError, match="'yesterday' is no time: give 2026-03-02T10:00:00Z, or how long ago"):
        monitoring.moment("yesterday")


def test_a_sentence_for_every_verdict() -> None:
    def said(status: str, **more: Any) -> str:
        return monitoring.sentence(Verdict(Kind.DATA_QUALITY, EXECUTION, status, STARTED, **more))

    twice = [VIOLATION, VIOLATION, {**VIOLATION, "feature_name": "Contract"}]
    assert (
        said("CompletedWithViolations", violations=twice, records=300)
        == "3 violations in 300 records: tenure, Contract"
    )
    assert said("Completed", records=300) == "no violation in 300 records"
    assert said("Failed", reason="no record in s3://b/c") == "Failed: no record in s3://b/c"


@pytest.mark.parametrize(
    ("violation", "subject"),
    [
        (VIOLATION, "tenure"),
        ({"metric_name": "auc", "constraint_check_type": "LessThanThreshold"}, "auc"),
        ({"facet": "gender", "facet_value": "Female", "metric_name": "DPPL"}, "DPPL of gender Female"),
        ({"label": "label0", "metric_name": "shap"}, "shap"),
    ],
)
def test_what_a_violation_is_about(violation: dict[str, str], subject: str) -> None:
    assert verdicts.subject(violation) == subject


class Pipelines:
    """An execution of a monitor's pipeline whose Collect and Check jobs ended as given."""

    def __init__(self, status: str, jobs: dict[str, dict[str, Any]]) -> None:
        self.status, self.jobs = status, jobs

    def list_pipeline_executions(self, **_: Any) -> dict[str, Any]:
        return {"PipelineExecutionSummaries": [{"PipelineExecutionArn": EXECUTION}]}

    def describe_pipeline_execution(self, **_: Any) -> dict[str, Any]:
        return {"PipelineExecutionStatus": self.status, "CreationTime": STARTED}

    def list_pipeline_execution_steps(self, **_: Any) -> dict[str, Any]:
        return {
            "PipelineExecutionSteps": [
                {"StepName": name, "Metadata": {"ProcessingJob": {"Arn": f"arn:x/{name}"}}} for name in self.jobs
            ]
        }

    def describe_processing_job(self, ProcessingJobName: str) -> dict[str, Any]:
        output = {"Outputs": [{"S3Output": {"S3Uri": f"s3://bucket/{ProcessingJobName}"}}]}
        job = {"ProcessingJobName": ProcessingJobName, "ProcessingOutputConfig": output}
        return {**job, "ProcessingJobStatus": "Completed", **self.jobs[ProcessingJobName]}


class Bucket:
    def __init__(self, **files: Any) -> None:
        self.files = files

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        import io

        from botocore.exceptions import ClientError

        name = Key.replace("/", "_").replace(".json", "")
        if name not in self.files:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(self.files[name]).encode())}


def test_a_verdict_has_violations_window_and_report() -> None:
    window = {"start": "2026-03-02T09:00:00+00:00", "end": "2026-03-02T10:00:00+00:00"}
    s3 = Bucket(
        Collect_summary={"records": 300, "window": window}, Check_constraint_violations={"violations": [VIOLATION]}
    )
    found = verdicts.latest(Pipelines("Succeeded", {"Collect": {}, "Check": {}}), s3, "name", Kind.DATA_QUALITY)
    assert found
    assert (found.status, found.records, found.subjects) == ("CompletedWithViolations", 300, ["tenure"])
    assert (found.report_uri, found.window) == ("s3://bucket/Check/report.html", (window["start"], window["end"]))


def test_a_check_that_compared_nothing_is_no_verdict() -> None:
    found = verdicts.latest(Pipelines("Succeeded", {"Collect": {}, "Check": {}}), Bucket(), "name", Kind.DATA_QUALITY)
    assert found and found.status == "Failed"
    assert found.reason == "nothing was compared: s3://bucket/Check has no constraint_violations.json"


def test_a_window_that_ends_before_it_begins_starts_nothing() -> None:
    with pytest.raises(ValueError, match="The window begins at 2026-03-02T10:00:00Z and ends at 2026-03-02T09:00:00Z"):
        monitoring.now(
            cast(Any, None),
            "churn",
            "production",
            [Kind.DATA_QUALITY],
            "2026-03-02T10:00:00Z",
            "2026-03-02T09:00:00Z",
            Path(),
        )


def test_a_failed_execution_says_what_its_job_said() -> None:
    said = "no record in s3://bucket/data-capture; no S3 key lies in these hours"
    jobs = {"Collect": {"ProcessingJobStatus": "Failed", "ExitMessage": said, "FailureReason": "AlgorithmError"}}
    found = verdicts.latest(Pipelines("Failed", jobs), Bucket(), "name", Kind.DATA_QUALITY)
    assert found and found.status == "Failed"
    assert found.reason == f"{said} (job Collect, log group /aws/sagemaker/ProcessingJobs)"


def test_a_running_one_has_no_verdict_yet() -> None:
    found = verdicts.latest(Pipelines("Executing", {}), Bucket(), "name", Kind.DATA_QUALITY)
    assert found and (found.status, found.violations, found.output_uri) == ("InProgress", [], "")


def test_an_execution_of_a_monitoring_schedule() -> None:
    summary = {"MonitoringExecutionStatus": "CompletedWithViolations", "ProcessingJobArn": "arn:x/Check"}
    s3 = Bucket(Check_constraint_violations={"violations": [VIOLATION]})
    sagemaker = Pipelines("", {"Check": {"Environment": {"start_time": "a", "end_time": "b"}}})
    found = managed_verdicts.read(sagemaker, s3, {**summary, "CreationTime": STARTED}, Kind.DATA_QUALITY)
    assert (found.status, found.subjects, found.window) == ("CompletedWithViolations", ["tenure"], ("a", "b"))
    failed = {"MonitoringExecutionStatus": "Failed", "FailureReason": "No S3 objects", "CreationTime": STARTED}
    assert managed_verdicts.read(sagemaker, s3, failed, Kind.DATA_QUALITY).reason == "No S3 objects"
