"""Errors as AWS answers them."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error of the API: `code` and `message` in AWS's words, the HTTP status, and any further modelled members."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def not_implemented(what: str, remedy: str = "") -> AwsError:
    """For what the API model has and sagelocal does not: `what` names the operation or the field."""
    message = f"{what} is not implemented by sagelocal."
    return AwsError("UnsupportedOperationException", f"{message} {remedy}".strip(), 400)
