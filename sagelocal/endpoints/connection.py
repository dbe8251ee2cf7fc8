"""One connection to a container's worker, and one request on it at a time: HTTP/1.1 by httptools."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httptools

_BUFFERED = 1 << 20  # bytes of a streamed answer that wait for who reads it
_TOGETHER = 1 << 16  # bytes of a body that is copied to go out with its headers
_HEAD_LIMIT = 1 << 20  # bytes of an answer's headers: a longer one costs the parser quadratic time
_ANSWER_LIMIT = 1 << 30  # bytes of an answer that is kept in memory, as much as any request of AWS's may have

Body = bytes | Path | AsyncIterable[bytes]  # a file is read as it is sent; of what is iterated, the length is not known


@dataclass(frozen=True)
class Reply:
    """A model server's answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnansweredError(Exception):
    """The model server broke off or was not there to answer."""

    container = "primary"  # which of an instance's


class Response:
    """An answer that is read while it comes. Reading raises UnansweredError, and TimeoutError when time is over."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.status = asked.status
        self.headers: Mapping[str, str] = asked.headers

    @property
    def content(self) -> Response:
        return self

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.iter_any()])

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Chunks of at most `size` bytes."""
        async for chunk in self.iter_any():
            for start in range(0, len(chunk), size):
                yield chunk[start : start + size]

    async def iter_any(self) -> AsyncIterator[bytes]:
        """As the container writes; a slow reader slows it down."""
        while True:
            while self._asked.chunks:
                yield self._asked.taken()
            if self._asked.error:
                raise self._asked.error
            if self._asked.ended:
                return
            await self._asked.changed()


class Asked:
    """One request on its way. `answered` is done when the answer is there: all of it, or its headers if `streamed`."""

    __slots__ = (
        "answered", "body", "chunks", "connection", "ended", "error", "head", "headers", "queued", "size", "started",
        "status", "streamed", "timer", "waiter",
    )  # fmt: skip

    def __init__(self, head: bytes, body: Body, streamed: bool, answered: asyncio.Future[None]) -> None:
        self.head, self.body, self.streamed, self.answered = head, body, streamed, answered
        self.queued = time.monotonic()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: deque[bytes] = deque()
        self.size = 0  # bytes of `chunks`
        self.ended = False
        self.error: Exception | None = None
        self.started = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.waiter: asyncio.Future[None] | None = None  # of who reads a stream
        self.connection: Connection | None = None

    def fail(self, error: Exception) -> None:
        self.error = error
        self.wake()

    def wake(self, answered: bool = True) -> None:
        if answered and not self.answered.done():
            if self.error:
                self.answered.set_exception(self.error)
            else:
                self.answered.set_result(None)
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    async def changed(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    def taken(self) -> bytes:
        chunk = self.chunks.popleft()
        self.size -= len(chunk)
        if self.connection and self.size < _BUFFERED:
            self.connection.resume()
        return chunk


class Owner(Protocol):
    """What a connection tells of itself, and to whom."""

    def done(self, connection: Connection, asked: Asked) -> None:
        """The answer is complete, or was given up by `abort`."""

    def lost(self, connection: Connection, died: bool) -> None:
        """It is closed; `died`: by the other side."""

    def failed(self, asked: Asked, unread: bool) -> None:
        """It broke before the answer was complete; `unread`: and before the request was read."""


class Connection(asyncio.Protocol):
    """To one worker, one request at a time."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._asked: Asked | None = None
        self._answered: Asked | None = None  # completely, by the bytes that are being parsed
        self._head = 0  # bytes that came before the headers of an answer were complete
        self._paused = False  # reading
        self._writable: asyncio.Future[None] | None = None
        self._until_close = False
        self._sending: asyncio.Task[None] | None = None
        self.closing = False
        self.freed = time.perf_counter()

    @property
    def gone(self) -> bool:
        """Also when that is known and not told yet."""
        return self.closing or self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, asked: Asked) -> None:
        assert self._transport
        self._asked, asked.connection, self._head = asked, self, 0
        if isinstance(asked.body, bytes):
            self._transport.write(asked.head + asked.body if len(asked.body) < _TOGETHER else asked.head)
            if len(asked.body) >= _TOGETHER:
                self._transport.write(asked.body)
        else:
            self._sending = asyncio.create_task(self._send_parts(asked.head, asked.body))

    async def _send_parts(self, head: bytes, body: Path | AsyncIterable[bytes]) -> None:
        assert self._transport
        self._transport.write(head)
        try:
            async for part in _file(body) if isinstance(body, Path) else _chunked(body):
                self._transport.write(part)
                if self._writable:
                    await self._writable
        except Exception as error:  # of who gives the parts
            self.abort(error)

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable and not writable.done():
            writable.set_result(None)

    def data_received(self, data: bytes) -> None:
        asked = self._asked
        if asked is None:  # what nobody asked for must not become the answer to the next request
            self.close()
            return
        if not asked.status:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.abort(UnansweredError(f"its answer is not HTTP: {error}"))
        if answered := self._answered:
            self._answered = None
            self.owner.done(self, answered)
            answered.wake()
        elif not asked.status and self._head > _HEAD_LIMIT:
            self.abort(UnansweredError(f"its answer has more than {_HEAD_LIMIT} bytes of headers"))
        elif asked.size > _ANSWER_LIMIT and not asked.streamed:
            self.abort(UnansweredError(f"its answer has more than {_ANSWER_LIMIT} bytes"))

    def on_message_begin(self) -> None:
        if self._answered:  # a second answer to one request
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._asked:
            self._asked.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        asked = self._asked
        if asked is None or 100 <= status < 200:
            return
        asked.status = status
        sized = "content-length" in asked.headers or asked.headers.get("transfer-encoding", "").lower() == "chunked"
        self._until_close = not sized and status not in (204, 304)
        if asked.streamed:
            asked.wake()

    def on_body(self, body: bytes) -> None:
        asked = self._asked
        if asked is None:
            return
        asked.chunks.append(body)
        asked.size += len(body)
        if asked.streamed:
            if asked.size > _BUFFERED and not self._paused and self._transport:
                self._paused = True
                self._transport.pause_reading()
            asked.wake()

    def on_message_complete(self) -> None:
        asked = self._asked
        if asked is None or not asked.status:  # an interim response
            if asked:
                asked.headers.clear()
            return
        self.resume()  # for the next request, whoever reads this answer
        self._asked = asked.connection = None
        self._answered = asked
        asked.ended = True
        if not self._parser.should_keep_alive():
            self.close()

    def resume(self) -> None:
        if self._paused and self._transport:
            self._paused = False
            self._transport.resume_reading()

    def abort(self, error: Exception) -> None:
        """Gives the request up that is under way here."""
        asked, self._asked = self._asked, None
        self.close()
        if asked:
            asked.connection = None
            self.owner.done(self, asked)
            asked.fail(error)

    def close(self) -> None:
        self.closing = True
        if self._transport:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._writable:
            self.resume_writing()
        if self._sending:
            self._sending.cancel()
        asked, self._asked = self._asked, None
        closed, self.closing = self.closing, True
        if asked is None:
            self.owner.lost(self, died=not closed)
            return
        asked.connection = None
        if asked.status and self._until_close and error is None:
            asked.ended = True
            self.owner.done(self, asked)
            asked.wake()
            return
        self.owner.lost(self, died=True)
        unread = isinstance(error, OSError) and not asked.status and isinstance(asked.body, bytes | Path)
        self.owner.failed(asked, unread)


async def _file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := await asyncio.to_thread(file.read, _BUFFERED):
            yield part


async def _chunked(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for part in parts:
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"
