"""Serverless variants: nothing runs until a request comes, and at most MaxConcurrency requests are answered at once."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.endpoints.server import UnansweredError
from sagelocal.jobs.logs import LogWriter

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.endpoints.variant import Variant

Document = dict[str, Any]
log = logging.getLogger(__name__)

PAYLOAD_LIMIT = 4 * 1024 * 1024  # bytes; the documented limit of serverless endpoints
STARTUP_SECONDS = 180  # the documented time to download the model and answer the first ping
IDLE_SECONDS = 300.0  # without a request until nothing runs any more; AWS does not say how long it waits
_MEMORY_STEP = 1024  # MB
_WATCH_SECONDS = 2.0  # between two looks at the memory
_UNSUPPORTED = "One or more endpoint features are not supported using this configuration"  # AWS's sentence


def check_config(app: SageLocal, request: Document) -> None:
    """The rules of ServerlessConfig: its API reference, and what the developer guide excludes. Raises AwsError."""
    variants = [one for one in request["ProductionVariants"] if "ServerlessConfig" in one]
    if not variants:
        return
    if len(request["ProductionVariants"]) > 1:
        raise validation(f"{_UNSUPPORTED}: a serverless endpoint has one production variant.")
    if (request.get("DataCaptureConfig") or {}).get("EnableCapture"):
        raise validation(f"{_UNSUPPORTED}: a serverless endpoint captures no data. Leave out DataCaptureConfig.")
    if request.get("AsyncInferenceConfig"):
        raise validation(f"{_UNSUPPORTED}: an endpoint is serverless or asynchronous, not both.")
    for variant in variants:
        _check_variant(variant)
        _check_model(app.find("Model", variant["ModelName"]))


def _check_variant(variant: Document) -> None:
    config = variant["ServerlessConfig"]
    if unwanted := sorted(variant.keys() - {"VariantName", "ModelName", "InitialVariantWeight", "ServerlessConfig"}):
        raise validation(
            f"{_UNSUPPORTED}: variant {variant['VariantName']} has ServerlessConfig, which excludes "
            f"{', '.join(unwanted)}."
        )
    if config["MemorySizeInMB"] % _MEMORY_STEP:
        raise validation(
            f"MemorySizeInMB {config['MemorySizeInMB']} is not supported. Valid values are 1024, 2048, 3072, 4096, "
            "5120 and 6144."
        )
    check_concurrency(config)


def check_concurrency(config: Document) -> None:
    """Raises AwsError."""
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise validation(
            f"ProvisionedConcurrency {config['ProvisionedConcurrency']} must be less than or equal to MaxConcurrency "
            f"{config['MaxConcurrency']}."
        )


def _check_model(model: Document) -> None:
    excluded = {
        "VpcConfig": model.get("VpcConfig"),
        "EnableNetworkIsolation": model.get("EnableNetworkIsolation"),
        "an inference pipeline": len(model["_containers"]) > 1,
        "multi-model containers": any(one.get("Mode") == "MultiModel" for one in model["_containers"]),
    }
    if found := [name for name, given in excluded.items() if given]:
        raise validation(f"{_UNSUPPORTED}: model {model['ModelName']} has {', '.join(found)}, a serverless one can't.")


def check_update(running: Document, plan: Document) -> None:
    """Serverless becomes instances, never the other way, as on AWS. Raises AwsError."""
    if not any("Serverless" in one for one in running["Variants"]) and any(
        "Serverless" in one for one in plan["Variants"]
    ):
        raise validation(
            f"Cannot update an instance-based endpoint to the serverless config {plan['EndpointConfigName']}: create "
            "another endpoint."
        )


def check_payload(variant: Variant, body: bytes) -> None:
    """Raises AwsError for a body above a serverless variant's limit."""
    if variant.serverless and len(body) > PAYLOAD_LIMIT:
        raise AwsError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less "
            f"than or equal to {PAYLOAD_LIMIT}",
        )


