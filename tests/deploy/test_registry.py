"""Model packages: which is the newest approved, which may be deployed, what its traffic is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploy import registry
from deploy.declaration import Kind


def test_the_newest_approved_version_is_found(sagemaker: Any, package: Callable[..., str]) -> None:
    with pytest.raises(LookupError, match="group churn. Run the pipeline first"):
        registry.latest_approved(sagemaker, "churn")
    first = package("PendingManualApproval")
    with pytest.raises(LookupError, match="No approved version in the model package group churn. Approve one of 1"):
        registry.latest_approved(sagemaker, "churn")
    assert registry.approve(sagemaker, "churn", 1, "looks good") == first
    package("PendingManualApproval")
    assert registry.latest_approved(sagemaker, "churn")["ModelPackageArn"] == first
    second = registry.approve(sagemaker, "churn")
    assert second.endswith("/2")
    assert registry.latest_approved(sagemaker, "churn")["ModelPackageArn"] == second
    registry.reject(sagemaker, "churn", 2)
    assert registry.latest_approved(sagemaker, "churn")["ModelPackageArn"] == first
    with pytest.raises(LookupError, match="no version 7. There are 2, 1"):
        registry.approve(sagemaker, "churn", 7)


def test_a_version_knows_its_baseline() -> None:
    source = {"ContentType": "application/json"}
    quality = {"Statistics": {**source, "S3Uri": "s3://b/s.json"}, "Constraints": {**source, "S3Uri": "s3://b/c.json"}}
    described = {"ModelPackageArn": "arn:churn/1", "ModelMetrics": {"ModelDataQuality": quality}}
    assert registry.baseline(described, Kind.DATA_QUALITY) == {
        "statistics": "s3://b/s.json",
        "constraints": "s3://b/c.json",
    }
    drift = {"Statistics": {**source, "S3Uri": "s3://b/d.json"}, "Constraints": {**source, "S3Uri": "s3://b/e.json"}}
    described["DriftCheckBaselines"] = {"ModelDataQuality": drift}
    assert registry.baseline(described, Kind.DATA_QUALITY) == {
        "statistics": "s3://b/d.json",
        "constraints": "s3://b/e.json",
    }
    assert registry.baseline({"ModelPackageArn": "arn:churn/1"}, Kind.DATA_QUALITY) == {}


def test_only_an_approved_version_deploys(sagemaker: Any, package: Callable[..., str]) -> None:
    first, second = package(), package("PendingManualApproval")
    assert registry.package(sagemaker, "churn", 1)["ModelPackageArn"] == first
    assert registry.package(sagemaker, "churn", "approved")["ModelPackageArn"] == first
    assert registry.package(sagemaker, "churn", first)["ModelPackageVersion"] == 1
    for version in (2, second):
        with pytest.raises(ValueError, match=f"{second} is PendingManualApproval"):
            registry.package(sagemaker, "churn", version)
    with pytest.raises(LookupError, match="no version 3. There are 2, 1"):
        registry.package(sagemaker, "churn", 3)
