"""The function of a retraining pipeline's Lambda step: starts the use case's pipeline on what was collected.

It does so at most once in a cool-down, not while an earlier retraining still runs, and not with too few labelled
records; what it decides it answers, and tells the topic. boto3 is all that it needs, and Lambda's runtime has that.

    event:   {"data": "s3://…/recent", "labelled": 1500, "alarm": "churn-production-data-quality-violations"}
    answer:  {"outcome": "started", "execution": "<ARN or nothing>", "reason": "…"}

Environment: ENDPOINT, PIPELINE, PARAMETERS (of the pipeline, as JSON; a value CURRENT_MODEL stands for the S3 URI of
the model in service), DATA_PARAMETER (the one that names the data), COOLDOWN_SECONDS, MIN_RECORDS, TOPIC_ARN.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

CURRENT_MODEL = "<current model>"
STARTED, TOO_FEW, TOO_SOON = "started", "too few labelled records", "too soon"
_RUNNING = ("Executing", "Stopping")
_SUBJECT = 100  # characters that SNS allows


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Raises ClientError where SageMaker or SNS refuses: the Lambda step fails with it."""
    answer = decide(boto3.client("sagemaker"), event, os.environ)
    print(json.dumps(answer))
    if topic := os.environ.get("TOPIC_ARN"):
        subject = f"Retraining for {os.environ['ENDPOINT']}: {answer['outcome']}"
        boto3.client("sns").publish(TopicArn=topic, Subject=subject[:_SUBJECT], Message=answer["reason"])
    return answer


def decide(sagemaker: Any, event: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    endpoint, pipeline = environment["ENDPOINT"], environment["PIPELINE"]
    labelled, least = int(event["labelled"]), int(environment["MIN_RECORDS"])
    cause = f"{event['alarm']} is in ALARM" if event.get("alarm") else "Somebody asked for it"
    if labelled < least:
        reason = f"{cause}. {labelled} records of {endpoint} have labels, and a retraining needs {least}."
        return _answer(TOO_FEW, f"{reason} {_later(endpoint)}")
    before = newest(sagemaker, pipeline, endpoint)
    if before and (why := keeps(before, timedelta(seconds=float(environment["COOLDOWN_SECONDS"])))):
        reason = f"{cause}. {pipeline} isn't started: {before['PipelineExecutionArn']} {why}."
        runs = before["PipelineExecutionStatus"] in _RUNNING
        return _answer(TOO_SOON, reason if runs else f"{reason} {_later(endpoint)}")
    parameters = json.loads(environment["PARAMETERS"]) | {environment["DATA_PARAMETER"]: event["data"]}
    if CURRENT_MODEL in parameters.values():
        current = model_in_service(sagemaker, endpoint)
        parameters = {name: current if value == CURRENT_MODEL else value for name, value in parameters.items()}
    try:
        execution = sagemaker.start_pipeline_execution(
            PipelineName=pipeline,
            PipelineExecutionDisplayName=display_name(endpoint),
            PipelineExecutionDescription=f"{cause}: {labelled} labelled records",
            PipelineParameters=[{"Name": name, "Value": str(value)} for name, value in parameters.items()],
            ClientRequestToken=token(endpoint, before),
        )["PipelineExecutionArn"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":
            raise
        return _answer(TOO_SOON, f"{cause}. {pipeline} isn't started: another alarm has just started it.")
    return _answer(STARTED, f"{cause}. {pipeline} learns from {labelled} labelled records: {execution}", execution)


def _answer(outcome: str, reason: str, execution: str = "") -> dict[str, str]:
    return {"outcome": outcome, "execution": execution, "reason": reason}


def _later(endpoint: str) -> str:
    """Only an alarm's change is an event."""
    return f"An alarm that stays on starts nothing more: later start the pipeline {endpoint}-retraining by hand."


def display_name(endpoint: str) -> str:
    """By which an endpoint's retrainings are known among the pipeline's executions."""
    return f"retraining-{endpoint}"[:82]


def newest(sagemaker: Any, pipeline: str, endpoint: str) -> dict[str, Any] | None:
    """The newest execution that was started for this endpoint."""
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=pipeline, SortBy="CreationTime", SortOrder="Descending"
    )
    listed = (each for page in pages for each in page["PipelineExecutionSummaries"])
    return next((each for each in listed if each.get("PipelineExecutionDisplayName") == display_name(endpoint)), None)


def keeps(before: Mapping[str, Any], cooldown: timedelta) -> str:
    """Why another execution isn't due yet; empty when it is. One that failed counts: the next would fail alike."""
    if before["PipelineExecutionStatus"] in _RUNNING:
        return "still runs"
    until = before["StartTime"] + cooldown
    return (
        f"was started less than the cool-down ago, which ends at {until:%Y-%m-%d %H:%M:%S %Z}"
        if (until > datetime.now(UTC))
        else ""
    )


def token(endpoint: str, before: Mapping[str, Any] | None) -> str:
    """Two alarms at once both see the same newest execution: with the same token they start one together."""
    seen = before["PipelineExecutionArn"] if before else ""
    return hashlib.sha256(f"{endpoint}\n{seen}".encode()).hexdigest()


def model_in_service(sagemaker: Any, endpoint: str) -> str:
    """The S3 URI of the archive that the endpoint's first variant serves."""
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    variant = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    container = (model.get("Containers") or [model["PrimaryContainer"]])[0]
    if package := container.get("ModelPackageName"):
        described = sagemaker.describe_model_package(ModelPackageName=package)
        container = described["InferenceSpecification"]["Containers"][0]
    return str(container["ModelDataUrl"])
