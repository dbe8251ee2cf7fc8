"""QueryLineage: what is upstream or downstream of an entity."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import validation
from sagelocal.lineage import graph

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.store import Store

Document = dict[str, Any]
Edge = tuple[str, str, str | None]  # source, destination, AssociationType
_DEPTH, _PAGE = 10, 50


def query_lineage(app: SageLocal, request: Document) -> Document:
    """Vertices that the filters let through, the start not among them; with IncludeEdges also what lies between, the
    start included, and the associations. So the SDK's visualizer can draw what it gets.
    """
    starts = request.get("StartArns") or []
    if not starts:
        raise validation("StartArns must name the lineage entity to start from.")
    for arn in starts:
        graph.find(app, arn)
    edges, reached = _walk(app.store, starts, request.get("Direction", "Both"), request.get("MaxDepth") or _DEPTH)
    entities = {arn: found for arn in reached if (found := graph.entity(app.store, arn))}
    filters = request.get("Filters") or {}
    chosen = [arn for arn, found in entities.items() if arn not in starts and _matches(filters, found)]
    shown: list[Edge] = []
    if request.get("IncludeEdges"):
        on_path = _between(edges, reached, chosen)
        shown = [edge for edge in edges if edge[0] in on_path and edge[1] in on_path]
        chosen = [arn for arn in entities if arn in on_path or arn in starts]
    vertices = [_vertex(arn, entities[arn]) for arn in chosen]
    return listing.page(request, vertices, "Vertices", default=_PAGE) | {"Edges": [_edge(edge) for edge in shown]}


def _walk(store: Store, starts: list[str], direction: str, depth: int) -> tuple[list[Edge], dict[str, int]]:
    """The associations met within `depth` steps, and the distance of each entity met."""
    reached = dict.fromkeys(starts, 0)
    edges: dict[tuple[str, str], Edge] = {}
    queue = deque(starts)
    while queue:
        arn = queue.popleft()
        if reached[arn] >= depth:
            continue
        met = []
        if direction in ("Both", "Descendants"):
            met += [(one, one["DestinationArn"]) for one in graph.outgoing(store, arn)]
        if direction in ("Both", "Ascendants"):
            met += [(one, one["SourceArn"]) for one in graph.incoming(store, arn)]
        for one, other in met:
            edge = (one["SourceArn"], one["DestinationArn"], one.get("AssociationType"))
            edges.setdefault(edge[:2], edge)
            if other not in reached:
                reached[other] = reached[arn] + 1
                queue.append(other)
    return list(edges.values()), reached


def _between(edges: list[Edge], reached: dict[str, int], chosen: list[str]) -> set[str]:
    """The chosen and all that lies on a walk from the start to one of them: each step there goes one further away."""
    nearer: dict[str, list[str]] = {}
    for source, destination, _ in edges:
        for near, far in ((source, destination), (destination, source)):
            if reached[far] == reached[near] + 1:
                nearer.setdefault(far, []).append(near)
    found = set(chosen)
    queue = deque(chosen)
    while queue:
        for arn in nearer.get(queue.popleft(), ()):
            if arn not in found:
                found.add(arn)
                queue.append(arn)
    return found


def _matches(filters: Document, found: graph.Entity) -> bool:
    if filters.get("Types") and _type(found) not in filters["Types"]:
        return False
    if filters.get("LineageTypes") and found.kind not in filters["LineageTypes"]:
        return False
    for member, name in (("CreationTime", "Created"), ("LastModifiedTime", "Modified")):
        time = found.document[member]
        if not filters.get(f"{name}After", 0) < time < filters.get(f"{name}Before", float("inf")):
            return False
    wanted = filters.get("Properties")
    own = found.document.get("Properties") or {}
    return not wanted or any(own.get(key) == value for key, value in wanted.items())


def _type(found: graph.Entity) -> str:
    """TrainingJob, where an association's summary says SageMakerTrainingJob."""
    return found.type.removeprefix("SageMaker") if found.kind in ("TrialComponent", "Experiment") else found.type


def _vertex(arn: str, found: graph.Entity) -> Document:
    return {"Arn": arn, "Type": _type(found)[:40], "LineageType": found.kind}


def _edge(edge: Edge) -> Document:
    return {"SourceArn": edge[0], "DestinationArn": edge[1], "AssociationType": edge[2]}
