"""Executions: start, stop, retry, roll back, approve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codepipeline import flow, records, structure
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION, INBOUND, LEFT

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_REVISIONS = {
    "CodeStarSourceConnection": ("COMMIT_ID",),
    "CodeCommit": ("COMMIT_ID",),
    "S3": ("S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"),
}
_QUEUE = 50  # executions that may wait or run in the modes QUEUED and PARALLEL, CodePipeline's quota


def start_pipeline_execution(app: SageLocal, request: Document) -> Document:
    """The same clientRequestToken answers the same execution."""
    trigger = {"triggerType": "StartPipelineExecution", "triggerDetail": records.caller(app)}
    return start(app, request, trigger)


def start(app: SageLocal, request: Document, trigger: Document) -> Document:
    """Starts an execution as StartPipelineExecution does, for whatever triggered it. Raises AwsError."""
    name, token = request["name"], request.get("clientRequestToken", "")
    with app.store.transaction():
        head = records.pipeline(app, name)
        again = app.store.page(EXECUTION, parent=name, where=[("_token", "=", token)], limit=1) if token else []
        if again:
            return {"pipelineExecutionId": again[0]["pipelineExecutionId"]}
        declared = records.declaration(app, name, head["version"])
        _check_queue(app, declared)
        given = {one["name"]: one["value"] for one in request.get("variables", [])}
        revisions = {one["actionName"]: _revision(declared, one) for one in request.get("sourceRevisions", [])}
        execution = records.begin(app, name, trigger, given=given, revisions=revisions, token=token)
    app.codepipeline.advance(name)
    return {"pipelineExecutionId": execution["pipelineExecutionId"]}


def _check_queue(app: SageLocal, declared: Document) -> None:
    running = len(records.executions(app.store, declared["name"], *records.RUNNING))
    if declared["executionMode"] != "SUPERSEDED" and running >= _QUEUE:
        raise AwsError(
            "ConcurrentPipelineExecutionsLimitExceededException",
            f"Pipeline '{declared['name']}' has {running} executions already, the most that a pipeline in the mode "
            f"{declared['executionMode']} may have.",
        )


def _revision(declared: Document, given: Document) -> Document:
    for action in structure.sources(declared):
        if action["name"] == given["actionName"]:
            known = _REVISIONS[action["actionTypeId"]["provider"]]
            allowed = action["configuration"].get("AllowOverrideForS3ObjectKey", "false")
            if given["revisionType"] == "S3_OBJECT_KEY" and allowed != "true":
                message = f"AllowOverrideForS3ObjectKey of the source action {given['actionName']} is not true."
                raise AwsError("ValidationException", message)
            if given["revisionType"] in known:
                return {"type": given["revisionType"], "value": given["revisionValue"]}
            raise AwsError(
                "ValidationException",
                f"The source action {given['actionName']} takes the revision type {' or '.join(known)}, "
                f"not {given['revisionType']}.",
            )
    raise AwsError("ValidationException", f"The pipeline has no source action {given['actionName']}.")


def stop_pipeline_execution(app: SageLocal, request: Document) -> Document:
    """An abandoned build goes on in CodeBuild, as on AWS: StopBuild ends it."""
    name, identity, abandon = request["pipelineName"], request["pipelineExecutionId"], request.get("abandon", False)
    with app.store.transaction():
        execution = records.execution(app, name, identity)
        if execution["status"] not in records.RUNNING:
            raise AwsError(
                "PipelineExecutionNotStoppableException",
                f"The execution {identity} of pipeline '{name}' is {execution['status']} and cannot be stopped.",
            )
        if execution["status"] == "Stopping" and not (abandon and not execution.get("_abandoned")):
            raise AwsError("DuplicatedStopRequestException", f"The execution {identity} is being stopped already.")
        trigger = {"reason": request["reason"]} if request.get("reason") else {}
        app.store.update(
            EXECUTION,
            identity,
            {"status": "Stopping", "stopTrigger": trigger, "_abandoned": abandon, "lastUpdateTime": app.now()},
        )
        if abandon:
            for action in app.store.page(ACTION, parent=identity, where=[("status", "=", "InProgress")]):
                changes = {"status": "Abandoned", "lastUpdateTime": app.now()}
                app.store.update(ACTION, action["actionExecutionId"], changes)
    app.codepipeline.advance(name)
    return {"pipelineExecutionId": identity}


def retry_stage_execution(app: SageLocal, request: Document) -> Document:
    name, identity, stage = request["pipelineName"], request["pipelineExecutionId"], request["stageName"]
    with app.store.transaction():
        execution = records.execution(app, name, identity)
        head = records.pipeline(app, name)
        _check_same_stage(app, head, execution, stage)
        where = flow.stage_name(app, execution)
        if execution["_phase"] != LEFT or execution["status"] not in ("Failed", "Stopped") or where != stage:
            raise AwsError(
                "StageNotRetryableException",
                f"Stage '{stage}' of the execution {identity} cannot be retried: the execution is "
                f"{execution['status']}, its stage {where}.",
            )
        runs = execution["_stages"].get(stage, {}).get("actions", {})
        if not any(app.store.get(ACTION, run)["status"] in ("Failed", "Abandoned") for run in runs.values()):
            message = f"Stage '{stage}' of the execution {identity} has no failed actions."
            raise AwsError("StageNotRetryableException", message)
        _check_free(app, head, execution, stage)
        flow.retry(app, execution, request["retryMode"], automatic=False)
    app.codepipeline.advance(name)
    return {"pipelineExecutionId": identity}


def _check_same_stage(app: SageLocal, head: Document, execution: Document, stage: str) -> None:
    now = structure.stage_of(records.declaration(app, head["name"], head["version"]), stage)
    then = records.declaration(app, head["name"], execution["pipelineVersion"])["stages"]
    if now not in then:
        raise AwsError(
            "StageNotRetryableException",
            f"Stage '{stage}' was changed in version {head['version']} of the pipeline, and the execution ran version "
            f"{execution['pipelineVersion']}.",
        )


def _check_free(app: SageLocal, head: Document, execution: Document, stage: str) -> None:
    if execution["executionMode"] == "PARALLEL":
        return
    latest = head["_latest"].get(stage)
    if latest != execution["pipelineExecutionId"]:
        raise AwsError(
            "NotLatestPipelineExecutionException",
            f"The execution {latest} has been in the stage '{stage}' since: only that one can be retried.",
        )


def rollback_stage(app: SageLocal, request: Document) -> Document:
    """A stage again with what an earlier execution brought through it."""
    name, stage, wanted = request["pipelineName"], request["stageName"], request["targetPipelineExecutionId"]
    with app.store.transaction():
        head = records.pipeline(app, name)
        target = records.execution(app, name, wanted)
        declared = records.declaration(app, name, head["version"])
        number = declared["stages"].index(structure.stage_of(declared, stage))
        _check_rollback(app, declared, target, stage, number)
        trigger = {"triggerType": "ManualRollback", "triggerDetail": records.caller(app)}
        execution = records.begin(app, name, trigger, rollback=target | {"_rollback_stage": number})
    app.codepipeline.advance(name)
    return {"pipelineExecutionId": execution["pipelineExecutionId"]}


def _check_rollback(app: SageLocal, declared: Document, target: Document, stage: str, number: int) -> None:
    wanted = target["pipelineExecutionId"]

    def unable(message: str) -> AwsError:
        return AwsError("UnableToRollbackStageException", message)

    if number == 0:
        raise unable(f"Stage '{stage}' has source actions and cannot be rolled back.")
    if declared["executionMode"] == "PARALLEL":
        raise unable(f"Pipeline '{declared['name']}' is in the mode PARALLEL, in which no stage can be rolled back.")
    if target["executionType"] == "ROLLBACK":
        raise unable(f"The execution {wanted} is a rollback itself.")
    if target["pipelineVersion"] != declared["version"]:
        raise AwsError(
            "PipelineExecutionOutdatedException",
            f"The execution {wanted} ran version {target['pipelineVersion']} of the pipeline, which has version "
            f"{declared['version']} now.",
        )
    if target["_stages"].get(stage, {}).get("status") != "Succeeded":
        raise unable(f"The execution {wanted} did not succeed in the stage '{stage}'.")
    running = records.executions(app.store, declared["name"], *records.RUNNING)
    if any(flow.occupies(app, one, stage) for one in running):
        raise AwsError("ConflictException", f"An execution is in the stage '{stage}': its end must come first.")
    if any(one["_phase"] == INBOUND and one["executionType"] == "ROLLBACK" for one in running):
        raise AwsError("ConflictException", f"A rollback of the stage '{stage}' waits already.")


def _check_place(declared: Document, stage: str, action: str) -> None:
    if action not in [one["name"] for one in structure.stage_of(declared, stage)["actions"]]:
        message = f"Stage '{stage}' of pipeline '{declared['name']}' has no action '{action}'"
        raise AwsError("ActionNotFoundException", message)


def put_approval_result(app: SageLocal, request: Document) -> Document:
    """The answer is on disk when this returns; the token is of one request for approval alone."""
    name, token = request["pipelineName"], request["token"]
    with app.store.transaction():
        head = records.pipeline(app, name)
        found = app.store.page(ACTION, where=[("pipelineName", "=", name), ("_token", "=", token)])
        where = (request["stageName"], request["actionName"])
        asked = [one for one in found if (one["stageName"], one["actionName"]) == where]
        if not asked:
            _check_place(records.declaration(app, name, head["version"]), *where)
            raise AwsError("InvalidApprovalTokenException", "Invalid approval token: it is of no open request.")
        record = asked[0]
        if "_answer" in record:
            message = "The approval action has already been approved or rejected."
            raise AwsError("ApprovalAlreadyCompletedException", message)
        now = app.now()
        if record["status"] != "InProgress" or now >= record["_expires"]:
            raise AwsError("InvalidApprovalTokenException", "Invalid approval token: the request has expired.")
        answer = {**request["result"], "by": records.caller(app), "at": now}
        app.store.update(ACTION, record["actionExecutionId"], {"_answer": answer, "lastUpdateTime": now})
    return {"approvedAt": now}
