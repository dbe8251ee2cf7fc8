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
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelocal.endpoints.connection import Asked, Body, Connection, Reply, Response, UnansweredError
from sagelocal.jobs import network

_BATCH_HEADER = "x-batch-limit"
_SHORT = 0.005  # s; where answers take less, a worker has its next request already when it has answered one
_IDLE = 1.0  # s after which a server that closes idle connections may be about to (gunicorn: 2, uvicorn: 5)
_PAUSES = (0.05, 1.0)  # s between pings, first and longest, of a worker that does not answer them
_PING = b"GET /ping HTTP/1.1\r\nhost: model\r\ncontent-length: 0\r\n\r\n"


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


class _Worker:
    """What is known of one worker; `listening` while it has answered a ping since it was last lost."""

    def __init__(self, client: Client, path: Path) -> None:
        self._client = client
        self.path = path
        self.idle: list[Connection] = []
        self.busy = 0  # requests that it has
        self.together = 1  # requests that it answers at once
        self.seconds = _SHORT  # that an answer took of late
        self.listening = False
        self.reviving: asyncio.Task[None] | None = None
        self.sleeping: asyncio.Future[None] | None = None  # of `reviving`, between two attempts

    @property
    def depth(self) -> int:
        """A request that waits behind a long one must not wait in its worker while another worker is idle."""
        if self._client.depth:
            return self._client.depth
        return self.together if self.together > 1 else 2 if self.seconds < _SHORT else 1

    def give(self, asked: Asked) -> None:
        self.busy += 1
        asked.started = time.perf_counter()
        while self.idle:
            connection = self.idle.pop()
            fresh = self._client.kept_alive or asked.started - connection.freed < _IDLE
            if fresh and not connection.gone:
                connection.send(asked)
                return
            connection.close()
        self._client.background(self._connect(asked))

    async def _connect(self, asked: Asked) -> None:
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

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._client.door:
            inside = await network.connect(self.path)
            _, connection = await loop.create_connection(lambda: Connection(self), sock=inside)
        else:
            _, connection = await loop.create_unix_connection(lambda: Connection(self), str(self.path))
        return connection

    def done(self, connection: Connection, asked: Asked) -> None:
        self.busy -= 1
        self.seconds += 0.2 * (time.perf_counter() - asked.started - self.seconds)
        connection.freed = time.perf_counter()
        if not connection.closing:
            self.idle.append(connection)
        if not asked.streamed or asked.ended:
            self._client.finished(asked)
        self._client.dispatch()

    def lost(self, connection: Connection, died: bool) -> None:
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)
        if died and self._client.kept_alive:
            self._client.down(self)

    def failed(self, asked: Asked, unread: bool) -> None:
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
        self._queue: deque[Asked] = deque()
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
    ) -> Asked:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if isinstance(body, bytes | Path):
            framing = f"content-length: {len(body) if isinstance(body, bytes) else body.stat().st_size}"
        else:
            framing = "transfer-encoding: chunked"
        head = f"{method} {path} HTTP/1.1\r\nhost: model\r\n{lines}{framing}\r\n\r\n".encode("latin-1", "replace")
        asked = Asked(head, body, streamed, self.loop.create_future())
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
            if (worker := self._free()) is None:
                return
            asked = self._queue.popleft()
            if not asked.answered.done():
                worker.give(asked)

    def _free(self) -> _Worker | None:
        """The least busy one that takes another request."""
        found = None
        for worker in self._workers:
            if worker.listening and worker.busy < worker.depth and (found is None or worker.busy < found.busy):
                found = worker
        return found

    def again(self, asked: Asked) -> None:
        """What no worker has read keeps its place."""
        if not asked.answered.done():
            self._queue.appendleft(asked)
            self.dispatch()

    def finished(self, asked: Asked) -> None:
        if asked.timer:
            asked.timer.cancel()
            asked.timer = None

    def _abandon(self, asked: Asked, error: Exception) -> None:
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
        worker = connection.owner
        if self.kept_alive and isinstance(worker, _Worker):
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
            if worker.sleeping and not worker.sleeping.done():
                worker.sleeping.set_result(None)
            elif not worker.listening:
                self.down(worker)

    async def _revive(self, worker: _Worker) -> None:
        """Until it answers a ping, which waits in the socket of a worker of ours that is being started."""
        first, longest = _PAUSES
        pause = first
        while not await self._ping(worker):
            worker.sleeping = self.loop.create_future()
            timer = self.loop.call_later(pause, _done, worker.sleeping)
            await worker.sleeping
            timer.cancel()
            worker.sleeping = None
            pause = min(2 * pause, longest)
        worker.reviving = None
        worker.seconds = _SHORT
        worker.listening = True
        self._changed(True)
        self.dispatch()

    async def _ping(self, worker: _Worker) -> bool:
        asked = Asked(_PING, b"", False, self.loop.create_future())
        try:
            connection = await worker.connect()
            worker.busy += 1
            connection.send(asked)
            await asked.answered
        except (OSError, UnansweredError):
            return False
        if self.kept_alive:  # a container of the user's own has no say in it
            worker.together = int(asked.headers.get(_BATCH_HEADER) or 1)
        return asked.status == 200

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


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
