"""Pages of the List operations: a token is the place where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sagelocal.api.errors import AwsError

Document = dict[str, Any]
_SIZE = 100


def page(member: str, values: Sequence[Any], request: Document, *, descending: bool = False) -> Document:
    """Raises AwsError for a token of another listing."""
    values = list(reversed(values)) if descending else list(values)
    token = request.get("nextToken") or "0"
    if not token.isdigit() or int(token) > len(values):
        raise AwsError("InvalidInputException", f"Invalid next token: {token}")
    start, size = int(token), request.get("maxResults") or _SIZE
    end = start + size
    return {member: values[start:end], **({"nextToken": str(end)} if end < len(values) else {})}
