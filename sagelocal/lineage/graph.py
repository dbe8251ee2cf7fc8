"""The lineage graph in the store: entities are documents, an association is one under its source and one under its
destination, so that either end is read by an index.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.api.resources import RESOURCES

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.store import Store

Document = dict[str, Any]
OUT, INTO = "Association", "AssociationInto"  # kinds: parent is the source's ARN, or the destination's
_EXPERIMENTAL = ("Experiment", "TrialComponent")


@dataclass(frozen=True)
class Entity:
    """A vertex. `type` is its own (DataSet, Endpoint …), for a trial component that of its source."""

    kind: str  # LineageType: Artifact, Action, Context, TrialComponent; or Experiment
    type: str
    name: str
    document: Document


def entity(store: Store, arn: str) -> Entity | None:
    found = store.by_arn(arn)
    if found is None or found[0] not in ("Artifact", "Action", "Context", *_EXPERIMENTAL):
        return None
    kind, document = found[0], found[2]
    if kind == "TrialComponent":
        type_ = (document.get("Source") or {}).get("SourceType", "SageMakerExperimentTrialComponent")
    else:
        type_ = document.get(f"{kind}Type", f"SageMaker{kind}")
    return Entity(kind, type_, document.get(f"{kind}Name", ""), document)


def find(app: SageLocal, arn: str) -> Entity:
    """Raises AwsError."""
    found = entity(app.store, arn)
    if found is None:
        raise AwsError("ResourceNotFound", f"There is no lineage entity '{arn}'.")
    return found


def artifact_id(source: Document) -> str:
    """There can be only one artifact of a source: its URI with the source types, if any."""
    types = sorted(json.dumps(one, sort_keys=True) for one in source.get("SourceTypes") or [])
    return hashlib.sha256(json.dumps([source["SourceUri"], *types]).encode()).hexdigest()[:32]


def create(app: SageLocal, kind: str, request: Document) -> Document:
    """An entity; its parent in the store is its source's URI, by which List finds it. Raises AwsError if it exists."""
    document = {key: value for key, value in request.items() if key != "Tags"}
    document |= {"CreatedBy": app.settings.caller, "LastModifiedBy": app.settings.caller}
    key = artifact_id(request["Source"]) if kind == "Artifact" else request[f"{kind}Name"].lower()
    parent = request["Source"]["SourceUri"]
    return app.create(kind, document, tags=request.get("Tags"), parent=parent, name=key, path=key)


def artifact(app: SageLocal, uri: str, type_: str, **more: Any) -> str:
    """The ARN of the artifact of that URI, made if there is none. One that exists keeps its type."""
    source = {"SourceUri": uri}
    found = app.store.find("Artifact", artifact_id(source))
    if found is None:
        found = create(app, "Artifact", {"Source": source, "ArtifactType": type_, **more})
    return str(found["ArtifactArn"])


def named(app: SageLocal, kind: str, name: str, type_: str, arn: str, **more: Any) -> str:
    """The ARN of an action or context about an AWS resource, made if there is none, else with the members of `more`."""
    found = app.store.find(kind, name.lower())
    if found is None:
        source = {"SourceUri": arn, "SourceType": "ARN"}
        found = create(app, kind, {f"{kind}Name": name, "Source": source, f"{kind}Type": type_, **more})
    elif any(found.get(member) != value for member, value in more.items()):
        app.store.update(kind, name.lower(), more)
    return str(found[RESOURCES[kind].arn_field])


def associate(app: SageLocal, source: str, destination: str, type_: str) -> None:
    """Nothing happens when the two are associated, or one of them is gone."""
    if app.store.find(OUT, _key(source, destination)):
        return
    ends = entity(app.store, source), entity(app.store, destination)
    if ends[0] and ends[1]:
        _connect(app, source, destination, type_, ends[0], ends[1])


def add(app: SageLocal, source: str, destination: str, type_: str | None) -> None:
    """Raises AwsError when an end is missing, the two are associated already, or both belong to experiments."""
    with app.store.transaction():
        start, end = find(app, source), find(app, destination)
        if start.kind in _EXPERIMENTAL and end.kind in _EXPERIMENTAL:
            raise validation(f"Two experiment entities cannot be associated: '{source}' and '{destination}'.")
        if app.store.find(OUT, _key(source, destination)):
            raise validation(f"The association from '{source}' to '{destination}' already exists.")
        _connect(app, source, destination, type_, start, end)


def _connect(app: SageLocal, source: str, destination: str, type_: str | None, start: Entity, end: Entity) -> None:
    document: Document = {
        "SourceArn": source,
        "DestinationArn": destination,
        "SourceType": start.type,
        "DestinationType": end.type,
        "SourceName": start.name or None,
        "DestinationName": end.name or None,
        "AssociationType": type_,
        "CreationTime": app.now(),
        "CreatedBy": app.settings.caller,
        "_source_kind": start.kind,
        "_destination_kind": end.kind,
    }
    app.store.create(OUT, _key(source, destination), document, parent=source)
    app.store.create(INTO, _key(source, destination), document, parent=destination)


def remove(store: Store, source: str, destination: str) -> bool:
    """Whether there was such an association."""
    with store.transaction():
        if store.find(OUT, _key(source, destination)) is None:
            return False
        store.delete(OUT, _key(source, destination))
        store.delete(INTO, _key(source, destination))
        return True


def outgoing(store: Store, arn: str) -> list[Document]:
    return store.list(OUT, parent=arn)


def incoming(store: Store, arn: str) -> list[Document]:
    return store.list(INTO, parent=arn)


def disconnect(store: Store, arn: str) -> None:
    """Removes every association of an entity."""
    for one in [*outgoing(store, arn), *incoming(store, arn)]:
        remove(store, one["SourceArn"], one["DestinationArn"])


def _key(source: str, destination: str) -> str:
    return f"{source}>{destination}"
