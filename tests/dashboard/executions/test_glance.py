"""What the overview gathers of a use case, from what an account answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dashboard.executions import costs, glance, overview
from dashboard.executions.glance import Monitored, Run, Served
from deploy.declaration import Kind
from deploy.verdicts import Verdict
from mlops.executions import Step
from mlops.use_cases import UseCase

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHURN = UseCase("churn", "Who leaves?")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/{}/execution/{}"


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"RequestId": "r1"}}, "Some")


class Account:
    """An account's clients: calls answer as `answers` says by their names, else that there is no such thing."""

    def __init__(self, **answers: Callable[..., dict[str, Any]]) -> None:
        self._answers = answers
        self.exceptions = type("Exceptions", (), {"ClientError": ClientError})

    def __call__(self, service: str) -> Account:
        return self

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def missing(**request: Any) -> dict[str, Any]:
            raise error("ResourceNotFound", f"{request} does not exist")

        return self._answers.get(name, missing)

    def get_paginator(self, name: str) -> Any:
        call = getattr(self, name)
        return type("Pages", (), {"paginate": staticmethod(lambda **request: [call(**request)])})


def listed(pipeline: str, status: str) -> dict[str, Any]:
    summary = {"PipelineExecutionArn": ARN.format(pipeline, "q1"), "PipelineExecutionStatus": status, "StartTime": NOW}
    return {"PipelineExecutionSummaries": [summary]}


def none(**_: Any) -> dict[str, Any]:
    return {"Endpoints": [], "PipelineExecutionSteps": []}


def test_an_empty_account_knows_nothing_and_refuses_nothing() -> None:
    (found,) = glance.gather(Account(list_endpoints=none), [CHURN])
    assert (found.run, found.gates, found.version, found.endpoints, found.monitors) == (None, [], None, [], [])
    assert found.problems == {}


def test_what_may_not_be_read_is_a_sentence_in_its_place_alone() -> None:
    def refused(**_: Any) -> dict[str, Any]:
        raise error("AccessDeniedException", "not yours")

    versions = [{"ModelPackageVersion": number, "ModelApprovalStatus": "Approved"} for number in (2, 3, 1)]
    account = Account(list_endpoints=refused, list_model_packages=lambda **_: {"ModelPackageSummaryList": versions})
    (found,) = glance.gather(account, [CHURN])
    assert found.problems == {glance.ENDPOINTS: "AccessDeniedException: not yours (request id r1)"}
    assert found.version == versions[1]  # the highest, of several of one second


def test_the_endpoints_of_a_use_case_are_not_those_of_another_with_a_longer_name() -> None:
    names = ["churn-production", "churn-b-staging", "their-churn-x"]
    described = {"EndpointConfigName": "churn-production-3-0123abcd", "ProductionVariants": [{}, {}]}
    account = Account(
        list_endpoints=lambda **_: {
            "Endpoints": [{"EndpointName": each, "EndpointStatus": "Updating"} for each in names]
        },
        describe_endpoint=lambda **_: described,
    )
    found = glance.endpoints(account, "churn", ["churn", "churn_b"])
    assert found == [Served("churn-production", "production", "Updating", "3", 2)]
    assert overview.serves(found[0]).endswith("Updating] **production** version 3, 2 variants")


@pytest.mark.parametrize(
    ("status", "violations", "said"),
    [
        ("Succeeded", [], ":green-badge[:material/check_circle: data quality: healthy]"),
        ("Succeeded", [{}, {}], ":orange-badge[:material/warning: data quality: 2 violations]"),
        ("Failed", [], ":red-badge[:material/error: data quality: Failed]"),
        ("Executing", [], ":blue-badge[:material/sync: data quality: running]"),
        ("", [], ":gray-badge[data quality: never ran]"),
    ],
)
def test_a_monitors_last_verdict(status: str, violations: list[Any], said: str) -> None:
    name = "churn-production-data-quality"
    report = json.dumps({"violations": violations}).encode()
    output = {"OutputName": "check", "S3Output": {"S3Uri": "s3://b/k/check"}}
    check = {"StepName": "Check", "StepStatus": "Succeeded", "Metadata": {"ProcessingJob": {"Arn": "a/job"}}}
    account = Account(
        list_pipeline_executions=lambda **_: listed(name, status) if status else {"PipelineExecutionSummaries": []},
        list_pipeline_execution_steps=lambda **_: {"PipelineExecutionSteps": [check]},
        describe_processing_job=lambda **_: {"ProcessingOutputConfig": {"Outputs": [output]}},
        get_object=lambda **_: {"Body": io.BytesIO(report)},
    )
    found = glance.monitor(
        account, account, "churn-production", "production", Kind.DATA_QUALITY, glance.Engine.PIPELINE
    )
    assert found is not None
    assert overview.drift(found) == said


