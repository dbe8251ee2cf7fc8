"""What is stored of pipelines: declarations by version, executions, and every run of an action."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.store import Store

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
PIPELINE = "CodePipeline"  # by name: its version, times and transitions
VERSION = "CodePipelineVersion"  # by "<name>/<version>": the declaration
EXECUTION = "CodePipelineExecution"  # by id, of a pipeline
ACTION = "CodePipelineActionExecution"  # by id, of an execution
RUNNING = ("InProgress", "Stopping")

# Where an execution is in its stage (`_phase`).
INBOUND, INSIDE, LEFT = "inbound", "inside", "left"


def pipeline(app: SageLocal, name: str) -> Document:
    """Raises AwsError."""
    found = app.store.find(PIPELINE, name)
    if found is None:
        raise AwsError(
            "PipelineNotFoundException", f"Account '{app.settings.account}' does not have a pipeline with name '{name}'"
        )
    return found


def declaration(app: SageLocal, name: str, version: int) -> Document:
    """Raises AwsError."""
    found = app.store.find(VERSION, f"{name}/{version}")
    if found is None:
        raise AwsError("PipelineVersionNotFoundException", f"The pipeline '{name}' has no version {version}")
    return dict(found["declaration"])


def execution(app: SageLocal, name: str, identity: str) -> Document:
    """Raises AwsError."""
    pipeline(app, name)
    found = app.store.find(EXECUTION, identity)
    if found is None or found["pipelineName"] != name:
        message = f"Pipeline '{name}' does not have an execution with the ID '{identity}'"
        raise AwsError("PipelineExecutionNotFoundException", message)
    return found


def executions(store: Store, name: str, *statuses: str) -> list[Document]:
    """Of one pipeline, oldest first; of the given statuses only, if any."""
    if not statuses:
        return store.list(EXECUTION, parent=name)
    found = [one for status in statuses for one in store.page(EXECUTION, parent=name, where=[("status", "=", status)])]
    return sorted(found, key=lambda one: one["_number"])


def arn(app: SageLocal, name: str) -> str:
    return f"arn:aws:codepipeline:{app.settings.region}:{app.settings.account}:{name}"


def caller(app: SageLocal) -> str:
    """Whom a laptop's every call comes from."""
    return app.settings.role_arn


def begin(
    app: SageLocal,
    name: str,
    trigger: Document,
    *,
    given: dict[str, str] | None = None,
    revisions: dict[str, Document] | None = None,
    token: str = "",
    rollback: Document | None = None,
) -> Document:
    """Stores a new execution of a pipeline's newest version, waiting at its first stage; within a transaction.

    `revisions` overrides what source actions take: action name -> {"type", "value", "branch"?}. `rollback` is the
    execution whose artifacts and variables a stage is to have again, with the stage's number as `_rollback_stage`.
    Raises AwsError for variables that the pipeline does not have or that get no value.
    """
    head = app.store.update(PIPELINE, name, edit=_count)
    version = head["version"]
    declared = declaration(app, name, version)
    now = app.now()
    document = {
        "pipelineName": name,
        "pipelineExecutionId": str(uuid.uuid4()),
        "pipelineVersion": version,
        "status": "InProgress",
        "startTime": now,
        "lastUpdateTime": now,
        "trigger": trigger,
        "executionMode": declared["executionMode"],
        "executionType": "STANDARD",
        "artifactRevisions": [],
        "_number": head["_executions"],
        "_token": token or None,
        "_attempt": 1,
        "_stage": 0,
        "_phase": INBOUND,
        "_arrived": now,
        "_stages": {},
        "_revisions": revisions or {},
        "_variables": {},
        "_artifacts": {},
    }
    if rollback is None:
        document["variables"] = _values(name, declared.get("variables", []), given or {})
    else:
        document |= {
            "executionType": "ROLLBACK",
            "rollbackMetadata": {"rollbackTargetPipelineExecutionId": rollback["pipelineExecutionId"]},
            "_stage": rollback["_rollback_stage"],
            **{member: rollback[member] for member in ("variables", "artifactRevisions", "_variables", "_artifacts")},
        }
    app.store.create(EXECUTION, document["pipelineExecutionId"], document, parent=name)
    return document


def _count(head: Document) -> None:
    head["_executions"] = head.get("_executions", 0) + 1


def _values(name: str, declared: list[Document], given: dict[str, str]) -> list[Document]:
    known = {one["name"] for one in declared}
    if unknown := sorted(set(given) - known):
        raise AwsError(
            "ValidationException",
            f"Pipeline '{name}' has no variable {', '.join(unknown)}; it has: {', '.join(sorted(known)) or 'none'}.",
        )
    values = {one["name"]: given.get(one["name"], one.get("defaultValue")) for one in declared}
    if missing := [one for one, value in values.items() if value is None]:
        message = f"Pipeline '{name}' needs a value for the variable {', '.join(missing)}, which has no default value."
        raise AwsError("ValidationException", message)
    return [{"name": one, "resolvedValue": value} for one, value in values.items()]
