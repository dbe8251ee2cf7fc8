"""Events: AWS's detail types and shapes for each change, and the outbox that a kill of either side can't lose."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagelocal import config, events, ministack
from sagelocal.config import Settings
from sagelocal.store import Store

SAGEMAKER = "arn:aws:sagemaker:us-east-1:000000000000"
EXECUTION = f"{SAGEMAKER}:pipeline/churn/execution/ab12cd34ef56"
NINE = 1772442000.0  # 2026-03-02T09:00:00Z


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(config.load(tmp_path / "state"), region="us-east-1")


def only(kind: str, before: dict[str, Any] | None, after: dict[str, Any], settings: Settings) -> dict[str, Any]:
    [envelope] = events.for_change(kind, before, after, settings)
    return envelope


def training(status: str, secondary: str) -> dict[str, Any]:
    return {
        "TrainingJobName": "t",
        "TrainingJobArn": f"{SAGEMAKER}:training-job/t",
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
        "CreationTime": NINE,
        "HyperParameters": {"StartTime": "08:00"},
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": NINE, "EndTime": NINE + 1.5}],
        "_attempt": 2,
    }


def test_the_envelope_is_eventbridges(settings: Settings) -> None:
    envelope = only("TrainingJob", None, training("InProgress", "Starting"), settings)
    assert set(envelope) == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    }  # fmt: skip
    assert envelope["version"] == "0"
    assert envelope["source"] == "aws.sagemaker"
    assert (envelope["account"], envelope["region"]) == (settings.account, "us-east-1")
    assert time.strptime(envelope["time"], "%Y-%m-%dT%H:%M:%SZ")
    other = only("TrainingJob", None, training("InProgress", "Starting"), settings)
    assert other["id"] != envelope["id"]


def test_a_training_job_is_described_with_times_as_strings_of_milliseconds(settings: Settings) -> None:
    envelope = only("TrainingJob", training("InProgress", "Training"), training("Completed", "Completed"), settings)
    assert envelope["detail-type"] == "SageMaker Training Job State Change"
    assert envelope["resources"] == [f"{SAGEMAKER}:training-job/t"]
    assert envelope["detail"] == {
        "TrainingJobName": "t",
        "TrainingJobArn": f"{SAGEMAKER}:training-job/t",
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "CreationTime": "1772442000000",
        "HyperParameters": {"StartTime": "08:00"},
        "SecondaryStatusTransitions": [
            {"Status": "Starting", "StartTime": "1772442000000", "EndTime": "1772442001500"}
        ],
    }


def test_a_secondary_status_is_a_change_and_a_metric_is_none(settings: Settings) -> None:
    before = training("InProgress", "Starting")
    assert events.for_change("TrainingJob", before, training("InProgress", "Training"), settings)
    assert events.for_change("TrainingJob", before, before | {"FinalMetricDataList": []}, settings) == []


def test_a_processing_job_is_described(settings: Settings) -> None:
    document = {
        "ProcessingJobName": "p",
        "ProcessingJobArn": f"{SAGEMAKER}:processing-job/p",
        "ProcessingJobStatus": "Failed",
        "FailureReason": "ClientError: no rows",
        "ProcessingEndTime": NINE,
    }
    envelope = only("ProcessingJob", document | {"ProcessingJobStatus": "InProgress"}, document, settings)
    assert envelope["detail-type"] == "SageMaker Processing Job State Change"
    assert envelope["detail"] == document | {"ProcessingEndTime": 1772442000000}


@pytest.mark.parametrize(
    ("status", "written"),
    [("InService", "IN_SERVICE"), ("Creating", "CREATING"), ("OutOfService", "OUT_OF_SERVICE")],
)
def test_an_endpoints_status_is_upper_snake_case(settings: Settings, status: str, written: str) -> None:
    document = {
        "EndpointName": "e",
        "EndpointArn": f"{SAGEMAKER}:endpoint/e",
        "EndpointConfigName": "c",
        "EndpointStatus": status,
        "CreationTime": NINE,
    }
    absent = {"LastDeploymentConfig": None}  # as the store may keep it; no event of AWS has a null
    envelope = only("Endpoint", None, document | absent, settings)
    assert envelope["detail-type"] == "SageMaker Endpoint State Change"
    assert envelope["detail"] == document | {"EndpointStatus": written, "CreationTime": 1772442000000}


def test_a_package_has_events_for_status_approval_and_life_cycle(settings: Settings) -> None:
    pending = {
        "ModelPackageGroupName": "churn",
        "ModelPackageVersion": 4,
        "ModelPackageArn": f"{SAGEMAKER}:model-package/churn/4",
        "CreationTime": NINE,
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "PendingManualApproval",
        "_client_token": "x",
    }
    approved = pending | {"ModelApprovalStatus": "Approved"}
    envelope = only("ModelPackage", pending, approved, settings)
    assert envelope["detail-type"] == "SageMaker Model Package State Change"
    assert envelope["resources"] == [f"{SAGEMAKER}:model-package/churn/4"]
    expected = {name: value for name, value in approved.items() if name != "_client_token"}
    assert envelope["detail"] == expected | {"CreationTime": "2026-03-02T09:00:00Z"}
    assert only("ModelPackage", None, pending, settings)["detail"]["ModelApprovalStatus"] == "PendingManualApproval"
    assert events.for_change("ModelPackage", approved, approved | {"ModelLifeCycle": {"Stage": "qa"}}, settings)
    assert events.for_change("ModelPackage", approved, approved | {"ApprovalDescription": "fine"}, settings) == []


def test_an_execution_is_in_camel_case_with_its_previous_status(settings: Settings) -> None:
    executing = {
        "PipelineArn": f"{SAGEMAKER}:pipeline/churn",
        "PipelineExecutionArn": EXECUTION,
        "PipelineExecutionDisplayName": "nightly",
        "PipelineExecutionDescription": "cron",
        "PipelineExecutionStatus": "Executing",
        "CreationTime": NINE,
        "LastModifiedTime": NINE,
    }
    started = only("PipelineExecution", None, executing, settings)["detail"]
    assert "executionEndTime" not in started
    assert "previousPipelineExecutionStatus" not in started
    succeeded = executing | {"PipelineExecutionStatus": "Succeeded", "LastModifiedTime": NINE + 1200}
    envelope = only("PipelineExecution", executing, succeeded, settings)
    assert envelope["detail-type"] == "SageMaker Model Building Pipeline Execution Status Change"
    assert envelope["resources"] == [f"{SAGEMAKER}:pipeline/churn", EXECUTION]
    assert envelope["detail"] == {
        "pipelineExecutionDisplayName": "nightly",
        "currentPipelineExecutionStatus": "Succeeded",
        "previousPipelineExecutionStatus": "Executing",
        "executionStartTime": "2026-03-02T09:00:00Z",
        "executionEndTime": "2026-03-02T09:20:00Z",
        "pipelineExecutionDescription": "cron",
        "pipelineArn": f"{SAGEMAKER}:pipeline/churn",
        "pipelineExecutionArn": EXECUTION,
    }


def step(status: str, **members: Any) -> dict[str, Any]:
    own = {"_name": f"{EXECUTION}/Train", "_type": "Training"}
    return {"StepName": "Train", "StepStatus": status, "StartTime": NINE, **own, **members}


def test_a_failed_step_names_its_job_and_reason(settings: Settings) -> None:
    job = f"{SAGEMAKER}:training-job/pipelines-ab12cd34ef56-train-q1w2e3r4t5"
    failed = step(
        "Failed",
        EndTime=NINE + 60,
        FailureReason="ClientError: …",
        Metadata={"TrainingJob": {"Arn": job}},
    )
    envelope = only("PipelineExecutionStep", step("Executing"), failed, settings)
    assert envelope["detail-type"] == "SageMaker Model Building Pipeline Execution Step Status Change"
    assert envelope["resources"] == [f"{SAGEMAKER}:pipeline/churn", EXECUTION]
    assert envelope["detail"] == {
        "metadata": {"trainingJob": {"arn": job}},
        "stepStartTime": "2026-03-02T09:00:00Z",
        "stepEndTime": "2026-03-02T09:01:00Z",
        "stepName": "Train",
        "stepType": "Training",
        "previousStepStatus": "Executing",
        "currentStepStatus": "Failed",
        "failureReason": "ClientError: …",
        "pipelineArn": f"{SAGEMAKER}:pipeline/churn",
        "pipelineExecutionArn": EXECUTION,
    }


def test_a_cache_hit_is_said(settings: Settings) -> None:
    hit = step("Succeeded", CacheHitResult={"SourcePipelineExecutionArn": EXECUTION})
    detail = only("PipelineExecutionStep", step("Starting"), hit, settings)["detail"]
    assert detail["cacheHitResult"] == {"sourcePipelineExecutionArn": EXECUTION}


def test_other_kinds_and_deletions_are_silent(settings: Settings) -> None:
    assert events.for_change("EndpointConfig", None, {"EndpointConfigName": "c"}, settings) == []
    assert events.for_change("TrainingJob", training("Completed", "Completed"), None, settings) == []


def outbox(settings: Settings) -> Store:
    return Store(
        settings.state / "sagelocal.db",
        on_change=lambda kind, before, after: events.for_change(kind, before, after, settings),
    )


def change(store: Store, name: str, status: str) -> None:
    document = {"ProcessingJobName": name, "ProcessingJobArn": name, "ProcessingJobStatus": status}
    if store.find("ProcessingJob", name):
        store.update("ProcessingJob", name, {"ProcessingJobStatus": status})
    else:
        store.create("ProcessingJob", name, document)


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_what_changed_while_ministack_was_away_arrives_in_order_also_after_a_restart(settings: Settings) -> None:
    store = outbox(settings)
    away = events.Delivery(store, settings)
    for status in ("InProgress", "Stopping", "Stopped"):
        change(store, "a", status)
    away.close()
    store.close()  # as a kill: nothing was delivered, all is on disk

    child = ministack.MiniStack(settings)
    child.wait()
    store = outbox(settings)
    try:
        sqs, rules = settings.client("sqs"), settings.client("events")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        rules.put_rule(Name="all", EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
        arn = f"arn:aws:sqs:{settings.region}:{settings.account}:q"
        rules.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
        delivery = events.Delivery(store, settings)
        change(store, "b", "InProgress")
        until(lambda: not store.pending_events())
        delivery.close()
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        details = [json.loads(message["Body"])["detail"] for message in received]
        assert [(detail["ProcessingJobName"], detail["ProcessingJobStatus"]) for detail in details] == [
            ("a", "InProgress"),
            ("a", "Stopping"),
            ("a", "Stopped"),
            ("b", "InProgress"),
        ]
    finally:
        store.close()
        child.stop()


def test_an_event_that_ministack_fails_on_is_tried_again_and_given_up_in_the_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def post(envelopes: list[dict[str, Any]], settings: Settings) -> list[str]:
        names = {each["id"]: each["detail"]["ProcessingJobName"] for each in envelopes}
        tried.extend(names.values())
        return [number for number, name in names.items() if name == "poison"]

    monkeypatch.setattr(events, "post", post)
    store = outbox(settings)
    for name in ("before", "poison", "after"):
        change(store, name, "InProgress")
    delivery = events.Delivery(store, settings)
    until(lambda: not store.pending_events())
    delivery.close()
    store.close()
    assert tried[:3] == ["before", "poison", "after"]
    assert tried[3:] == ["poison"] * 4


def test_an_event_is_sent_again_with_its_id_when_a_kill_came_before_the_note(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def post(envelopes: list[dict[str, Any]], settings: Settings) -> list[str]:
        sent.extend(envelope["id"] for envelope in envelopes)
        if len(sent) == 1:
            raise ConnectionResetError("the answer was lost")
        return []

    monkeypatch.setattr(events, "post", post)
    store = outbox(settings)
    change(store, "a", "InProgress")
    delivery = events.Delivery(store, settings)
    until(lambda: not store.pending_events())
    assert len(sent) == 2
    assert sent[0] == sent[1]
    delivery.close()
    store.close()
