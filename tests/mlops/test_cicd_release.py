"""`mlops cicd release` where moto keeps the control planes: in another account, of a rejected version, too dear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deploy import registry, stages
from mlops import beside, cicd_release
from mlops.errors import Failure
from mlops.targets import HERE, Target

HOME, ABROAD = "123456789012", "222222222222"
ROLE = f"arn:aws:iam::{ABROAD}:role/mlops-stage-eu-west-1"
EXECUTION_ROLE = f"arn:aws:iam::{ABROAD}:role/mlops-execution"
FILE = f"""
staging:
  deployment: {{}}
production:
  account: "{ABROAD}"
  region: eu-west-1
  role: {ROLE}
  external_id: said
  execution_role: {EXECUTION_ROLE}
  bucket: data-of-production
  deployment: {{}}
dear:
  cost_ceiling: 1
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    (tmp_path / "stages.yml").write_text(FILE)
    monkeypatch.setattr(stages, "FILE", tmp_path / "stages.yml")
    names = {"SAGEMAKER_ROLE_ARN": f"arn:aws:iam::{HOME}:role/execution", "MLOPS_BUCKET": "data-of-home"}
    for name, value in {**names, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    for name in ("CODEBUILD_RESOLVED_SOURCE_VERSION", "PIPELINE_EXECUTION_ID", "CODEBUILD_BUILD_ID"):
        monkeypatch.setenv(name, f"{name.lower()}-1")
    monkeypatch.setattr(beside, "read", lambda *_: {})  # moto knows no monitoring schedules
    with mock_aws():
        yield Target(HERE, HOME, "us-east-1", boto3.Session(region_name="us-east-1"))


def package(target: Target, status: str = "Approved") -> str:
    sagemaker = target.client("sagemaker")
    registry.ensure_group(sagemaker, "churn")
    made = sagemaker.create_model_package(
        ModelPackageGroupName="churn",
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [{"Image": f"{HOME}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    return str(made["ModelPackageArn"])


def test_a_version_of_this_account_goes_into_service_in_the_stages(target: Target, capsys: Any) -> None:
    arn = package(target)
    there = cicd_release.enter(target, stages.find("production", "churn"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cicd_release, "record", lambda *_: None)  # moto has no lineage
        assert cicd_release.release(target, "production", arn) == "churn-production"
    assert f"goes to production: account {ABROAD}, eu-west-1" in capsys.readouterr().out
    sagemaker = there.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName="churn-production")
    assert endpoint["EndpointArn"].split(":")[3:5] == ["eu-west-1", ABROAD]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    assert config["DataCaptureConfig"]["DestinationS3Uri"] == "s3://data-of-production/data-capture"
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    (container,) = model.get("Containers") or [model["PrimaryContainer"]]
    assert (container["ModelPackageName"], model["ExecutionRoleArn"]) == (arn, EXECUTION_ROLE)
    tags = {each["Key"]: each["Value"] for each in sagemaker.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"]}
    assert tags["mlops:commit"] == "codebuild_resolved_source_version-1"
    assert tags["mlops:pipeline-execution"] == "pipeline_execution_id-1"
    assert target.client("sagemaker").list_endpoints()["Endpoints"] == []


@pytest.mark.parametrize("status", ["Rejected", "PendingManualApproval"])
def test_what_is_not_approved_any_more_is_not_deployed(status: str, target: Target) -> None:
    arn = package(target, status)
    with pytest.raises(Failure, match=f"{arn} is {status} now.*: nothing was deployed"):
        cicd_release.release(target, "staging", arn)
    assert target.client("sagemaker").list_models()["Models"] == []


def test_over_the_ceiling_nothing_is_deployed_and_the_remedy_is_said(target: Target) -> None:
    with pytest.raises(Exception, match="(?s)ceiling.*deploy/stages.yml|deploy/stages.yml.*ceiling"):
        cicd_release.release(target, "dear", package(target))
    assert target.client("sagemaker").list_models()["Models"] == []


def test_a_stage_that_is_not_declared_is_named(target: Target) -> None:
    with pytest.raises(LookupError, match="declares no stage prod. It has staging, production, dear"):
        cicd_release.release(target, "prod", package(target))


def test_alarms_of_the_new_config_alone_are_the_reason() -> None:
    asked: list[dict[str, Any]] = []

    class CloudWatch:
        def describe_alarms(self, **request: Any) -> dict[str, Any]:
            asked.append(request)
            alarm = {
                "AlarmName": "churn-production-2-0123abcd-AllTraffic-ModelLatency-p99",
                "MetricName": "ModelLatency",
                "ExtendedStatistic": "p99",
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 500000.0,
                "EvaluationPeriods": 1,
                "Period": 60,
                "StateReason": "Threshold Crossed: 1 datapoint [817362.0] was greater than the threshold (500000.0).",
            }
            return {"MetricAlarms": [alarm]}

    alarms = cicd_release.Alarms(CloudWatch())
    alarms({"EndpointName": "churn-production"})
    assert asked == []
    new = {"EndpointConfigName": "churn-production-2-0123abcd"}
    alarms({"EndpointName": "churn-production", "PendingDeploymentSummary": new})
    alarms({"EndpointName": "churn-production"})  # as it goes back
    assert [each["AlarmNamePrefix"] for each in asked] == ["churn-production-2-0123abcd-"] * 2
    (said,) = alarms.said()  # looks once more
    assert "p99 of ModelLatency > 500000 over 1 × 60 s: Threshold Crossed: 1 datapoint [817362.0]" in said


def test_sharing_names_the_accounts_of_the_stages(target: Target, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    put: list[dict[str, Any]] = []
    package(target)
    monkeypatch.setattr(  # moto has no group policies
        target.client("sagemaker"),
        "put_model_package_group_policy",
        lambda **request: put.append(request),
        raising=False,
    )
    cicd_release.share(target, "churn")
    assert f"arn:aws:iam::{ABROAD}:root" in put[0]["ResourcePolicy"] and HOME in put[0]["ResourcePolicy"]
    assert f"may be used by {ABROAD}" in capsys.readouterr().out
