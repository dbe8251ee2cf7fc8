"""One line for whatever went wrong, with the remedy where one is known."""

from __future__ import annotations

from collections.abc import Callable

FAILED = 1  # also an execution that failed, or traffic that violates the baseline with --fail


class Failure(Exception):
    """The command did what it was told, and the outcome is bad: exit code 1 without an error message of ours."""


def message(error: BaseException) -> str:
    """An error's text in one line, a ClientError's with code and operation first."""
    text = " ".join(str(error).split())
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        code, said = response["Error"].get("Code", ""), response["Error"].get("Message", "")
        said = " ".join(said.split())  # a container's own page of an error, perhaps
        text = f"{getattr(error, 'operation_name', '')}: {code}: {said}".strip(": ")
        return with_remedy(text, _AWS_REMEDIES.get(code))
    return with_remedy(text or type(error).__name__, _remedy(error))


def with_remedy(text: str, remedy: str | None) -> str:
    return f"{text} {remedy}" if remedy else text


_AWS_REMEDIES = {
    "AccessDenied": "Ask for the permission it names, or check `aws sts get-caller-identity`.",
    "AccessDeniedException": "Ask for the permission it names, or check `aws sts get-caller-identity`.",
    "ExpiredToken": "Sign in again: `aws sso login`.",
    "ExpiredTokenException": "Sign in again: `aws sso login`.",
    "ResourceLimitExceeded": "Ask for more in Service Quotas, or give a smaller instance type with --param.",
}


def _remedy(error: BaseException) -> str | None:
    by_type: list[tuple[str, Callable[[BaseException], str]]] = [
        ("EndpointConnectionError", lambda _: "Is sagelocal up? `mlops up`, then `mlops status`."),
        ("ModuleNotFoundError", lambda e: f"Install it: pip install {getattr(e, 'name', '')}; `make install` does."),
        ("PermissionError", lambda _: "Check who owns it; another user may have started sagelocal here."),
    ]
    return next((remedy(error) for name, remedy in by_type if type(error).__name__ == name), None)
