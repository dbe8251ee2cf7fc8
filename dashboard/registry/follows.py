"""What an approval starts: the account's own rules and pipelines are asked, so that it can be said before."""

from __future__ import annotations

import json
from dataclasses import dataclass

from botocore.exceptions import ClientError

from dashboard import account, look
from dashboard.registry.reading import Document

_EVENT = "SageMaker Model Package State Change"
_RUNNING = ("InProgress", "Stopping")


@dataclass(frozen=True)
class Listener:
    """A target of a rule that an approval matches."""

    rule: str
    name: str  # of the pipeline, or what the target's ARN ends with
    steps: tuple[str, ...] = ()  # of a CodePipeline, after its source
    running: int = 0  # executions of it now
    queued: bool = False  # it takes one execution after another


@account.kept
def listeners(arn: str, group: str, version: int) -> list[Listener]:
    """What the default event bus sends the approval of a version to. Raises ClientError where rules may not be read."""
    events = account.client("events")
    event = _approved(arn, group, version)
    pages = events.get_paginator("list_rules").paginate()
    rules = [each for page in pages for each in page["Rules"] if _EVENT in each.get("EventPattern", "")]
    return [
        _listener(rule["Name"], target["Arn"])
        for rule in rules
        if rule["State"] != "DISABLED"
        and events.test_event_pattern(EventPattern=rule["EventPattern"], Event=event)["Result"]
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    ]


def _approved(arn: str, group: str, version: int) -> str:
    """As EventBridge gets it (user guide of SageMaker, "Model package state change")."""
    _, _, _, region, owner, _ = arn.split(":", 5)
    detail = {
        "ModelPackageGroupName": group,
        "ModelPackageVersion": version,
        "ModelPackageArn": arn,
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "Approved",
    }
    envelope = {"id": "1", "time": "2026-01-01T00:00:00Z", "region": region, "account": owner, "resources": [arn]}
    return json.dumps({"source": "aws.sagemaker", "detail-type": _EVENT, "detail": detail, **envelope})


def _listener(rule: str, arn: str) -> Listener:
    name = arn.split(":", 5)[5]
    if arn.split(":")[2] != "codepipeline":
        return Listener(rule, name)
    client = account.client("codepipeline")
    try:
        pipeline = client.get_pipeline(name=name)["pipeline"]
        newest = client.list_pipeline_executions(pipelineName=name, maxResults=20)["pipelineExecutionSummaries"]
    except ClientError:  # gone, or not ours to see
        return Listener(rule, name)
    running = sum(each["status"] in _RUNNING for each in newest)
    return Listener(rule, name, steps(pipeline), running, pipeline.get("executionMode") == "QUEUED")


def steps(pipeline: Document) -> tuple[str, ...]:
    """A stage by its name, one that asks a person by that."""
    return tuple(
        "an approval by hand" if _categories(stage) == {"Approval"} else _words(stage["name"])
        for stage in pipeline["stages"]
        if _categories(stage) != {"Source"}
    )


def _categories(stage: Document) -> set[str]:
    return {each["actionTypeId"]["category"] for each in stage["actions"]}


def _words(name: str) -> str:
    """Names of stages are written as one: TestStaging."""
    spaced = "".join(f" {each.lower()}" if each.isupper() else each for each in name)
    return spaced.strip()


def said(listeners: list[Listener], use_case: str) -> str:
    """Markdown: what an approval starts, or that nothing does and what deploys; `use_case` is "" of another group."""
    if not listeners:
        nothing = "It starts nothing: no rule of this account listens."
        return f"{nothing} What puts it in production: `mlops deploy {use_case}`" if use_case else nothing
    return "\n\n".join(_said(each) for each in listeners)


def _said(listener: Listener) -> str:
    name = look.plain(listener.name)
    if not listener.steps:
        return f"It is told to **{name}**, by the rule {look.plain(listener.rule)}."
    text = f"It starts **{name}**: {look.plain(', then '.join(listener.steps))}."
    if listener.running and listener.queued:
        before = "1 is" if listener.running == 1 else f"{listener.running} are"
        text += f" That takes one after another, and {before} there before it."
    return text


def asked(package: Document, use_case: str) -> str:
    """The same for a version, as far as this user may know it."""
    try:
        return said(_of(package), use_case)
    except ClientError as error:
        return f"What it starts can't be told: {look.plain(look.sentence(error))}"


def pipelines(package: Document) -> list[str]:
    """Names of the CodePipelines that the version's approval starts; none where that can't be told."""
    try:
        return [each.name for each in _of(package) if each.steps]
    except ClientError:
        return []


def _of(package: Document) -> list[Listener]:
    return listeners(package["ModelPackageArn"], package["ModelPackageGroupName"], package["ModelPackageVersion"])
