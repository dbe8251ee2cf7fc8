from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """The user's own error, as opposed to the toolkit's."""


class UnsupportedFormatError(Exception):
    """A content type that the toolkit does not know."""

    def __init__(self, content_type: str, **more: Any) -> None:
        self.message = f"Content type {content_type} is not supported: write an input_fn or output_fn for it."
        super().__init__(self.message, **more)
