"""Documents that can meet a search expression, read as they are needed.

A filter for a name, an ARN or a parent leaves few documents: what a search costs then does not grow with the account.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.api.resources import RESOURCES
from sagelocal.experiments import members

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
ORDER = ("CreationTime",)  # the property by which they come
_BATCH = 200
_UNNAMED = ("PipelineExecutionArn", "PipelineArn", "PipelineVersionId")  # tell executions and versions apart
# Filters of trial components by what they belong to -> the links that the store keeps by it.
_LINKS = {
    "source.sourcearn": members.OF_SOURCE,
    "parents.trialname": members.OF_TRIAL,
    "parents.experimentname": members.OF_EXPERIMENT,
}
# (kind, filter) -> the kind that is their parent in the store
_PARENTS = {
    ("PipelineExecution", "pipelinearn"): "Pipeline",
    ("ModelPackage", "modelpackagegroupname"): "ModelPackageGroup",
}


def find(app: SageLocal, kind: str, expression: Document, descending: bool) -> Iterator[Document]:
    """By CreationTime. Each once, also when others are made meanwhile."""
    given, every = expression.get("Filters") or [], expression.get("Operator", "And") == "And"
    words = [one["Value"].lower() for one in given if _is_part_of_name(kind, one)] if every else []
    narrowed = [_narrowed(app, kind, one, words, descending) for one in given]
    few = [found for found in narrowed if found is not None]
    if every:
        found = few[0] if few else None
    else:
        others = expression.get("NestedFilters") or expression.get("SubExpressions")
        found = _merged(few, descending) if few and len(few) == len(narrowed) and not others else None
    seen: set[Any] = set()
    for document in _pages(app, kind, None, descending) if found is None else found:
        key = document.get("_name") or tuple(map(document.get, _UNNAMED))
        if key not in seen:
            seen.add(key)
            yield document


def _is_part_of_name(kind: str, given: Document) -> bool:
    return given["Name"].lower() == f"{kind}Name".lower() and given.get("Operator") == "Contains" and "Value" in given


def _narrowed(
    app: SageLocal, kind: str, given: Document, words: list[str], descending: bool
) -> Iterator[Document] | None:
    """What a filter leaves, of those whose names hold all words; None for one that is for no indexed property."""
    if given.get("Operator", "Equals") not in ("Equals", "In") or "Value" not in given:
        return None
    name, values = given["Name"].lower(), {value.strip() for value in given["Value"].split(",")}
    if kind in RESOURCES and name in (f"{kind}Name".lower(), f"{kind}Arn".lower()):
        return _merged(([found] for found in _found(app, kind, values)), descending)
    if kind == "TrialComponent" and name in _LINKS:
        links = _merged((_pages(app, _LINKS[name], value.lower(), descending) for value in values), descending)
        return _linked(app, (link for link in links if all(word in link["TrialComponentName"] for word in words)))
    if parent := _PARENTS.get((kind, name)):
        parents = [found["_name"] for found in _found(app, parent, values)]
        return _merged((_pages(app, kind, each, descending) for each in parents), descending)
    return None


def _found(app: SageLocal, kind: str, names: Iterable[str]) -> Iterator[Document]:
    for name in names:
        try:
            yield app.find(kind, name)
        except AwsError:
            continue


def _linked(app: SageLocal, links: Iterable[Document]) -> Iterator[Document]:
    found = (app.store.find("TrialComponent", link["TrialComponentName"]) for link in links)
    return (component for component in found if component)


def _merged(sources: Iterable[Iterable[Document]], descending: bool) -> Iterator[Document]:
    return heapq.merge(*sources, key=lambda document: document["CreationTime"], reverse=descending)


def _pages(app: SageLocal, kind: str, parent: str | None, descending: bool) -> Iterator[Document]:
    start = 0
    while True:
        batch = app.store.page(kind, parent=parent, order=ORDER[0], descending=descending, offset=start, limit=_BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        start += _BATCH
