"""The queue of one asynchronous endpoint: who is answered next, by which variant, and CloudWatch's view of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.endpoints.asynchronous_answer import Answer
from sagelocal.endpoints.fleet import Fleet
from sagelocal.endpoints.traffic import Traffic
from sagelocal.endpoints.variant import Variant
from sagelocal.store import Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)

KIND = "AsyncInvocation"  # of the store's documents
_LOOK = 0.5  # s between two looks for room, for requests that expired, and at the backlog's figures
_AGAIN = 5.0  # s before an invocation is repeated that S3, SNS or the disk made impossible
_MEASURE = 10.0  # s between two values of a backlog's metrics; a minute on AWS, long in front of a laptop


@dataclass(frozen=True)
class Waiting:
    """What the queue has to know of an invocation; the rest is in the store. Times in epoch seconds."""

    name: str
    received: float
    expires: float

    @staticmethod
    def of(document: dict[str, Any]) -> Waiting:
        received = document["ReceivedTime"]
        return Waiting(document["Name"], received, received + document["RequestTTLSeconds"])


class Queue:
    """First come, first started. All of it runs in the event loop that made it."""

    def __init__(self, app: SageLocal, endpoint: str, serving: Mapping[str, Traffic]) -> None:
        self._app = app
        self._endpoint = endpoint
        self._serving = serving
        self._answer = Answer(app, endpoint)
        self._waiting: deque[Waiting] = deque()
        self._under_way: dict[asyncio.Task[None], Waiting] = {}
        self._busy: Counter[Variant] = Counter()  # invocations that a variant answers
        self._changed = asyncio.Event()
        self._measured = 0.0
        self._starved = False
        self._tasks = [asyncio.get_running_loop().create_task(work) for work in (self._run(), self._measure())]

    def put(self, one: Waiting) -> None:
        self._waiting.append(one)
        self._changed.set()

    async def close(self) -> None:
        """Ends what is under way, without a trace: it is in the store still."""
        tasks = [*self._tasks, *self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._answer.close()

    async def _run(self) -> None:
        while True:
            try:
                self._expire()
                while self._waiting and (found := self._room()):
                    self._start(self._waiting.popleft(), *found)
            except Exception:  # one look that failed is no reason never to look again
                log.exception("the queue of %s could not be looked at", self._endpoint)
            self._changed.clear()
            # Room also comes by instances that are started or become healthy, of which nobody tells.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK if self._waiting else None)

    def _room(self) -> tuple[Fleet, Variant] | None:
        """A variant that takes one more invocation, chosen as for any other request."""
        traffic = self._serving.get(self._endpoint)
        if traffic is None:
            return None
        fleet = traffic.pick()
        if not fleet.up.done() or not (variant := fleet.pick()):
            return None
        healthy = sum(instance.healthy for instance in variant.instances)
        client = (fleet.plan.get("Async") or {}).get("ClientConfig") or {}
        # AWS "chooses an optimal value"; ours is as many as may be computed at once.
        each = client.get("MaxConcurrentInvocationsPerInstance", self._app.settings.cpus)
        return (fleet, variant) if self._busy[variant] < healthy * each else None

    def _start(self, one: Waiting, fleet: Fleet, variant: Variant) -> None:
        self._busy[variant] += 1
        task = asyncio.create_task(self._ask(one, fleet, variant))
        self._under_way[task] = one
        task.add_done_callback(lambda done: self._ended(done, variant))

    def _ended(self, task: asyncio.Task[None], variant: Variant) -> None:
        del self._under_way[task]
        self._busy[variant] -= 1
        if not self._busy[variant]:
            del self._busy[variant]
        self._changed.set()

    async def _ask(self, one: Waiting, fleet: Fleet, variant: Variant) -> None:
        instances = len(variant.instances)

        def gone() -> bool:
            """Whether what broke was taken away on purpose: by an update, or by fewer instances."""
            traffic = self._serving.get(self._endpoint)
            return traffic is None or fleet not in traffic.fleets or len(variant.instances) < instances

        document = await asyncio.to_thread(self._app.store.find, KIND, one.name)
        if document is None:
            return
        try:
            with fleet.busy():
                ended = await self._answer.give(document, variant, gone)
        except (BotoCoreError, ClientError) as error:
            log.warning("asynchronous invocation %s of %s begins again: %s", one.name, self._endpoint, error)
            await self._later(one)
        except Exception:
            log.exception("asynchronous invocation %s of %s begins again", one.name, self._endpoint)
            await self._later(one)
        else:
            if ended:
                await self._forget(one)
            else:
                self._waiting.appendleft(one)

    async def _later(self, one: Waiting) -> None:
        """Behind the others, so that one that fails each time keeps nobody waiting until it expires."""
        await asyncio.sleep(_AGAIN)
        self._waiting.append(one)

    async def _forget(self, one: Waiting) -> None:
        with contextlib.suppress(Missing):  # the endpoint was deleted meanwhile
            await asyncio.to_thread(self._app.store.delete, KIND, one.name)

    def _expire(self) -> None:
        now = time.time()
        if not any(one.expires <= now for one in self._waiting):
            return
        expired = [one for one in self._waiting if one.expires <= now]
        self._waiting = deque(one for one in self._waiting if one.expires > now)
        for one in expired:
            task = asyncio.create_task(self._fail(one))
            self._under_way[task] = one
            task.add_done_callback(lambda done: self._under_way.pop(done))

    async def _fail(self, one: Waiting) -> None:
        document = await asyncio.to_thread(self._app.store.find, KIND, one.name)
        if document is not None:
            variant = self._any_variant()
            try:
                await self._answer.expired(document, variant)
            except (BotoCoreError, ClientError) as error:
                log.warning("that %s of %s expired could not be told yet: %s", one.name, self._endpoint, error)
                await asyncio.sleep(_AGAIN)
                self._waiting.append(one)
                return
            await self._forget(one)

    def _any_variant(self) -> Variant | None:
        traffic = self._serving.get(self._endpoint)
        return traffic.pick().pick() if traffic else None

    async def _measure(self) -> None:
        """The backlog's metrics: every few seconds, and at once when there is a backlog and nobody to take it."""
        while True:
            starved = bool(self._waiting) and not self._instances()
            if time.monotonic() - self._measured >= _MEASURE or starved != self._starved:
                self._measured, self._starved = time.monotonic(), starved
                self._record(starved)
            await asyncio.sleep(_LOOK)

    def _record(self, starved: bool) -> None:
        backlog = [*self._waiting, *self._under_way.values()]
        age = time.time() - min(one.received for one in backlog) if backlog else 0.0
        values = {
            "ApproximateBacklogSize": (len(backlog), "Count"),
            # Without an instance the size itself, or target tracking could never begin.
            "ApproximateBacklogSizePerInstance": (len(backlog) / (self._instances() or 1), "Count"),
            "ApproximateAgeOfOldestRequest": (age, "Seconds"),
            "HasBacklogWithoutCapacity": (float(starved), "Count"),
        }
        for metric, (value, unit) in values.items():
            self._app.metering.record(metric, value, unit, EndpointName=self._endpoint)

    def _instances(self) -> int:
        """As AWS would count them, which is what scaling policies calculate with."""
        traffic = self._serving.get(self._endpoint)
        fleets = traffic.fleets if traffic else []
        return sum(count for fleet in fleets for count in fleet.running.values())
