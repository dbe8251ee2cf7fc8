"""Which endpoints serve, and what they are made of, as the playground asks it."""

from __future__ import annotations

from typing import Any

from dashboard import account
from dashboard.endpoints import schema
from deploy import served
from deploy.names import PROJECT_TAG


@account.kept
def endpoints() -> list[str]:
    """Names of what is in service, the newest first."""
    pages = account.client("sagemaker").get_paginator("list_endpoints").paginate(StatusEquals="InService")
    return [each["EndpointName"] for page in pages for each in page["Endpoints"]]


@account.kept
def variants(endpoint: str) -> list[str]:
    described = account.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    return [variant["VariantName"] for variant in described["ProductionVariants"]]


@account.kept
def fields(endpoint: str) -> list[schema.Field]:
    """The input schema of the model behind an endpoint. Raises LookupError with the remedy where it can't be known."""
    return schema.of_package(package(endpoint), account.client("s3"))


@account.kept
def description(endpoint: str) -> str:
    """What is served, in a line."""
    found = package(endpoint)
    version, group = found.get("ModelPackageVersion", ""), found.get("ModelPackageGroupName", "")
    return f"{endpoint} serves version {version} of {group}, made {found['CreationTime']:%d %B %Y %H:%M}"


def package(endpoint: str) -> dict[str, Any]:
    """DescribeModelPackage of what the endpoint serves. Raises LookupError for a model that is not registered."""
    sagemaker = account.client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    if PROJECT_TAG not in tags:
        raise LookupError(f"Endpoint {endpoint} has no tag {PROJECT_TAG}, so its registered version can't be found.")
    return served.package(sagemaker, tags[PROJECT_TAG], endpoint)
