"""What tests of deployments share: an account that exists only in memory, where moto keeps the control planes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws

from deploy import apply, checks, plan, registry, state, wanted
from deploy.changes import Change
from deploy.declaration import Deployment

Clients = Callable[[str], Any]
NAME = "churn-staging"


class Account:
    """The endpoint churn-staging of an account: planned, deployed, described."""

    def __init__(self, clients: Clients, place: wanted.Place) -> None:
        self.clients = clients
        self.place = place
        self.sagemaker = clients("sagemaker")

    def plan(self, deployment: Deployment) -> list[Change]:
        checks.check(deployment, "staging")
        every = [*deployment.variants, *([deployment.shadow] if deployment.shadow else [])]
        packages = {each.version: registry.package(self.sagemaker, "churn", each.version) for each in every}
        return plan.deploy(wanted.make(deployment, "churn", "staging", packages, self.place), self.state())

    def deploy(self, deployment: Deployment, watch: apply.Watch | None = None) -> list[Change]:
        """Makes the plan's changes, after which a second plan must have none."""
        changes = self.plan(deployment)
        assert apply.apply(self.clients, changes, watch) == len(changes)
        assert self.plan(deployment) == []
        return changes

    def state(self) -> state.State:
        return state.read(self.clients, NAME, self.place.account)

    @property
    def config(self) -> dict[str, Any]:
        name = self.sagemaker.describe_endpoint(EndpointName=NAME)["EndpointConfigName"]
        return dict(self.sagemaker.describe_endpoint_config(EndpointConfigName=name))


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    with mock_aws():
        # moto has no UpdateEndpoint; to the caller an endpoint in service with another config is the same.
        monkeypatch.setattr(client("sagemaker"), "update_endpoint", functools.partial(replace, client), raising=False)
        yield client


@functools.cache
def client(service: str) -> Any:
    """Made once: half a second for SageMaker's. moto answers each, and forgets all between two tests."""
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture
def sagemaker(clients: Clients) -> Any:
    return clients("sagemaker")


def replace(clients: Clients, **request: Any) -> None:
    sagemaker = clients("sagemaker")
    shape = sagemaker.meta.service_model.operation_model("UpdateEndpoint").input_shape
    assert ParamValidator().validate(request, shape).generate_report() == ""
    sagemaker.delete_endpoint(EndpointName=request["EndpointName"])
    sagemaker.create_endpoint(EndpointName=request["EndpointName"], EndpointConfigName=request["EndpointConfigName"])


@pytest.fixture
def package(sagemaker: Any) -> Callable[..., str]:
    """Makes one more version in the group churn and returns its ARN."""

    def make(status: str = "Approved", **more: Any) -> str:
        registry.ensure_group(sagemaker, "churn")
        container = {"Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"}
        return str(
            sagemaker.create_model_package(
                ModelPackageGroupName="churn",
                ModelApprovalStatus=status,
                InferenceSpecification={
                    "Containers": [container],
                    "SupportedContentTypes": [],
                    "SupportedResponseMIMETypes": [],
                },
                **more,
            )["ModelPackageArn"]
        )

    return make


@pytest.fixture
def account(clients: Clients) -> Account:
    role = "arn:aws:iam::123456789012:role/execution"
    return Account(clients, wanted.Place("aws", "123456789012", "us-east-1", role, "bucket"))


@pytest.fixture(scope="session")
def account_class() -> type[Account]:
    """For an account that isn't moto's."""
    return Account
