"""The HTTP server: AWS JSON 1.1 for SageMaker, REST-JSON for the SageMaker runtimes."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sagelocal import __version__
from sagelocal.api import guard, invocations, local, operations
from sagelocal.api.errors import AwsError, not_implemented
from sagelocal.api.runtime import Runtime, answers
from sagelocal.cicd.codebuild import operations as codebuild
from sagelocal.cicd.codepipeline import operations as codepipeline
from sagelocal.feature_store import wire as feature_store
from sagelocal.scaling import operations as scaling

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
_JSON = "application/x-amz-json-1.1"
_SERVICES: dict[str, Callable[[SageLocal, str, dict[str, Any]], dict[str, Any]]] = {  # by the X-Amz-Target's prefix
    "SageMaker": operations.call,
    "AnyScaleFrontendService": scaling.call,
    "CodeBuild_20161006": codebuild.call,
    "CodePipeline_20150709": codepipeline.call,
}


def asgi(app: SageLocal) -> ASGIApp:
    """The ASGI application that answers for `app`."""
    invocations, records, everything_else = Runtime(app), feature_store.Wire(app), _routes(app)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if answers(scope):
            await invocations(scope, receive, send)
        elif feature_store.answers(scope):
            await records(scope, receive, send)
        else:
            await everything_else(scope, receive, send)

    return dispatch


def _routes(app: SageLocal) -> Starlette:

    async def control(request: Request) -> Response:
        return await _answer(_control(app, request), _JSON)

    async def invoke_async(request: Request) -> Response:
        return await _answer(_guarded(app, request, invocations.invoke_async), "application/json", rest=True)

    async def invoke_stream(request: Request) -> Response:
        work = _guarded(app, request, invocations.invoke_with_response_stream)
        return await _answer(work, "application/json", rest=True)

    async def metrics(request: Request) -> Response:
        return await _answer(_metrics(app, request), "application/json", rest=True)

    async def unknown(request: Request) -> Response:
        return await _answer(_unknown(app, request), "application/json", rest=True)

    async def interrupted(request: Request) -> Response:
        return await _answer(local.interrupted(app, request), "application/json", rest=True)

    async def sts_proxy(request: Request) -> Response:
        return await _answer(local.sts_proxy_started(app, request), "application/json", rest=True)

    async def pushed(request: Request) -> Response:
        return await _answer(local.pushed(app, request), "application/json", rest=True)

    async def started_by_rule(request: Request) -> Response:
        return await _answer(local.started_by_rule(app, request), "application/json", rest=True)

    async def ping(request: Request) -> Response:
        return Response(json.dumps({"service": "sagelocal", "version": __version__}), media_type="application/json")

    everything = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    return Starlette(
        routes=[
            Route("/", control, methods=["POST"]),
            Route("/ping", ping),
            Route(local.INTERRUPTION, interrupted, methods=["POST"]),
            Route(local.STS_PROXY, sts_proxy, methods=["POST"]),
            Route(local.PUSHES, pushed, methods=["POST"]),
            Route(local.STARTS, started_by_rule, methods=["POST"]),
            Route("/endpoints/{EndpointName}/async-invocations", invoke_async, methods=["POST"]),
            Route("/endpoints/{EndpointName}/invocations-response-stream", invoke_stream, methods=["POST"]),
            Route("/BatchPutMetrics", metrics, methods=["PUT"]),
            Route("/BatchGetMetrics", metrics, methods=["POST"]),
            Route("/{path:path}", unknown, methods=everything),
        ]
    )


async def _control(app: SageLocal, request: Request) -> Response:
    guard.check(request.headers, app.settings.port, app.settings.access_key)
    target = request.headers.get("x-amz-target", "")
    prefix, _, operation = target.partition(".")
    if prefix not in _SERVICES:
        raise AwsError("UnknownOperationException", f"X-Amz-Target '{target}' names no service of sagelocal.", 404)
    answer = await run_in_threadpool(_SERVICES[prefix], app, operation, await _body(request))
    return Response(json.dumps(answer), media_type=_JSON)


async def _metrics(app: SageLocal, request: Request) -> Response:
    guard.check(request.headers, app.settings.port, app.settings.access_key)
    operation = request.url.path.removeprefix("/")
    answer = await run_in_threadpool(operations.call_metrics, app, operation, await _body(request))
    return Response(json.dumps(answer), media_type="application/json")


async def _body(request: Request) -> dict[str, Any]:
    try:
        parameters = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError) as error:  # the latter: brackets nested a thousand deep
        raise AwsError("SerializationException", f"The request body is not JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    return parameters


async def _guarded(
    app: SageLocal, request: Request, work: Callable[[SageLocal, Request], Awaitable[Response]]
) -> Response:
    guard.check(request.headers, app.settings.port, app.settings.access_key)
    return await work(app, request)


async def _unknown(app: SageLocal, request: Request) -> Response:
    guard.check(request.headers, app.settings.port, app.settings.access_key)
    raise not_implemented(f"{request.method} {request.url.path}")


async def _answer(work: Any, media_type: str, rest: bool = False) -> Response:
    """Awaits the work and writes its response, or its error as the protocol writes errors."""
    request_id = str(uuid.uuid4())
    try:
        response = await work
    except AwsError as error:
        response = _error(error, media_type, rest)
    except Exception:
        log.exception("request %s failed", request_id)
        failure = AwsError("InternalFailure", f"sagelocal failed on this request; its log has {request_id}.", 500)
        response = _error(failure, media_type, rest)
    response.headers["x-amzn-RequestId"] = request_id
    return response


def _error(error: AwsError, media_type: str, rest: bool) -> Response:
    # REST-JSON carries the code in a header, JSON 1.1 in the body; botocore reads "message" and "Message" alike.
    headers = {"x-amzn-ErrorType": error.code} if rest else {}
    key = "Message" if rest else "message"
    body = {"__type": error.code, key: error.message, **error.members}
    return Response(json.dumps(body), error.status, headers, media_type)
