"""The services beside SageMaker that sagelocal answers: CodeBuild and CodePipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, not_implemented
from sagelocal.api.model import operation_model, operation_names
from sagelocal.api.projection import project
from sagelocal.api.refused import Paths, refuse
from sagelocal.api.validation import validate

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
Handler = Callable[["SageLocal", Document], Document]


def call(
    app: SageLocal,
    service: str,
    operation: str,
    request: Document,
    handlers: Mapping[str, Handler],
    refused: Mapping[str, Paths],
    code: str = "ValidationException",
) -> Document:
    """Validates, runs and projects one operation of a service of botocore's. Raises AwsError; `code` is the service's
    own for a request that breaks a shape.
    """
    if operation not in operation_names(service):
        raise AwsError("UnknownOperationException", f"{service} has no operation {operation}.", 404)
    handler = handlers.get(operation)
    if handler is None:
        raise not_implemented(f"The operation {operation}")
    validate(service, operation, request, code)
    refuse(request, refused.get(operation, {}))
    return project(operation_model(service, operation).output_shape, handler(app, request)) or {}


def table(title: str, service: str, handlers: Mapping[str, Handler], refused: Mapping[str, Paths]) -> Iterator[str]:
    """Lines of docs/sagelocal.md: every operation of a service."""
    yield from ("", f"### {title}", "", "| operation | here | refused by name |", "| --- | --- | --- |")
    for operation in sorted(operation_names(service)):
        missing = ", ".join(f"`{path}`" for path in sorted(refused.get(operation, {})))
        here = "no" if operation not in handlers else "partial" if missing else "yes"
        yield f"| {operation} | {here} | {missing} |"
