"""The wire, judged by unmodified boto3: errors, pagination, filters, sorting, tags."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagelocal.api import local
from sagelocal.config import Settings


def failing(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**request)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def groups(laptop: Settings) -> Any:
    """A SageMaker client beside five model package groups, alpha-0 to alpha-4."""
    sagemaker = laptop.client("sagemaker")
    for number in range(5):
        sagemaker.create_model_package_group(ModelPackageGroupName=f"alpha-{number}")
    return sagemaker


def names(answer: dict[str, Any]) -> list[str]:
    return [summary["ModelPackageGroupName"] for summary in answer["ModelPackageGroupSummaryList"]]


def test_pages_follow_the_next_token(groups: Any) -> None:
    pages = groups.get_paginator("list_model_package_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [names(page) for page in pages] == [["alpha-0", "alpha-1"], ["alpha-2", "alpha-3"], ["alpha-4"]]


def test_sorting_and_filters(groups: Any) -> None:
    newest_first = groups.list_model_package_groups(SortOrder="Descending", SortBy="Name")
    assert names(newest_first)[0] == "alpha-4"
    assert names(groups.list_model_package_groups(NameContains="PHA-3")) == ["alpha-3"]
    second = groups.describe_model_package_group(ModelPackageGroupName="alpha-1")["CreationTime"]
    assert names(groups.list_model_package_groups(CreationTimeBefore=second)) == ["alpha-0"]
    assert names(groups.list_model_package_groups(CreationTimeAfter=second)) == ["alpha-2", "alpha-3", "alpha-4"]


@pytest.mark.parametrize("token", ["nope", "5", "offset=-3", "offset=", "offset=\u0663x"])
def test_a_foreign_token_is_an_error(groups: Any, token: str) -> None:
    encoded = base64.urlsafe_b64encode(token.encode()).decode()
    code, message = failing(groups.list_model_package_groups, NextToken=encoded)
    assert code == "ValidationException"
    assert "Invalid pagination token" in message


def test_tags_are_added_replaced_and_removed(groups: Any) -> None:
    arn = groups.describe_model_package_group(ModelPackageGroupName="alpha-0")["ModelPackageGroupArn"]
    groups.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}, {"Key": "stage", "Value": "dev"}])
    groups.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}])
    groups.delete_tags(ResourceArn=arn, TagKeys=["stage"])
    assert groups.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    code, _ = failing(groups.list_tags, ResourceArn=arn.replace("alpha-0", "nothing"))
    assert code == "ResourceNotFound"


def test_missing_and_existing_resources_have_awss_words(groups: Any) -> None:
    assert failing(groups.describe_model, ModelName="nope") == (
        "ValidationException",
        'Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/nope".',
    )
    code, message = failing(groups.describe_pipeline, PipelineName="nope")
    assert code == "ResourceNotFound"
    assert "does not exist" in message
    code, message = failing(groups.create_model_package_group, ModelPackageGroupName="alpha-0")
    assert code == "ValidationException"
    assert "already exists" in message


def test_an_operation_of_the_model_that_is_not_here_is_named(groups: Any) -> None:
    code, message = failing(groups.list_notebook_instances)
    assert code == "UnsupportedOperationException"
    assert "ListNotebookInstances is not implemented" in message


def test_what_botocore_does_not_check_is_checked(groups: Any) -> None:
    code, message = failing(groups.create_model_package_group, ModelPackageGroupName="not_a_name")
    assert code == "ValidationException"
    assert "regular expression pattern" in message


def test_another_key_is_refused(laptop: Settings) -> None:
    stranger = boto3.client(
        "sagemaker",
        endpoint_url=laptop.url,
        region_name=laptop.region,
        aws_access_key_id="AKIASTRANGER",
        aws_secret_access_key="x",
    )
    code, message = failing(stranger.list_models)
    assert code == "UnrecognizedClientException"
    assert "mlops env" in message


def raw(laptop: Settings, body: bytes, target: str) -> tuple[int, dict[str, Any]]:
    authorization = f"AWS4-HMAC-SHA256 Credential={laptop.access_key}/x, Signature=x"
    request = urllib.request.Request(laptop.url, body, {"X-Amz-Target": target, "Authorization": authorization})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b'{"NameContains":' + b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_serialization_error(laptop: Settings, body: bytes) -> None:
    status, answer = raw(laptop, body, "SageMaker.ListModels")
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_unknown_services_and_operations_are_404(laptop: Settings) -> None:
    assert raw(laptop, b"{}", "SageMaker.MakeCoffee")[0] == 404
    status, answer = raw(laptop, b"{}", "DynamoDB_20120810.ListTables")
    assert status == 404
    assert "DynamoDB_20120810" in answer["message"]


def test_it_listens_on_the_loopback_address_only(laptop: Settings) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", laptop.port)) == 0
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("127.0.0.2", laptop.port)) != 0


def test_interruptions_want_the_internal_token(laptop: Settings) -> None:
    """A path that is no AWS API: the `mlops` command alone has its token."""
    with pytest.raises(RuntimeError, match="There is no training job nobody"):
        local.interrupt(laptop, "nobody")
    with pytest.raises(RuntimeError, match="is for the `mlops` command alone"):
        local.interrupt(dataclasses.replace(laptop, internal_token=laptop.access_key), "nobody")
