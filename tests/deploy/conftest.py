"""An account that exists only in memory: moto keeps the control planes, nothing serves."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws

from deploy import registry

Clients = Callable[[str], Any]


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
