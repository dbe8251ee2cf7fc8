"""InvokeEndpointWithResponseStream: a container's answer as event stream frames, while the container writes it."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

MEDIA_TYPE = "application/vnd.amazon.eventstream"
STREAM_SECONDS = 480.0  # the documented time a container has for the whole of a streamed answer
_TEXT = 7  # the header value type of a string
_LARGEST = 64 * 1024  # bytes of one part: AWS names no size, and a frame must stay below 16 MiB


class BrokenError(Exception):
    """The container broke off, or took too long, after its answer had begun; `code` is one of ModelStreamError's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Stream:
    """The answer of InvokeEndpointWithResponseStream: who consumes `frames` ends the request."""

    headers: dict[str, str]
    frames: AsyncIterator[bytes]


def payload_part(data: bytes) -> bytes:
    headers = {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"}
    return frame(headers, data)


def exception(name: str, members: Mapping[str, str]) -> bytes:
    """A modelled exception of the stream, which ends it: ModelStreamError or InternalStreamFailure."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps(members).encode())


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message of application/vnd.amazon.eventstream: lengths, their CRC, headers, payload, the CRC of it all."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _TEXT, len(text)) + text


async def frames(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The frames of what a container writes, each as soon as it comes; what breaks it off becomes the last frame.

    A part is asked for when the one before was taken, so that a slow reader slows the container and fills no memory.
    """
    try:
        async for part in parts:
            for start in range(0, len(part), _LARGEST):
                yield payload_part(part[start : start + _LARGEST])
    except BrokenError as error:
        yield exception("ModelStreamError", {"Message": str(error), "ErrorCode": error.code})
