"""All model servers of one deployment of an endpoint: what traffic is switched to as a whole."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.endpoints import artifacts
from sagelocal.endpoints.capture import Recorder, Uploader
from sagelocal.endpoints.server import ModelServer, RefusedError, Reply, UnansweredError

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_DRAIN_SECONDS = 60.0  # as long as a container may take for an answer
_REFUSED_PAUSES = (0.05, 0.2, 1.0)  # s
_RESTART_PATIENCE = 10.0  # s that a request waits for a model server that is being started again


class UnhealthyError(Exception):
    """A variant that never answered its health check; the message is the endpoint's FailureReason."""


class ClosedError(Exception):
    """The fleet was stopped while it came up."""


class Variant:
    """One production variant: its weight and its model servers, `InstanceCount` of them but at most one a core."""

    def __init__(self, app: SageLocal, endpoint: str, plan: dict[str, Any], folder: Path, sockets: Path) -> None:
        self.name: str = plan["VariantName"]
        self.weight = float(plan["Weight"])
        self.recorder: Recorder | None = None
        self.servers: list[ModelServer] = []
        self._app = app
        self._group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self._plan = plan
        self._folder = folder / self.name
        self._sockets = sockets
        self._turns = itertools.count()

    def start(self) -> None:
        """Downloads the model and returns when every server is healthy. Raises UnhealthyError, with the reason."""
        self.scale(self._plan["InstanceCount"])

    def scale(self, instances: int) -> None:
        wanted = max(1, min(instances, self._app.settings.cpus))
        try:
            model = artifacts.stage(self._app.s3, self._plan["Container"]["Source"], self._folder)
        except Exception as error:
            uri = (self._plan["Container"]["Source"] or {}).get("S3Uri")
            raise UnhealthyError(f"The model data {uri} of variant {self.name} could not be used: {error}") from error
        started = [
            ModelServer(self._app, self._plan, self._group, model=model, folder=self._folder, sockets=self._sockets)
            for _ in range(wanted - len(self.servers))
        ]
        for server in started:
            server.start()  # before it is listed: who stops the fleet waits for each listed server's thread
        self.servers, surplus = self.servers[:wanted] + started, self.servers[wanted:]
        for server in surplus:
            threading.Thread(target=server.retire, args=(_DRAIN_SECONDS,), name=f"stop {server.stream}").start()
        for server in started:
            server.settled.wait()
        if failed := [server for server in started if not server.healthy.is_set()]:
            self.servers = [server for server in self.servers if server not in started]
            for server in started:
                server.stop()
            raise UnhealthyError(self._reason(failed[0]))

    def _reason(self, server: ModelServer) -> str:
        # AWS's own first sentence, then what it leaves to the reader of the logs.
        said = f"The primary container for production variant {self.name} did not pass the ping health check. "
        said += "Please check CloudWatch logs for this endpoint. "
        return f"{said}Last line of {server.group} {server.stream}: {server.last_line}"[:1024]

    async def server(self) -> ModelServer:
        """A healthy server, in turn; waits a while for one that is being started again. Raises UnansweredError."""
        deadline = time.monotonic() + _RESTART_PATIENCE
        while True:
            turn = next(self._turns)
            servers = self.servers
            for offset in range(len(servers)):
                if (found := servers[(turn + offset) % len(servers)]).healthy.is_set():
                    return found
            if time.monotonic() > deadline:
                raise UnansweredError(
                    f"The model server is being started again; its last line was: {servers[0].last_line}"
                )
            await asyncio.sleep(0.05)


class Fleet:
    """`up` is done when it may take traffic, or holds the UnhealthyError that kept it from it."""

    def __init__(
        self, app: SageLocal, endpoint: str, plan: dict[str, Any], *, folder: Path, sockets: Path, uploader: Uploader
    ) -> None:
        self.id: str = plan["Id"]
        self.group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self.folder = folder / self.id
        self.up: Future[None] = Future()
        self._app = app
        self._uploader = uploader
        self.variants = {
            one["VariantName"]: Variant(app, endpoint, one, self.folder, sockets) for one in plan["Variants"]
        }
        self._names = list(self.variants)
        self._in_flight = 0
        self._closed = threading.Event()
        capture = plan["DataCapture"]
        if capture and capture.get("EnableCapture"):
            for variant in self.variants.values():
                variant.recorder = Recorder(capture, folder / "capture", endpoint, variant.name)
                uploader.add(variant.recorder)

    def start(self) -> None:
        """Returns when every variant is healthy; else stops what came up and raises UnhealthyError, or ClosedError."""
        with ThreadPoolExecutor(max_workers=len(self.variants)) as pool:
            starting = [pool.submit(variant.start) for variant in self.variants.values()]
        failures = [error for one in starting if (error := one.exception())]
        if self._closed.is_set():
            self.stop()  # stop() may have come before there was a server to stop
            raise ClosedError
        if failures:
            raise failures[0]
        self.up.set_result(None)

    def adjust(self, plan: dict[str, Any]) -> None:
        """New weights and instance counts of the same deployment. Raises UnhealthyError."""
        for one in plan["Variants"]:
            self.variants[one["VariantName"]].scale(one["InstanceCount"])
        for one in plan["Variants"]:
            self.variants[one["VariantName"]].weight = float(one["Weight"])

    def pick(self, target: str | None = None) -> Variant | None:
        """The target variant, else one by the weights; None when there is no such variant."""
        if target:
            return self.variants.get(target)
        weights = [self.variants[name].weight for name in self._names]
        return self.variants[random.choices(self._names, weights)[0]]

    async def request(
        self, variant: Variant, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> tuple[ModelServer, Reply]:
        """Raises UnansweredError, and TimeoutError after `seconds`."""
        self._in_flight += 1  # the event loop's thread alone changes it
        try:
            for pause in _REFUSED_PAUSES:
                server = await variant.server()
                try:
                    return server, await server.request(headers, body, seconds)
                except RefusedError:
                    await asyncio.sleep(pause)  # it died just now, and nobody has noticed yet
            raise UnansweredError("the model server refuses connections")
        finally:
            self._in_flight -= 1

    def drain(self, closing: threading.Event) -> None:
        """Returns when no request is being answered any more, when none may take longer, or when `closing` is set."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        # One pause at least: a request may have chosen this fleet and not be counted yet.
        while not closing.wait(0.1) and self._in_flight and time.monotonic() < deadline:
            pass

    def stop(self) -> None:
        self._closed.set()
        servers = [server for variant in self.variants.values() for server in variant.servers]
        if servers:
            with ThreadPoolExecutor(max_workers=len(servers)) as pool:
                list(pool.map(lambda server: server.stop(), servers))
        for variant in self.variants.values():
            if variant.recorder:
                self._uploader.retire(variant.recorder)
                variant.recorder = None
