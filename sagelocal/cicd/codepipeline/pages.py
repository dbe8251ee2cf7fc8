"""Pages of CodePipeline's lists, whose members begin in lower case."""

from __future__ import annotations

from typing import Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError

Document = dict[str, Any]


def page(request: Document, items: list[Document], member: str, default: int = 100) -> Document:
    """Raises AwsError for a token that no answer gave."""
    asked = {"NextToken": request.get("nextToken"), "MaxResults": request.get("maxResults")}
    try:
        found = listing.page(asked, items, member, default)
    except AwsError as error:
        raise AwsError("InvalidNextTokenException", error.message) from error
    return {"nextToken" if name == "NextToken" else name: value for name, value in found.items()}
