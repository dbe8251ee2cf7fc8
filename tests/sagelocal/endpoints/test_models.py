"""Models and endpoint configs: what is kept, what is resolved, and what is refused by name. No process is started."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings
from sagelocal.endpoints import plans

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


@pytest.fixture(scope="module")
def url(laptop: Settings) -> str:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="model.tar.gz", Body=b"unread")
    return f"s3://{laptop.bucket}/model.tar.gz"


@pytest.fixture(scope="module")
def sagemaker(laptop: Settings, url: str) -> Any:
    client = laptop.client("sagemaker")
    client.create_model(ModelName="present", PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url})
    return client


def error(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**request)
    return raised.value.response["Error"]["Message"]


def variant(**more: Any) -> dict[str, Any]:
    return {"VariantName": "v", "ModelName": "present", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1} | more


def test_a_model_is_described_as_it_was_created(sagemaker: Any, url: str) -> None:
    model = sagemaker.describe_model(ModelName="present")
    assert model["PrimaryContainer"] == {"Image": IMAGE, "ModelDataUrl": url}
    assert model["ModelArn"].endswith(":model/present")
    assert "_container" not in model
    assert 'Cannot create already existing model "arn:' in error(
        sagemaker.create_model, ModelName="present", PrimaryContainer={"Image": IMAGE}
    )


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"Image": "1.dkr.ecr.us-east-1.amazonaws.com/mine:1"}, "Known families"),
        ({"Image": IMAGE, "ModelDataUrl": "s3://nowhere/model.tar.gz"}, "Could not find model data at s3://nowhere"),
        ({"Image": IMAGE, "MultiModelConfig": {"ModelCacheSetting": "Enabled"}}, "MultiModelConfig"),
        ({}, "needs an Image or a ModelPackageName"),
    ],
)
def test_containers_that_cannot_run_are_refused(sagemaker: Any, container: dict[str, Any], said: str) -> None:
    assert said in error(sagemaker.create_model, ModelName="refused", PrimaryContainer=container)


def test_containers_that_cannot_run_together_are_refused(sagemaker: Any, url: str) -> None:
    def refused(*containers: dict[str, Any], **request: Any) -> str:
        return error(sagemaker.create_model, ModelName="refused", Containers=[*containers], **request)

    plain = {"Image": IMAGE, "ModelDataUrl": url}
    named = {**plain, "ContainerHostname": "a"}
    direct = {"InferenceExecutionConfig": {"Mode": "Direct"}}
    prefix = url.removesuffix("model.tar.gz")
    many = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": prefix}
    assert "exactly one of" in error(sagemaker.create_model, ModelName="refused")
    assert "for every container, or for none" in refused(named, plain)
    assert "must be unique: a, a" in refused(named, named)
    assert "needs a ContainerHostname for every container" in refused(plain, plain, **direct)
    assert "more than one container" in refused(named, **direct)
    assert refused(many, many) == "More than one container in MultiModel mode is not supported with inference pipeline."
    assert "Direct with a container in MultiModel mode" in refused(many, named, **direct)
    assert "Could not find model data" in refused({**many, "ModelDataUrl": f"{prefix}nothing/"})
    gpu = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker"
    assert refused({**many, "Image": gpu}) == (
        f"Your Ecr Image {gpu} does not contain required com.amazonaws.sagemaker.capabilities.multi-models=true Docker "
        "label(s)."
    )
    large = {**plain, "Environment": {f"V{number}": "x" * 1000 for number in range(20)}}
    assert "may hold 32768" in refused(large, large)


def test_a_package_of_several_containers_becomes_a_pipeline(sagemaker: Any, laptop: Settings, url: str) -> None:
    containers = [{"Image": IMAGE, "ModelDataUrl": url, "ContainerHostname": name} for name in ("prepare", "predict")]
    arn = sagemaker.create_model_package(
        ModelPackageName="several",
        InferenceSpecification={"Containers": containers, "SupportedContentTypes": ["text/csv"]},
    )["ModelPackageArn"]
    both = {"ModelPackageName": arn, "Environment": {"A": "1"}}
    sagemaker.create_model(ModelName="several", Containers=[both])
    assert sagemaker.describe_model(ModelName="several")["Containers"] == [both]
    sagemaker.create_endpoint_config(EndpointConfigName="several", ProductionVariants=[variant(ModelName="several")])
    said = error(
        sagemaker.create_model, ModelName="refused", PrimaryContainer={**both, "ContainerHostname": "one-for-two"}
    )
    assert "has 2 containers" in said


def test_only_an_approved_package_becomes_a_model(sagemaker: Any, url: str) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": {"A": "package", "B": "package"}}
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="group",
        InferenceSpecification={"Containers": [container], "SupportedContentTypes": ["text/csv"]},
    )["ModelPackageArn"]
    wanted = {"ModelPackageName": arn, "Environment": {"B": "model"}}
    assert "its ModelApprovalStatus is PendingManualApproval" in error(
        sagemaker.create_model, ModelName="packaged", PrimaryContainer=wanted
    )
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.create_model(ModelName="packaged", PrimaryContainer=wanted)
    assert sagemaker.describe_model(ModelName="packaged")["PrimaryContainer"] == wanted


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ModelName": "absent"}, 'Could not find model "arn:aws:sagemaker:'),
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, "ServerlessConfig"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "ManagedInstanceScaling"),
        ({"InitialVariantWeight": 0}, "above 0"),
    ],
)
def test_variants_that_cannot_be_honoured_are_refused(sagemaker: Any, changed: dict[str, Any], said: str) -> None:
    variants = [variant(**changed)]
    assert said in error(sagemaker.create_endpoint_config, EndpointConfigName="refused", ProductionVariants=variants)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("ExplainerConfig", {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1"}}}}),
    ],
)
def test_config_members_that_are_not_implemented_are_named(sagemaker: Any, member: str, value: Any) -> None:
    said = error(
        sagemaker.create_endpoint_config,
        EndpointConfigName="refused",
        ProductionVariants=[variant()],
        **{member: value},
    )
    assert said.startswith(f"The field {member} is not implemented")


def test_variant_names_are_unique_and_an_endpoint_needs_its_config(sagemaker: Any) -> None:
    twice = [variant(), variant()]
    assert "must be unique" in error(
        sagemaker.create_endpoint_config, EndpointConfigName="refused", ProductionVariants=twice
    )
    assert 'Could not find endpoint configuration "arn:' in error(
        sagemaker.create_endpoint, EndpointName="refused", EndpointConfigName="absent"
    )


def test_retained_properties_are_those_not_excluded() -> None:
    def plan(weight: float, count: int, capture: str) -> dict[str, Any]:
        return {"Variants": [{"VariantName": "v", "Weight": weight, "InstanceCount": count}], "DataCapture": capture}

    new = plan(1, 1, "new")
    request = {
        "RetainAllVariantProperties": True,
        "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
    }
    plans.retain(new, plan(5, 4, "old"), request)
    assert new == plan(5, 1, "old")
    untouched = plan(1, 1, "new")
    plans.retain(untouched, plan(5, 4, "old"), {})
    assert untouched == plan(1, 1, "new")
