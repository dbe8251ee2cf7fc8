"""HTTP/1.1 to the workers of one model server: connections kept alive, a fair queue, the least busy worker first.

A worker gets a request when it is about to answer it, so most requests wait here, where they outlive a worker that
dies. A model server of ours reads a request only to answer it, and the kernel tells a closed connection (the request
was read) from a reset one (it was not): what was not read is sent to another worker, what was read never again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httptools

from sagelocal.jobs import network

_BATCH_HEADER = "x-batch-limit"
_SHORT = 0.005  # s; where answers take less, a worker has its next request already when it has answered one
_IDLE = 1.0  # s after which a server that closes idle connections may be about to (gunicorn: 2, uvicorn: 5)
_BUFFERED = 1 << 20  # bytes of a streamed answer that wait for who reads it


Body = bytes | Path | AsyncIterable[bytes]  # a file is read as it is sent; of what is iterated, the length is not known


@dataclass(frozen=True)
class Reply:
    """A model server's answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Address:
    """How a container is reached: Unix sockets that speak HTTP, one a worker.

    `kept_alive`: workers close no connection while they live, as ours do, so a lost one is a dead worker. `depth` is
    how many requests a worker gets at once; 0: what it says of itself in its answer to /ping. A `door` does not speak
    HTTP itself, but hands out sockets of a worker that does.
    """

    sockets: Sequence[Path]
    kept_alive: bool
    depth: int
    door: bool = False


class UnansweredError(Exception):
    """The model server broke off or was not there to answer."""

    container = "primary"  # which of an instance's


class RefusedError(UnansweredError):
    """Nothing listens: the request was not delivered, so it may be sent again."""


class Response:
    """An answer that is read while it comes. Reading raises UnansweredError, and TimeoutError when time is over."""

    def __init__(self, asked: _Asked) -> None:
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


class _Asked:
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
        self.connection: _Connection | None = None

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


