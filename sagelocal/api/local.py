"""What only this machine's own tools may ask of sagelocal: no AWS API is here, and a key of its own guards it."""

from __future__ import annotations

import http.client
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sagelocal.api import guard
from sagelocal.api.errors import AwsError
from sagelocal.api.validation import validate
from sagelocal.cicd.codepipeline import executions, triggers
from sagelocal.cicd.hook import PUSHES as PUSHES
from sagelocal.config import LOOPBACK, Settings
from sagelocal.jobs import spot
from sagelocal.ministack_deliveries import STARTS as STARTS
from sagelocal.ministack_gate import TOKEN_HEADER
from sagelocal.sts_proxy import access

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_INTERRUPTIONS = "/_sagelocal/interruptions/"
STS_PROXY = "/_sagelocal/sts-proxy"
INTERRUPTION = _INTERRUPTIONS + "{TrainingJobName}"


async def interrupted(app: SageLocal, request: Request) -> Response:
    """Raises AwsError."""
    _check(app, request)
    await run_in_threadpool(spot.interrupt, app, request.path_params["TrainingJobName"])
    return Response(status_code=204)


async def sts_proxy_started(app: SageLocal, request: Request) -> Response:
    """Raises AwsError."""
    _check(app, request)
    try:
        await run_in_threadpool(app.sts_proxy.start)
    except OSError as error:
        file = access.folder(app.settings) / "access.json"
        raise AwsError("ConflictException", f"The STS proxy's port is taken ({error}): delete {file}.", 409) from error
    return Response(status_code=204)


async def pushed(app: SageLocal, request: Request) -> Response:
    """Looks at the git repositories; answers what the given references started and what not. Raises AwsError."""
    _check(app, request)
    given = await request.json()
    await run_in_threadpool(triggers.look, app)
    return _json(await run_in_threadpool(triggers.outcome, app, given["repository"], given["references"]))


async def started_by_rule(app: SageLocal, request: Request) -> Response:
    """StartPipelineExecution of CodePipeline, with the rule or schedule as its trigger. Raises AwsError."""
    _check(app, request)
    given = await request.json()
    trigger = {"triggerType": "CloudWatchEvent", "triggerDetail": given["rule"]}
    validate("codepipeline", "StartPipelineExecution", given["request"])
    return _json(await run_in_threadpool(executions.start, app, given["request"], trigger))


def _json(answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), media_type="application/json")


def _check(app: SageLocal, request: Request) -> None:
    guard.check_origin(request.headers, app.settings.port)
    given = request.headers.get(TOKEN_HEADER, "")
    if not secrets.compare_digest(given.encode(), app.settings.internal_token.encode()):
        raise AwsError("AccessDeniedException", "This path is for the `mlops` command alone.", 403)


def interrupt(settings: Settings, name: str) -> None:
    """Asks the running sagelocal to take a managed spot job's instances back. Raises RuntimeError with its answer."""
    _ask(settings, _INTERRUPTIONS + quote(name, safe=""))


def start_sts_proxy(settings: Settings) -> None:
    """Asks the running sagelocal for its STS proxy, which then starts with it. Raises RuntimeError with its answer."""
    _ask(settings, STS_PROXY)


def _ask(settings: Settings, path: str) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, settings.port, timeout=30)
    try:
        connection.request("POST", path, headers={TOKEN_HEADER: settings.internal_token})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 204:
        raise RuntimeError(json.loads(body).get("Message", body.decode(errors="replace")))
