"""Which endpoints serve, what they are made of, and what a request to them holds."""

from __future__ import annotations

from typing import Any

from dashboard import account
from dashboard.endpoints import described, schema
from dashboard.endpoints.described import Found
from deploy import served
from mlops import storage

_MOST = 100  # endpoints, or models of a multi-model one, to choose from


@account.kept
def endpoint(name: str) -> Found:
    """Raises LookupError when there is no such endpoint."""
    return described.read(account.client("sagemaker"), name)


@account.kept
def names() -> list[str]:
    """The newest endpoints that answer requests, the newest first."""
    page = account.client("sagemaker").list_endpoints(SortBy="CreationTime", SortOrder="Descending", MaxResults=_MOST)
    return [each["EndpointName"] for each in page["Endpoints"] if each["EndpointStatus"] in described.SERVING]


@account.kept
def fields(name: str, variant: str) -> list[schema.Field]:
    """The input schema of the model behind a variant. Raises LookupError with the reason where it can't be known."""
    return schema.of_package(package(name, variant), account.client("s3"))


@account.kept
def package(name: str, variant: str) -> dict[str, Any]:
    """DescribeModelPackage of what a variant serves. Raises LookupError for a model that is not registered."""
    sagemaker, found = account.client("sagemaker"), endpoint(name)
    chosen = next((each for each in described.variants(found) if each.name == variant), None)
    if chosen and chosen.version:
        return dict(sagemaker.describe_model_package(ModelPackageName=chosen.version.arn))
    if group := described.use_case(found):  # a pipeline's own step makes its model of the artifact
        return served.package(sagemaker, group, name)
    raise LookupError(f"The model of {name} was not made from a registered version.")


@account.kept
def models(name: str) -> list[str]:
    """The archives of a multi-model endpoint, as TargetModel names them."""
    found = endpoint(name)
    every = [each for model in found.models.values() for each in described.containers(model)]
    prefix = next((each["ModelDataUrl"] for each in every if each.get("Mode") == "MultiModel"), "")
    if not prefix:
        return []
    bucket, key = storage.split(prefix)
    page = account.client("s3").list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=_MOST)
    return [each["Key"].removeprefix(key).lstrip("/") for each in page.get("Contents", [])]
