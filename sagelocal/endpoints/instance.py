"""One instance of a variant: the model servers of its containers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.endpoints.server import ModelServer, Reply, Response

if TYPE_CHECKING:
    from sagelocal.app import SageLocal


@dataclass(frozen=True)
class Call:
    """A request as a container sees it. `headers` in lower case, `seconds` that the answer may take."""

    headers: dict[str, str]
    body: bytes | Path  # a file where it may be too large for memory
    seconds: float
    model: str | None = None  # TargetModel
    container: str | None = None  # TargetContainerHostname


class Instance:
    """Runs from `start` until `stop`; `models` holds a folder with files for each container of the planned variant."""

    def __init__(
        self, app: SageLocal, plan: dict[str, Any], group: str, *, models: Sequence[Path], folder: Path, sockets: Path
    ) -> None:
        self.in_flight = 0  # the event loop's thread alone changes it
        self.servers = [
            ModelServer(app, {**plan, "Container": container}, group, model=model, folder=folder, sockets=sockets)
            for container, model in zip(plan["Containers"], models, strict=True)
        ]

    @property
    def name(self) -> str:
        return self.servers[0].stream

    @property
    def healthy(self) -> bool:
        return all(server.healthy.is_set() for server in self.servers)

    @property
    def last_line(self) -> str:
        """Of the log of the first container that is not healthy."""
        return next((server.last_line for server in self.servers if not server.healthy.is_set()), "")

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def settle(self) -> bool:
        """Waits until every container was healthy once or is given up; whether all are healthy."""
        for server in self.servers:
            server.settled.wait()
        return self.healthy

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def retire(self, seconds: float) -> None:
        """`stop`, once it answers nobody any more or after `seconds`."""
        deadline = time.monotonic() + seconds
        # One pause at least: a request may have chosen this instance and not be counted yet.
        time.sleep(0.1)
        while self.in_flight and time.monotonic() < deadline:
            time.sleep(0.05)
        self.stop()

    async def request(self, call: Call) -> tuple[ModelServer, Reply]:
        """Raises what ModelServer.request raises."""
        server = self.servers[0]
        self.in_flight += 1
        try:
            return server, await server.request(call.headers, call.body, call.seconds)
        finally:
            self.in_flight -= 1

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[tuple[ModelServer, Response]]:
        """An answer that the caller reads. Raises what ModelServer.exchange raises."""
        server = self.servers[0]
        self.in_flight += 1
        try:
            async with server.exchange("POST", "/invocations", call.headers, call.body, call.seconds) as response:
                yield server, response
        finally:
            self.in_flight -= 1
