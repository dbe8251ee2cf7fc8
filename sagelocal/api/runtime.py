"""InvokeEndpoint on the wire: raw ASGI, since at thousands of requests a second layers above it would cost the most.

The checks are those of `validation`, prepared once for each header; a request that fails one goes to `validate` for
AWS's words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagelocal.api import raw
from sagelocal.api.fitness import fits
from sagelocal.api.model import operation_model
from sagelocal.api.validation import validate
from sagelocal.endpoints.invocation import PAYLOAD_LIMIT

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_PATH, _OPERATION = "/endpoints/", "/invocations"


def answers(scope: raw.Scope) -> bool:
    """Whether a request is `Runtime`'s."""
    path = scope.get("path", "")
    return bool(path.endswith(_OPERATION) and path.startswith(_PATH) and scope["method"] == "POST")


@dataclass(frozen=True)
class _Member:
    """A member of the request that is a header."""

    name: str
    header: str
    fits: Callable[[str], bool]


class Runtime:
    """An ASGI application for the requests that `answers` tells."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._door = raw.Door(app.settings)
        self._members = _members()

    async def __call__(self, scope: raw.Scope, receive: raw.Receive, send: raw.Send) -> None:
        await raw.respond(self._answer(scope, receive), send)

    async def _answer(self, scope: raw.Scope, receive: raw.Receive) -> raw.Answer:
        given: dict[bytes, bytes] = dict(scope["headers"])
        self._door.check(given)
        endpoint = scope["path"][len(_PATH) : -len(_OPERATION)]
        headers, parameters, valid = {}, {"EndpointName": endpoint}, self._app.endpoints.serves(endpoint)
        for name, value in given.items():
            if member := self._members.get(name):
                headers[member.header] = parameters[member.name] = text = value.decode("latin-1")
                valid = valid and member.fits(text)
        if not valid:
            validate("sagemaker-runtime", "InvokeEndpoint", parameters | {"Body": b""}, code="ValidationError")
        body = await raw.read_body(given, receive, PAYLOAD_LIMIT)
        answer = await self._app.endpoints.invoke(endpoint, headers, body)
        return answer.status, answer.headers, answer.body


def _members() -> dict[bytes, _Member]:
    """By the header's name in lower case."""
    shape = operation_model("sagemaker-runtime", "InvokeEndpoint").input_shape
    return {
        (header := member.serialization["name"].lower()).encode(): _Member(name, header, fits(member))
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header"
    }
