"""What the pages ask of the account: which endpoints serve, what they are made of. Answers are kept for a moment."""

from __future__ import annotations

from typing import Any

import boto3
import streamlit as st

from dashboard import schema
from deploy import served
from deploy.names import PROJECT_TAG

_KEPT_SECONDS = 5


@st.cache_resource
def client(service: str) -> Any:
    return boto3.client(service)


@st.cache_data(ttl=_KEPT_SECONDS)
def endpoints() -> list[str]:
    """Names of what is in service, the newest first."""
    pages = client("sagemaker").get_paginator("list_endpoints").paginate(StatusEquals="InService")
    return [each["EndpointName"] for page in pages for each in page["Endpoints"]]


@st.cache_data(ttl=_KEPT_SECONDS)
def variants(endpoint: str) -> list[str]:
    described = client("sagemaker").describe_endpoint(EndpointName=endpoint)
    return [variant["VariantName"] for variant in described["ProductionVariants"]]


@st.cache_data(ttl=_KEPT_SECONDS)
def fields(endpoint: str) -> list[schema.Field]:
    """The input schema of the model behind an endpoint. Raises LookupError with the remedy where it can't be known."""
    return schema.of_package(package(endpoint), client("s3"))


@st.cache_data(ttl=_KEPT_SECONDS)
def description(endpoint: str) -> str:
    """What is served, in a line."""
    found = package(endpoint)
    version, group = found.get("ModelPackageVersion", ""), found.get("ModelPackageGroupName", "")
    return f"{endpoint} serves version {version} of {group}, made {found['CreationTime']:%d %B %Y %H:%M}"


def package(endpoint: str) -> dict[str, Any]:
    """DescribeModelPackage of what the endpoint serves. Raises LookupError for a model that is not registered."""
    sagemaker = client("sagemaker")
    arn = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    if PROJECT_TAG not in tags:
        raise LookupError(f"Endpoint {endpoint} has no tag {PROJECT_TAG}, so its registered version can't be found.")
    return served.package(sagemaker, tags[PROJECT_TAG], endpoint)
