"""The operations of lineage entities and associations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, validation
from sagelocal.api.resources import RESOURCES, Resource
from sagelocal.lineage import graph
from sagelocal.lineage.query import query_lineage
from sagelocal.store import Condition

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
Handler = Callable[["SageLocal", Document], Document]
_OUT = Resource(graph.OUT, "association", "AssociationSummaries", order="Descending")
_INTO = Resource(graph.INTO, "association", "AssociationSummaries", order="Descending")
_LINEAGE_TYPES = ("Artifact", "Action", "Context", "TrialComponent")


def _create(kind: str) -> Handler:
    return lambda app, request: graph.create(app, kind, request)


def _identified(app: SageLocal, kind: str, request: Document) -> Document:
    """Artifacts go by their ARN or source, the others by their name."""
    if kind != "Artifact":
        return app.find(kind, request[f"{kind}Name"])
    if "ArtifactArn" in request:
        return app.find(kind, request["ArtifactArn"])
    if "Source" not in request:
        raise validation("Either ArtifactArn or Source must be given.")
    return app.find(kind, app.arn(f"artifact/{graph.artifact_id(request['Source'])}"))


def _describe(kind: str) -> Handler:
    return lambda app, request: _identified(app, kind, request)


def _update(kind: str) -> Handler:
    def run(app: SageLocal, request: Document) -> Document:
        found = _identified(app, kind, request)

        def edit(document: Document) -> None:
            document |= {name: request[name] for name in ("ArtifactName", "Description", "Status") if name in request}
            properties = document.get("Properties", {}) | request.get("Properties", {})
            gone = request.get("PropertiesToRemove", ())
            document["Properties"] = {key: value for key, value in properties.items() if key not in gone}

        return app.store.update(kind, found["_name"], edit=edit)

    return run


def _delete(kind: str) -> Handler:
    def run(app: SageLocal, request: Document) -> Document:
        with app.store.transaction():
            found = _identified(app, kind, request)
            arn = found[RESOURCES[kind].arn_field]
            if left := [*graph.outgoing(app.store, arn), *graph.incoming(app.store, arn)]:
                raise validation(
                    f"{kind} '{arn}' still has {len(left)} associations, the one from {left[0]['SourceArn']} to "
                    f"{left[0]['DestinationArn']} among them: delete them first."
                )
            app.store.delete(kind, found["_name"])
        return found

    return run


def _list(kind: str) -> Handler:
    def run(app: SageLocal, request: Document) -> Document:
        return listing.stored(app.store, RESOURCES[kind], request, request.get("SourceUri"))

    return run


def add_association(app: SageLocal, request: Document) -> Document:
    graph.add(app, request["SourceArn"], request["DestinationArn"], request.get("AssociationType"))
    return request


def delete_association(app: SageLocal, request: Document) -> Document:
    if not graph.remove(app.store, request["SourceArn"], request["DestinationArn"]):
        raise AwsError(
            "ResourceNotFound",
            f"There is no association from '{request['SourceArn']}' to '{request['DestinationArn']}'.",
        )
    return request


def list_associations(app: SageLocal, request: Document) -> Document:
    """A type to filter by is an entity's own, such as DataSet, or a lineage type, such as Artifact."""
    where: list[Condition] = []
    for end, kind in (("SourceType", "_source_kind"), ("DestinationType", "_destination_kind")):
        if end in request:
            where.append((kind if request[end] in _LINEAGE_TYPES else end, "=", request[end]))
    if "AssociationType" in request:
        where.append(("AssociationType", "=", request["AssociationType"]))
    if "SourceArn" in request:
        if "DestinationArn" in request:
            where.append(("DestinationArn", "=", request["DestinationArn"]))
        return listing.stored(app.store, _OUT, request, request["SourceArn"], where)
    if "DestinationArn" in request:
        return listing.stored(app.store, _INTO, request, request["DestinationArn"], where)
    return listing.stored(app.store, _OUT, request, None, where)


OPERATIONS: dict[str, Handler] = {
    **{f"Create{kind}": _create(kind) for kind in ("Artifact", "Action", "Context")},
    **{f"Describe{kind}": _describe(kind) for kind in ("Artifact", "Action", "Context")},
    **{f"Update{kind}": _update(kind) for kind in ("Artifact", "Action", "Context")},
    **{f"Delete{kind}": _delete(kind) for kind in ("Artifact", "Action", "Context")},
    **{f"List{kind}s": _list(kind) for kind in ("Artifact", "Action", "Context")},
    "AddAssociation": add_association,
    "DeleteAssociation": delete_association,
    "ListAssociations": list_associations,
    "QueryLineage": query_lineage,
}
