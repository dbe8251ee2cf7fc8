"""EventBridge events of CodePipeline's pipelines, stages and actions, and of a push as CodeCommit tells it.

Shapes are those of CodePipeline's guide ("Monitoring CodePipeline events") and of events that people recorded: numbers
are written as floats, and only a start tells its trigger.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION
from sagelocal.config import Settings

Document = dict[str, Any]
Built = tuple[str, list[str], Document]  # detail-type, resources, detail
REFERENCE = "GitReference"  # by "<repository> <reference>": its commit when it was last looked at, what that started
SOURCES = {EXECUTION: "aws.codepipeline", ACTION: "aws.codepipeline", REFERENCE: "aws.codecommit"}
_STATES = {"Cancelled": "CANCELED"}  # the others are the status in capitals


def of_change(kind: str, before: Document | None, after: Document, settings: Settings) -> list[Built]:
    """The events of one change of a document of a kind in SOURCES."""
    if kind == REFERENCE:
        return [_push(before, after, settings)] if (before or {}).get("commit") != after["commit"] else []
    resources = [f"arn:aws:codepipeline:{settings.region}:{settings.account}:{after['pipelineName']}"]
    found = _action(before, after, settings) if kind == ACTION else _execution(before, after)
    return [(detail_type, resources, detail) for detail_type, detail in found]


def _execution(before: Document | None, after: Document) -> list[tuple[str, Document]]:
    found = []
    if state := _state((before or {}).get("status"), after["status"]):
        detail = _detail(after, state)
        if state == "STARTED":
            detail["execution-trigger"] = {
                "trigger-type": after["trigger"]["triggerType"],
                "trigger-detail": after["trigger"]["triggerDetail"],
            }
        if state == "STOPPING" and (reason := after["stopTrigger"].get("reason")):
            detail["stop-execution-comments"] = reason
        found.append(("CodePipeline Pipeline Execution State Change", detail))
    for stage, entered in after["_stages"].items():
        earlier = (before or {"_stages": {}})["_stages"].get(stage, {}).get("status")
        if state := _state(earlier, entered["status"]):
            detail = _detail(after, state) | {"stage": stage}
            found.append(("CodePipeline Stage Execution State Change", detail))
    return found


def _action(before: Document | None, after: Document, settings: Settings) -> list[tuple[str, Document]]:
    state = _state((before or {}).get("status"), after["status"])
    if not state:
        return []
    error = after.get("_error") or {}
    result = {
        "external-execution-id": after.get("_external"),
        "external-execution-summary": error.get("message") or after.get("_summary"),
        "error-code": error.get("code"),
    }
    detail = {
        **_detail(after, state),
        "stage": after["stageName"],
        "action": after["actionName"],
        "action-execution-id": after["actionExecutionId"],
        "region": settings.region,
        "type": after["_type"],
    }
    if state != "STARTED":
        detail["execution-result"] = {name: value for name, value in result.items() if value}
    return [("CodePipeline Action Execution State Change", detail)]


def _state(before: str | None, after: str) -> str:
    """What a change of status is called, "" for none; going on after an end is RESUMED."""
    if before == after:
        return ""
    if after == "InProgress":
        return "STARTED" if before is None else "RESUMED"
    return _STATES.get(after, after.upper())


def _detail(document: Document, state: str) -> Document:
    return {
        "pipeline": document["pipelineName"],
        "execution-id": document["pipelineExecutionId"],
        "start-time": datetime.fromtimestamp(document["startTime"], UTC).isoformat(timespec="milliseconds")[:23] + "Z",
        "state": state,
        "version": float(document["pipelineVersion"]),
        "pipeline-execution-attempt": float(document["_attempt"]),
    }


def _push(before: Document | None, after: Document, settings: Settings) -> Built:
    """CodeCommit Repository State Change, so that rules written for CodeCommit see a push to a local repository."""
    name, reference = after["repository"], after["reference"]
    arn = f"arn:aws:codecommit:{settings.region}:{settings.account}:{name}"
    _, kind, short = reference.split("/", 2)
    detail = {
        "event": "referenceUpdated" if before else "referenceCreated",
        "repositoryName": name,
        "repositoryId": str(uuid.uuid5(uuid.NAMESPACE_URL, arn)),
        "referenceType": "branch" if kind == "heads" else "tag",
        "referenceName": short,
        "referenceFullName": reference,
        "commitId": after["commit"],
        "callerUserArn": settings.role_arn,
        **({"oldCommitId": before["commit"]} if before else {}),
    }
    return "CodeCommit Repository State Change", [arn], detail
