"""The model registry, through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings

CONTAINER = {"Image": "repository/sagemaker-xgboost:3.2-0", "ModelDataUrl": "s3://bucket/model.tar.gz"}
SPECIFICATION = {
    "Containers": [CONTAINER],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}


@pytest.fixture(scope="module")
def sagemaker(laptop: Settings) -> Any:
    return laptop.client("sagemaker")


def test_versions_count_up_and_are_never_reused(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="Churn")
    arns = [_version(sagemaker, "Churn") for _ in range(3)]
    assert arns[0].endswith(":model-package/churn/1")
    sagemaker.delete_model_package(ModelPackageName=arns[2])
    assert _version(sagemaker, "Churn").endswith("/4")
    package = sagemaker.describe_model_package(ModelPackageName=arns[0])
    assert (package["ModelPackageVersion"], package["ModelApprovalStatus"]) == (1, "PendingManualApproval")
    assert package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == CONTAINER["ModelDataUrl"]


def test_a_groups_policy_is_kept_until_it_is_deleted(sagemaker: Any) -> None:
    arn = sagemaker.create_model_package_group(ModelPackageGroupName="Shared")["ModelPackageGroupArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    put = sagemaker.put_model_package_group_policy(ModelPackageGroupName="Shared", ResourcePolicy=policy)
    assert put["ModelPackageGroupArn"] == arn
    assert sagemaker.get_model_package_group_policy(ModelPackageGroupName="Shared")["ResourcePolicy"] == policy
    for wrong in ("{", "[]"):
        with pytest.raises(ClientError, match="ValidationException.*ResourcePolicy is no"):
            sagemaker.put_model_package_group_policy(ModelPackageGroupName="Shared", ResourcePolicy=wrong)
    sagemaker.delete_model_package_group_policy(ModelPackageGroupName="Shared")
    for gone in (sagemaker.get_model_package_group_policy, sagemaker.delete_model_package_group_policy):
        with pytest.raises(ClientError, match=f"Cannot find resource policy for: {arn}"):
            gone(ModelPackageGroupName="Shared")


def test_a_version_has_its_groups_name_only_and_is_found_by_that(sagemaker: Any) -> None:
    """Where Describe or List gave a ModelPackageName, the SDK would describe the package by that, not by its ARN."""
    sagemaker.create_model_package_group(ModelPackageGroupName="Named")
    arn = _version(sagemaker, "Named")
    assert "ModelPackageName" not in sagemaker.describe_model_package(ModelPackageName=arn)
    listed = sagemaker.list_model_packages(ModelPackageType="Versioned", NameContains="name")["ModelPackageSummaryList"]
    assert [(one["ModelPackageArn"], one.get("ModelPackageName")) for one in listed] == [(arn, None)]
    assert not sagemaker.list_model_packages(ModelPackageGroupName="Named", NameContains="x")["ModelPackageSummaryList"]


def test_a_client_token_makes_a_retried_request_one_version(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="token")
    assert _version(sagemaker, "token", ClientToken="once") == _version(sagemaker, "token", ClientToken="once")


def test_approval_moves_any_way_and_is_listed_newest_first(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="approval")
    first, second, third = (_version(sagemaker, "approval") for _ in range(3))
    for arn, status in ((first, "Approved"), (second, "Approved"), (third, "Rejected"), (second, "Rejected")):
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription="because")
    found = sagemaker.list_model_packages(
        ModelPackageGroupName="approval", ModelApprovalStatus="Approved", SortBy="CreationTime", SortOrder="Descending"
    )["ModelPackageSummaryList"]
    assert [package["ModelPackageArn"] for package in found] == [first]
    assert sagemaker.describe_model_package(ModelPackageName=second)["ApprovalDescription"] == "because"


def test_customer_metadata_is_merged_and_removed_by_key(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="metadata")
    arn = _version(sagemaker, "metadata", CustomerMetadataProperties={"a": "1", "b": "2"})
    sagemaker.update_model_package(
        ModelPackageArn=arn, CustomerMetadataProperties={"c": "3"}, CustomerMetadataPropertiesToRemove=["a"]
    )
    assert sagemaker.describe_model_package(ModelPackageName=arn)["CustomerMetadataProperties"] == {"b": "2", "c": "3"}


def test_a_group_with_versions_is_not_deleted(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="full")
    arn = _version(sagemaker, "full")
    with pytest.raises(ClientError, match="still has versions, .*full/1 for one"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="full")
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName="full")
    with pytest.raises(ClientError, match="does not exist"):
        _version(sagemaker, "full")


def test_without_a_group_only_unversioned_packages_are_listed(sagemaker: Any) -> None:
    sagemaker.create_model_package(ModelPackageName="alone", InferenceSpecification=SPECIFICATION)
    listed = sagemaker.list_model_packages()["ModelPackageSummaryList"]
    assert [package["ModelPackageName"] for package in listed] == ["alone"]
    with pytest.raises(ClientError, match="not a versioned model package"):
        sagemaker.update_model_package(ModelPackageArn=listed[0]["ModelPackageArn"], ModelApprovalStatus="Approved")


def test_a_validation_that_would_need_jobs_is_refused_by_name(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="refused")
    with pytest.raises(ClientError, match="SourceAlgorithmSpecification is not implemented"):
        _version(
            sagemaker,
            "refused",
            SourceAlgorithmSpecification={
                "SourceAlgorithms": [{"AlgorithmName": "arn:aws:sagemaker:us-east-1:111122223333:algorithm/a"}]
            },
        )


def _version(sagemaker: Any, group: str, **more: Any) -> str:
    request = {"ModelPackageGroupName": group, "InferenceSpecification": SPECIFICATION, **more}
    return str(sagemaker.create_model_package(**request)["ModelPackageArn"])
