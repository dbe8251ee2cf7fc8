"""Raw ASGI for the runtimes' requests, which come by the thousand: what Starlette does for the others."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sagelocal.api import guard
from sagelocal.api.errors import AwsError
from sagelocal.config import Settings

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, Mapping[str, str], bytes]  # status, headers, body


class Door:
    """Lets in whom `guard.check` lets in, by a look at the bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credential = f"Credential={settings.access_key}/".encode()
        self._hosts = {f"127.0.0.1:{settings.port}".encode(), f"localhost:{settings.port}".encode()}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises AwsError."""
        ours = b"origin" not in headers and headers.get(b"host") in self._hosts
        if not (ours and self._credential in headers.get(b"authorization", b"")):
            text = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
            guard.check(text, self._settings.port, self._settings.access_key)


async def respond(answering: Awaitable[Answer], send: Send) -> None:
    """Sends the answer, or its error as REST-JSON writes errors."""
    request_id = _request_id()
    try:
        status, headers, body = await answering
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


def _request_id() -> str:
    """A UUID of version 4, as AWS's are; nobody has to guess it, so it needs no system call."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, most: int) -> bytes:
    """Raises AwsError as soon as it is known to be longer than `most` bytes: by its Content-Length, or when that much
    has come.
    """
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > most:
        raise _too_long(most)
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise AwsError("ValidationError", "The request broke off.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_long(most)
        more = message.get("more_body", False)
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def _too_long(most: int) -> AwsError:
    constraint = f"Member must have length less than or equal to {most}"
    said = f"1 validation error detected: Value at 'body' failed to satisfy constraint: {constraint}"
    return AwsError("ValidationError", said)


def _error(error: AwsError) -> Answer:
    """REST-JSON carries the code in a header."""
    body = {"__type": error.code, "Message": error.message, **error.members}
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return error.status, headers, json.dumps(body).encode()
