"""One variant of a fleet: its weight and its instances."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.endpoints import artifacts
from sagelocal.endpoints.capture import Recorder
from sagelocal.endpoints.instance import Call, Instance
from sagelocal.endpoints.meter import Meter
from sagelocal.endpoints.server import ModelServer, Reply, Response, UnansweredError
from sagelocal.endpoints.serverless import Capacity

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

DRAIN_SECONDS = 480.0  # as long as a container may take for a streamed answer
_PATIENCE = 10.0  # s that a request waits for an instance


class UnhealthyError(Exception):
    """A variant that never answered its health check; the message is the endpoint's FailureReason."""


class Variant:
    """`InstanceCount` instances, but at most one a core of this machine run."""

    def __init__(
        self, app: SageLocal, endpoint: str, config: str, plan: dict[str, Any], *, folder: Path, sockets: Path
    ) -> None:
        self.name: str = plan["VariantName"]
        self.weight = float(plan["Weight"])
        self.plan = plan
        self.recorder: Recorder | None = None
        self.instances: list[Instance] = []
        self.counted = 0  # instances that serve, as AWS counts them and not as many as there are cores
        self._retiring: set[Instance] = set()  # they take no new request
        self.meter = Meter(app.metering, endpoint, config, self)
        self.patience = float(plan.get("AnswerSeconds", DRAIN_SECONDS))  # that an answer may take when one stops
        self._app = app
        self._group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self._folder = folder / self.name
        self._sockets = sockets
        self._turns = itertools.count()
        capacity = plan.get("Serverless")
        self.serverless = Capacity(app, self, capacity, self._group, self._folder) if capacity else None

    def start(self, instances: int | None = None) -> None:
        """Downloads the models and returns when every instance is healthy. Raises UnhealthyError, with the reason."""
        if self.serverless:
            self.serverless.prove()
        else:
            self.scale(self.plan["InstanceCount"] if instances is None else instances)

    def adjust(self, plan: dict[str, Any]) -> None:
        """To the instances of a changed plan, or to its serverless limits. Raises UnhealthyError."""
        if self.serverless:
            self.serverless.adjust(plan["Serverless"])
        else:
            self.scale(plan["InstanceCount"])

    def admit(self) -> AbstractAsyncContextManager[None]:
        """Around a request: what a serverless variant has to say first. Raises AwsError, UnansweredError."""
        return self.serverless.admit() if self.serverless else nullcontext()

    def scale(self, instances: int) -> None:
        """Returns when so many instances serve; surplus ones finish their requests in the background."""
        wanted = max(0, min(instances, self._app.settings.cpus))
        models = self._models()
        started = [self._instance(models) for _ in range(wanted - len(self.instances))]
        for instance in started:
            instance.start()  # before it is listed: who stops the fleet waits for each listed one's threads
        self.instances, surplus = self.instances[:wanted] + started, self.instances[wanted:]
        for instance in surplus:
            self._retiring.add(instance)
            threading.Thread(target=self._retire, args=(instance,), name=f"stop {instance.name}", daemon=True).start()
        if failed := [instance for instance in started if not instance.settle()]:
            reason = self._reason(failed[0])
            self.instances = [instance for instance in self.instances if instance not in started]
            for instance in started:
                instance.stop()
            raise UnhealthyError(reason)
        self.counted = instances

    def _retire(self, instance: Instance) -> None:
        instance.retire(self.patience)
        self._retiring.discard(instance)

    def _instance(self, models: list[Path]) -> Instance:
        return Instance(
            self._app,
            self.plan,
            self._group,
            models=models,
            folder=self._folder,
            sockets=self._sockets,
            meter=self.meter,
        )

    def _models(self) -> list[Path]:
        """The staged files of each container."""
        found = []
        for number, container in enumerate(self.plan["Containers"]):
            try:
                found.append(artifacts.stage(self._app.s3, container["Source"], self._folder / f"container-{number}"))
            except Exception as error:
                uri = (container["Source"] or {}).get("S3Uri")
                said = f"The model data {uri} of variant {self.name} could not be used: {error}"
                raise UnhealthyError(said) from error
        return found

    def _reason(self, instance: Instance) -> str:
        # AWS's own first sentence, then what it leaves to the reader of the logs.
        name = instance.unhealthy.container
        which = "primary container" if name == "primary" else name
        said = f"The {which} for production variant {self.name} did not pass the ping health check. "
        said += "Please check CloudWatch logs for this endpoint. "
        return f"{said}Last line of {self._group} {instance.unhealthy.stream}: {instance.last_line}"[:1024]

    async def request(self, call: Call) -> tuple[ModelServer, Reply]:
        """Raises UnansweredError, and TimeoutError after `call.seconds`."""
        instance = await self._chosen(call.model)
        return await instance.request(call)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[tuple[ModelServer, Response]]:
        """The same with an answer that the caller reads; raises like `request`, also while it is read."""
        instance = await self._chosen(call.model)
        async with instance.stream(call) as (server, response):
            yield server, response

    async def _chosen(self, model: str | None) -> Instance:
        """For a TargetModel always the same instance, where it is loaded; else the least busy one, in turn.

        Requests wait in one that is being started again where no other is healthy, and here for a while where none
        runs. Raises UnansweredError.
        """
        deadline = time.monotonic() + _PATIENCE
        while not (instances := self.instances):
            if time.monotonic() > deadline:
                raise UnansweredError("no instance runs")
            await asyncio.sleep(0.05)
        if len(instances) == 1:
            return instances[0]
        turn = (zlib.crc32(model.encode()) if model else next(self._turns)) % len(instances)
        in_turn = [*instances[turn:], *instances[:turn]]
        healthy = [instance for instance in in_turn if instance.healthy] or in_turn
        return healthy[0] if model else min(healthy, key=lambda instance: instance.in_flight)

    def stop(self) -> None:
        for instance in [*self.instances, *self._retiring]:
            instance.stop()
        self.meter.close()
