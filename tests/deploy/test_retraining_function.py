"""The Lambda function: when it starts the pipeline, with what, and what it says when it doesn't."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy import declaration, retraining

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/churn/execution/"
EVENT = {"data": "s3://bucket/collected/recent", "labelled": 1500, "alarm": "churn-production-data-quality-violations"}
ENVIRONMENT = {
    "ENDPOINT": "churn-production",
    "PIPELINE": "churn",
    "PARAMETERS": '{"NumRound": "40"}',
    "DATA_PARAMETER": "InputDataUrl",
    "COOLDOWN_SECONDS": "3600",
    "MIN_RECORDS": "500",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:churn-production-monitoring",
}


@pytest.fixture(scope="module")
def function() -> ModuleType:
    """Loaded as Lambda loads it: by path, alone."""
    spec = importlib.util.spec_from_file_location("retraining_function", retraining.SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class SageMaker:
    """Executions of a pipeline: starts with a token that was seen answer the execution of that token."""

    def __init__(self, *executions: Mapping[str, Any]) -> None:
        self.executions = list(executions)  # newest first
        self.started: list[dict[str, Any]] = []
        self.shown: list[Mapping[str, Any]] | None = None  # what a listing shows that is behind
        self.refusal = ""

    def get_paginator(self, name: str) -> SageMaker:
        assert name == "list_pipeline_executions"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        assert (request["PipelineName"], request["SortOrder"]) == ("churn", "Descending")
        shown = self.executions if self.shown is None else self.shown
        return [{"PipelineExecutionSummaries": [each]} for each in shown]

    def start_pipeline_execution(self, **request: Any) -> dict[str, str]:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "StartPipelineExecution")
        tokens = [each["ClientRequestToken"] for each in self.started]
        if request["ClientRequestToken"] not in tokens:
            self.started.append(request)
            tokens.append(request["ClientRequestToken"])
        return {"PipelineExecutionArn": f"{ARN}new{tokens.index(request['ClientRequestToken'])}"}

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        return {"EndpointConfigName": f"{EndpointName}-3-1a2b3c4d"}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        return {"ProductionVariants": [{"ModelName": f"model-of-{EndpointConfigName}"}]}

    def describe_model(self, ModelName: str) -> dict[str, Any]:
        assert ModelName == "model-of-churn-production-3-1a2b3c4d"
        return {"Containers": [{"ModelPackageName": "churn/3"}]}

    def describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        container = {"ModelDataUrl": f"s3://bucket/{ModelPackageName}/model.tar.gz"}
        return {"InferenceSpecification": {"Containers": [container]}}


def execution(ago: float, status: str = "Succeeded", name: str = "retraining-churn-production") -> dict[str, Any]:
    return {
        "PipelineExecutionArn": f"{ARN}{ago:g}",
        "PipelineExecutionDisplayName": name,
        "PipelineExecutionStatus": status,
        "StartTime": datetime.now(UTC) - timedelta(seconds=ago),
    }


def test_enough_labels_start_the_pipeline_with_the_data_and_the_declared_parameters(function: ModuleType) -> None:
    sagemaker = SageMaker(execution(10, name="execution-1"))  # not of a retraining
    answer = function.decide(sagemaker, EVENT, ENVIRONMENT)
    (request,) = sagemaker.started
    assert (answer["outcome"], answer["execution"]) == ("started", f"{ARN}new0")
    assert request["PipelineName"] == "churn"
    assert request["PipelineExecutionDisplayName"] == "retraining-churn-production"
    assert {each["Name"]: each["Value"] for each in request["PipelineParameters"]} == {
        "NumRound": "40",
        "InputDataUrl": "s3://bucket/collected/recent",
    }
    assert 32 <= len(request["ClientRequestToken"]) <= 128
    assert "1500 labelled records" in answer["reason"]
    assert EVENT["alarm"] in request["PipelineExecutionDescription"]


def test_the_model_in_service_is_a_parameter_where_one_asks_for_it(function: ModuleType) -> None:
    assert function.CURRENT_MODEL == declaration.CURRENT_MODEL
    sagemaker = SageMaker()
    parameters = json.dumps({"CurrentModelUrl": declaration.CURRENT_MODEL})
    function.decide(sagemaker, EVENT, ENVIRONMENT | {"PARAMETERS": parameters})
    (first, *_) = sagemaker.started[0]["PipelineParameters"]
    assert first == {"Name": "CurrentModelUrl", "Value": "s3://bucket/churn/3/model.tar.gz"}


def test_too_few_labels_start_nothing(function: ModuleType) -> None:
    sagemaker = SageMaker()
    answer = function.decide(sagemaker, EVENT | {"labelled": 499}, ENVIRONMENT)
    assert (answer["outcome"], sagemaker.started) == ("too few labelled records", [])
    assert "499 records of churn-production have labels" in answer["reason"]
    assert "500" in answer["reason"]
    assert "start the pipeline churn-production-retraining by hand" in answer["reason"]  # the alarm won't


@pytest.mark.parametrize(
    ("before", "starts"),
    [
        (execution(60), False),
        (execution(60, "Failed"), False),  # the gate would refuse the next one alike
        (execution(7200), True),
        (execution(7200, "Executing"), False),  # longer than the cool-down, and not done
    ],
)
def test_a_cool_down_and_an_execution_that_runs(function: ModuleType, before: dict[str, Any], *, starts: bool) -> None:
    sagemaker = SageMaker(execution(1, name="by hand"), before)
    answer = function.decide(sagemaker, EVENT, ENVIRONMENT)
    assert bool(sagemaker.started) == starts
    assert answer["outcome"] == ("started" if starts else "too soon")
    assert starts or before["PipelineExecutionArn"] in answer["reason"]
    assert ("by hand" in answer["reason"]) == (not starts and before["PipelineExecutionStatus"] != "Executing")


def test_two_alarms_at_once_start_one_execution(function: ModuleType) -> None:
    sagemaker = SageMaker(execution(7200))
    sagemaker.shown = list(sagemaker.executions)  # neither sees the other's
    first = function.decide(sagemaker, EVENT, ENVIRONMENT)
    second = function.decide(sagemaker, EVENT | {"alarm": "another", "data": "s3://bucket/other"}, ENVIRONMENT)
    assert len(sagemaker.started) == 1
    assert first["execution"] == second["execution"]


def test_a_conflict_is_another_alarms_start_and_any_other_refusal_fails_the_step(function: ModuleType) -> None:
    sagemaker = SageMaker()
    sagemaker.refusal = "ConflictException"
    assert function.decide(sagemaker, EVENT, ENVIRONMENT)["outcome"] == "too soon"
    sagemaker.refusal = "ValidationException"
    with pytest.raises(ClientError, match="ValidationException"):
        function.decide(sagemaker, EVENT, ENVIRONMENT)


def test_the_topic_hears_of_it(function: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[dict[str, str]] = []

    class Topics:
        def publish(self, **request: str) -> None:
            published.append(request)

    clients = {"sagemaker": SageMaker(), "sns": Topics()}
    monkeypatch.setattr(function.boto3, "client", clients.__getitem__)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    answer = function.handler(EVENT | {"labelled": 3}, None)
    assert published == [
        {
            "TopicArn": ENVIRONMENT["TOPIC_ARN"],
            "Subject": "Retraining for churn-production: too few labelled records",
            "Message": answer["reason"],
        }
    ]
