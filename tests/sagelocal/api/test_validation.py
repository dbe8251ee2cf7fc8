"""The strict validator: one passing request, and one failing case for each kind of constraint."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_model, service_model
from sagelocal.api.validation import compiled, problems, validate


def processing_job(**changes: Any) -> dict[str, Any]:
    request = {
        "ProcessingJobName": "prep-7",
        "RoleArn": "arn:aws:iam::111122223333:role/exec",
        "AppSpecification": {"ImageUri": "repository/image:1", "ContainerEntrypoint": ["python3", "prep.py"]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
        },
        "Environment": {"STAGE": "dev"},
    }
    return {**request, **changes}


def cluster(**changes: Any) -> dict[str, Any]:
    base = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    return processing_job(ProcessingResources={"ClusterConfig": {**base, **changes}})


def test_a_valid_request_passes() -> None:
    validate("sagemaker", "CreateProcessingJob", processing_job())
    assert problems(service_model("sagemaker").shape_for("CreateProcessingJobRequest"), processing_job()) == []


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        pytest.param(processing_job(RoleArn=None), "Value null at 'roleArn'.*must not be null", id="required"),
        pytest.param(processing_job(RoleArn=7), "'roleArn'.*must be of type string, not int", id="type"),
        pytest.param(cluster(InstanceCount=True), "instanceCount.*type integer, not bool", id="bool is no integer"),
        pytest.param(processing_job(Environment=[]), "'environment'.*type map, not list", id="type of a map"),
        pytest.param(
            cluster(InstanceCount=0),
            "Value 0 at 'processingResources.clusterConfig.instanceCount'.*greater than or equal to 1",
            id="minimum",
        ),
        pytest.param(cluster(InstanceCount=101), "instanceCount.*less than or equal to 100", id="maximum"),
        pytest.param(cluster(InstanceType="ml.toaster"), "instanceType.*enum value set: \\[ml.t3.medium", id="enum"),
        pytest.param(
            processing_job(ProcessingJobName="a_b"), "Value 'a_b' at 'processingJobName'.*pattern", id="pattern"
        ),
        pytest.param(processing_job(ProcessingJobName="a" * 64), "length less than or equal to 63", id="string length"),
        pytest.param(
            processing_job(RoleArn="arn:x"), "'roleArn'.*length greater than or equal to 20", id="minimum length"
        ),
        pytest.param(
            processing_job(AppSpecification={"ImageUri": "i", "ContainerEntrypoint": []}),
            "containerEntrypoint'.*length greater than or equal to 1",
            id="list length",
        ),
        pytest.param(
            processing_job(AppSpecification={"ImageUri": "i", "ContainerEntrypoint": ["x" * 257]}),
            "'appSpecification.containerEntrypoint.1.member'.*less than or equal to 256",
            id="list member",
        ),
        pytest.param(processing_job(Environment={"a b": "c"}), "Map key must satisfy.*pattern", id="map key"),
        pytest.param(processing_job(Environment={"A": "x" * 300}), "Map value must satisfy.*length", id="map value"),
        pytest.param(
            processing_job(Environment={f"K{n}": "v" for n in range(101)}),
            "'environment'.*less than or equal to 100",
            id="map size",
        ),
        pytest.param(processing_job(Colour="red"), "Unknown parameter 'Colour'", id="unknown member"),
    ],
)
def test_each_kind_of_constraint_is_checked(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError, match=said) as raised:
        validate("sagemaker", "CreateProcessingJob", request_)
    assert raised.value.code == "ValidationException"


def test_a_union_takes_exactly_one_member() -> None:
    union = service_model("sagemaker").shape_for("CustomFileSystem")
    both = {"EFSFileSystem": {"FileSystemId": "fs-12345678"}, "FSxLustreFileSystem": {"FileSystemId": "fs-12345678"}}
    assert problems(union, {"EFSFileSystem": both["EFSFileSystem"]}) == []
    assert "Exactly one member" in " ".join(problems(union, both))


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(AwsError, match=r"2 validation errors detected: .*instanceCount.*; .*volumeSizeInGB"):
        validate("sagemaker", "CreateProcessingJob", cluster(InstanceCount=0, VolumeSizeInGB=0))


def test_the_runtimes_body_limit_is_the_documented_one_not_the_models() -> None:
    validate("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e", "Body": b"x" * (7 * 1024 * 1024)})
    with pytest.raises(AwsError, match="less than or equal to 26214400"):
        validate("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e", "Body": b"x" * (25 * 1024 * 1024 + 1)})


@pytest.mark.parametrize("service", ["sagemaker", "sagemaker-runtime"])
def test_every_pattern_of_the_models_compiles(service: str) -> None:
    model = service_model(service)
    patterns = [p for name in model.shape_names if (p := model.shape_for(name).metadata.get("pattern"))]
    assert len(patterns) > 5
    assert all(compiled(pattern) for pattern in patterns)


def test_java_character_classes_work() -> None:
    validate(
        "sagemaker",
        "AddTags",
        {"ResourceArn": "arn:aws:sagemaker:x:111122223333:model/a", "Tags": [{"Key": "größe", "Value": "α"}]},
    )
    with pytest.raises(AwsError, match="pattern"):
        validate(
            "sagemaker",
            "AddTags",
            {"ResourceArn": "arn:aws:sagemaker:x:111122223333:model/a", "Tags": [{"Key": "a!", "Value": ""}]},
        )


@pytest.mark.parametrize("value", ["🙂", "", 2**63, -(2**63), float("inf")])
def test_a_time_that_no_client_could_read_back_is_refused(value: Any) -> None:
    shape = operation_model("sagemaker", "CreateTrialComponent").input_shape
    assert shape is not None
    (said,) = problems(shape, {"TrialComponentName": "c", "StartTime": value})
    assert "'startTime' failed to satisfy constraint: Member must be a time" in said
    assert problems(shape, {"TrialComponentName": "c", "StartTime": "2026-01-01T00:00:00Z"}) == []
