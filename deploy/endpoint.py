"""Endpoints: the newest approved version goes in service, an existing endpoint is updated in place.

The clients are boto3's own. Everything that a deployment makes is named after what is in it, so to repeat a deployment
changes nothing, and a changed instance type or version is an update.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deploy.names import VARIANT, capture_config, endpoint_name, owned, tags

KEPT = 2  # configs an endpoint keeps: the one in use, and the one before it to go back to
PASSING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


def deploy(
    sagemaker: Any,
    *,
    use_case: str,
    stage: str,
    package_arn: str,
    role: str,
    capture_uri: str,
    instance_type: str = "ml.m5.large",
    instance_count: int = 1,
    wait: bool = True,
) -> str:
    """Puts a model package in service as `<use case>-<stage>` with data capture, and returns that name.

    Once the endpoint is in service, what it no longer needs (all but the previous config and its model) is deleted.
    Raises ValueError for a version that isn't approved, RuntimeError with the FailureReason when the endpoint doesn't
    come in service.
    """
    package = sagemaker.describe_model_package(ModelPackageName=package_arn)
    if package.get("ModelApprovalStatus") != "Approved":
        # AWS: CreateModel refuses it. Said here because a config and an endpoint would otherwise fail late.
        raise ValueError(
            f"{package_arn} is {package.get('ModelApprovalStatus')}, and only an approved version deploys."
        )
    name = endpoint_name(use_case, stage)
    variant = {"InstanceType": instance_type, "InitialInstanceCount": instance_count, "InitialVariantWeight": 1.0}
    config = f"{name}-{package['ModelPackageVersion']}-{digest(package_arn, role, variant, capture_uri)}"
    make_model(sagemaker, config, package_arn, role, use_case)
    make_config(sagemaker, config, variant, capture_uri, use_case)
    put_in_service(sagemaker, name, config, use_case)
    if wait:
        wait_in_service(sagemaker, name, config)
        drop_superseded(sagemaker, name)
    return name


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def find(call: Callable[..., dict[str, Any]], **name: str) -> dict[str, Any] | None:
    """A Describe response, None when the resource doesn't exist."""
    try:
        return call(**name)
    except ClientError as error:
        text = error.response["Error"]["Message"].lower()
        if "could not find" in text or "does not exist" in text or "cannot find" in text:
            return None
        raise


def make_model(sagemaker: Any, name: str, package_arn: str, role: str, use_case: str) -> None:
    if find(sagemaker.describe_model, ModelName=name) is None:
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=role, Containers=[{"ModelPackageName": package_arn}], Tags=tags(use_case)
        )


def make_config(sagemaker: Any, name: str, variant: dict[str, Any], capture_uri: str, use_case: str) -> None:
    if find(sagemaker.describe_endpoint_config, EndpointConfigName=name) is None:
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": VARIANT, "ModelName": name, **variant}],
            DataCaptureConfig=capture_config(capture_uri),
            Tags=tags(use_case),
        )


def put_in_service(sagemaker: Any, name: str, config: str, use_case: str) -> None:
    """Creates the endpoint, or updates it if it uses another config; an update under way is waited for first."""
    endpoint = settled(sagemaker, name)
    if endpoint and endpoint["EndpointStatus"] == "Failed":
        sagemaker.delete_endpoint(EndpointName=name)  # AWS: a failed endpoint cannot be updated
        endpoint = settled(sagemaker, name)
    if endpoint is None:
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tags(use_case))
    elif endpoint["EndpointConfigName"] != config:
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)


def settled(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """DescribeEndpoint once nothing is changing any more, None when there is no such endpoint."""
    pause = 0.2
    while True:
        endpoint = find(sagemaker.describe_endpoint, EndpointName=name)
        if endpoint is None or endpoint["EndpointStatus"] not in PASSING:
            return endpoint
        time.sleep(pause)
        pause = min(pause * 1.5, 15.0)  # a laptop takes a second, AWS minutes


def wait_in_service(sagemaker: Any, name: str, config: str) -> None:
    endpoint = settled(sagemaker, name)
    status = endpoint["EndpointStatus"] if endpoint else "deleted"
    if endpoint is None or status != "InService" or endpoint["EndpointConfigName"] != config:
        reason = (endpoint or {}).get("FailureReason") or "it went back to its former config"
        raise RuntimeError(
            f"Endpoint {name} with {config} is {status}: {reason}. Logs: /aws/sagemaker/Endpoints/{name}"
        )


def configs(sagemaker: Any, name: str) -> list[str]:
    """The configs that were made for an endpoint, newest first."""
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=f"{name}-", SortBy="CreationTime", SortOrder="Descending"
    )
    found = [config["EndpointConfigName"] for page in pages for config in page["EndpointConfigs"]]
    return [config for config in found if owned(name, config)]


def drop_superseded(sagemaker: Any, name: str) -> list[str]:
    """Deletes all of an endpoint's configs but the current and the newest other one, with the models that only they
    use; returns their names.
    """
    current = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    others = [config for config in configs(sagemaker, name) if config != current]
    kept, dropped = [current, *others[: KEPT - 1]], others[KEPT - 1 :]
    drop(sagemaker, dropped, kept)
    return dropped


def drop(sagemaker: Any, dropped: list[str], kept: list[str]) -> None:
    in_use = {model for config in kept for model in models(sagemaker, config)}
    for config in dropped:
        unused = models(sagemaker, config) - in_use
        sagemaker.delete_endpoint_config(EndpointConfigName=config)
        for model in sorted(unused):
            if find(sagemaker.describe_model, ModelName=model):
                sagemaker.delete_model(ModelName=model)


def models(sagemaker: Any, config: str) -> set[str]:
    described = find(sagemaker.describe_endpoint_config, EndpointConfigName=config) or {}
    return {variant["ModelName"] for variant in described.get("ProductionVariants", []) if "ModelName" in variant}


def delete(sagemaker: Any, name: str) -> None:
    """Deletes an endpoint with the configs and models that were made for it; captured traffic stays.

    Raises LookupError when there is nothing of that name.
    """
    endpoint = settled(sagemaker, name)
    dropped = configs(sagemaker, name)
    if endpoint is None and not dropped:
        raise LookupError(f"There is no endpoint {name}.")
    if endpoint:
        sagemaker.delete_endpoint(EndpointName=name)
        settled(sagemaker, name)
    drop(sagemaker, dropped, [])


def smoke_test(runtime: Any, name: str, payload: str | bytes, content_type: str = "text/csv") -> str:
    """The endpoint's answer to one request, as text. `runtime` is a boto3 `sagemaker-runtime` client.

    Raises ClientError when the model refuses or fails, RuntimeError for an empty answer.
    """
    response = runtime.invoke_endpoint(EndpointName=name, Body=payload, ContentType=content_type, Accept=content_type)
    answer = response["Body"].read().decode()
    if not answer.strip():
        raise RuntimeError(f"Endpoint {name} answered {len(payload)} bytes of {content_type} with nothing.")
    return answer
