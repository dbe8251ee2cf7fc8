"""Endpoints in an account that exists only in memory: moto keeps the control plane, nothing serves."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deploy import endpoint, registry
from deploy.names import owned

ROLE = "arn:aws:iam::123456789012:role/execution"
CAPTURE = "s3://bucket/data-capture"


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("sagemaker", region_name="us-east-1")
        # moto has no UpdateEndpoint; to the caller an endpoint in service with another config is the same.
        monkeypatch.setattr(client, "update_endpoint", lambda **request: replace(client, **request), raising=False)
        yield client


def replace(client: Any, EndpointName: str, EndpointConfigName: str) -> None:
    client.delete_endpoint(EndpointName=EndpointName)
    client.create_endpoint(EndpointName=EndpointName, EndpointConfigName=EndpointConfigName)


def package(sagemaker: Any, status: str = "Approved", **more: Any) -> str:
    """One more version in the group churn."""
    registry.ensure_group(sagemaker, "churn")
    container = {"Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"}
    return sagemaker.create_model_package(
        ModelPackageGroupName="churn",
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": [],
            "SupportedResponseMIMETypes": [],
        },
        **more,
    )["ModelPackageArn"]


def deploy(sagemaker: Any, arn: str, **more: Any) -> str:
    more = {"use_case": "churn", "stage": "staging", "role": ROLE, "capture_uri": CAPTURE, **more}
    return endpoint.deploy(sagemaker, package_arn=arn, **more)


def test_a_version_goes_in_service_with_data_capture(sagemaker: Any) -> None:
    arn = package(sagemaker)
    assert deploy(sagemaker, arn, instance_type="ml.c5.large", instance_count=2) == "churn-staging"
    described = sagemaker.describe_endpoint(EndpointName="churn-staging")
    assert described["EndpointStatus"] == "InService"
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    (variant,) = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c5.large", 2)
    capture = config["DataCaptureConfig"]
    assert capture["EnableCapture"] is True
    assert capture["DestinationS3Uri"] == CAPTURE
    assert capture["CaptureContentTypeHeader"]["CsvContentTypes"] == ["text/csv"]
    assert {each["CaptureMode"] for each in capture["CaptureOptions"]} == {"Input", "Output"}
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    assert model["Containers"] == [{"ModelPackageName": arn}]


def test_the_same_deployment_again_changes_nothing(sagemaker: Any) -> None:
    arn = package(sagemaker)
    deploy(sagemaker, arn)
    before = sagemaker.describe_endpoint(EndpointName="churn-staging")
    deploy(sagemaker, arn)
    after = sagemaker.describe_endpoint(EndpointName="churn-staging")
    assert (after["EndpointConfigName"], after["LastModifiedTime"]) == (
        before["EndpointConfigName"],
        before["LastModifiedTime"],
    )
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1


def test_an_update_keeps_the_previous_config_and_drops_older_ones(sagemaker: Any) -> None:
    used = []
    # Another endpoint's, whose name only begins alike.
    stranger = "churn-staging-eu-1-0123abcd"
    endpoint.make_model(sagemaker, stranger, package(sagemaker), ROLE, "churn")
    endpoint.make_config(
        sagemaker, stranger, {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}, CAPTURE, "churn"
    )
    for _ in range(3):
        deploy(sagemaker, package(sagemaker))
        used.append(sagemaker.describe_endpoint(EndpointName="churn-staging")["EndpointConfigName"])
    assert len(set(used)) == 3
    configs = {each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]}
    models = {each["ModelName"] for each in sagemaker.list_models()["Models"]}
    assert configs == models == {*used[1:], stranger}


def test_only_an_approved_version_deploys(sagemaker: Any) -> None:
    arn = package(sagemaker, "PendingManualApproval")
    with pytest.raises(ValueError, match=f"{arn} is PendingManualApproval"):
        deploy(sagemaker, arn)
    assert sagemaker.list_models()["Models"] == []


def test_an_endpoint_that_fails_says_why(sagemaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"EndpointStatus": "Failed", "EndpointConfigName": "c", "FailureReason": "The container did not answer."}
    monkeypatch.setattr(endpoint, "settled", lambda *_: failed)
    with pytest.raises(RuntimeError, match=r"churn-staging with c is Failed: The container did not answer\."):
        endpoint.wait_in_service(sagemaker, "churn-staging", "c")


def test_a_rollback_is_not_a_success(sagemaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    back = {"EndpointStatus": "InService", "EndpointConfigName": "old"}
    monkeypatch.setattr(endpoint, "settled", lambda *_: back)
    with pytest.raises(RuntimeError, match="went back to its former config"):
        endpoint.wait_in_service(sagemaker, "churn-staging", "new")


def test_delete_takes_configs_and_models_along(sagemaker: Any) -> None:
    for _ in range(2):
        deploy(sagemaker, package(sagemaker))
    endpoint.delete(sagemaker, "churn-staging")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_models()["Models"] == []
    with pytest.raises(LookupError, match="no endpoint churn-staging"):
        endpoint.delete(sagemaker, "churn-staging")


@pytest.mark.parametrize(
    ("config", "mine"),
    [
        ("churn-staging-3-0123abcd", True),
        ("churn-staging-abcdef123456", True),  # a pipeline's: its execution id
        ("churn-staging-eu-3-0123abcd", False),
        ("churn-staging-by-hand", False),
        ("churn-production-3-0123abcd", False),
    ],
)
def test_whose_config_it_is(config: str, mine: bool) -> None:
    assert owned("churn-staging", config) is mine


class Runtime:
    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.request: dict[str, Any] = {}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.request = request
        return {"Body": io.BytesIO(self.answer)}


def test_the_smoke_test_returns_the_answer() -> None:
    runtime = Runtime(b"0.7,1\n")
    assert endpoint.smoke_test(runtime, "churn-staging", "a,b") == "0.7,1\n"
    assert runtime.request["ContentType"] == "text/csv"
    with pytest.raises(RuntimeError, match="churn-staging answered 3 bytes"):
        endpoint.smoke_test(Runtime(b" \n"), "churn-staging", "a,b")


def test_the_newest_approved_version_is_found(sagemaker: Any) -> None:
    with pytest.raises(LookupError, match="group churn. Run the pipeline first"):
        registry.latest_approved(sagemaker, "churn")
    first = package(sagemaker, "PendingManualApproval")
    with pytest.raises(LookupError, match="No approved version in the model package group churn. Approve one of 1"):
        registry.latest_approved(sagemaker, "churn")
    assert registry.approve(sagemaker, "churn", 1, "looks good") == first
    package(sagemaker, "PendingManualApproval")
    assert registry.latest_approved(sagemaker, "churn")["ModelPackageArn"] == first
    second = registry.approve(sagemaker, "churn")
    assert second.endswith("/2")
    assert registry.latest_approved(sagemaker, "churn")["ModelPackageArn"] == second
    registry.reject(sagemaker, "churn", 2)
    assert registry.latest_approved(sagemaker, "churn")["ModelPackageArn"] == first
    with pytest.raises(LookupError, match="no version 7. There are 2, 1"):
        registry.approve(sagemaker, "churn", 7)


def test_a_version_knows_its_baseline() -> None:
    source = {"ContentType": "application/json"}
    quality = {"Statistics": {**source, "S3Uri": "s3://b/s.json"}, "Constraints": {**source, "S3Uri": "s3://b/c.json"}}
    described = {"ModelPackageArn": "arn:churn/1", "ModelMetrics": {"ModelDataQuality": quality}}
    assert registry.data_quality_baseline(described) == ("s3://b/s.json", "s3://b/c.json")
    drift = {"Statistics": {**source, "S3Uri": "s3://b/d.json"}, "Constraints": {**source, "S3Uri": "s3://b/e.json"}}
    described["DriftCheckBaselines"] = {"ModelDataQuality": drift}
    assert registry.data_quality_baseline(described) == ("s3://b/d.json", "s3://b/e.json")
    with pytest.raises(LookupError, match="arn:churn/1 has no ModelDataQuality"):
        registry.data_quality_baseline({"ModelPackageArn": "arn:churn/1"})
