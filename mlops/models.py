"""`mlops models`, `approve`, `reject`: what is registered and what may be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy import registry, served
from mlops import console
from mlops.targets import Target

CHECK = "Check"  # the properties that pipelines.steps.register makes of checks end so


def show(target: Target, use_case: str) -> None:
    sagemaker = target.client("sagemaker")
    found = registry.packages(sagemaker, use_case)
    if not found:
        raise LookupError(f"No model of {use_case} is registered: mlops run {use_case}")
    console.show(
        ("version", "approval", "made", "metrics", "checks", "used by"),
        [_row(sagemaker, package, _in_service(sagemaker, use_case)) for package in found],
    )


def _row(sagemaker: Any, package: dict[str, Any], in_service: dict[str, list[str]]) -> tuple[str, ...]:
    arn = package["ModelPackageArn"]
    properties = sagemaker.describe_model_package(ModelPackageName=arn).get("CustomerMetadataProperties", {})
    return (
        str(package["ModelPackageVersion"]),
        package["ModelApprovalStatus"],
        console.ago(package["CreationTime"]),
        ", ".join(metrics(properties)),
        checks(properties),
        ", ".join(in_service.get(arn, [])),
    )


def _in_service(sagemaker: Any, use_case: str) -> dict[str, list[str]]:
    """Package ARN to the endpoints that serve it."""
    found: dict[str, list[str]] = {}
    for page in sagemaker.get_paginator("list_endpoints").paginate(NameContains=f"{use_case.replace('_', '-')}-"):
        for endpoint in page["Endpoints"]:
            name = endpoint["EndpointName"]
            try:
                found.setdefault(served.package(sagemaker, use_case, name)["ModelPackageArn"], []).append(name)
            except LookupError:
                continue  # someone else's endpoint of a similar name
    return found


def decide(target: Target, use_case: str, version: int | None, reason: str, *, approve: bool) -> str:
    sagemaker = target.client("sagemaker")
    arn = (registry.approve if approve else registry.reject)(sagemaker, use_case, version, reason)
    console.say(f"{'Approved' if approve else 'Rejected'} {arn}")
    if approve:
        console.note(f"A deploy pipeline takes it from here (mlops cicd status); without one: mlops deploy {use_case}")
    return arn


def metrics(properties: Mapping[str, str]) -> list[str]:
    """The numbers among a version's CustomerMetadataProperties."""
    return [f"{name} {number(value)}" for name, value in properties.items() if is_number(value)]


def checks(properties: Mapping[str, str]) -> str:
    """What the checks of a version found, where they differ each by its name; "" for one without checks of ours."""
    found = {name.removesuffix(CHECK): value for name, value in properties.items() if name.endswith(CHECK)}
    if len(set(found.values())) <= 1:
        return next(iter(found.values()), "")
    return ", ".join(f"{name}: {value}" for name, value in found.items() if value != "no violation")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def number(text: str) -> str:
    return f"{float(text):.4g}"
