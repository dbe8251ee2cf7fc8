"""A container's output: a plain file at once, CloudWatch Logs shortly after."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_log = logging.getLogger(__name__)
_BATCH_BYTES = 900_000  # PutLogEvents takes 1,048,576 bytes with 26 a event of overhead, and 10,000 events
_BATCH_EVENTS = 5_000
_EVENT_BYTES = 200_000  # an event may have 256 KiB
_WAITING = 100_000  # lines that wait for CloudWatch Logs at most: some 20 MB of a program that prints without an end


def log_file(state: Path, group: str, stream: str) -> Path:
    return state / "logs" / group.strip("/") / f"{stream}.log"


_senders: set[threading.Thread] = set()  # of closed writers


def drain(timeout: float) -> None:
    """Waits up to `timeout` seconds for what closed writers have not sent yet; for a clean stop of sagelocal."""
    deadline = time.monotonic() + timeout
    for sender in list(_senders):
        sender.join(max(0.0, deadline - time.monotonic()))


class LogWriter:
    """Appends bytes to `<state>/logs/<group>/<stream>.log` and sends their lines, in order, to CloudWatch Logs.

    A writer's thread sends in the background: `write` and `close` never wait for it. Lines leave as on AWS, where a TAB
    arrives as `#011`. What CloudWatch refuses is in the file still, and so is what comes faster than it takes lines.
    """

    def __init__(self, app: SageLocal, group: str, stream: str) -> None:
        self.path = log_file(app.settings.state, group, stream)
        self._app, self._group, self._stream = app, group, stream
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        self._rest = b""
        self._lines: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._skipped = 0
        self._sender = threading.Thread(target=self._send, name=f"log {stream}", daemon=True)
        self._sender.start()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _EVENT_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        now = int(time.time() * 1000)
        for line in lines:
            self._queue(now, line)

    def close(self) -> None:
        """The file is complete; the last lines may still be on their way to CloudWatch (`drain` waits for them)."""
        if self._rest:
            self._queue(int(time.time() * 1000), self._rest)
            self._rest = b""
        self._file.close()
        self._mention_skipped(int(time.time() * 1000))
        _senders.add(self._sender)
        self._lines.put(None)

    def _queue(self, now: int, line: bytes) -> None:
        if self._lines.qsize() >= _WAITING:
            self._skipped += 1
            return
        self._mention_skipped(now)
        text = line.decode("utf-8", errors="replace").rstrip("\r").replace("\t", "#011")
        for start in range(0, max(len(text), 1), _EVENT_BYTES):
            self._lines.put((now, text[start : start + _EVENT_BYTES]))

    def _mention_skipped(self, now: int) -> None:
        if self._skipped:
            self._lines.put((now, f"sagelocal: {self._skipped} lines came too fast; they are in {self.path}"))
            self._skipped = 0

    def _send(self) -> None:
        made = False
        ended = False
        while not ended:
            batch, ended = self._batch()
            try:
                made = made or self._make()
                if batch:
                    self._app.logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=batch)
            except (BotoCoreError, ClientError) as error:
                _log.warning("CloudWatch Logs refused %d lines of %s: %s", len(batch), self._stream, error)
        _senders.discard(self._sender)

    def _batch(self) -> tuple[list[dict[str, Any]], bool]:
        """Waits for a first line, then takes what comes within a third of a second."""
        batch: list[dict[str, Any]] = []
        size = 0
        deadline = None
        while len(batch) < _BATCH_EVENTS and size < _BATCH_BYTES:
            try:
                item = self._lines.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                return batch, True
            deadline = deadline or time.monotonic() + 0.3
            batch.append({"timestamp": item[0], "message": item[1] or " "})  # an event must have a character
            size += 4 * len(item[1]) + 26 if not item[1].isascii() else len(item[1]) + 26
        return batch, False

    def _make(self) -> bool:
        logs = self._app.logs
        for make, names in (
            (logs.create_log_group, {"logGroupName": self._group}),
            (logs.create_log_stream, {"logGroupName": self._group, "logStreamName": self._stream}),
        ):
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                make(**names)
        return True
