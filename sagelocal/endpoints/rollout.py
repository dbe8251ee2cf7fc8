"""One update of an endpoint: the new fleet comes up, traffic goes over to it step by step, or everything goes back.

What it does next is on disk before it does it: the endpoint's `_rollout` has the number of the step, and after a kill
`run` takes that step again, its wait from the start. A rollback that a kill interrupted goes on as a rollback.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.endpoints import deployment, plans, progress
from sagelocal.endpoints.alarms import Alarms
from sagelocal.endpoints.deployment import Counts, Step
from sagelocal.endpoints.fleet import ClosedError, Fleet, UnhealthyError
from sagelocal.endpoints.traffic import Traffic

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
Document = dict[str, Any]

_PACE = (0.25, 1.0)  # s between looks at the alarms: a twentieth of the wait, within these
_CLOUDWATCH_PAUSE = 1.0  # s, while CloudWatch does not answer


class GivenUpError(Exception):
    """The update goes back; the message is the endpoint's FailureReason."""


class Rollout:
    """Shifts `traffic` to `green`, which was not started yet, by the steps that are stored with the endpoint."""

    def __init__(
        self, app: SageLocal, endpoint: Document, traffic: Traffic, green: Fleet, closing: threading.Event
    ) -> None:
        self._app = app
        self._name: str = endpoint["EndpointName"]
        self._traffic = traffic
        self._blue = traffic.shares
        self._running: Document = endpoint["_running"]
        self._full = deployment.counts(self._running["Variants"])
        self._green = green
        self._closing = closing
        self._plan = green.plan
        self._state: Document = endpoint["_rollout"]
        self._config: Document | None = self._state["Deployment"]
        self._steps = deployment.load(self._state["Steps"])
        self._alarms = Alarms(app.cloudwatch, deployment.alarms(self._config))
        self._began: float = self._state["Began"]
        self._deadline = self._began + deployment.timeout(self._config)

    def run(self) -> list[Fleet]:
        """Gives the fleets that have no traffic any more: the old ones or, after a rollback, the new one.

        Raises ClosedError when `closing` was set: what is on disk then is what to go on with.
        """
        try:
            for number in range(self._state["Step"], len(self._steps)):
                self._take(number)
        except GivenUpError as error:
            return self._roll_back(str(error))
        except ClosedError:
            raise
        except Exception as error:
            self._go_on()
            log.exception("the update of endpoint %s failed", self._name)
            return self._roll_back(f"The update failed: {error}")
        self._store(ended(self._plan, self._app.now()))
        return [fleet for fleet, _ in self._blue]

    def _take(self, number: int) -> None:
        step = self._steps[number]
        self._check()
        self._grow(step)
        self._check()
        self._show(progress.activating(self._plan, step, self._began, self._app.now()))
        self._route(step.share)
        self._bake(step)
        if number + 1 == len(self._steps):
            return  # it ends by the endpoint being InService, in one write
        self._state = self._state | {"Step": number + 1}
        changes: Document = {"_rollout": self._state}
        if step.old is not None and self._blue_fleet.up.done():
            self._blue_fleet.scale(step.old)
            changes["ProductionVariants"] = progress.shrunk(self._running, step.old, self._app.now())
        self._store(changes)

    @property
    def _blue_fleet(self) -> Fleet:
        return self._blue[0][0]

    def _grow(self, step: Step) -> None:
        """Brings the new fleet to the step's instances."""
        try:
            if self._green.up.done():
                if step.new != self._green.running:
                    self._show(progress.growing(self._plan, step, self._began, self._app.now()))
                    self._green.scale(step.new)
            else:
                self._start(step.new)
        except UnhealthyError as error:
            self._go_on()
            raise GivenUpError(str(error)) from error

    def _start(self, instances: Counts) -> None:
        """In the time that the update has: then the fleet is stopped, which breaks off its start."""
        left = self._deadline - time.time()
        stopping = threading.Timer(left, self._green.stop) if left < math.inf else None
        if stopping:
            stopping.daemon = True
            stopping.start()
        try:
            self._go_on()
            self._green.start(instances)
        except ClosedError:
            self._go_on()
            raise self._timed_out() from None
        finally:
            if stopping:
                stopping.cancel()

    def _route(self, share: float) -> None:
        if share > 0 and not self._blue_fleet.up.done():  # after a restart of sagelocal it did not come up again
            share = 1.0
        old = [(fleet, part * (1 - share)) for fleet, part in self._blue] if share < 1 else []
        self._traffic.route(*old, *([(self._green, share)] if share > 0 else []))

    def _bake(self, step: Step) -> None:
        """Waits as long as the step says; an alarm in between raises GivenUpError."""
        if step.bake:
            self._show(progress.baking(self._plan, step, self._began, self._app.now()))
        bake = self._app.settings.shortened(step.bake)
        until = time.monotonic() + bake
        pace = min(max(bake / 20, _PACE[0]), _PACE[1])
        while (left := until - time.monotonic()) > 0:
            self._wait(max(0.0, min(left, pace, self._deadline - time.time())))
            self._check()

    def _check(self) -> None:
        """Raises GivenUpError when an alarm or the time says so, ClosedError when sagelocal stops."""
        while True:
            self._go_on()
            if time.time() >= self._deadline:
                raise self._timed_out()
            try:
                tripped = self._alarms.tripped()
            except (BotoCoreError, ClientError) as error:
                log.warning("endpoint %s: the alarms can't be read: %s", self._name, error)
                self._wait(_CLOUDWATCH_PAUSE)
                continue
            if tripped:
                raise GivenUpError(f"Deployment rolled back by its AutoRollbackConfiguration. {tripped}")
            return

    def _timed_out(self) -> GivenUpError:
        limit = deployment.timeout(self._config)
        return GivenUpError(f"The deployment took longer than its MaximumExecutionTimeoutInSeconds, {limit:.0f}.")

    def _wait(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise ClosedError

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise ClosedError

    def _roll_back(self, reason: str) -> list[Fleet]:
        serves = self._blue_fleet.up.done()
        back = deployment.way_back(self._config, self._blue_fleet.running, self._full) if serves else []
        if not back:
            self._route(0)  # before anything else, so that not one more request meets the new fleet
        self._store(self._rolling_back(reason))
        try:
            self._restore(back)
        except UnhealthyError as error:
            self._go_on()
            self._store({"EndpointStatus": "UpdateRollbackFailed", "FailureReason": f"{reason} {error}"[:1024]})
            return []
        self._store(ended(self._running, self._app.now(), reason))
        return [self._green, *(fleet for fleet, _ in self._blue[1:])]

    def _rolling_back(self, reason: str) -> Document:
        return {
            "EndpointStatus": "RollingBack",
            "PendingDeploymentSummary": progress.deleting(self._plan, self._began, self._app.now()),
            "_rollout": self._state | {"Reason": reason},
        }

    def _restore(self, back: list[Counts]) -> None:
        """Instances first, then their traffic, so that the old fleet is never asked for more than it can do."""
        for instances in back:
            self._blue_fleet.scale(instances)
            self._route(1 - sum(instances.values()) / sum(self._full.values()))
        self._traffic.route((self._blue_fleet, 1.0))

    def _show(self, summary: Document) -> None:
        self._store({"PendingDeploymentSummary": summary})

    def _store(self, changes: Document) -> None:
        self._app.store.update("Endpoint", self._name, changes)


def ended(plan: Document, now: float, reason: str | None = None) -> Document:
    """The members of an endpoint that serves by `plan` from now on; `reason` says why it is the old one again."""
    over = dict.fromkeys(("_pending", "_rollout", "PendingDeploymentSummary"))
    status = {"EndpointStatus": "InService", "FailureReason": reason and reason[:1024], "_running": plan}
    return plans.described(plan, now) | over | status
