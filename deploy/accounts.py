"""Stages in accounts of their own: the role that is assumed there, and who may read what is registered here.

The account where models are registered keeps the packages; a stage's account makes models of them. For that a model
package group has a resource policy that names the stages' accounts (docs/multi-account.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import boto3
import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from deploy.declaration import Stage

# What CreateModel and whoever looks a version up need of a group and its packages, as the developer guide has it
# ("Deploy a model version from a different account").
GROUP_ACTIONS = ("sagemaker:DescribeModelPackageGroup",)
PACKAGE_ACTIONS = (
    "sagemaker:DescribeModelPackage",
    "sagemaker:ListModelPackages",
    "sagemaker:CreateModel",
)


def enter(session: boto3.Session, stage: Stage) -> boto3.Session:
    """A session in the stage's account and region, by its role if it has one, for as long as it is used: the role's
    credentials are fetched anew before they end (of a role that was assumed by a role they last an hour).

    Raises LookupError when that is another account than the stage's, and what STS says when the role can't be assumed.
    """
    region = stage.region or session.region_name
    if stage.role:
        entered = _assumed(session, stage, region)
    else:
        entered = session if region == session.region_name else _elsewhere(session, region)
    if stage.account:
        account = entered.client("sts").get_caller_identity()["Account"]
        if account != stage.account:
            remedy = "its role is of another" if stage.role else "give it a `role` to assume there"
            raise LookupError(
                f"The stage {stage.name} is of account {stage.account}, and these credentials are of {account}: "
                f"{remedy} (deploy/stages.yml)."
            )
    return entered


def _assumed(session: boto3.Session, stage: Stage, region: str) -> boto3.Session:
    request = {"RoleSessionName": f"mlops-{stage.name}"[:64]}
    if stage.external_id:
        request["ExternalId"] = stage.external_id
    fetcher = AssumeRoleCredentialFetcher(session.client, session.get_credentials(), stage.role, extra_args=request)
    return _with_credentials(DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"), region)


def _elsewhere(session: boto3.Session, region: str) -> boto3.Session:
    return _with_credentials(session.get_credentials(), region)


def _with_credentials(credentials: Any, region: str) -> boto3.Session:
    found = botocore.session.get_session()
    found._credentials = credentials  # botocore has no other way to give a session credentials that refresh themselves
    return boto3.Session(botocore_session=found, region_name=region)


def group_policy(group_arn: str, accounts: Sequence[str]) -> dict[str, Any]:
    """The resource policy by which accounts may make models of a group's versions."""
    partition = group_arn.split(":")[1]
    principals = {"AWS": [f"arn:{partition}:iam::{account}:root" for account in sorted(accounts)]}
    packages = group_arn.replace(":model-package-group/", ":model-package/") + "/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement("ReadGroup", principals, GROUP_ACTIONS, group_arn),
            _statement("UseVersions", principals, PACKAGE_ACTIONS, packages),
        ],
    }


def _statement(sid: str, principals: dict[str, Any], actions: Sequence[str], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Principal": principals, "Action": list(actions), "Resource": resource}


def share(sagemaker: Any, group: str, accounts: Sequence[str]) -> dict[str, Any]:
    """Puts the group's policy, in place of any other, and gives it."""
    described = sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    policy = group_policy(described["ModelPackageGroupArn"], accounts)
    sagemaker.put_model_package_group_policy(ModelPackageGroupName=group, ResourcePolicy=json.dumps(policy))
    return policy
