"""HTTP/1.1 between the platform and a worker: as much of it as a request needs, and as little Python.

The peer is the platform's own client, so a connection speaks in turns: a request is read only when the worker is about
to answer it. What was not read when a worker dies is thereby known to be unanswered (the kernel then resets the
connection instead of closing it), and the platform may send it to another worker.
"""

from __future__ import annotations

import http
import socket
from collections.abc import Iterable, Iterator
from typing import Any

_SIZE = 1 << 16  # bytes of a read
_HEAD_LIMIT = 1 << 16  # bytes of a request line with its headers
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}


class Headers(dict[str, str]):
    """Names in lower case, looked up in any."""

    __slots__ = ()

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class Request:
    __slots__ = ("body", "headers", "method", "path")

    def __init__(self, method: str, path: str, headers: Headers, body: bytes) -> None:
        self.method, self.path, self.headers, self.body = method, path, headers, body


class BrokenError(Exception):
    """The peer went away, or does not speak HTTP/1.1."""


class Connection:
    """One of the platform's connections, kept alive."""

    __slots__ = ("_rest", "socket")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._rest = b""  # what came after a request: the beginning of the next

    @property
    def waiting(self) -> bool:
        """Whether a request may have come already with the one before."""
        return bool(self._rest)

    def read(self) -> Request | None:
        """The next request; None when the peer has closed. Raises BrokenError."""
        data = self._rest or self.socket.recv(_SIZE)
        if not data:
            return None
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _HEAD_LIMIT:
                raise BrokenError("the headers are too long")
            data += self._more()
        try:
            line, *fields = data[:end].decode("latin-1").split("\r\n")
            method, path, _ = line.split(" ", 2)
        except ValueError:
            raise BrokenError(f"no HTTP request: {data[:80]!r}") from None
        headers = Headers()
        for one in fields:
            name, _, value = one.partition(":")
            headers[name.lower()] = value.strip()
        rest = data[end + 4 :]
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Request(method, path, headers, self._chunked(rest))
        return Request(method, path, headers, self._sized(rest, headers.get("content-length") or "0"))

    def _more(self) -> bytes:
        if not (more := self.socket.recv(_SIZE)):
            raise BrokenError("the request broke off")
        return more

    def _sized(self, data: bytes, length: str) -> bytes:
        if not length.isdecimal():
            raise BrokenError(f"Content-Length {length!r} is no number")
        size = int(length)
        if len(data) >= size:
            self._rest = data[size:]
            return data[:size]
        whole = bytearray(size)
        whole[: len(data)] = data
        missing = memoryview(whole)[len(data) :]
        while missing:
            if not (count := self.socket.recv_into(missing)):
                raise BrokenError("the request broke off")
            missing = missing[count:]
        self._rest = b""
        return bytes(whole)

    def _chunked(self, data: bytes) -> bytes:
        """What a transform job with MaxPayloadInMB 0 sends."""
        found = []
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._more()
            try:
                size = int(data[:end].partition(b";")[0], 16)
            except ValueError:
                raise BrokenError(f"no chunk: {data[:80]!r}") from None
            parts, have = [data[end + 2 :]], len(data) - end - 2
            while have < size + 2:
                parts.append(self._more())
                have += len(parts[-1])
            data = b"".join(parts)
            found.append(data[:size])
            data = data[size + 2 :]
            if not size:
                self._rest = data
                return b"".join(found)

    def send(
        self,
        status: int,
        content_type: str,
        headers: dict[str, str],
        body: bytes | bytearray | memoryview | Iterable[bytes | str],
    ) -> None:
        """An iterable goes out in chunks as it yields. Raises what it raises, and OSError when the peer is gone."""
        start = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n"
        if content_type:
            start += f"content-type: {_line(content_type)}\r\n"
        for name, value in headers.items():
            start += f"{_line(name)}: {_line(value)}\r\n"
        if not isinstance(body, (bytes, bytearray, memoryview)):
            self.socket.sendall(f"{start}transfer-encoding: chunked\r\n\r\n".encode("latin-1", "replace"))
            for chunk in _chunks(body):
                self.socket.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.socket.sendall(b"0\r\n\r\n")
        elif len(body) < _SIZE:
            self.socket.sendall(f"{start}content-length: {len(body)}\r\n\r\n".encode("latin-1", "replace") + body)
        else:
            self.socket.sendall(f"{start}content-length: {len(body)}\r\n\r\n".encode("latin-1", "replace"))
            self.socket.sendall(body)

    def close(self) -> None:
        self.socket.close()


def _line(text: str) -> str:
    """User code's header values must not end the header."""
    return text if text.isprintable() else " ".join(str(text).split())


def _chunks(parts: Iterable[bytes | str]) -> Iterator[bytes]:
    for part in parts:
        data = part.encode() if isinstance(part, str) else bytes(part)
        if data:  # an empty chunk would be the end
            yield data