class Capacity:
    """What of a serverless variant runs, and how many requests it takes. The event loop's, but for `prove`.

    A request that finds nothing running waits for the start. Requests beyond those that run get another instance
    beside, up to MaxConcurrency and the machine's cores; on AWS each concurrent request has an instance of its own.
    """

    def __init__(self, app: SageLocal, variant: Variant, config: Document, group: str, folder: Path) -> None:
        self.config = config
        self._app = app
        self._variant = variant
        self._group = group
        self._proven = folder / "proven"
        self._in_flight = 0
        self._changing = asyncio.Lock()
        self._scaling = threading.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching = False

    @property
    def _provisioned(self) -> int:
        return min(self.config.get("ProvisionedConcurrency", 0), self._app.settings.cpus)

    def prove(self) -> None:
        """As AWS does when it deploys: the model must come up once; what isn't provisioned is stopped again.

        Raises UnhealthyError. What was proven before a restart of sagelocal waits for its first request.
        """
        if not self._proven.exists():
            self._variant.scale(1)
            self._proven.parent.mkdir(parents=True, exist_ok=True)
            self._proven.touch()
        self._variant.scale(self._provisioned)

    def adjust(self, config: Document) -> None:
        """ServerlessUpdateConfig; from any thread."""
        self.config = config
        self._scale(lambda: max(self._provisioned, len(self._variant.instances)))

    def _scale(self, wanted: Callable[[], int]) -> None:
        with self._scaling:  # an update's thread, and those of the event loop
            self._variant.scale(wanted())

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Around a request. Raises AwsError above MaxConcurrency, UnansweredError when the model doesn't come up."""
        most = self.config["MaxConcurrency"]
        if self._in_flight >= most:
            # AWS throttles these; its runtime's ThrottlingException has the status 400 and no message of its own.
            raise AwsError(
                "ThrottlingException",
                f"MaxConcurrency {most} of the serverless variant {self._variant.name} is reached: try again.",
            )
        self._in_flight += 1
        self._variant.meter.record("ServerlessConcurrentExecutionsUtilization", self._in_flight / most)
        if provisioned := self.config.get("ProvisionedConcurrency"):
            self._variant.meter.record("ServerlessProvisionedConcurrencyUtilization", self._in_flight / provisioned)
        if self._idle:
            self._idle.cancel()
        try:
            await self._awake()
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._spawn_sleep)

    async def _awake(self) -> None:
        """Returns when an instance runs; starts the first, or in the background one more."""
        if not any(instance.healthy for instance in self._variant.instances):
            async with self._changing:  # whoever starts one holds it until that is healthy
                if not self._variant.instances:  # nobody started it meanwhile
                    await self._grow()
        if self._wants_more() and not self._changing.locked():
            self._spawn(self._beside())
        if not self._watching:
            self._watching = True
            self._spawn(self._watch())

    def _wants_more(self) -> bool:
        return len(self._variant.instances) < min(self._in_flight, self._app.settings.cpus)

    async def _grow(self) -> None:
        started = time.perf_counter()
        try:
            await asyncio.to_thread(self._scale, lambda: len(self._variant.instances) + 1)
        except Exception as error:
            raise UnansweredError(str(error)) from error
        self._variant.meter.record("ModelSetupTime", (time.perf_counter() - started) * 1e6, "Microseconds")

    async def _beside(self) -> None:
        async with self._changing:
            try:
                if self._wants_more():  # nobody added one meanwhile
                    await self._grow()
            except UnansweredError as error:
                log.warning("serverless variant %s got no further instance: %s", self._variant.name, error)

    def _spawn_sleep(self) -> None:
        self._spawn(self._sleep())

    async def _sleep(self) -> None:
        async with self._changing:
            if not self._in_flight:
                await asyncio.to_thread(self._scale, lambda: self._provisioned)

    async def _watch(self) -> None:
        """MemorySizeInMB: an instance that takes more is killed, as out of memory, and started again when asked."""
        try:
            while self._variant.instances:
                await asyncio.to_thread(self._look)
                await asyncio.sleep(_WATCH_SECONDS)
        finally:
            self._watching = False

    def _look(self) -> None:
        limit = self.config["MemorySizeInMB"] * 1024 * 1024
        for server in [server for instance in self._variant.instances for server in instance.servers]:
            process = server.process
            # The cheap figure is never below the true one, in which the workers' shared pages count once.
            if process is None or process.resident() <= limit or (used := process.memory()) <= limit:
                continue
            said = f"Killed: {used // 1024 // 1024} MB in use, and MemorySizeInMB is {self.config['MemorySizeInMB']}."
            writer = LogWriter(self._app, self._group, server.stream)
            writer.write(f"{said}\n".encode())
            writer.close()
            process.kill()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
