"""The proxy itself: CONNECT tunnels, of which those to STS end at a TLS server that asks MiniStack."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import logging
import re
import socket
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sagelocal.config import LOOPBACK, Settings
from sagelocal.sts_proxy import access, certificates

log = logging.getLogger(__name__)
_HEAD_SECONDS = 10.0
_CONNECT_SECONDS = 30.0
_CHUNK = 2**16
_PORT, _LAST_PORT = re.compile(r"\d{1,5}", re.ASCII), 2**16 - 1
_HOP = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding")


class StsProxy:
    """Runs in a thread of its own from `start` until `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._tls_port = 0

    def start(self) -> None:
        """Returns when it answers; at once when it does already. Raises OSError where its port is taken."""
        with self._lock:
            if self._thread and self._thread.is_alive():
                return
            allowed = access.prepare(self._settings)
            listener = socket.create_server((LOOPBACK, allowed.port))
            ready = threading.Event()
            credentials = base64.b64encode(f"{access.USER}:{allowed.password}".encode())
            work = (listener, b"Basic " + credentials, ready)
            self._thread = threading.Thread(target=lambda: asyncio.run(self._run(*work)), name="sts-proxy", daemon=True)
            self._thread.start()
            ready.wait(_CONNECT_SECONDS)

    def close(self) -> None:
        with self._lock:
            if self._thread and self._loop and self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stop.set)
                self._thread.join()
            self._thread = None

    async def _run(self, listener: socket.socket, authorization: bytes, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        inner = socket.create_server((LOOPBACK, 0))
        self._tls_port = inner.getsockname()[1]
        home = access.folder(self._settings)
        app = Starlette(routes=[Route("/{path:path}", self._forward, methods=["GET", "POST"])])
        options = uvicorn.Config(
            app,
            ssl_certfile=home / "certificate.pem",
            ssl_keyfile=home / "key.pem",
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        tls = uvicorn.Server(options)
        serving = asyncio.create_task(tls.serve(sockets=[inner]))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(reader, writer, authorization)

        server = await asyncio.start_server(serve, sock=listener)
        ready.set()
        await self._stop.wait()
        server.close()
        tls.should_exit = True
        await serving

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authorization: bytes) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
            refusal, host, port = _asked(head, authorization)
            if refusal:
                writer.write(refusal)
                await writer.drain()
                return
            where = (LOOPBACK, self._tls_port) if (host, port) in _sts() else (host, port)
            try:
                there = await asyncio.wait_for(asyncio.open_connection(*where), _CONNECT_SECONDS)
            except (OSError, TimeoutError) as error:
                writer.write(_answer("502 Bad Gateway", f"{host}:{port}: {error or 'no answer'}"))
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.closing(there[1]):
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("whoever asked is gone, or spoke no HTTP: %r", error)
        finally:
            writer.close()

    async def _forward(self, request: Request) -> Response:
        """One request to STS, to MiniStack; its gate looks at the key."""
        import aiohttp  # 0.1 s that a start need not take

        address = self._settings.ministack_url + request.url.path
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                f"{address}?{request.url.query}" if request.url.query else address,
                data=await request.body(),
                headers={name: value for name, value in request.headers.items() if name not in _HOP},
            ) as answer,
        ):
            dropped = (*_HOP, "date", "server")
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
            return Response(await answer.read(), answer.status, kept)


def _sts() -> frozenset[tuple[str, int]]:
    return frozenset((host, 443) for host in certificates.hosts())


def _asked(head: bytes, authorization: bytes) -> tuple[bytes, str, int]:
    """A refusal to send, or where a tunnel shall lead."""
    line, *lines = head.split(b"\r\n")
    words = line.split(b" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(b":") for each in lines)}
    if not hmac.compare_digest(headers.get(b"proxy-authorization", b""), authorization):
        return _answer("407 Proxy Authentication Required", 'eval "$(mlops env --sts-proxy)" in this shell'), "", 0
    host, colon, port = words[1].decode("latin-1").rpartition(":") if len(words) == 3 else ("", "", "")
    if words[0] != b"CONNECT" or not colon or not _PORT.fullmatch(port):
        return _answer("405 Method Not Allowed", "This proxy takes CONNECT only: it is an HTTPS_PROXY."), "", 0
    if int(port) > _LAST_PORT:
        return _answer("400 Bad Request", f"There is no port {port}."), "", 0
    return b"", host.strip("[]").lower(), int(port)


def _answer(status: str, text: str) -> bytes:
    challenge = "Proxy-Authenticate: Basic\r\n" if status.startswith("407") else ""
    body = f"{text}\n".encode()
    return f"HTTP/1.1 {status}\r\n{challenge}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()
    except OSError:
        target.close()  # the other direction has nobody to speak to any more
