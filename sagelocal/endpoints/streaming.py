"""InvokeEndpointWithResponseStream: a container's answer as event stream frames, while the container writes it."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

from sagelocal.endpoints.server import Response, UnansweredError

MEDIA_TYPE = "application/vnd.amazon.eventstream"
STREAM_SECONDS = 480.0  # the documented time a container has for the whole of a streamed answer
_TEXT = 7  # the header value type of a string
_LARGEST = 64 * 1024  # bytes of one part: AWS names no size, and a frame must stay below 16 MiB


class Stream:
    """The answer of InvokeEndpointWithResponseStream. Whoever has it calls `close`, however much of it was read."""

    def __init__(
        self, headers: dict[str, str], response: Response, opened: AsyncExitStack, begun: Callable[[], None]
    ) -> None:
        """`begun` is called when the first piece is there."""
        self.headers = headers
        self._response = response
        self._opened = opened
        self._begun = begun

    async def frames(self) -> AsyncIterator[bytes]:
        """A frame for each piece that the container wrote, as soon as it comes; what breaks it off is the last one.

        A piece is read when the one before was taken, so that a slow reader slows the container and fills no memory.
        """
        try:
            first = True
            async for part in self._response.iter_any():
                if first:
                    self._begun()
                    first = False
                for start in range(0, len(part), _LARGEST):
                    yield payload_part(part[start : start + _LARGEST])
        except TimeoutError:
            said = f"The model did not end its response within {STREAM_SECONDS:.0f} s."
            yield exception("ModelStreamError", {"Message": said, "ErrorCode": "ModelInvocationTimeExceeded"})
        except UnansweredError as error:
            said = f"The model broke off its response: {error}"
            yield exception("ModelStreamError", {"Message": said, "ErrorCode": "StreamBroken"})

    async def close(self) -> None:
        """Ends the request, for the container too."""
        await self._opened.aclose()


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
