"""What only this machine's own tools may ask of sagelocal: no AWS API is here, and a key of its own guards it."""

from __future__ import annotations

import http.client
import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sagelocal.api import guard
from sagelocal.api.errors import AwsError
from sagelocal.config import LOOPBACK, Settings
from sagelocal.jobs import spot
from sagelocal.ministack_gate import TOKEN_HEADER

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_INTERRUPTIONS = "/_sagelocal/interruptions/"
INTERRUPTION = _INTERRUPTIONS + "{TrainingJobName}"


async def interrupted(app: SageLocal, request: Request) -> Response:
    """Raises AwsError."""
    guard.check_origin(request.headers, app.settings.port)
    given = request.headers.get(TOKEN_HEADER, "")
    if not secrets.compare_digest(given.encode(), app.settings.internal_token.encode()):
        raise AwsError("AccessDeniedException", "This path is for `mlops interrupt` alone.", 403)
    await run_in_threadpool(spot.interrupt, app, request.path_params["TrainingJobName"])
    return Response(status_code=204)


def interrupt(settings: Settings, name: str) -> None:
    """Asks the running sagelocal to take a managed spot job's instances back. Raises RuntimeError with its answer."""
    connection = http.client.HTTPConnection(LOOPBACK, settings.port, timeout=30)
    try:
        connection.request(
            "POST", _INTERRUPTIONS + quote(name, safe=""), headers={TOKEN_HEADER: settings.internal_token}
        )
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 204:
        raise RuntimeError(json.loads(body).get("Message", body.decode(errors="replace")))
