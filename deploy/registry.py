"""Model packages: what is registered, what is approved. `sagemaker` is always a boto3 client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.declaration import Kind
from deploy.names import tags

_BASELINES = {
    Kind.DATA_QUALITY: {
        "statistics": ("ModelDataQuality", "Statistics"),
        "constraints": ("ModelDataQuality", "Constraints"),
    },
    Kind.MODEL_QUALITY: {"constraints": ("ModelQuality", "Constraints")},
    Kind.MODEL_BIAS: {"constraints": ("Bias", "PostTrainingConstraints"), "config": ("Bias", "ConfigFile")},
    Kind.EXPLAINABILITY: {"constraints": ("Explainability", "Constraints"), "config": ("Explainability", "ConfigFile")},
}


def ensure_group(sagemaker: Any, group: str) -> None:
    """Makes the model package group if there is none."""
    pages = sagemaker.get_paginator("list_model_package_groups").paginate(NameContains=group)
    if group not in {each["ModelPackageGroupName"] for page in pages for each in page["ModelPackageGroupSummaryList"]}:
        sagemaker.create_model_package_group(ModelPackageGroupName=group, Tags=tags(group))


def packages(sagemaker: Any, group: str, **filters: Any) -> list[dict[str, Any]]:
    """Summaries of the group's versions, newest first; none for a group that doesn't exist. Filters are
    ListModelPackages' own.
    """
    query = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending", **filters}
    try:
        pages = sagemaker.get_paginator("list_model_packages").paginate(**query)
        found = [package for page in pages for package in page["ModelPackageSummaryList"]]
    except sagemaker.exceptions.ClientError as error:
        if "does not exist" not in error.response["Error"]["Message"]:
            raise
        found = []
    # Versions of one second would otherwise come in any order.
    return sorted(found, key=lambda package: package.get("ModelPackageVersion", 0), reverse=True)


def latest(sagemaker: Any, group: str, status: str | None = None) -> dict[str, Any]:
    """DescribeModelPackage of the newest version, or of the newest with that approval status.

    Raises LookupError when there is none.
    """
    found = packages(sagemaker, group, **({"ModelApprovalStatus": status} if status else {}))
    if not found:
        which = f"{status} version" if status else "version"
        raise LookupError(f"No {which} in the model package group {group}: run the pipeline, then approve its version.")
    return sagemaker.describe_model_package(ModelPackageName=found[0]["ModelPackageArn"])


def latest_approved(sagemaker: Any, group: str) -> dict[str, Any]:
    """DescribeModelPackage of the newest approved version. Raises LookupError with the remedy when there is none."""
    try:
        return latest(sagemaker, group, "Approved")
    except LookupError:
        waiting = [package["ModelPackageVersion"] for package in packages(sagemaker, group)]
        remedy = f"Approve one of {', '.join(map(str, waiting))}." if waiting else "Run the pipeline first."
        raise LookupError(f"No approved version in the model package group {group}. {remedy}") from None


def package(sagemaker: Any, group: str, version: int | str) -> dict[str, Any]:
    """DescribeModelPackage of a version: its number, its ARN, or `approved` for the newest approved one.

    Raises LookupError when there is none, ValueError for one that isn't approved.
    """
    if version == "approved":
        return latest_approved(sagemaker, group)
    arn = version
    if isinstance(version, int):
        found = {each["ModelPackageVersion"]: each["ModelPackageArn"] for each in packages(sagemaker, group)}
        if version not in found:
            known = ", ".join(map(str, found)) or "none: run the pipeline first"
            raise LookupError(f"The model package group {group} has no version {version}. There are {known}.")
        arn = found[version]
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    if described.get("ModelApprovalStatus") != "Approved":
        # AWS: CreateModel refuses it. Said here because a config and an endpoint would otherwise fail late.
        raise ValueError(f"{arn} is {described.get('ModelApprovalStatus')}, and only an approved version deploys.")
    return described


def approve(sagemaker: Any, group: str, version: int | None = None, reason: str = "") -> str:
    """Approves a version, the newest unless one is named, and returns its ARN. LookupError when it isn't there."""
    return decide(sagemaker, group, version, "Approved", reason)


def reject(sagemaker: Any, group: str, version: int | None = None, reason: str = "") -> str:
    """Rejects a version, the newest unless one is named, and returns its ARN. LookupError when it isn't there."""
    return decide(sagemaker, group, version, "Rejected", reason)


def decide(sagemaker: Any, group: str, version: int | None, status: str, reason: str) -> str:
    found = packages(sagemaker, group)
    chosen = [package for package in found if version in (None, package["ModelPackageVersion"])]
    if not chosen:
        known = ", ".join(str(package["ModelPackageVersion"]) for package in found) or "none: run the pipeline first"
        which = f"no version {version}" if version else "no version"
        raise LookupError(f"The model package group {group} has {which}. There are {known}.")
    arn = chosen[0]["ModelPackageArn"]
    change = {"ModelPackageArn": arn, "ModelApprovalStatus": status}
    sagemaker.update_model_package(**change, **({"ApprovalDescription": reason} if reason else {}))
    return arn


def baseline(package: Mapping[str, Any], kind: Kind) -> dict[str, str]:
    """URIs of what a version's traffic is compared with, by part: statistics, constraints, config; none if one lacks.

    Those of its DriftCheckBaselines, else of what was measured when it was trained (ModelMetrics, which has data
    quality alone in full).
    """
    for holder in ("DriftCheckBaselines", "ModelMetrics"):
        parts = {part: _leaf(package.get(holder, {}), *path) for part, path in _BASELINES[kind].items()}
        if all(parts.values()):
            return parts
    return {}


def _leaf(holder: Mapping[str, Any], member: str, leaf: str) -> str:
    return str(holder.get(member, {}).get(leaf, {}).get("S3Uri", ""))
