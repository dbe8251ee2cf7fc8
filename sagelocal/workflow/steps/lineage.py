"""Lineage steps: actions, artifacts and contexts of the user's own, and associations among them and with others.

As the SDK's evaluation pipelines (3.27) write them: the members of Arguments are requests of CreateAction,
CreateArtifact and CreateContext; an association's ends are {Arn} or {Name, Type}.
"""

from __future__ import annotations

from typing import Any

from sagelocal.api.errors import AwsError
from sagelocal.lineage import graph
from sagelocal.workflow.expressions import text
from sagelocal.workflow.steps.attempt import Attempt, Result, StepFailed, StepStopped, invoke

Document = dict[str, Any]
_KINDS = {"Actions": "Action", "Artifacts": "Artifact", "Contexts": "Context"}


def record(attempt: Attempt) -> Result:
    """Safe to repeat: what exists is used as it is, as SageMaker does with lineage entities."""
    if attempt.stop_asked():
        raise StepStopped
    made: dict[str, dict[str, str]] = {
        kind: dict(_entity(attempt, kind, one) for one in attempt.request.get(member) or [])
        for member, kind in _KINDS.items()
    }
    associations = [_association(attempt, one, made) for one in attempt.request.get("Associations") or []]
    outcome = {f"{kind}Arns": arns for kind, arns in made.items()} | {"Associations": associations}
    return Result({"Lineage": outcome}, outcome)


def _entity(attempt: Attempt, kind: str, request: Document) -> tuple[str, str]:
    """Name (an artifact's may be its URI) and ARN."""
    request = dict(request)
    if "Properties" in request:
        request["Properties"] = {key: text(value) for key, value in request["Properties"].items()}
    if kind != "Context":
        request["MetadataProperties"] = {"GeneratedBy": attempt.arn} | (request.get("MetadataProperties") or {})
    name = str(request.get(f"{kind}Name") or request.get("Source", {}).get("SourceUri", ""))
    try:
        arn = attempt.app.call(f"Create{kind}", request)[f"{kind}Arn"]
    except AwsError as error:
        found = _existing(attempt, kind, request)
        if found is None:
            reason = f"ClientError: Failed to invoke sagemaker:Create{kind}. Error Details: {error.message}"
            raise StepFailed(reason) from error
        arn = found
    return name, str(arn)


def _existing(attempt: Attempt, kind: str, request: Document) -> str | None:
    source = request.get("Source") or {}
    if kind == "Artifact":
        key = graph.artifact_id(source) if "SourceUri" in source else ""
    else:
        key = str(request.get(f"{kind}Name", "")).lower()
    found = attempt.app.store.find(kind, key)
    return found[f"{kind}Arn"] if found else None


def _association(attempt: Attempt, given: Document, made: dict[str, dict[str, str]]) -> Document:
    source, destination = _end(attempt, given["Source"], made), _end(attempt, given["Destination"], made)
    ends = {"SourceArn": source, "DestinationArn": destination}
    connected = (one["DestinationArn"] for one in graph.outgoing(attempt.app.store, source))
    if destination not in connected:
        kind = {"AssociationType": given["AssociationType"]} if given.get("AssociationType") else {}
        invoke(attempt.app, "AddAssociation", ends | kind)
    return ends


def _end(attempt: Attempt, given: Document, made: dict[str, dict[str, str]]) -> str:
    """The ARN of an association's end: given, made by this step, or of an entity that had that name before."""
    if "Arn" in given:
        return str(given["Arn"])
    kind, name = given.get("Type", ""), str(given.get("Name", ""))
    if kind in made and name in made[kind]:
        return made[kind][name]
    if kind in made:
        found = attempt.app.store.page(kind, where=[(f"{kind}Name", "=", name)], limit=1)
        if found:
            return str(found[0][f"{kind}Arn"])
    raise StepFailed(f"ClientError: There is no {kind or 'entity'} named '{name}' to associate with.")
