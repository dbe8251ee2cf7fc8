"""Filters, sorting and pages of the List operations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from sagelocal.api.errors import validation
from sagelocal.api.resources import Resource

Document = dict[str, Any]
_PAGE = 100  # AWS's own default differs by operation, 10 or 100; clients follow NextToken either way
_TIMES = ("CreationTime", "LastModifiedTime")
_SORTED_BY_TIME = {"CreationTime", "CreatedTime", "LastModifiedTime"}


def select(resource: Resource, request: Document, documents: Iterable[Document]) -> list[Document]:
    """The documents that a List request asks for, in its order."""
    chosen = [document for document in documents if _matches(resource, request, document)]
    chosen.sort(key=lambda document: _sort_key(resource, request, document))
    if request.get("SortOrder", resource.order) == "Descending":
        chosen.reverse()
    return chosen


def page(request: Document, items: list[Document], member: str, default: int = _PAGE) -> Document:
    """One page of `items` under `member`, with a NextToken when more follow. Raises AwsError on a foreign token."""
    start = _offset(request["NextToken"]) if request.get("NextToken") else 0
    end = start + int(request.get("MaxResults") or default)
    token = {"NextToken": base64.urlsafe_b64encode(f"offset={end}".encode()).decode()} if end < len(items) else {}
    return {member: items[start:end], **token}


def in_window(value: float | None, after: float | None, before: float | None) -> bool:
    if value is None:
        return after is None and before is None
    return (after is None or value > after) and (before is None or value < before)


def _matches(resource: Resource, request: Document, document: Document) -> bool:
    name = str(document.get(resource.name_field, ""))
    # AWS: NameContains is a case-insensitive substring
    if request.get("NameContains") and request["NameContains"].lower() not in name.lower():
        return False
    if not name.startswith(request.get(f"{resource.kind}NamePrefix", "")):
        return False
    if request.get("StatusEquals") and document.get(resource.status) != request["StatusEquals"]:
        return False
    for asked, member in resource.filters.items():
        if request.get(asked) is not None and document.get(member) != request[asked]:
            return False
    windows = [(time, request.get(f"{time}After"), request.get(f"{time}Before")) for time in _TIMES]
    windows.append(("CreationTime", request.get("CreatedAfter"), request.get("CreatedBefore")))
    return all(in_window(document.get(time), after, before) for time, after, before in windows)


def _sort_key(resource: Resource, request: Document, document: Document) -> Any:
    by = request.get("SortBy", "CreationTime")
    if by == "Name":
        return str(document.get(resource.name_field, ""))
    if by == "Status":
        return str(document.get(resource.status, ""))
    if by in _SORTED_BY_TIME:
        return document.get("LastModifiedTime" if by == "LastModifiedTime" else "CreationTime", 0.0)
    return document.get(by, 0.0)


def _offset(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition("=")
        if word == "offset" and number.isdecimal():
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise validation(f"Invalid pagination token '{token}': pass the NextToken of the answer before, unchanged.")
