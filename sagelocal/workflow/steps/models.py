"""Steps that make a model or a version in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagelocal.api.errors import AwsError
from sagelocal.workflow.steps.attempt import Attempt, Result, StepFailed, invoke

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


def create_model(attempt: Attempt) -> Result:
    app, name = attempt.app, attempt.name
    if app.store.find("Model", name) is None:
        invoke(app, "CreateModel", attempt.request | {"ModelName": name})
    model = app.call("DescribeModel", {"ModelName": name})
    return Result({"Model": {"Arn": model["ModelArn"]}}, model)


def register_model(attempt: Attempt) -> Result:
    """A missing package group is created, as AWS's own project template relies on; GeneratedBy names the execution."""
    app, request = attempt.app, attempt.request
    if group := request.get("ModelPackageGroupName"):
        _ensure_group(app, group)
    metadata_properties = request.get("MetadataProperties", {}) | {"GeneratedBy": attempt.arn}
    made = request | {"MetadataProperties": metadata_properties, "ClientToken": attempt.token}
    arn = invoke(app, "CreateModelPackage", made)["ModelPackageArn"]
    package = app.call("DescribeModelPackage", {"ModelPackageName": arn})
    return Result({"RegisterModel": {"Arn": arn}}, package)


def _ensure_group(app: SageLocal, group: str) -> None:
    try:
        app.find("ModelPackageGroup", group)
    except AwsError:
        try:
            invoke(app, "CreateModelPackageGroup", {"ModelPackageGroupName": group})
        except StepFailed:
            if app.store.find("ModelPackageGroup", group) is None:  # else another execution made it in this moment
                raise
