"""The monitor's request and verdict; the job itself is played by writing what it would write."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deploy import monitor
from sagelocal.api.validation import validate

START, END = datetime(2026, 11, 21, 5, 40, tzinfo=UTC), datetime(2026, 11, 21, 6, 10, tzinfo=UTC)


class SageMaker:
    """CreateProcessingJob and DescribeProcessingJob: a job that is over at once."""

    def __init__(self, s3: Any, violations: list[dict], status: str = "Completed") -> None:
        self.s3, self.violations, self.status = s3, violations, status
        self.request: dict[str, Any] = {}

    def create_processing_job(self, **request: Any) -> None:
        self.request = request
        uri = request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
        key = f"{uri.removeprefix('s3://bucket/')}/constraint_violations.json"
        self.s3.put_object(Bucket="bucket", Key=key, Body=json.dumps({"violations": self.violations}))

    def describe_processing_job(self, ProcessingJobName: str) -> dict:
        assert ProcessingJobName == self.request["ProcessingJobName"]
        return {"ProcessingJobStatus": self.status, "FailureReason": "AlgorithmError: exit code 1"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="capture/churn-staging/AllTraffic/2026/11/21/05/x.jsonl", Body=b"{}")
        yield client


def run(sagemaker: Any, s3: Any, **more: Any) -> monitor.Verdict:
    settings: dict[str, Any] = {
        "use_case": "churn",
        "endpoint": "churn-staging",
        "variants": ["AllTraffic", "B"],
        "role": "arn:aws:iam::123456789012:role/execution",
        "image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
        "code": "s3://bucket/code/evaluation/data_quality/0123456789abcdef/",
        "entrypoint": ["python3", "/opt/ml/processing/input/code/data_quality.py"],
        "statistics": "s3://bucket/baseline/statistics.json",
        "constraints": "s3://bucket/baseline/constraints.json",
        "capture_uri": "s3://bucket/capture",
        "output_uri": "s3://bucket/monitoring",
        "start": START,
        "end": END,
    }
    return monitor.run(sagemaker, s3, **{**settings, **more})


def test_no_violation(s3: Any) -> None:
    verdict = run(SageMaker(s3, []), s3)
    assert (verdict.status, verdict.violations, verdict.features) == ("Completed", [], [])
    assert verdict.report_uri == f"s3://bucket/monitoring/churn-staging/{verdict.job}/report.html"


def test_violations_name_their_features_once(s3: Any) -> None:
    found = [
        {"feature_name": name, "constraint_check_type": kind, "description": "far off"}
        for name, kind in [("tenure", "baseline_drift_check"), ("tenure", "data_type_check"), ("Contract", "x")]
    ]
    verdict = run(SageMaker(s3, found), s3)
    assert verdict.status == "CompletedWithViolations"
    assert verdict.violations == found
    assert verdict.features == ["tenure", "Contract"]


def test_the_request_is_valid_and_follows_the_container_contract(s3: Any) -> None:
    sagemaker = SageMaker(s3, [])
    run(sagemaker, s3)
    validate("sagemaker", "CreateProcessingJob", sagemaker.request)
    sent = sagemaker.request["Environment"]
    assert (sent["start_time"], sent["end_time"]) == ("2026-11-21T05:40:00Z", "2026-11-21T06:10:00Z")
    mounted = {each["S3Input"]["LocalPath"]: each["S3Input"]["S3Uri"] for each in sagemaker.request["ProcessingInputs"]}
    captured = {path: uri for path, uri in mounted.items() if path.startswith(sent["dataset_source"])}
    assert captured == {
        f"{sent['dataset_source']}/AllTraffic": "s3://bucket/capture/churn-staging/AllTraffic/2026/11/21"
    }
    for name in ("baseline_statistics", "baseline_constraints"):
        folder, file = sent[name].rsplit("/", 1)
        assert mounted[folder].endswith(f"/{file}")
    assert sagemaker.request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["LocalPath"] == sent["output_path"]


def test_every_variant_that_has_traffic_is_looked_at(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="capture/churn-staging/B/2026/11/21/06/x.jsonl", Body=b"{}")
    sagemaker = SageMaker(s3, [])
    run(sagemaker, s3)
    validate("sagemaker", "CreateProcessingJob", sagemaker.request)
    assert [each["InputName"] for each in sagemaker.request["ProcessingInputs"]][:2] == [
        "endpoint-AllTraffic",
        "endpoint-B",
    ]


def test_nothing_captured_names_the_remedy(s3: Any) -> None:
    later = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(
        LookupError, match=r"No traffic of churn-staging is captured under .*/B/2026/12/01/00\. Send requests"
    ):
        run(SageMaker(s3, []), s3, start=later, end=later)


def test_a_failed_job_says_why(s3: Any) -> None:
    with pytest.raises(RuntimeError, match="churn-staging-monitor-.* failed: AlgorithmError: exit code 1"):
        run(SageMaker(s3, [], status="Failed"), s3)


@pytest.mark.parametrize(
    ("end", "folder"),
    [
        (datetime(2026, 11, 21, 5, 59, tzinfo=UTC), "2026/11/21/05"),
        (datetime(2026, 11, 30, tzinfo=UTC), "2026/11"),
        (datetime(2027, 1, 1, tzinfo=UTC), ""),
    ],
)
def test_the_narrowest_folder_of_a_window(end: datetime, folder: str) -> None:
    prefix = monitor.capture_prefix("s3://b/capture/", "churn-staging", "AllTraffic", START, end)
    assert prefix == "/".join(["s3://b/capture/churn-staging/AllTraffic", *([folder] if folder else [])])
