"""How executions move through a pipeline's stages. Everything here runs within one transaction of the store.

A stage takes one execution at a time, except in the mode PARALLEL; who waits before it goes in as they came (QUEUED),
or gives way to who comes later (SUPERSEDED). An execution keeps the version of the pipeline that it began with.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codepipeline import records, structure, variables
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION, INBOUND, INSIDE, LEFT, PIPELINE

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def advance(app: SageLocal, name: str) -> list[str]:
    """Moves every execution of a pipeline as far as it can go; the ids of the actions that are to be run."""
    started: list[str] = []
    while _step(app, name, started):
        pass
    return started


def _step(app: SageLocal, name: str, started: list[str]) -> bool:
    """Whether anything moved; later stages first, so that they are free for who comes."""
    head = app.store.find(PIPELINE, name)
    if head is None:
        return False
    running = records.executions(app.store, name, *records.RUNNING)
    for one in sorted(running, key=lambda execution: -execution["_stage"]):
        if one["_phase"] == INSIDE and _inside(app, one, started):
            return True
        if one["_phase"] == INBOUND and one["status"] == "Stopping":
            finish(app, one, "Stopped")
            return True
    return _admit(app, head, [one for one in running if one["status"] == "InProgress"], running)


# Into a stage.


def _admit(app: SageLocal, head: Document, waiting: list[Document], running: list[Document]) -> bool:
    inbound = sorted((one for one in waiting if one["_phase"] == INBOUND), key=lambda one: one["_arrived"])
    for one in inbound:
        stage = stage_name(app, one)
        if not transition(head, stage)["enabled"]:
            free = False
        else:
            free = one["executionMode"] == "PARALLEL" or not any(occupies(app, other, stage) for other in running)
        if free:
            _enter(app, head, one, stage)
            return True
        if one["executionMode"] == "SUPERSEDED" and _overtaken(app, one, inbound):
            return True
    return False


def _overtaken(app: SageLocal, one: Document, inbound: list[Document]) -> bool:
    """A later execution waits at the same place: it goes instead. A rollback is nobody's predecessor."""
    stage = stage_name(app, one)
    later = [
        other
        for other in inbound
        if other["_number"] > one["_number"]
        and stage_name(app, other) == stage
        and other["executionType"] == one["executionType"] == "STANDARD"
    ]
    if not later:
        return False
    newest = max(later, key=lambda other: other["_number"])["pipelineExecutionId"]
    finish(app, one, "Superseded", f"The execution {newest} came to the stage {stage} while this one waited for it.")
    return True


def occupies(app: SageLocal, execution: Document, stage: str) -> bool:
    return bool(execution["_phase"] == INSIDE and stage_name(app, execution) == stage)


def transition(head: Document, stage: str) -> Document:
    return dict(head["_transitions"].get(stage, {"enabled": True}))


def stage_name(app: SageLocal, execution: Document) -> str:
    return str(stages(app, execution)[execution["_stage"]]["name"])


def stages(app: SageLocal, execution: Document) -> list[Document]:
    return list(records.declaration(app, execution["pipelineName"], execution["pipelineVersion"])["stages"])


def _enter(app: SageLocal, head: Document, execution: Document, stage: str) -> None:
    now = app.now()

    def enter(document: Document) -> None:
        document["_phase"] = INSIDE
        document["lastUpdateTime"] = now
        document["_stages"][stage] = {"status": "InProgress", "started": now, "actions": {}}

    app.store.update(EXECUTION, execution["pipelineExecutionId"], edit=enter)
    app.store.update(PIPELINE, head["name"], {"_latest": head["_latest"] | {stage: execution["pipelineExecutionId"]}})


# In a stage.


def _inside(app: SageLocal, execution: Document, started: list[str]) -> bool:
    """Starts the next actions of an execution's stage, or leaves the stage; False while its actions run."""
    stage = stages(app, execution)[execution["_stage"]]
    entered = execution["_stages"][stage["name"]]
    runs = {action: app.store.get(ACTION, run) for action, run in entered["actions"].items()}
    busy = any(run["status"] == "InProgress" for run in runs.values())
    if execution["status"] == "Stopping":
        if not busy:
            _close_stage(app, execution, stage["name"], "Stopped")
            finish(app, app.store.get(EXECUTION, execution["pipelineExecutionId"]), "Stopped")
        return not busy
    failed = any(run["status"] in ("Failed", "Abandoned") for run in runs.values())
    if failed:
        if not busy:
            _fail(app, execution, stage)
        return not busy
    for group in _groups(stage):
        missing = [action for action in group if action["name"] not in runs]
        if missing:
            for action in missing:
                started.append(_start(app, execution, stage, action))
            return True
        if any(runs[action["name"]]["status"] == "InProgress" for action in group):
            return False
    _succeed(app, execution, stage)
    return True


def _groups(stage: Document) -> Iterator[list[Document]]:
    """Actions of one run order are run together."""
    for order in sorted({action["runOrder"] for action in stage["actions"]}):
        yield [action for action in stage["actions"] if action["runOrder"] == order]


