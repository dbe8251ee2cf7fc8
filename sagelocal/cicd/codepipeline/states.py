"""What GetPipelineState and the lists of executions show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codepipeline import flow, pages, records
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION, INBOUND, LEFT

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_SUMMARY_LIMIT = 2048


def get_pipeline_state(app: SageLocal, request: Document) -> Document:
    head = records.pipeline(app, request["name"])
    declared = records.declaration(app, head["name"], head["version"])
    running = records.executions(app.store, head["name"], *records.RUNNING)
    return {
        "pipelineName": head["name"],
        "pipelineVersion": head["version"],
        "stageStates": [_stage(app, head, stage, number, running) for number, stage in enumerate(declared["stages"])],
        "created": head["created"],
        "updated": head["updated"],
    }


def _stage(app: SageLocal, head: Document, stage: Document, number: int, running: list[Document]) -> Document:
    name = stage["name"]
    inbound = [
        {"pipelineExecutionId": one["pipelineExecutionId"], "status": "InProgress", "type": one["executionType"]}
        for one in running
        if one["_phase"] == INBOUND and flow.stage_name(app, one) == name
    ]
    shown: Document = {
        "stageName": name,
        "inboundExecutions": inbound,
        "inboundTransitionState": flow.transition(head, name) if number else {"enabled": True},
        "actionStates": [_action(app, head, name, action) for action in stage["actions"]],
    }
    if inbound:
        shown["inboundExecution"] = inbound[-1]
    latest = app.store.find(EXECUTION, head["_latest"].get(name, ""))
    if latest and (entered := latest["_stages"].get(name)):
        status = "Stopping" if latest["status"] == "Stopping" and latest["_phase"] != LEFT else entered["status"]
        shown["latestExecution"] = {
            "pipelineExecutionId": latest["pipelineExecutionId"],
            "status": status,
            "type": latest["executionType"],
        }
        shown["retryStageMetadata"] = _retries(entered)
    return shown


def _retries(entered: Document) -> Document | None:
    if "trigger" not in entered:
        return None
    return {
        "latestRetryTrigger": entered["trigger"],
        "autoStageRetryAttempt": 1 if entered.get("retried") else None,
        "manualStageRetryAttempt": entered.get("attempts") or None,
    }


def _action(app: SageLocal, head: Document, stage: str, action: Document) -> Document:
    shown: Document = {"actionName": action["name"]}
    record = app.store.find(ACTION, head["_actions"].get(f"{stage}/{action['name']}", ""))
    if record is None:
        return shown
    result = _result(app, record)
    shown["latestExecution"] = {
        "actionExecutionId": record["actionExecutionId"],
        "status": record["status"],
        "summary": _summary(record),
        "lastStatusChange": record["lastUpdateTime"],
        "lastUpdatedBy": record["_answer"]["by"] if "_answer" in record else None,
        "externalExecutionId": result.get("externalExecutionId"),
        "externalExecutionUrl": result.get("externalExecutionUrl"),
        "errorDetails": record.get("_error"),
        # In the mode PARALLEL the token is the action's externalExecutionId (PutApprovalResult's reference).
        "token": record["_token"] if _waits(record) and not _parallel(app, record) else None,
    }
    if link := record.get("_configuration", {}).get("ExternalEntityLink"):
        shown["entityUrl"] = link
    if action["actionTypeId"]["category"] == "Source" and record["status"] == "Succeeded":
        execution = app.store.get(EXECUTION, record["pipelineExecutionId"])
        for revision in execution["artifactRevisions"]:
            if revision["_action"] == action["name"]:
                shown["currentRevision"] = {
                    "revisionId": revision["revisionId"],
                    "revisionChangeId": revision.get("revisionChangeIdentifier", revision["revisionId"]),
                    "created": revision["created"],
                }
    return shown


def _waits(record: Document) -> bool:
    return record["status"] == "InProgress" and "_token" in record and "_answer" not in record


def _parallel(app: SageLocal, record: Document) -> bool:
    return bool(app.store.get(EXECUTION, record["pipelineExecutionId"])["executionMode"] == "PARALLEL")


def _summary(record: Document) -> str | None:
    """An answer is shown when it is given; an empty summary is none."""
    said = record.get("_summary") or (record["_answer"]["summary"] if "_answer" in record else "")
    return said[:_SUMMARY_LIMIT] or None


def _result(app: SageLocal, record: Document) -> Document:
    """What an action started outside of CodePipeline, and where it can be looked at."""
    external = record.get("_external")
    if external is None and "_token" in record and _parallel(app, record):
        external = record["_token"]
    found: Document = {"externalExecutionId": external, "externalExecutionUrl": record.get("_url")}
    return {name: value for name, value in found.items() if value}


def get_pipeline_execution(app: SageLocal, request: Document) -> Document:
    return {"pipelineExecution": records.execution(app, request["pipelineName"], request["pipelineExecutionId"])}


def list_pipeline_executions(app: SageLocal, request: Document) -> Document:
    """Newest first; `succeededInStage` leaves those that went through a stage."""
    name = records.pipeline(app, request["pipelineName"])["name"]
    stage = request.get("filter", {}).get("succeededInStage", {}).get("stageName")
    found = [
        one | {"sourceRevisions": _revisions(one)}
        for one in reversed(records.executions(app.store, name))
        if not stage or one["_stages"].get(stage, {}).get("status") == "Succeeded"
    ]
    return pages.page(request, found, "pipelineExecutionSummaries")


def _revisions(execution: Document) -> list[Document]:
    return [one | {"actionName": one["_action"]} for one in execution["artifactRevisions"]]


def list_action_executions(app: SageLocal, request: Document) -> Document:
    """Newest first, with what went in and out of each run of an action."""
    name = records.pipeline(app, request["pipelineName"])["name"]
    wanted = request.get("filter", {})
    latest = wanted.get("latestInPipelineExecution", {})
    identity = wanted.get("pipelineExecutionId") or latest.get("pipelineExecutionId")
    if identity:
        records.execution(app, name, identity)
        found = app.store.list(ACTION, parent=identity)
    else:
        found = app.store.page(ACTION, where=[("pipelineName", "=", name)])
    if latest.get("startTimeRange") == "Latest":
        execution = records.execution(app, name, identity)
        found = [one for one in found if one["_attempt"] == execution["_attempt"]]
    return pages.page(request, [_detail(app, one) for one in reversed(found)], "actionExecutionDetails")


def _detail(app: SageLocal, record: Document) -> Document:
    declared = records.declaration(app, record["pipelineName"], record["pipelineVersion"])
    execution = app.store.get(EXECUTION, record["pipelineExecutionId"])
    action = next(
        one
        for stage in declared["stages"]
        for one in stage["actions"]
        if (stage["name"], one["name"]) == (record["stageName"], record["actionName"])
    )
    given = execution["_artifacts"]
    return {
        **record,
        "updatedBy": record["_answer"]["by"] if "_answer" in record else None,
        "input": {
            "actionTypeId": action["actionTypeId"],
            "configuration": action["configuration"],
            "resolvedConfiguration": record.get("_configuration"),
            "roleArn": action.get("roleArn"),
            "region": app.settings.region,
            "inputArtifacts": [_artifact(one["name"], given.get(one["name"])) for one in action["inputArtifacts"]],
            "namespace": action.get("namespace"),
        },
        "output": {
            "outputArtifacts": [_artifact(name, one) for name, one in record.get("_artifacts", {}).items()],
            "outputVariables": record.get("_variables", {}),
            "executionResult": {
                **_result(app, record),
                "externalExecutionSummary": _summary(record),
                "errorDetails": record.get("_error"),
            },
        },
    }


def _artifact(name: str, found: Document | None) -> Document:
    bucket, _, key = (found or {}).get("s3", "").removeprefix("s3://").partition("/")
    return {"name": name, **({"s3location": {"bucket": bucket, "key": key}} if bucket else {})}