class _Connection(asyncio.Protocol):
    """To one worker, one request at a time."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._asked: _Asked | None = None
        self._paused = False  # reading
        self._writable: asyncio.Future[None] | None = None
        self._until_close = False
        self._sending: asyncio.Task[None] | None = None
        self.closing = False
        self.freed = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, asked: _Asked) -> None:
        assert self._transport
        self._asked, asked.connection = asked, self
        if isinstance(asked.body, bytes):
            self._transport.write(asked.head + asked.body if len(asked.body) < 1 << 16 else asked.head)
            if len(asked.body) >= 1 << 16:
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
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.abort(UnansweredError(f"its answer is not HTTP: {error}"))

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
        self._asked = asked.connection = None
        asked.ended = True
        if not self._parser.should_keep_alive():
            self.close()
        self._worker.done(self, asked)
        asked.wake()

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
            self._worker.done(self, asked)
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
            self._worker.lost(self, died=not closed)
            return
        asked.connection = None
        if asked.status and self._until_close and error is None:
            asked.ended = True
            self._worker.done(self, asked)
            asked.wake()
            return
        self._worker.lost(self, died=True)
        unread = isinstance(error, OSError) and not asked.status and isinstance(asked.body, bytes | Path)
        self._worker.failed(asked, unread)


async def _file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := await asyncio.to_thread(file.read, _BUFFERED):
            yield part


async def _chunked(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for part in parts:
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


class _Worker:
    """What is known of one worker; `listening` while it has answered a ping since it was last lost."""

    def __init__(self, client: Client, path: Path) -> None:
        self._client = client
        self.path = path
        self.idle: list[_Connection] = []
        self.busy = 0  # requests that it has
        self.together = 1  # requests that it answers at once
        self.seconds = 0.0  # that an answer took of late
        self.listening = False
        self.reviving: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        """A request that waits behind a long one must not wait in its worker while another worker is idle."""
        if self._client.depth:
            return self._client.depth
        return self.together if self.together > 1 else 2 if self.seconds < _SHORT else 1

    def give(self, asked: _Asked) -> None:
        self.busy += 1
        asked.started = time.perf_counter()
        while self.idle:
            connection = self.idle.pop()
            if self._client.kept_alive or asked.started - connection.freed < _IDLE:
                connection.send(asked)
                return
            connection.close()
        self._client.background(self._connect(asked))

    async def _connect(self, asked: _Asked) -> None:
        try:
            connection = await self.connect()
        except OSError:
            self.busy -= 1
            self._client.down(self)
            self._client.again(asked)
            return
        if asked.answered.done():  # it timed out meanwhile
            self.busy -= 1
            self.idle.append(connection)
            self._client.dispatch()
        else:
            connection.send(asked)

    async def connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        if self._client.door:
            inside = await network.connect(self.path)
            _, connection = await loop.create_connection(lambda: _Connection(self), sock=inside)
        else:
            _, connection = await loop.create_unix_connection(lambda: _Connection(self), str(self.path))
        return connection

    def done(self, connection: _Connection, asked: _Asked) -> None:
        self.busy -= 1
        self.seconds += 0.2 * (time.perf_counter() - asked.started - self.seconds)
        connection.freed = time.perf_counter()
        if not connection.closing:
            self.idle.append(connection)
        if not asked.streamed or asked.ended:
            self._client.finished(asked)
        self._client.dispatch()

    def lost(self, connection: _Connection, died: bool) -> None:
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)
        if died and self._client.kept_alive:
            self._client.down(self)

    def failed(self, asked: _Asked, unread: bool) -> None:
        self.busy -= 1
        if unread:
            self._client.again(asked)
        else:
            self._client.finished(asked)
            asked.fail(UnansweredError("it broke off"))
        self._client.dispatch()


class Client:
    """Used in the event loop that made it. `changed` is told whether any worker listens, each time that may be new.

    A request waits `patience` seconds for a worker to listen; `why` words the error after that.
    """

    def __init__(
        self, address: Address, changed: Callable[[bool], None], why: Callable[[], str], patience: float
    ) -> None:
        self.kept_alive, self.depth, self.door = address.kept_alive, address.depth, address.door
        self.loop = asyncio.get_running_loop()
        self._why, self._patience = why, patience
        self._waking: asyncio.TimerHandle | None = None
        self._changed = changed
        self._workers = [_Worker(self, path) for path in address.sockets]
        self._queue: deque[_Asked] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.wake()

    async def request(self, path: str, headers: Mapping[str, str], body: Body, seconds: float) -> Reply:
        """Raises UnansweredError, and TimeoutError after `seconds`."""
        asked = self._ask("POST", path, headers, body, seconds, streamed=False)
        try:
            await asked.answered
        except asyncio.CancelledError:
            self._abandon(asked, UnansweredError("given up"))
            raise
        chunks = asked.chunks
        return Reply(asked.status, asked.headers, chunks[0] if len(chunks) == 1 else b"".join(chunks))

    @contextlib.asynccontextmanager
    async def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None, seconds: float
    ) -> AsyncIterator[Response]:
        asked = self._ask(method, path, headers, body or b"", seconds, streamed=True)
        try:
            await asked.answered
            yield Response(asked)
        finally:
            if not asked.ended:
                self._abandon(asked, UnansweredError("given up"))
            self.finished(asked)

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Body, seconds: float, streamed: bool
    ) -> _Asked:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if isinstance(body, bytes | Path):
            framing = f"content-length: {len(body) if isinstance(body, bytes) else body.stat().st_size}"
        else:
            framing = "transfer-encoding: chunked"
        head = f"{method} {path} HTTP/1.1\r\nhost: model\r\n{lines}{framing}\r\n\r\n".encode("latin-1", "replace")
        asked = _Asked(head, body, streamed, self.loop.create_future())
        asked.timer = self.loop.call_later(seconds, self._abandon, asked, TimeoutError())
        self._queue.append(asked)
        self.dispatch()
        if self._waking is None and not self._listening:
            self._waking = self.loop.call_later(self._patience, self._give_up)
        return asked

    def _give_up(self) -> None:
        """Nobody listens for a while: who has waited long enough is told why."""
        self._waking = None
        if self._listening:
            return
        now = time.monotonic()
        while self._queue and now - self._queue[0].queued >= self._patience:
            asked = self._queue.popleft()
            self.finished(asked)
            asked.fail(UnansweredError(self._why()))
        if self._queue:
            rest = self._patience - (now - self._queue[0].queued)
            self._waking = self.loop.call_later(rest, self._give_up)

    @property
    def _listening(self) -> bool:
        return any(worker.listening for worker in self._workers)

    def dispatch(self) -> None:
        while self._queue:
            free = [worker for worker in self._workers if worker.listening and worker.busy < worker.depth]
            if not free:
                return
            asked = self._queue.popleft()
            if not asked.answered.done():
                min(free, key=lambda worker: worker.busy).give(asked)

    def again(self, asked: _Asked) -> None:
        """What no worker has read keeps its place."""
        if not asked.answered.done():
            self._queue.appendleft(asked)
            self.dispatch()

    def finished(self, asked: _Asked) -> None:
        if asked.timer:
            asked.timer.cancel()
            asked.timer = None

    def _abandon(self, asked: _Asked, error: Exception) -> None:
        """By its caller, or because its time is over: then its worker is not asked before it answers a ping."""
        self.finished(asked)
        if asked.ended:
            return
        connection = asked.connection
        if connection is None:
            with contextlib.suppress(ValueError):
                self._queue.remove(asked)
            asked.fail(error)
            return
        worker = connection._worker
        if self.kept_alive:
            self.down(worker)
        connection.abort(error)

    def down(self, worker: _Worker) -> None:
        if worker.listening:
            worker.listening = False
            self._changed(self._listening)
        if worker.reviving is None and not self._closed:
            worker.reviving = self.background(self._revive(worker))

    def wake(self) -> None:
        """Looks after the workers that are not there: the model server was started again."""
        for worker in self._workers:
            if not worker.listening:
                self.down(worker)

    async def _revive(self, worker: _Worker) -> None:
        """A ping waits in the socket of a worker that is being started; where nothing listens, `wake` tries again."""
        try:
            connection = await worker.connect()
            head = b"GET /ping HTTP/1.1\r\nhost: model\r\ncontent-length: 0\r\n\r\n"
            asked = _Asked(head, b"", False, self.loop.create_future())
            worker.busy += 1
            asked.started = time.perf_counter()
            connection.send(asked)
            await asked.answered
        except (OSError, UnansweredError):
            return
        finally:
            worker.reviving = None
        if asked.status == 200:
            worker.together = int(asked.headers.get(_BATCH_HEADER) or 1)
            worker.seconds = 0.0
            worker.listening = True
            self._changed(True)
            self.dispatch()

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """Gives up what waits; called in the loop, or when that has ended."""
        self._closed = True
        waiting, self._queue = self._queue, deque()
        if self._waking:
            self._waking.cancel()
        for asked in waiting:
            self.finished(asked)
            if not self.loop.is_closed():
                asked.fail(UnansweredError("the model server was stopped"))
        for task in self._tasks:
            if not self.loop.is_closed():
                task.cancel()
        for worker in self._workers:
            for connection in [*worker.idle]:
                connection.close()
