"""One model server: a sandboxed process behind a Unix socket, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from sagelocal import containers, sandbox
from sagelocal.jobs.logs import LogWriter

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_PROGRAM = "/opt/sagelocal/model_server"  # inside; the clone itself is not there
_ALGORITHMS = "/opt/sagelocal/algorithms"
_SOCKETS = "/run/model-server"
_SOCKET = "s"  # short: a Unix socket's whole path has 107 bytes
_ATTEMPTS = 3  # starts that may fail before a server that never was healthy is given up
_GRACE = 5.0  # s between SIGTERM and SIGKILL; 30 on AWS, where a slow stop keeps nobody waiting
_RESTART = (0.2, 30.0)  # s, first and longest pause before a restart
_PING_SECONDS = 2.0  # AWS's own limit for an answer to /ping


@dataclass(frozen=True)
class Reply:
    """A model server's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnansweredError(Exception):
    """The model server broke off or was not there to answer."""


class RefusedError(UnansweredError):
    """Nothing listens: the request was not delivered, so it may be sent again."""


class ModelServer:
    """Runs from `start` until `stop`. `plan` is one variant of a deployment plan, `model` the folder with its files.

    Its output goes to the log group `group`, into `stream`, by default <variant>/<instance id>.
    """

    def __init__(
        self,
        app: SageLocal,
        plan: dict[str, Any],
        group: str,
        *,
        model: Path,
        folder: Path,
        sockets: Path,
        stream: str = "",
    ) -> None:
        self.instance = f"i-{secrets.token_hex(8)}"
        self.group = group
        self.stream = stream or f"{plan['VariantName']}/{self.instance}"
        self.healthy = threading.Event()
        self.settled = threading.Event()  # healthy for the first time, or given up
        self.last_line = ""
        self._app = app
        self._plan = plan
        self._model = model
        self._opt_ml = folder / self.instance
        self._sockets = sockets / self.instance[2:12]
        self._stopping = threading.Event()
        self._process: sandbox.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._checking: asyncio.Task[None] | None = None
        self._in_flight = 0  # the event loop's thread alone changes it
        self._thread = threading.Thread(target=self._supervise, name=f"model-server {self.stream}", daemon=True)

    @property
    def process(self) -> sandbox.Process | None:
        """What runs now, if anything does."""
        return self._process

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the process and waits for it."""
        self._stopping.set()
        if process := self._process:
            process.stop(_GRACE)
        self._thread.join()
        self._disconnect()
        shutil.rmtree(self._sockets, ignore_errors=True)
        shutil.rmtree(self._opt_ml, ignore_errors=True)

    async def request(self, headers: Mapping[str, str], body: bytes | Path, seconds: float) -> Reply:
        """POST /invocations. Raises RefusedError (not delivered), UnansweredError, and TimeoutError after `seconds`."""
        async with self.exchange("POST", "/invocations", headers, body, seconds) as response:
            return Reply(response.status, response.headers, await response.read())

    @contextlib.asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | Path | AsyncIterable[bytes] | None,
        seconds: float,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request whose answer the caller reads; a body of unknown length goes chunked. Raises like `request`."""
        self._in_flight += 1
        try:
            async with self._connected().request(
                method,
                f"http://model{path}",
                data=body.open("rb") if isinstance(body, Path) else body,  # aiohttp closes it
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                yield response
        except aiohttp.ClientConnectorError as error:
            raise RefusedError(error.strerror) from error
        except aiohttp.ClientError as error:
            self._suspect()
            raise UnansweredError(str(error) or type(error).__name__) from error
        finally:
            self._in_flight -= 1

    def _suspect(self) -> None:
        """A connection that broke: most likely the process is dying, so it gets no requests until it answers a ping."""
        self.healthy.clear()
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check(self._process))

    async def _check(self, process: sandbox.Process | None) -> None:
        while process and process.poll() is None:  # once it is dead, its supervisor starts another and pings that
            if await asyncio.to_thread(_ping, self._sockets / _SOCKET):
                self.healthy.set()
                return
            await asyncio.sleep(0.05)

    def retire(self, seconds: float) -> None:
        """`stop`, once it answers nobody any more or after `seconds`."""
        deadline = time.monotonic() + seconds
        while not self._stopping.wait(0.1) and self._in_flight and time.monotonic() < deadline:
            pass
        self.stop()

    def _connected(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._disconnect()
            self._loop = loop
            connector = aiohttp.UnixConnector(str(self._sockets / _SOCKET), limit=64)
            self._session = aiohttp.ClientSession(
                connector=connector,
                # The container sees the caller's headers only.
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def disconnect(self) -> None:
        """Closes its connections, in the event loop that made them."""
        session, self._session = self._session, None
        if session:
            await session.close()

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session and self._loop and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(session.close(), self._loop)
        elif session and (connector := session.connector):
            session.detach()
            connector.close()  # its loop is gone, so there is nobody to wait for it

    def _supervise(self) -> None:
        log = LogWriter(self._app, self.group, self.stream)
        failures, pause = 0, _RESTART[0]
        try:
            while not self._stopping.is_set():
                if self._run(log):
                    failures, pause = 0, _RESTART[0]
                failures += 1
                if not self.settled.is_set() and failures >= _ATTEMPTS:
                    return
                self._stopping.wait(pause)
                pause = min(pause * 2, _RESTART[1])
        finally:
            self.settled.set()
            log.close()

    def _run(self, log: LogWriter) -> bool:
        """One life of the process; whether it ever was healthy."""
        self._sockets.mkdir(parents=True, exist_ok=True)
        (self._opt_ml / "model").mkdir(parents=True, exist_ok=True)
        (self._sockets / _SOCKET).unlink(missing_ok=True)
        reading, writing = os.pipe()
        pump = threading.Thread(target=self._pump, args=(reading, log), name=f"log {self.stream}", daemon=True)
        pump.start()
        try:
            process = self._process = sandbox.start(self._command(), self._sandbox(log), writing)
        except (OSError, RuntimeError) as error:
            self.last_line = str(error)
            return False
        finally:
            os.close(writing)
        if self._stopping.is_set():  # stop() may have come before there was a process to stop
            process.stop(_GRACE)
        healthy = self._await_health(process)
        if not healthy and process.poll() is None:
            process.stop(_GRACE)
        process.wait()
        self.healthy.clear()
        pump.join(_GRACE)
        return healthy

    def _await_health(self, process: sandbox.Process) -> bool:
        deadline = time.monotonic() + self._plan["StartupSeconds"]
        while process.poll() is None and not self._stopping.is_set():
            if _ping(self._sockets / _SOCKET):
                self.healthy.set()
                self.settled.set()
                return True
            if time.monotonic() > deadline:
                self.last_line = f"no answer to /ping within {self._plan['StartupSeconds']} s"
                return False
            time.sleep(0.02)
        return False

    def _pump(self, descriptor: int, log: LogWriter) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as output:
            tail = b""
            while data := output.read(65536):
                log.write(data)
                tail = (tail + data)[-4096:]
                if lines := tail.decode(errors="replace").strip().splitlines():
                    self.last_line = lines[-1].strip()

    def _command(self) -> list[str]:
        container = self._plan["Container"]
        family = containers.family(container["Image"])
        program = "algorithms.serving" if family.algorithm(container["Environment"]) else "model_server"
        return ["python", "-m", program, family.name, f"{_SOCKETS}/{_SOCKET}", family.version]

    def _sandbox(self, log: LogWriter) -> sandbox.Sandbox:
        settings = self._app.settings
        asked = self._plan["Container"]["Environment"]
        network = not self._plan["Isolated"]
        image = self._app.environments.inside(self._plan["Container"]["Image"], network=network)
        if image.note:
            log.write(f"{image.note}\n".encode())
        path = ":".join(part for part in (str(Path(_PROGRAM).parent), asked.get("PYTHONPATH")) if part)
        return sandbox.Sandbox(
            opt_ml=self._opt_ml,
            environment={**settings.aws_environment(), **asked, "PYTHONPATH": path},
            hidden=sandbox.hidden_paths(settings.state),
            binds={
                **image.binds,
                _PROGRAM: Path(containers.__file__).parent / "serving",
                _ALGORITHMS: Path(containers.__file__).parent / "algorithms",
                "/opt/ml/model": self._model,
            },
            writable={_SOCKETS: self._sockets},
            network=network,
        )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("model", timeout=_PING_SECONDS)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _ping(path: Path) -> bool:
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