def test_a_monitor_without_traffic_has_not_failed() -> None:
    name, kind = "churn-production-data-quality", Kind.DATA_QUALITY
    collect = {"StepName": "Collect", "StepStatus": "Failed", "Metadata": {"ProcessingJob": {"Arn": "a/job"}}}
    account = Account(
        list_pipeline_executions=lambda **_: listed(name, "Failed"),
        list_pipeline_execution_steps=lambda **_: {"PipelineExecutionSteps": [collect]},
        describe_processing_job=lambda **_: {"ProcessingJobStatus": "Failed", "ExitMessage": "NoRecordsError: none"},
    )
    found = glance.monitor(account, account, "churn-production", "production", kind, glance.Engine.PIPELINE)
    assert found is not None
    assert overview.drift(found) == ":gray-badge[data quality: nothing to compare]"


def test_a_monitor_that_is_not_deployed_is_none() -> None:
    account = Account()
    kind, engine = Kind.DATA_QUALITY, glance.Engine.PIPELINE
    assert glance.monitor(account, account, "churn-production", "production", kind, engine) is None


def test_an_execution_ended_when_its_last_step_did() -> None:
    steps = [
        Step("A", "Succeeded", False, NOW, NOW + timedelta(seconds=9), {}, ""),
        Step("B", "Failed", False, NOW, NOW + timedelta(seconds=5), {}, "no memory"),
    ]
    run = Run(ARN.format("churn", "q1"), "Failed", "", NOW, steps)
    assert (run.id, run.running, run.ended, run.failure) == ("q1", False, NOW + timedelta(seconds=9), "no memory")
    assert Run(run.arn, "Executing", "", NOW, steps).ended is None


def test_the_gate_of_an_execution_is_read_from_its_steps_report() -> None:
    path = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.report"}, "Path": "auc.value"}}
    condition = {"Type": "GreaterThanOrEqualTo", "LeftValue": path, "RightValue": {"Get": "Parameters.Floor"}}
    files = [{"PropertyFileName": "report", "OutputName": "out", "FilePath": "evaluation.json"}]
    definition = {
        "Steps": [
            {"Name": "Evaluate", "Type": "Processing", "PropertyFiles": files},
            {"Name": "Gate", "Type": "Condition", "Arguments": {"Conditions": [condition]}},
        ]
    }
    read: list[str] = []

    def get_object(Bucket: str, Key: str) -> dict[str, Any]:
        read.append(f"{Bucket}/{Key}")
        return {"Body": io.BytesIO(b'{"auc": {"value": 0.8}}')}

    output = {"OutputName": "out", "S3Output": {"S3Uri": "s3://b/run/out"}}
    account = Account(
        describe_pipeline_definition_for_execution=lambda **_: {"PipelineDefinition": json.dumps(definition)},
        list_pipeline_parameters_for_execution=lambda **_: {"PipelineParameters": [{"Name": "Floor", "Value": "0.9"}]},
        describe_processing_job=lambda **_: {"ProcessingOutputConfig": {"Outputs": [output]}},
        get_object=get_object,
    )
    job = {"ProcessingJob": {"Arn": "arn/job"}}
    evaluated = [Step("Evaluate", "Succeeded", True, NOW, NOW, job, "")]
    (found,) = glance.gates(account, account, Run(ARN.format("churn", "q1"), "Failed", "", NOW, evaluated))
    assert (found.metric, found.value, found.bound, found.holds) == ("auc", 0.8, 0.9, False)
    assert read == ["b/run/out/evaluation.json"]
    (early,) = glance.gates(account, account, Run(ARN.format("churn", "q1"), "Executing", "", NOW, []))
    assert early.value is None


def test_a_batch_monitor_has_no_endpoint_and_is_told_all_the_same() -> None:
    verdict = Verdict(Kind.DATA_QUALITY, "arn", "Completed", NOW)
    said = overview.drift(Monitored("churn-batch", "batch", Kind.DATA_QUALITY, verdict))
    assert said == ":green-badge[:material/check_circle: data quality: healthy]"


def test_a_month_is_the_sum_of_a_use_cases_endpoints() -> None:
    def row(case: str, endpoint: str, low: float, high: float) -> dict[str, Any]:
        return {"use case": case, "endpoint": endpoint, "USD at least": low, "at most": high}

    rows = [row("churn", "", 0.1, 0.1), row("churn", "staging", 80, 80), row("churn", "production", 1000, 1200)]
    assert list(costs.totals([*rows, row("census", "staging", 5, 5)])) == [
        "A month of churn's endpoints: **1,080.00 to 1,280.00 USD**",
        "A month of census's endpoint: **5.00 USD**",
    ]
