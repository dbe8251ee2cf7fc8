"""InvokeEndpoint on the wire: raw ASGI, since at thousands of requests a second layers above it would cost the most.

The checks are those of `validation`, prepared once for each header; a request that fails one goes to `validate` for
AWS's words.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.model import Shape

from sagelocal.api import guard
from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_model
from sagelocal.api.validation import compiled, validate
from sagelocal.endpoints.invocation import PAYLOAD_LIMIT

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PATH, _OPERATION = "/endpoints/", "/invocations"
_ASCII = r"\p{ASCII}*"


def answers(scope: Scope) -> bool:
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
        self._credential = f"Credential={app.settings.access_key}/".encode()
        self._hosts = {f"127.0.0.1:{app.settings.port}".encode(), f"localhost:{app.settings.port}".encode()}
        self._members = _members()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id()
        try:
            status, headers, body = await self._answer(scope, receive)
        except AwsError as error:
            status, headers, body = _error(error)
        except Exception:
            log.exception("request %s failed", request_id)
            said = f"sagelocal failed on this request; its log has {request_id}."
            status, headers, body = _error(AwsError("InternalFailure", said, 500))
        lines = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        lines += [(b"content-length", b"%d" % len(body)), (b"x-amzn-requestid", request_id.encode())]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Mapping[str, str], bytes]:
        given: dict[bytes, bytes] = dict(scope["headers"])
        self._guard(given)
        endpoint = scope["path"][len(_PATH) : -len(_OPERATION)]
        headers, parameters, valid = {}, {"EndpointName": endpoint}, self._app.endpoints.serves(endpoint)
        for name, value in given.items():
            if member := self._members.get(name):
                headers[member.header] = parameters[member.name] = text = value.decode("latin-1")
                valid = valid and member.fits(text)
        if not valid:
            validate("sagemaker-runtime", "InvokeEndpoint", parameters | {"Body": b""}, code="ValidationError")
        body = await _body(given, receive)
        answer = await self._app.endpoints.invoke(endpoint, headers, body)
        return answer.status, answer.headers, answer.body

    def _guard(self, headers: Mapping[bytes, bytes]) -> None:
        """What `guard.check` lets pass goes on here without it."""
        ours = b"origin" not in headers and headers.get(b"host") in self._hosts
        if not (ours and self._credential in headers.get(b"authorization", b"")):
            text = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
            guard.check(text, self._app.settings.port, self._app.settings.access_key)


def _request_id() -> str:
    """A UUID of version 4, as AWS's are; nobody has to guess it, so it needs no system call."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Raises AwsError as soon as it is known to be too long: by its Content-Length, or when that much has come."""
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > PAYLOAD_LIMIT:
        raise _too_long()
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise AwsError("ValidationError", "The request broke off.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > PAYLOAD_LIMIT:
            raise _too_long()
        more = message.get("more_body", False)
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def _too_long() -> AwsError:
    constraint = f"Member must have length less than or equal to {PAYLOAD_LIMIT}"
    said = f"1 validation error detected: Value at 'body' failed to satisfy constraint: {constraint}"
    return AwsError("ValidationError", said)


def _error(error: AwsError) -> tuple[int, Mapping[str, str], bytes]:
    """REST-JSON carries the code in a header."""
    body = {"__type": error.code, "Message": error.message, **error.members}
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return error.status, headers, json.dumps(body).encode()


def _members() -> dict[bytes, _Member]:
    """By the header's name in lower case."""
    shape = operation_model("sagemaker-runtime", "InvokeEndpoint").input_shape
    return {
        (header := member.serialization["name"].lower()).encode(): _Member(name, header, _check(member))
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header"
    }


def _check(shape: Shape) -> Callable[[str], bool]:
    """Whether a header's value fulfils its shape's constraints."""
    low, high, pattern = (shape.metadata.get(name) for name in ("min", "max", "pattern"))
    low, high = low or 0, high or float("inf")
    if pattern in (None, _ASCII) and not getattr(shape, "enum", None):
        return lambda text: low <= len(text) <= high and (pattern is None or text.isascii())
    if getattr(shape, "enum", None):
        return lambda text: text in shape.enum
    matches = compiled(pattern).fullmatch
    return lambda text: low <= len(text) <= high and matches(text) is not None
