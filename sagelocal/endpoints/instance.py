"""One instance of a variant: the model servers of its containers, in series, one alone, or one that is chosen."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.endpoints.client import Body
from sagelocal.endpoints.meter import Meter
from sagelocal.endpoints.multi_model import TARGET, FailedError, Models
from sagelocal.endpoints.server import ModelServer, Reply, Response, UnansweredError
from sagelocal.jobs.instances import memory_limit

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

__all__ = ["BetweenError", "Call", "FailedError", "Instance", "SlowError"]

BETWEEN_BYTES = 5 * 1024 * 1024  # the documented limit of what one container hands to the next


@dataclass(frozen=True)
class Call:
    """A request as a container sees it. `headers` in lower case, `seconds` that the answer may take."""

    headers: dict[str, str]
    body: Body  # a file where it may be too large for memory
    seconds: float
    model: str | None = None  # TargetModel
    container: str | None = None  # TargetContainerHostname


class SlowError(TimeoutError):
    """`container` is the name of the one that took too long."""

    def __init__(self, container: str) -> None:
        super().__init__(container)
        self.container = container


class BetweenError(UnansweredError):
    """A container's answer that is too large to be the next one's request; the message is AWS's."""


class Instance:
    """Runs from `start` until `stop`; `models` holds a folder with files for each container of the planned variant.

    `name` is its log stream's, by default <variant>/<instance id>; `between` the bytes that one container of a pipeline
    may hand to the next. Multi-model containers need a `meter`.
    """

    def __init__(
        self,
        app: SageLocal,
        plan: dict[str, Any],
        group: str,
        *,
        models: Sequence[Path],
        folder: Path,
        sockets: Path,
        meter: Meter | None = None,
        name: str = "",
        between: int | None = BETWEEN_BYTES,
    ) -> None:
        self.in_flight = 0  # the event loop's thread alone changes it
        self.group = group
        self.name = name or f"{plan['VariantName']}/i-{secrets.token_hex(8)}"
        self._between = between
        self._meter = meter
        self._direct = plan["Execution"] == "Direct"
        self._fetched = folder / f"{self.name.rpartition('/')[2]}-models"  # what multi-model containers download
        self._models: dict[ModelServer, Models] = {}
        self.servers: list[ModelServer] = []
        several = len(plan["Containers"]) > 1
        for container, model in zip(plan["Containers"], models, strict=True):
            multi_model = container.get("Mode") == "MultiModel"
            if multi_model:
                self._fetched.mkdir(parents=True)
            server = ModelServer(
                app,
                {**plan, "Container": container},
                group,
                model=self._fetched if multi_model else model,
                folder=folder,
                sockets=sockets,
                # AWS's names: <variant>/<instance>, and of several containers <variant>/<instance>/<container>
                stream=f"{self.name}/{container['Hostname']}" if several else self.name,
            )
            self.servers.append(server)
            if multi_model and meter:
                self._models[server] = Models(app, server, container, self._fetched, _memory(app, plan), meter)

    @property
    def healthy(self) -> bool:
        return all(server.healthy.is_set() for server in self.servers)

    @property
    def unhealthy(self) -> ModelServer:
        """The first container that is not healthy, if any is not."""
        return next((server for server in self.servers if not server.healthy.is_set()), self.servers[0])

    @property
    def last_line(self) -> str:
        """Of the log of the first container that is not healthy."""
        return "" if self.healthy else self.unhealthy.last_line

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def settle(self) -> bool:
        """Waits until every container was healthy once or is given up; whether all are healthy."""
        for server in self.servers:
            server.settled.wait()
        return self.healthy

    def stop(self) -> None:
        with ThreadPoolExecutor(max_workers=len(self.servers)) as pool:
            list(pool.map(ModelServer.stop, self.servers))
        shutil.rmtree(self._fetched, ignore_errors=True)

    def retire(self, seconds: float) -> None:
        """`stop`, once it answers nobody any more or after `seconds`."""
        deadline = time.monotonic() + seconds
        # One pause at least: a request may have chosen this instance and not be counted yet.
        time.sleep(0.1)
        while self.in_flight and time.monotonic() < deadline:
            time.sleep(0.05)
        self.stop()

    async def request(self, call: Call) -> tuple[ModelServer, Reply]:
        """The answer of the last container, or the first that is no 2xx.

        Raises SlowError, UnansweredError with its container's name, BetweenError, and AwsError about a TargetModel.
        """
        with self._busy():
            if len(self.servers) == 1 and not self._models:  # most endpoints
                server = self.servers[0]
                with _named(server):
                    return server, await server.request(call.headers, call.body, call.seconds)
            try:
                server, last = await self._until_last(call)
                return server, await self._answer(server, last)
            except FailedError as error:
                return error.server, error.reply

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[tuple[ModelServer, Response]]:
        """An answer that the caller reads. Raises like `request`, and FailedError for an earlier container's answer."""
        async with AsyncExitStack() as opened:
            opened.enter_context(self._busy())
            server, last = await self._until_last(call)
            opened.enter_context(_named(server))
            path, headers = "/invocations", last.headers
            if models := self._models.get(server):
                path = await opened.enter_async_context(models.invoking(last.model or "", last.seconds))
                headers = headers | {TARGET: last.model or ""}
            exchange = server.exchange("POST", path, headers, last.body, last.seconds)
            yield server, await opened.enter_async_context(exchange)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _until_last(self, call: Call) -> tuple[ModelServer, Call]:
        """The container whose answer is the caller's, and what it is asked. Raises FailedError."""
        if self._direct:
            for server in self.servers:
                if server.container == call.container:
                    return server, call
            raise UnansweredError(f"there is no container {call.container}")  # in a shadow of another make
        deadline = time.monotonic() + call.seconds
        asked = call
        for server, following in zip(self.servers, self.servers[1:], strict=False):
            # AWS hands the caller's Accept to the last container alone: the others answer in their default type.
            between = {name: value for name, value in asked.headers.items() if name != "accept"}
            reply = await self._answer(server, replace(asked, headers=between))
            if not 200 <= reply.status < 300:
                raise FailedError(server, reply)
            if self._between is not None and len(reply.body) > self._between:
                raise BetweenError(
                    f"Received response from {server.container} with status code {reply.status}. However, the request "
                    f"payload from {server.container} to {following.container} is {len(reply.body)} bytes, which has "
                    "exceeded the maximum limit of 5 MB."
                )
            headers = {name: value for name, value in call.headers.items() if name != "content-type"}
            if content_type := reply.headers.get("content-type"):
                headers["content-type"] = content_type
            asked = replace(call, headers=headers, body=reply.body, seconds=deadline - time.monotonic())
        return self.servers[-1], asked

    async def _answer(self, server: ModelServer, call: Call) -> Reply:
        asked = time.perf_counter()
        status = 0
        try:
            with _named(server):
                if models := self._models.get(server):
                    reply = await self._invoke(server, models, call)
                else:
                    reply = await server.request(call.headers, call.body, call.seconds)
            status = reply.status
            return reply
        except FailedError as error:
            status = error.reply.status
            raise
        finally:
            if len(self.servers) > 1:
                self._measure(server.container, status, time.perf_counter() - asked)

    async def _invoke(self, server: ModelServer, models: Models, call: Call) -> Reply:
        target = call.model or ""
        deadline = time.monotonic() + call.seconds
        headers = call.headers | {TARGET: target}
        for _ in range(2):  # a container that was started again just now has no models
            async with models.invoking(target, deadline - time.monotonic()) as path:
                reply = await server.request(headers, call.body, deadline - time.monotonic(), path)
            if not await models.lost(target, reply):
                break
        return reply

    def _measure(self, container: str, status: int, seconds: float) -> None:
        """AWS's metrics of containers: ContainerLatency always, the rest where each is called by itself."""
        if self._meter is None:
            return
        self._meter.record("ContainerLatency", seconds * 1e6, "Microseconds", ContainerName=container)
        if self._direct:
            self._meter.record("Invocations", 1.0, ContainerName=container)
            self._meter.record("Invocation4XXErrors", float(400 <= status < 500), ContainerName=container)
            failed = not 200 <= status < 500
            self._meter.record("Invocation5XXErrors", float(failed), ContainerName=container)


def _memory(app: SageLocal, plan: dict[str, Any]) -> int:
    """Bytes that models may take; an instance type that only AWS knows counts as this machine."""
    try:
        return memory_limit(plan["InstanceType"], app.settings.memory)
    except AwsError:
        return app.settings.memory // 2


@contextmanager
def _named(server: ModelServer) -> Iterator[None]:
    """Errors say which container it was."""
    try:
        yield
    except UnansweredError as error:
        error.container = server.container
        raise
    except TimeoutError:
        raise SlowError(server.container) from None
