"""One model server: a sandboxed process with its workers, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal import sandbox
from sagelocal.api.errors import AwsError
from sagelocal.endpoints.client import Address, Client
from sagelocal.endpoints.connection import Body, Reply, Response, UnansweredError
from sagelocal.endpoints.launch import launch
from sagelocal.endpoints.launched import Launch
from sagelocal.jobs import network
from sagelocal.jobs.logs import LogWriter

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_log = logging.getLogger(__name__)

__all__ = ["ModelServer", "Reply", "Response", "UnansweredError"]

_ATTEMPTS = 3  # starts that may fail before a server that never was healthy is given up
_GRACE = 5.0  # s between SIGTERM and SIGKILL; 30 on AWS, where a slow stop keeps nobody waiting
_RESTART = (0.2, 30.0)  # s, first and longest pause before a restart
_RESTART_PATIENCE = 30.0  # s that a request waits for a model server that is being started again
_PING_SECONDS = 2.0  # AWS's own limit for an answer to /ping


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
        self.container: str = plan["Container"].get("Hostname", "primary")  # its name in AWS's messages
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
        self._address = Address([], kept_alive=True, depth=0)
        self._client: Client | None = None
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

    async def request(
        self, headers: Mapping[str, str], body: Body, seconds: float, path: str = "/invocations"
    ) -> Reply:
        """POST to a worker; what it died without reading goes to another. Raises UnansweredError, and TimeoutError."""
        return await self._connected().request(path, headers, body, seconds)

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None, seconds: float
    ) -> AbstractAsyncContextManager[Response]:
        """A request whose answer the caller reads; a body of unknown length goes chunked. Raises like `request`."""
        return self._connected().exchange(method, path, headers, body, seconds)

    def _connected(self) -> Client:
        client = self._client
        if client is None or client.loop is not asyncio.get_running_loop():
            self._disconnect()
            client = self._client = Client(self._address, self._listening, self._why, _RESTART_PATIENCE)
        return client

    def _listening(self, any_worker: bool) -> None:
        """Told by the client; a process that came or went is the supervisor's to tell."""
        if not any_worker:
            self.healthy.clear()
        elif self._process and self._process.poll() is None:
            self.healthy.set()

    def _why(self) -> str:
        return f"The model server is being started again; its last line was: {self.last_line}"

    async def disconnect(self) -> None:
        """Closes its connections, in the event loop that made them."""
        client, self._client = self._client, None
        if client:
            client.close()

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client:
            with contextlib.suppress(RuntimeError):  # its loop has ended, and its connections with it
                client.loop.call_soon_threadsafe(client.close)

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
        shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets.mkdir(parents=True)
        (self._opt_ml / "model").mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        pump = threading.Thread(target=self._pump, args=(reading, log), name=f"log {self.stream}", daemon=True)
        pump.start()
        try:
            launched = self._launched(log)
        except Exception as error:
            if not isinstance(error, (AwsError, OSError, RuntimeError)):
                _log.exception("%s could not be launched", self.stream)
            self.last_line = str(error)
            os.close(writing)
            return False
        try:
            return self._live(launched, writing, pump)
        finally:
            launched.ended()

    def _live(self, launched: Launch, writing: int, pump: threading.Thread) -> bool:
        try:
            self._address = launched.address
            process = self._process = sandbox.start(launched.command, launched.sandbox, writing, launched.cwd)
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

    def _launched(self, log: LogWriter) -> Launch:
        return launch(self._app, self._plan, opt_ml=self._opt_ml, model=self._model, sockets=self._sockets, log=log)

    def _await_health(self, process: sandbox.Process) -> bool:
        deadline = time.monotonic() + self._plan["StartupSeconds"]
        many = self._plan["Container"].get("Mode") == "MultiModel"
        paths = ("/ping", "/models") if many else ("/ping",)  # AWS asks for both, and wants 200
        while process.poll() is None and not self._stopping.is_set():
            if all(_answers(self._address, path) for path in paths):
                self.healthy.set()
                self.settled.set()
                if client := self._client:
                    with contextlib.suppress(RuntimeError):
                        client.loop.call_soon_threadsafe(client.wake)
                return True
            if time.monotonic() > deadline:
                self.last_line = f"no answer to {' and '.join(paths)} within {self._plan['StartupSeconds']} s"
                return False
            time.sleep(0.02)
        return False

    def _pump(self, descriptor: int, log: LogWriter) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as output:
            tail = b""
            while data := output.read(65536):
                with contextlib.suppress(OSError):  # a full disk: unlike a job, what serves goes on without its log
                    log.write(data)
                tail = (tail + data)[-4096:]
                if lines := tail.decode(errors="replace").strip().splitlines():
                    self.last_line = lines[-1].strip()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, address: Address) -> None:
        super().__init__("model", timeout=_PING_SECONDS)
        self._address = address

    def connect(self) -> None:
        path = self._address.sockets[0]
        if self._address.door:
            self.sock = network.connected(path, _PING_SECONDS)
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(path))


def _answers(address: Address, path: str) -> bool:
    """A model server of ours listens before it has loaded the model: the ping then waits for that."""
    connection = _UnixConnection(address)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
