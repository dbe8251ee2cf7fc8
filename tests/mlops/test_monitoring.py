from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber

from deploy.monitor import Verdict
from mlops import monitoring


def test_moments() -> None:
    assert monitoring.moment("2026-03-02T10:00:00Z") == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert monitoring.moment("2026-03-02T10:00:00") == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert monitoring.moment("2026-03-02T10:00:00+02:00") == datetime(2026, 3, 2, 8, tzinfo=UTC)
    ago = datetime.now(UTC) - monitoring.moment("2h")
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=1)
    with pytest.raises(ValueError, match="'yesterday' is no time: give 2026-03-02T10:00:00Z, or how long ago"):
        monitoring.moment("yesterday")


def test_the_next_window_starts_where_the_last_one_of_this_endpoint_ended() -> None:
    client = boto3.client("sagemaker", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/j"
    common = {"ProcessingJobArn": arn, "CreationTime": datetime.now(UTC), "ProcessingJobStatus": "Completed"}
    jobs = ["churn-production-monitor-2", "churn-production-monitor-1"]
    listed = {"ProcessingJobSummaries": [{"ProcessingJobName": name, **common} for name in jobs]}
    resources = {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}
    application = {"ProcessingResources": resources, "AppSpecification": {"ImageUri": "x"}}
    with Stubber(client) as stub:
        stub.add_response("list_processing_jobs", listed)
        for name, endpoint in zip(jobs, ["churn-production-eu", "churn-production"], strict=True):
            environment = {"sagemaker_endpoint_name": endpoint, "end_time": "2026-03-02T10:00:00Z"}
            job = {"ProcessingJobName": name, "Environment": environment, **common, **application}
            stub.add_response("describe_processing_job", job)
        found = monitoring.last_window_end(client, "churn-production")
        stub.assert_no_pending_responses()
    assert found == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_a_verdict_names_each_feature_once() -> None:
    violations = [{"feature_name": name, "constraint_check_type": "x", "description": ""} for name in "aba"]
    bad = Verdict("CompletedWithViolations", violations, "s3://b/o", "job")
    assert monitoring.sentence(bad) == "3 violations: a, b"
    assert monitoring.sentence(Verdict("Completed", [], "s3://b/o", "job")).startswith("no violation")
