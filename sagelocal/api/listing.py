"""Filters, sorting and pages of the List operations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.utils import parse_timestamp

from sagelocal.api.errors import validation
from sagelocal.api.resources import Resource
from sagelocal.store import Condition, Store

Document = dict[str, Any]
_PAGE = 100  # AWS's own default differs by operation, 10 or 100; clients follow NextToken either way
_OFFSET_DIGITS = 12
_TIMES = ("CreationTime", "LastModifiedTime", "ScheduledTime")


def stored(
    store: Store, resource: Resource, request: Document, parent: str | None = None, where: Sequence[Condition] = ()
) -> Document:
    """The page of stored documents that a List request asks for; only that page is read."""
    start, size = _window(request, _PAGE)
    found = store.page(
        resource.kind,
        parent=parent,
        where=[*where, *_conditions(resource, request)],
        order=_order(resource, request),
        descending=request.get("SortOrder", resource.order) == "Descending",
        offset=start,
        limit=size + 1,  # one more than asked tells whether more follow
    )
    token = {"NextToken": _token(start + size)} if len(found) > size else {}
    return {resource.summaries: found[:size], **token}


def page(request: Document, items: list[Document], member: str, default: int = _PAGE) -> Document:
    """One page of `items` under `member`, with a NextToken when more follow. Raises AwsError on a foreign token."""
    start, size = _window(request, default)
    end = start + size
    return {member: items[start:end], **({"NextToken": _token(end)} if end < len(items) else {})}


def needed(request: Document) -> int:
    """How many items `page` has to be given, to know whether more follow."""
    start, size = _window(request, _PAGE)
    return start + size + 1


def _window(request: Document, default: int) -> tuple[int, int]:
    """Where the page starts and how long it is."""
    start = _offset(request["NextToken"]) if request.get("NextToken") else 0
    return start, int(request.get("MaxResults") or default)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset={offset}".encode()).decode()


def _conditions(resource: Resource, request: Document) -> Iterator[Condition]:
    """The filters of a List request; empty texts and lists are no filter, as AWS's clients send them."""
    asked = {name: value for name, value in request.items() if value not in (None, "")}
    if "NameContains" in asked:
        yield resource.name_field, "contains", asked["NameContains"]
    if f"{resource.kind}NamePrefix" in asked:
        yield resource.name_field, "starts", asked[f"{resource.kind}NamePrefix"]
    if "StatusEquals" in asked:
        yield resource.status, "=", asked["StatusEquals"]
    for member, of_document in resource.filters.items():
        if member in asked:
            yield of_document, "=", asked[member]
    for time in _TIMES:
        yield from ((time, sign, _seconds(asked[name])) for name, sign in _bounds(time) if name in asked)


def _bounds(time: str) -> list[tuple[str, str]]:
    """The request's members that bound a time, and how."""
    short = [("CreatedAfter", ">"), ("CreatedBefore", "<")] if time == "CreationTime" else []
    return [(f"{time}After", ">"), (f"{time}Before", "<"), *short]


def _seconds(value: Any) -> float:
    """Epoch seconds of a time as a JSON client may write it: a number or ISO 8601."""
    return float(parse_timestamp(value).timestamp())


def _order(resource: Resource, request: Document) -> str:
    by = str(request.get("SortBy", "CreationTime"))
    own = {"Name": resource.name_field, "Status": resource.status, "CreatedTime": "CreationTime"}
    return own.get(by, by)


def _offset(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition("=")
        if word == "offset" and number.isdecimal() and len(number) <= _OFFSET_DIGITS:
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise validation(f"Invalid pagination token '{token}': pass the NextToken of the answer before, unchanged.")
