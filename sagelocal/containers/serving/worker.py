"""A worker: one process with the model in memory, one request (or one batch) at a time."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from .batching import BATCH_LIMIT, answer_together
from .wire import BrokenError, Connection, Request

BATCH_HEADER = "x-batch-limit"  # on the answer to /ping: how many requests may wait in the worker's sockets
_JSON = "application/json"


class _LeavingError(Exception):
    """SIGTERM while nothing was to be done."""


class Worker:
    """Answers what comes to `listener` until SIGTERM, or until `alive` (a pipe's end) says that its parent is gone.

    A request that takes more than `seconds` ends the process, as gunicorn's timeout does in AWS's images; 0: none does.
    """

    def __init__(self, handler: Any, listener: socket.socket, alive: int, seconds: float) -> None:
        self._handler = handler
        self._listener = listener
        self._alive = alive
        self._seconds = seconds
        self._together = min(BATCH_LIMIT, getattr(handler, "batch_limit", 1))
        self._connections: dict[int, Connection] = {}
        self._poll = select.epoll()
        self._pipelined: list[Connection] = []  # what came with an earlier request, and the poll does not tell of
        self._leaving = False
        self._idle = False

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._leave)
        self._listener.setblocking(False)
        self._poll.register(self._listener, select.EPOLLIN)
        self._poll.register(self._alive, select.EPOLLIN)
        gc.collect()
        gc.freeze()  # what is loaded stays: collections need not look at it again
        while ready := self._ready():
            self._serve(ready)
            self._pipelined = [one for one in ready if one.waiting and one.socket.fileno() >= 0]

    def _leave(self, *_: Any) -> None:
        self._leaving = True
        if self._idle:
            self._idle = False
            raise _LeavingError

    def _ready(self) -> list[Connection]:
        """Connections with a request; none when it is time to go, after what came before has been answered."""
        while True:
            sources = self._events()
            if self._listener.fileno() in sources:
                self._accept()
                sources = [source for source, _ in self._poll.poll(0)]  # with those of the new connections
            if self._alive in sources:
                os._exit(1)  # nobody is left to start this worker again or to end it
            told = [self._connections[source] for source in sources if source in self._connections]
            found = [*self._pipelined, *(one for one in told if one not in self._pipelined)]
            if found or self._leaving:
                return found

    def _events(self) -> list[int]:
        try:
            self._idle = not (self._leaving or self._pipelined)
            return [source for source, _ in self._poll.poll(None if self._idle else 0)]
        except _LeavingError:
            return [source for source, _ in self._poll.poll(0)]
        finally:
            self._idle = False

    def _accept(self) -> None:
        """All that wait, so that their requests can go together."""
        with contextlib.suppress(BlockingIOError):
            while True:
                connected, _ = self._listener.accept()
                connected.setblocking(True)
                self._connections[connected.fileno()] = Connection(connected)
                self._poll.register(connected, select.EPOLLIN)

    def _serve(self, ready: list[Connection]) -> None:
        if self._together == 1:
            for connection in ready:
                if request := self._read(connection):
                    self._answer(connection, request)
            return
        for start in range(0, len(ready), self._together):
            found = [(one, self._read(one)) for one in ready[start : start + self._together]]
            self._answer_together([(one, request) for one, request in found if request])

    def _read(self, connection: Connection) -> Request | None:
        try:
            if request := connection.read():
                return request
        except (BrokenError, OSError) as error:
            print(f"A request was not read: {error}", file=sys.stderr, flush=True)
        self._forget(connection)
        return None

    def _answer_together(self, asked: list[tuple[Connection, Request]]) -> None:
        batch = [one for one in asked if _invokes(one[1])]
        if len(batch) > 1:
            asked = [one for one in asked if not _invokes(one[1])]
            self._watch()
            responses = answer_together(self._handler, [request for _, request in batch])
            for (connection, request), response in zip(batch, responses, strict=True):
                self._send(connection, request, response)
            self._watch(over=True)
        for connection, request in asked:
            self._answer(connection, request)

    def _answer(self, connection: Connection, request: Request) -> None:
        if _invokes(request):
            self._watch()
            self._send(connection, request, self._handler.respond(request.body, request.headers))
            self._watch(over=True)
        else:
            self._plain(connection, *self._other(request))

    def _watch(self, over: bool = False) -> None:
        """SIGALRM's default action ends the process even when it hangs in C code."""
        if self._seconds:
            signal.setitimer(signal.ITIMER_REAL, 0 if over else self._seconds)

    def _send(self, connection: Connection, request: Request, response: Any) -> None:
        body = response.body
        try:
            sent = body if isinstance(body, (bytes, bytearray, memoryview)) else self._watched(body)
            connection.send(response.status, response.content_type, response.headers, sent)
        except OSError:  # who asked gave up
            self._forget(connection)
        except Exception:  # the iterable of a streamed answer raised: that stream breaks off
            traceback.print_exc()
            self._forget(connection)
        else:
            if request.headers.get("connection", "").lower() == "close":
                self._forget(connection)

    def _watched(self, parts: Iterable[bytes | str]) -> Iterator[bytes | str]:
        """Each part of a streamed answer has a request's time."""
        for part in parts:
            self._watch()
            yield part

    def _other(self, request: Request) -> tuple[int, str, dict[str, str], bytes]:
        if request.method == "GET" and request.path == "/ping":
            return 200, "text/plain", {BATCH_HEADER: str(self._together)}, b""
        parameters = getattr(self._handler, "execution_parameters", None)
        if request.method == "GET" and request.path == "/execution-parameters" and parameters:
            return 200, _JSON, {}, json.dumps(parameters()).encode()
        return 404, "text/plain", {}, f"no {request.path} here".encode()

    def _plain(self, connection: Connection, status: int, kind: str, headers: dict[str, str], body: bytes) -> None:
        try:
            connection.send(status, kind, headers, body)
        except OSError:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        del self._connections[connection.socket.fileno()]
        connection.close()  # epoll forgets it by itself


def _invokes(request: Request) -> bool:
    return request.path == "/invocations" and request.method == "POST"
