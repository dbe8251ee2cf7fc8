"""Shadow variants: they get copies of the requests, and nobody gets their answers."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.endpoints.instance import Call
from sagelocal.endpoints.server import UnansweredError

if TYPE_CHECKING:
    from sagelocal.endpoints.variant import Variant

log = logging.getLogger(__name__)

_MOST = 64  # copies under way at once; one more is dropped, so that a slow shadow takes neither memory nor time


def check_config(request: dict[str, Any]) -> None:
    """The rules of ShadowProductionVariants, from its API reference. Raises AwsError."""
    shadows = request.get("ShadowProductionVariants") or []
    if not shadows:
        return
    if len(shadows) > 1 or len(request["ProductionVariants"]) > 1:
        raise validation(
            "ShadowProductionVariants takes exactly one variant, beside exactly one in ProductionVariants: "
            f"{len(request['ProductionVariants'])} production and {len(shadows)} shadow variants were given."
        )
    variants = [*request["ProductionVariants"], *shadows]
    if any("ServerlessConfig" in one for one in variants) or request.get("AsyncInferenceConfig"):
        raise validation(
            "One or more endpoint features are not supported using this configuration: shadow variants are for "
            "real-time endpoints on instances, without ServerlessConfig and AsyncInferenceConfig."
        )


class Mirror:
    """Sends copies to the shadow of a production variant, after the caller has the answer. The event loop's alone."""

    def __init__(self, production: Variant, shadow: Variant) -> None:
        self._production = production
        self._shadow = shadow
        self._under_way: set[asyncio.Task[None]] = set()
        self.dropped = 0

    @property
    def share(self) -> float:
        """The shadow's weight over the production variant's, at most all: 0.1 beside 1 is a tenth of the requests."""
        weight = self._production.weight
        return min(1.0, self._shadow.weight / weight) if weight else 0.0

    def send(self, call: Call, headers: Mapping[str, str]) -> None:
        """Perhaps, by the share; returns at once. `headers` are the caller's, for data capture."""
        if random.random() >= self.share:
            return
        if len(self._under_way) >= _MOST:
            self.dropped += 1
            return
        task = asyncio.create_task(self._ask(call, headers))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _ask(self, call: Call, headers: Mapping[str, str]) -> None:
        variant, status, started = self._shadow, 0, time.perf_counter()
        try:
            _, reply = await variant.request(call)
            status = reply.status
            if variant.recorder and variant.recorder.sampled() and 200 <= status < 300 and isinstance(call.body, bytes):
                content_type = reply.headers.get("content-type", "application/octet-stream")
                variant.recorder.record(headers, call.body, content_type, reply.body)
        except (UnansweredError, TimeoutError) as error:
            log.debug("the shadow %s did not answer: %s", variant.name, error)
        except Exception:
            log.exception("a copy for the shadow %s was lost", variant.name)
        finally:
            variant.meter.observe(status, time.perf_counter() - started, 0.0)
