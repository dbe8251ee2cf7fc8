"""Stages in other accounts: the role that is taken, by recorded requests, and what other accounts may do here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from deploy import accounts
from deploy.declaration import Stage

ROLE = "arn:aws:iam::222222222222:role/mlops-stage-eu-west-1"
ABROAD = Stage(
    "production", account="222222222222", region="eu-west-1", role=ROLE, external_id="from-the-tooling-account"
)
GROUP = "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/churn"


@pytest.fixture
def session() -> Any:
    with mock_aws():
        yield boto3.Session("test", "test", region_name="us-east-1")


def test_a_stages_role_is_assumed_and_its_credentials_are_fetched_when_they_are_needed(session: Any) -> None:
    requests: list[dict[str, Any]] = []
    original = session.client

    def client(service: str, **more: Any) -> Any:
        made = original(service, **more)
        made.meta.events.register("provide-client-params.sts", lambda params, **_: requests.append(params))
        return made

    session.client = client
    entered = accounts.enter(session, Stage("production", role=ROLE, external_id="said", region="eu-west-1"))
    assert (requests, entered.region_name) == ([], "eu-west-1")
    caller = entered.client("sts").get_caller_identity()
    assert (
        caller["Account"] == "222222222222" and ":assumed-role/mlops-stage-eu-west-1/mlops-production" in caller["Arn"]
    )
    entered.client("sagemaker").list_endpoints()
    assert requests == [{"RoleArn": ROLE, "RoleSessionName": "mlops-production", "ExternalId": "said"}]


def test_what_is_made_there_is_in_the_stages_account_and_region(session: Any) -> None:
    entered = accounts.enter(session, ABROAD)
    made = entered.client("sagemaker").create_model_package_group(ModelPackageGroupName="churn")
    assert made["ModelPackageGroupArn"].split(":")[3:5] == ["eu-west-1", "222222222222"]
    here = session.client("sagemaker").list_model_package_groups()
    assert here["ModelPackageGroupSummaryList"] == []


def test_without_a_role_the_stage_is_the_callers_account_or_refused(session: Any) -> None:
    assert accounts.enter(session, Stage("staging")) is session
    assert accounts.enter(session, Stage("staging", account=DEFAULT_ACCOUNT_ID)) is session
    assert accounts.enter(session, Stage("staging", region="eu-west-1")).region_name == "eu-west-1"
    with pytest.raises(LookupError, match="is of account 222222222222, and .* give it a `role` to assume there"):
        accounts.enter(session, Stage("production", account="222222222222"))
    with pytest.raises(
        LookupError, match="is of account 333333333333, and .* are of 222222222222: its role is of anoth"
    ):
        accounts.enter(session, Stage("production", account="333333333333", role=ROLE))


def test_other_accounts_may_use_a_groups_versions_and_register_none() -> None:
    policy = accounts.group_policy(GROUP, ["333333333333", "222222222222"])
    read, use = policy["Statement"]
    assert read["Principal"] == {"AWS": ["arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:root"]}
    assert (read["Resource"], use["Resource"]) == (GROUP, GROUP.replace("package-group", "package") + "/*")
    granted = {action for each in (read, use) for action in each["Action"]}
    assert {"sagemaker:DescribeModelPackage", "sagemaker:CreateModel"} <= granted
    assert not [each for each in granted if "*" in each or "Update" in each or "CreateModelPackage" in each]


def test_the_baselines_template_says_the_same() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: _intrinsic(loader, node))
    path = Path(accounts.__file__).with_name("cloudformation") / "baseline.yml"
    template = yaml.load(path.read_text(), Loader)
    _, _, models = template["Resources"]["Fn::ForEach::Models"]
    (group,) = models.values()
    _, policy, _ = group["Properties"]["ModelPackageGroupPolicy"]
    actions = {each["Sid"]: tuple(each["Action"]) for each in policy["Statement"]}
    assert actions == {"ReadGroup": accounts.GROUP_ACTIONS, "UseVersions": accounts.PACKAGE_ACTIONS}


def _intrinsic(loader: Any, node: Any) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


def test_sharing_puts_the_policy() -> None:
    calls: list[dict[str, Any]] = []

    class SageMaker:
        def describe_model_package_group(self, **request: Any) -> dict[str, Any]:
            return {"ModelPackageGroupArn": GROUP}

        def put_model_package_group_policy(self, **request: Any) -> None:
            calls.append(request)

    policy = accounts.share(SageMaker(), "churn", ["222222222222"])
    assert policy == accounts.group_policy(GROUP, ["222222222222"])
    (put,) = calls
    assert json.loads(put.pop("ResourcePolicy")) == policy and put == {"ModelPackageGroupName": "churn"}
