"""Errors of one's own derive from BaseInferenceToolkitError: their status is the response's."""

from __future__ import annotations

from typing import Any


class UnsupportedFormatError(Exception):
    """A content type that the toolkit does not know."""

    def __init__(self, content_type: str, **more: Any) -> None:
        super().__init__(f"Content type {content_type} is not supported: write an input_fn or output_fn.", **more)


class BaseInferenceToolkitError(Exception):
    """`message` is the response's body, `phrase` its reason phrase."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        self.status_code, self.message, self.phrase = status_code, message, phrase
        super().__init__(status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)
