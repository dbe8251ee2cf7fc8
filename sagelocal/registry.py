"""The model registry: groups, versioned packages and their approval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, validation
from sagelocal.api.refused import paths
from sagelocal.api.resources import RESOURCES
from sagelocal.store import Condition

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_EMPTY_STATUS: dict[str, list[Any]] = {"ValidationStatuses": [], "ImageScanStatuses": []}


def create_model_package_group(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    document = {name: value for name, value in request.items() if name != "Tags"}
    document |= {"ModelPackageGroupStatus": "Completed", "CreatedBy": app.settings.caller}
    return app.create("ModelPackageGroup", document, tags=request.get("Tags"))


def delete_model_package_group(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    """A group with versions in it can't be deleted."""
    group = app.find("ModelPackageGroup", request["ModelPackageGroupName"])
    name = group["ModelPackageGroupName"]
    with app.store.transaction():
        if left := app.store.page("ModelPackage", parent=name, limit=1):
            raise AwsError(
                "ConflictException",
                f"Model package group {name} still has versions, {left[0]['ModelPackageArn']} for one: delete them "
                "first.",
            )
        app.store.delete("ModelPackageGroup", name)
    return {}


def put_model_package_group_policy(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    """Kept and given back; sagelocal has one account, so nobody comes whom it lets in or keeps out."""
    try:
        policy = json.loads(request["ResourcePolicy"])
    except ValueError as error:
        raise validation(f"ResourcePolicy is no JSON: {error}.") from None
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise validation("ResourcePolicy is no policy document: it has no Statement.")
    group = app.find("ModelPackageGroup", request["ModelPackageGroupName"])
    app.store.update("ModelPackageGroup", group["ModelPackageGroupName"], {"_policy": request["ResourcePolicy"]})
    return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}


def get_model_package_group_policy(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    return {"ResourcePolicy": _policy(app, request["ModelPackageGroupName"])}


def delete_model_package_group_policy(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    _policy(app, request["ModelPackageGroupName"])
    name = app.find("ModelPackageGroup", request["ModelPackageGroupName"])["ModelPackageGroupName"]
    app.store.update("ModelPackageGroup", name, {"_policy": None})
    return {}


def _policy(app: SageLocal, name: str) -> str:
    """AWS answers a group without a policy with a ValidationException; its wording is not published."""
    group = app.find("ModelPackageGroup", name)
    if not (policy := group.get("_policy")):
        raise validation(f"Cannot find resource policy for: {group['ModelPackageGroupArn']}")
    return str(policy)


def create_model_package(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    """A new version of a group, or an unversioned package by name. `ClientToken` makes a retried request idempotent."""
    if ("ModelPackageGroupName" in request) == ("ModelPackageName" in request):
        raise validation("Specify exactly one of ModelPackageGroupName (for a version) and ModelPackageName.")
    if "ModelPackageName" in request:
        document = _package(app, request) | {"ModelPackageName": request["ModelPackageName"]}
        path = request["ModelPackageName"].lower()
        return app.create("ModelPackage", document, tags=request.get("Tags"), name=path, path=path)
    return _create_version(app, request)


def _create_version(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    name = app.find("ModelPackageGroup", request["ModelPackageGroupName"])["ModelPackageGroupName"]
    token = request.get("ClientToken")
    with app.store.transaction():
        same = [("_token", "=", token)] if token else []
        if same and (found := app.store.page("ModelPackage", parent=name, where=same, limit=1)):
            return found[0]
        # Version numbers are never reused, so the last one is kept with the group.
        version = app.store.get("ModelPackageGroup", name).get("_last_version", 0) + 1
        app.store.update("ModelPackageGroup", name, {"_last_version": version})
        document = _package(app, request) | {
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
            "_token": token,
        }
        path = f"{name.lower()}/{version}"
        key = app.arn(f"model-package/{path}")
        return app.create("ModelPackage", document, tags=request.get("Tags"), parent=name, name=key, path=path)


def _package(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in request.items() if name not in ("Tags", "ClientToken")}
    return {
        "ModelPackageRegistrationType": "Registered",
        **kept,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": _EMPTY_STATUS,
        "CertifyForMarketplace": request.get("CertifyForMarketplace", False),
        "CreatedBy": app.settings.caller,
    }


def update_model_package(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    """Approval, its description, metadata, life cycle: any approval status may follow any other, as on AWS."""
    package = app.find("ModelPackage", request["ModelPackageArn"])
    apart = (
        "ModelPackageArn",
        "ClientToken",
        "AdditionalInferenceSpecificationsToAdd",
        "CustomerMetadataProperties",
        "CustomerMetadataPropertiesToRemove",
    )
    if "ModelApprovalStatus" in request and "ModelPackageVersion" not in package:
        raise validation(
            f"{request['ModelPackageArn']} is not a versioned model package, so it has no approval status."
        )

    def edit(document: dict[str, Any]) -> None:
        document |= {name: value for name, value in request.items() if name not in apart}
        metadata = document.get("CustomerMetadataProperties", {}) | request.get("CustomerMetadataProperties", {})
        for key in request.get("CustomerMetadataPropertiesToRemove", []):
            metadata.pop(key, None)
        document["CustomerMetadataProperties"] = metadata
        added = request.get("AdditionalInferenceSpecificationsToAdd", [])
        if added:
            document.setdefault("AdditionalInferenceSpecifications", []).extend(added)
        document["LastModifiedBy"] = app.settings.caller

    app.store.update("ModelPackage", package["_name"], edit=edit)
    return {"ModelPackageArn": package["ModelPackageArn"]}


def list_model_packages(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    """With a group its versions; else, as AWS's default ModelPackageType says, the unversioned packages."""
    resource = RESOURCES["ModelPackage"]
    wanted = request.get("ModelPackageType", "Versioned" if "ModelPackageGroupName" in request else "Unversioned")
    where: list[Condition] = [] if wanted == "Both" else [("ModelPackageVersion", "present", wanted == "Versioned")]
    group = None
    if "ModelPackageGroupName" in request:
        group = app.find("ModelPackageGroup", request["ModelPackageGroupName"])["ModelPackageGroupName"]
    if "NameContains" in request:
        # A version has no ModelPackageName (so AWS's guide shows it; the SDK then goes by the ARN), but its group's.
        where.append(("ModelPackageName|ModelPackageGroupName", "contains", request["NameContains"]))
    others = {member: value for member, value in request.items() if member != "NameContains"}
    return listing.stored(app.store, resource, others, group, where)


OPERATIONS = {
    "CreateModelPackageGroup": create_model_package_group,
    "DeleteModelPackageGroup": delete_model_package_group,
    "PutModelPackageGroupPolicy": put_model_package_group_policy,
    "GetModelPackageGroupPolicy": get_model_package_group_policy,
    "DeleteModelPackageGroupPolicy": delete_model_package_group_policy,
    "CreateModelPackage": create_model_package,
    "UpdateModelPackage": update_model_package,
    "ListModelPackages": list_model_packages,
}

# Both need AWS's own validation jobs or marketplace.
REFUSED = {"CreateModelPackage": paths("ValidationSpecification", "SourceAlgorithmSpecification")}
