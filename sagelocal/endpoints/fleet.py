"""All variants of one deployment of an endpoint: what traffic is shifted to and from."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.endpoints.capture import Recorder, Uploader
from sagelocal.endpoints.deployment import Counts
from sagelocal.endpoints.instance import Call
from sagelocal.endpoints.shadow import Mirror
from sagelocal.endpoints.variant import UnhealthyError, Variant

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

__all__ = ["ClosedError", "Fleet", "UnhealthyError"]


_TURN_SECONDS = 5.0  # far more than an event loop takes for a turn


class ClosedError(Exception):
    """The fleet was stopped while it came up."""


class Fleet:
    """`up` is done when it may take traffic."""

    def __init__(
        self, app: SageLocal, endpoint: str, plan: dict[str, Any], *, folder: Path, sockets: Path, uploader: Uploader
    ) -> None:
        self.id: str = plan["Id"]
        self.plan = plan
        self.group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self.folder = folder / self.id
        self.up: Future[None] = Future()
        self._uploader = uploader

        def made(planned: list[dict[str, Any]]) -> dict[str, Variant]:
            config = plan["EndpointConfigName"]
            return {
                one["VariantName"]: Variant(app, endpoint, config, one, folder=self.folder, sockets=sockets)
                for one in planned
            }

        self.variants = made(plan["Variants"])
        self.shadows = made(plan["Shadows"])
        self._mirrors = [
            Mirror(production, shadow) for production in self.variants.values() for shadow in self.shadows.values()
        ]
        self._in_flight = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = threading.Event()
        capture = plan["DataCapture"]
        if capture and capture.get("EnableCapture"):
            for variant in self.every:
                variant.recorder = Recorder(capture, folder / "capture", endpoint, variant.name)
                uploader.add(variant.recorder)

    @property
    def running(self) -> Counts:
        """Instances of the production variants, as AWS counts them: none of a serverless one."""
        return {name: 0 if variant.serverless else variant.counted for name, variant in self.variants.items()}

    @property
    def every(self) -> list[Variant]:
        """The shadow variants too."""
        return [*self.variants.values(), *self.shadows.values()]

    def start(self, instances: Counts | None = None) -> None:
        """Returns when every variant is healthy; else stops what came up and raises UnhealthyError, or ClosedError.

        `instances` by production variant, where it is not the plan's.
        """
        of_variants = instances or {}
        with ThreadPoolExecutor(max_workers=len(self.every)) as pool:
            starting = [pool.submit(variant.start, of_variants.get(variant.name)) for variant in self.every]
        failures = [error for one in starting if (error := one.exception())]
        if self._closed.is_set():
            self.stop()  # stop() may have come before there was an instance to stop
            raise ClosedError
        if failures:
            raise failures[0]
        self.up.set_result(None)

    def scale(self, instances: Counts) -> None:
        """Returns when so many instances of each production variant serve. Raises UnhealthyError, ClosedError."""
        with self._until_closed():
            for name, count in instances.items():
                if not self.variants[name].serverless:
                    self.variants[name].scale(count)

    def adjust(self, plan: dict[str, Any]) -> None:
        """New weights and instance counts of the same deployment. Raises UnhealthyError, ClosedError."""
        planned = {one["VariantName"]: one for one in [*plan["Variants"], *plan["Shadows"]]}
        for variant in self.every:  # before instances start, which takes a while
            variant.weight = float(planned[variant.name]["Weight"])
        with self._until_closed():
            for variant in self.every:
                variant.adjust(planned[variant.name])

    @contextmanager
    def _until_closed(self) -> Iterator[None]:
        """Instances that came up while the fleet was stopped are stopped, too."""
        try:
            yield
        finally:
            if self._closed.is_set():
                self.stop()
                raise ClosedError

    def pick(self, target: str | None = None) -> Variant | None:
        """The target variant, else one by the weights; None when there is no such variant."""
        if target:
            return self.variants.get(target)
        variants = list(self.variants.values())
        return variants[0] if len(variants) == 1 else random.choices(variants, [one.weight for one in variants])[0]

    def mirror(self, call: Call, headers: Mapping[str, str]) -> None:
        """Perhaps a copy for the shadow variants, if there are any; returns at once. `headers` are the caller's."""
        for mirror in self._mirrors:
            mirror.send(call, headers)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Around a request, so that `drain` waits for it. The event loop's thread alone uses it."""
        self._loop = asyncio.get_running_loop()
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def drain(self, closing: threading.Event) -> None:
        """Returns when no request is being answered any more, when none may take longer, or when `closing` is set."""
        deadline = time.monotonic() + max(variant.patience for variant in self.every)
        counted = threading.Event()
        if self._loop and self._loop.is_running():
            # A request may have chosen this fleet and not be counted yet: it will be, before the loop turns.
            self._loop.call_soon_threadsafe(counted.set)
            counted.wait(_TURN_SECONDS)
        while not closing.wait(0.1) and self._in_flight and time.monotonic() < deadline:
            pass

    def stop(self) -> None:
        self._closed.set()
        with ThreadPoolExecutor(max_workers=len(self.every)) as pool:
            list(pool.map(Variant.stop, self.every))
        for variant in self.every:
            if variant.recorder:
                self._uploader.retire(variant.recorder)
                variant.recorder = None
