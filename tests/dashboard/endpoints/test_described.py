"""What descriptions say: modes, versions, shares."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.endpoints import described
from dashboard.endpoints.described import Found, Version

PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/churn/3"


def found(config: dict[str, Any], *models: dict[str, Any], **endpoint: Any) -> Found:
    named = {f"m{number}": model for number, model in enumerate(models)}
    return Found({"EndpointName": "churn-eu-production", "EndpointStatus": "InService", **endpoint}, config, named)


def variant(**members: Any) -> dict[str, Any]:
    return {
        "VariantName": "blue",
        "ModelName": "m0",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        **members,
    }


def test_the_mode_is_told_by_config_and_models() -> None:
    one, two = {"ProductionVariants": [variant()]}, {"ProductionVariants": [variant(), variant(VariantName="green")]}
    serverless = {
        "ProductionVariants": [{**variant(), "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}]
    }
    plain: dict[str, Any] = {"PrimaryContainer": {}}
    several: dict[str, Any] = {"Containers": [{}, {}]}
    direct = {**several, "InferenceExecutionConfig": {"Mode": "Direct"}}
    assert described.mode(found(one, plain)) == "real-time"
    assert described.mode(found(two, plain)) == "real-time, 2 variants"
    assert described.mode(found({**one, "ShadowProductionVariants": [variant()]}, plain)) == "real-time, shadow"
    assert described.mode(found({**one, "AsyncInferenceConfig": {}}, plain)) == "asynchronous"
    assert described.mode(found(serverless, plain)) == "serverless"
    assert described.mode(found(one, {"Containers": [{"Mode": "MultiModel"}]})) == "multi-model"
    assert described.mode(found(one, several)) == "real-time, serial pipeline"
    assert described.mode(found(one, direct)) == "real-time, several containers"
    assert described.mode(found({"ProductionVariants": [{"VariantName": "a"}]})) == "inference components"


def test_what_serves_is_a_version_or_else_a_model() -> None:
    config = {"ProductionVariants": [variant()]}
    assert described.serves(found(config, {"Containers": [{"ModelPackageName": PACKAGE}]})) == "churn version 3"
    assert described.serves(found(config, {"PrimaryContainer": {"Image": "i"}})) == "m0"
    assert described.version({"Containers": [{"ModelPackageName": PACKAGE}]}) == Version("churn", 3, PACKAGE)
    unversioned = PACKAGE.rsplit("/", 1)[0]
    assert str(described.version({"PrimaryContainer": {"ModelPackageName": unversioned}})) == "churn"


def test_a_variant_shows_what_it_is_and_what_it_is_to_be() -> None:
    live = {
        "VariantName": "blue", "CurrentWeight": 1.0, "DesiredWeight": 0.5, "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 2, "VariantStatus": [{"Status": "Updating", "StatusMessage": "Scaling out."}],
    }  # fmt: skip
    (shown,) = described.variants(found({"ProductionVariants": [variant()]}, ProductionVariants=[live]))
    assert (shown.weight, shown.desired_weight, shown.instances, shown.desired_instances) == (1.0, 0.5, 1, 2)
    assert (shown.hardware, shown.states) == ("ml.m5.large", ("Scaling out.",))


def test_a_config_that_is_gone_leaves_what_the_endpoint_tells() -> None:
    live = {"VariantName": "blue", "CurrentWeight": 1.0, "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}
    (shown,) = described.variants(found({}, ProductionVariants=[live]))
    assert (shown.name, shown.model, shown.version, shown.hardware) == ("blue", "", None, "")


@pytest.mark.parametrize(
    ("tag", "stage"), [("churn", "eu-production"), ("churn_eu", "production"), ("fraud", ""), ("", "")]
)
def test_the_stage_is_what_follows_the_use_case(tag: str, stage: str) -> None:
    tagged = Found({"EndpointName": "churn-eu-production"}, tags={"mlops:use-case": tag} if tag else {})
    assert (described.use_case(tagged), described.stage(tagged)) == (tag, stage)


def test_shares_are_weights_by_their_sum() -> None:
    assert described.shares({"a": 3.0, "b": 1.0}) == {"a": 0.75, "b": 0.25}
    assert described.shares({"a": 0.0}) == {"a": 0.0}