def _start(app: SageLocal, execution: Document, stage: Document, action: Document) -> str:
    identity, now = str(uuid.uuid4()), app.now()
    approval = action["actionTypeId"]["category"] == "Approval"
    configuration: Document = {}
    with contextlib.suppress(variables.Unresolved):  # the action itself fails of it
        configuration = {"_configuration": variables.resolve_all(action["configuration"], variables.scope(execution))}
    record = {
        "pipelineName": execution["pipelineName"],
        "pipelineExecutionId": execution["pipelineExecutionId"],
        "actionExecutionId": identity,
        "pipelineVersion": execution["pipelineVersion"],
        "stageName": stage["name"],
        "actionName": action["name"],
        "startTime": now,
        "lastUpdateTime": now,
        "status": "InProgress",
        "_type": action["actionTypeId"],
        "_attempt": execution["_attempt"],
        **configuration,
        **(_request(action, now) if approval else {}),
    }
    app.store.create(ACTION, identity, record, parent=execution["pipelineExecutionId"])

    def take(document: Document) -> None:
        document["_stages"][stage["name"]]["actions"][action["name"]] = identity
        document["lastUpdateTime"] = now

    def latest(head: Document) -> None:
        head["_actions"][f"{stage['name']}/{action['name']}"] = identity

    app.store.update(EXECUTION, execution["pipelineExecutionId"], edit=take)
    app.store.update(PIPELINE, execution["pipelineName"], edit=latest)
    return identity


def _request(action: Document, now: float) -> Document:
    """The token of a manual approval, and when it is too late for an answer (seconds since the epoch)."""
    minutes = action.get("timeoutInMinutes", structure.APPROVAL_MINUTES)
    return {"_token": str(uuid.uuid4()), "_expires": now + 60 * minutes}


# Out of a stage.


def _succeed(app: SageLocal, execution: Document, stage: Document) -> None:
    _close_stage(app, execution, stage["name"], "Succeeded")
    execution = app.store.get(EXECUTION, execution["pipelineExecutionId"])
    if execution["executionType"] == "ROLLBACK" or execution["_stage"] + 1 == len(stages(app, execution)):
        finish(app, execution, "Succeeded")
        return
    now = app.now()
    onward = {"_stage": execution["_stage"] + 1, "_phase": INBOUND, "_arrived": now, "lastUpdateTime": now}
    app.store.update(EXECUTION, execution["pipelineExecutionId"], onward)


def _fail(app: SageLocal, execution: Document, stage: Document) -> None:
    name, wanted = stage["name"], stage.get("onFailure", {})
    entered = execution["_stages"][name]
    if wanted.get("result") == "RETRY" and not entered.get("retried"):
        retry(app, execution, wanted.get("retryConfiguration", {}).get("retryMode", "ALL_ACTIONS"), automatic=True)
        return
    _close_stage(app, execution, name, "Failed")
    finish(app, app.store.get(EXECUTION, execution["pipelineExecutionId"]), "Failed")
    if wanted.get("result") == "ROLLBACK" and execution["executionType"] == "STANDARD":
        target = rollback_target(app, execution, name)
        if target is not None:
            detail = execution["pipelineExecutionId"]
            records.begin(
                app,
                execution["pipelineName"],
                {"triggerType": "AutomatedRollback", "triggerDetail": detail},
                rollback=target | {"_rollback_stage": execution["_stage"]},
            )


def rollback_target(app: SageLocal, execution: Document, stage: str) -> Document | None:
    """The newest execution of the same version that went through the stage before this one."""
    for one in reversed(records.executions(app.store, execution["pipelineName"])):
        if (
            one["_number"] < execution["_number"]
            and one["pipelineVersion"] == execution["pipelineVersion"]
            and one["executionType"] == "STANDARD"
            and one["_stages"].get(stage, {}).get("status") == "Succeeded"
        ):
            return one
    return None


def retry(app: SageLocal, execution: Document, mode: str, *, automatic: bool) -> None:
    """The execution is in its stage again; the actions that failed, or all of them, are to be run anew."""
    stage = stage_name(app, execution)
    runs = execution["_stages"][stage]["actions"]
    kept = {action: run for action, run in runs.items() if app.store.get(ACTION, run)["status"] == "Succeeded"}

    def again(document: Document) -> None:
        entered = document["_stages"][stage]
        entered |= {"status": "InProgress", "actions": kept if mode == "FAILED_ACTIONS" else {}}
        if automatic:
            entered["retried"] = True
        entered["trigger"] = "AutomatedStageRetry" if automatic else "ManualStageRetry"
        entered["attempts"] = entered.get("attempts", 0) + (not automatic)
        document |= {"status": "InProgress", "_phase": INSIDE, "lastUpdateTime": app.now()}
        document["_attempt"] += 1

    app.store.update(EXECUTION, execution["pipelineExecutionId"], edit=again)


def _close_stage(app: SageLocal, execution: Document, stage: str, status: str) -> None:
    def close(document: Document) -> None:
        document["_stages"][stage]["status"] = status

    app.store.update(EXECUTION, execution["pipelineExecutionId"], edit=close)


def finish(app: SageLocal, execution: Document, status: str, summary: str = "") -> None:
    changes: Document = {"status": status, "_phase": LEFT, "lastUpdateTime": app.now()}
    if summary:
        changes["statusSummary"] = summary
    app.store.update(EXECUTION, execution["pipelineExecutionId"], changes)
