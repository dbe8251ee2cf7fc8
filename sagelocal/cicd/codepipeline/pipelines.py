"""Pipelines: create, update, get, list, delete, their transitions and tags."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codepipeline import flow, pages, records, structure, triggers
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION, PIPELINE, VERSION

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def create_pipeline(app: SageLocal, request: Document) -> Document:
    """A new pipeline runs at once, as on AWS, if its sources have something to give (`triggers.created`)."""
    declared = structure.complete(request["pipeline"], app.settings) | {"version": 1}
    name, now = declared["name"], app.now()
    tags = request.get("tags", [])
    with app.store.transaction():
        if app.store.find(PIPELINE, name):
            raise AwsError("PipelineNameInUseException", f"A pipeline with the name '{name}' already exists")
        head = {"name": name, "version": 1, "created": now, "updated": now}
        own: Document = {"_transitions": {}, "_latest": {}, "_actions": {}, "_executions": 0}
        app.store.create(PIPELINE, name, {**head, **own}, arn=records.arn(app, name))
        _add_version(app, declared)
        app.store.set_tags(records.arn(app, name), {tag["key"]: tag["value"] for tag in tags})
    triggers.created(app, declared)
    return {"pipeline": declared, "tags": tags}


def update_pipeline(app: SageLocal, request: Document) -> Document:
    """Executions that run keep the version they began with."""
    declared = structure.complete(request["pipeline"], app.settings)
    name = declared["name"]
    with app.store.transaction():
        declared["version"] = records.pipeline(app, name)["version"] + 1
        app.store.update(PIPELINE, name, {"version": declared["version"], "updated": app.now()})
        _add_version(app, declared)
    return {"pipeline": declared}


def _add_version(app: SageLocal, declared: Document) -> None:
    document = {"declaration": declared}
    app.store.create(VERSION, f"{declared['name']}/{declared['version']}", document, parent=declared["name"])


def get_pipeline(app: SageLocal, request: Document) -> Document:
    head = records.pipeline(app, request["name"])
    declared = records.declaration(app, head["name"], request.get("version") or head["version"])
    metadata = {
        "pipelineArn": records.arn(app, head["name"]),
        "created": head["created"],
        "updated": head["updated"],
    }
    return {"pipeline": declared, "metadata": metadata}


def list_pipelines(app: SageLocal, request: Document) -> Document:
    found = []
    for head in sorted(app.store.list(PIPELINE), key=lambda one: one["name"]):
        declared = records.declaration(app, head["name"], head["version"])
        found.append({**head, **{member: declared[member] for member in ("pipelineType", "executionMode")}})
    return pages.page(request, found, "pipelines", 1000)


def delete_pipeline(app: SageLocal, request: Document) -> Document:
    """With its executions; builds that run are left to CodeBuild. What is not there is no error, as on AWS."""
    name = request["name"]
    with app.store.transaction():
        if not app.store.find(PIPELINE, name):
            return {}
        for execution in records.executions(app.store, name):
            identity = execution["pipelineExecutionId"]
            for action in app.store.list(ACTION, parent=identity):
                app.store.delete(ACTION, action["actionExecutionId"])
            app.store.delete(EXECUTION, identity)
        for version in app.store.list(VERSION, parent=name):
            app.store.delete(VERSION, f"{name}/{version['declaration']['version']}")
        app.store.delete(PIPELINE, name)
    return {}


def disable_stage_transition(app: SageLocal, request: Document) -> Document:
    _set_transition(app, request, {"enabled": False, "disabledReason": request["reason"]})
    return {}


def enable_stage_transition(app: SageLocal, request: Document) -> Document:
    _set_transition(app, request, {"enabled": True})
    app.codepipeline.advance(request["pipelineName"])
    return {}


def _set_transition(app: SageLocal, request: Document, state: Document) -> None:
    """An outbound transition is the next stage's inbound one."""
    with app.store.transaction():
        head = records.pipeline(app, request["pipelineName"])
        declared = records.declaration(app, head["name"], head["version"])
        names = [stage["name"] for stage in declared["stages"]]
        number = names.index(structure.stage_of(declared, request["stageName"])["name"])
        number += request["transitionType"] == "Outbound"
        if not 0 < number < len(names):
            raise AwsError(
                "ValidationException",
                f"Stage '{request['stageName']}' has no {request['transitionType'].lower()} transition.",
            )
        changed = {**flow.transition(head, names[number]), **state}
        changed |= {"lastChangedBy": records.caller(app), "lastChangedAt": app.now()}
        if state["enabled"]:
            changed.pop("disabledReason", None)
        app.store.update(PIPELINE, head["name"], {"_transitions": head["_transitions"] | {names[number]: changed}})


def list_tags_for_resource(app: SageLocal, request: Document) -> Document:
    tags = app.store.tags(_tagged(app, request))
    return pages.page(request, [{"key": key, "value": value} for key, value in tags.items()], "tags")


def tag_resource(app: SageLocal, request: Document) -> Document:
    arn = _tagged(app, request)
    with app.store.transaction():
        app.store.set_tags(arn, {tag["key"]: tag["value"] for tag in request["tags"]})
        if len(app.store.tags(arn)) > 50:
            raise AwsError("TooManyTagsException", f"{arn} would have more than 50 tags.")
    return {}


def untag_resource(app: SageLocal, request: Document) -> Document:
    app.store.drop_tags(_tagged(app, request), request["tagKeys"])
    return {}


def _tagged(app: SageLocal, request: Document) -> str:
    arn = str(request["resourceArn"])
    found = app.store.by_arn(arn)
    if found is None or found[0] != PIPELINE:
        raise AwsError("ResourceNotFoundException", f"The resource {json.dumps(arn)} is no pipeline of this account.")
    return arn
