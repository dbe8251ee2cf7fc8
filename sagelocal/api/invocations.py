"""The SageMaker runtime's operations beside InvokeEndpoint: asynchronous ones, and answers as event streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_model
from sagelocal.api.validation import validate

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.endpoints.streaming import Stream

_LOCATION = "X-Amzn-SageMaker-"  # before the member's name, in the answer's headers


async def invoke_async(app: SageLocal, request: Request) -> Response:
    """InvokeEndpointAsync. Raises AwsError."""
    parameters = await _parameters(request, "InvokeEndpointAsync")
    accepted = await run_in_threadpool(app.endpoints.accept, parameters["EndpointName"], parameters)
    found = {"OutputLocation": accepted.output, "FailureLocation": accepted.failure}
    headers = {f"{_LOCATION}{name}": location for name, location in found.items() if location}
    return Response(json.dumps({"InferenceId": accepted.inference_id}), 202, headers, "application/json")


async def invoke_with_response_stream(app: SageLocal, request: Request) -> Response:
    """InvokeEndpointWithResponseStream. Raises AwsError before the answer begins."""
    parameters = await _parameters(request, "InvokeEndpointWithResponseStream")
    stream = await app.endpoints.stream(parameters["EndpointName"], dict(request.headers), parameters["Body"])
    return _Streamed(stream)


class _Streamed(StreamingResponse):
    """Ends the container's request however this one ends: read to its end, broken off, never begun."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream.frames(), 200, stream.headers)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stream.close()


async def _parameters(request: Request, operation: str) -> dict[str, Any]:
    """The members of an operation's request, from its path, headers and body, valid by its shape."""
    shape = operation_model("sagemaker-runtime", operation).input_shape
    found: dict[str, Any] = dict(request.path_params)
    for name, member in shape.members.items():
        header = request.headers.get(member.serialization.get("name", ""))
        if member.serialization.get("location") == "header" and header is not None:
            found[name] = _number(name, header) if member.type_name == "integer" else header
    body = await request.body()
    if body or "Body" in shape.required_members:
        found["Body"] = body
    validate("sagemaker-runtime", operation, found, code="ValidationError")
    return found


def _number(name: str, header: str) -> int:
    try:
        return int(header)
    except ValueError:
        raise AwsError("ValidationError", f"{name} must be a whole number, and is '{header}'.") from None
