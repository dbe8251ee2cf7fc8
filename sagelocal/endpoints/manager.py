"""Endpoints at run time: deployments in the background, invocations, and taking up again what a kill ended."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.endpoints import rollout
from sagelocal.endpoints.asynchronous import Accepted, Asynchronous
from sagelocal.endpoints.capture import Uploader
from sagelocal.endpoints.fleet import ClosedError, Fleet, UnhealthyError
from sagelocal.endpoints.invocation import Invocation, Invoker
from sagelocal.endpoints.streaming import Stream
from sagelocal.endpoints.traffic import Traffic

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)

_RETRY_SECONDS = (1.0, 60.0)  # first and longest pause when an endpoint that served before can't be brought up again
_SOCKET_PATH_BYTES = 107
_GOING_BACK = ("RollingBack", "UpdateRollbackFailed")


class Manager:
    """One of it runs all endpoints of a state folder."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._root = app.settings.state / "endpoints"
        self.sockets = _socket_folder(app.settings.state)  # where model servers listen, a transform job's too
        self._serving: dict[str, Traffic] = {}
        self._invoker = Invoker(app, self._serving)
        self._asynchronous = Asynchronous(app, self._serving)
        self._starting: dict[str, Fleet] = {}  # what comes up beside it
        self._deleting: set[str] = set()
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = defaultdict(threading.Lock)  # an endpoint's changes, one at a time
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._uploader = Uploader(app.s3, self._root)

    def deploy(self, name: str) -> None:
        """Brings an endpoint's pending plan up, in the background; the outcome is in its status."""
        self._background(f"deploy {name}", lambda: self._deploy(name))

    def delete(self, name: str) -> None:
        self._background(f"delete {name}", lambda: self._delete(name))

    def resume(self) -> None:
        """After a start: what was InService serves again, what was being changed is changed."""
        for endpoint in self._app.store.list("Endpoint"):
            name, status = endpoint["EndpointName"], endpoint["EndpointStatus"]
            self._sweep(endpoint)
            if running := endpoint.get("_running"):
                self._serving[name] = Traffic(self._fleet(name, running))
            if status == "Deleting":
                self.delete(name)
            elif status != "Failed":
                self._background(f"resume {name}", functools.partial(self._resume, name))
        self._asynchronous.resume()

    def close(self) -> None:
        """Stops every model server; statuses stay, so that `resume` continues."""
        self._closing.set()
        self._asynchronous.close()
        with self._lock:
            serving = [fleet for traffic in self._serving.values() for fleet in traffic.fleets]
            fleets = {*serving, *self._starting.values()}
        stopping = [threading.Thread(target=fleet.stop) for fleet in fleets]
        for thread in stopping:
            thread.start()
        for thread in [*stopping, *list(self._threads)]:
            thread.join()
        self._uploader.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def serves(self, endpoint_name: str) -> bool:
        """Whether an endpoint of this name takes requests; names are compared with their case, as on AWS."""
        return endpoint_name in self._serving

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """Sends a request to a variant's container; header names in lower case. Raises AwsError."""
        return await self._invoker.invoke(endpoint_name, headers, body)

    async def stream(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> Stream:
        """The same, answered while the container answers. Raises AwsError before the first part."""
        return await self._invoker.stream(endpoint_name, headers, body)

    def accept(self, endpoint_name: str, request: dict[str, Any]) -> Accepted:
        """InvokeEndpointAsync: it is on disk when this returns. Raises AwsError."""
        return self._asynchronous.accept(endpoint_name, request)

    def _resume(self, name: str) -> None:
        with self._turns[name]:
            idle = self._take_up(name)
        self._retire(idle)

    def _take_up(self, name: str) -> list[Fleet]:
        """The old fleet first, until it serves; then the change that was under way, or that is asked for meanwhile."""
        idle: list[Fleet] = []
        pause = _RETRY_SECONDS[0]
        while (traffic := self._serving.get(name)) and not self._serves(name, traffic.fleets[0]):
            idle += self._change(name)
            if (now := self._serving.get(name)) is None or now.fleets[0].up.done():
                return idle
            if self._closing.wait(pause):
                raise ClosedError
            pause = min(pause * 2, _RETRY_SECONDS[1])
        self._go_on()
        endpoint = self._app.store.find("Endpoint", name)
        if endpoint and endpoint["EndpointStatus"] in _GOING_BACK:  # it has: the old fleet serves, with all instances
            reason = (endpoint.get("_rollout") or {}).get("Reason") or endpoint.get("FailureReason")
            self._in_service(name, endpoint["_running"], reason)
        return idle + self._change(name)

    def _serves(self, name: str, fleet: Fleet) -> bool:
        """Starts the fleet; one that does not come up is replaced, to be started another time."""
        try:
            fleet.start()
        except UnhealthyError as error:
            self._go_on()
            log.warning("endpoint %s does not serve again yet: %s", name, error)
            fleet.stop()
            with self._lock:
                if name in self._serving:  # not deleted meanwhile
                    self._serving[name] = Traffic(self._fleet(name, fleet.plan))
            return False
        return True

    def _sweep(self, endpoint: dict[str, Any]) -> None:
        """Removes what fleets of an earlier life left on disk, but for the models of what is to run."""
        pending = None if endpoint["EndpointStatus"] in _GOING_BACK else endpoint.get("_pending")
        kept = {plan["Id"] for plan in (endpoint.get("_running"), pending) if plan}
        folder = self._root / endpoint["EndpointName"]
        stale = [child for child in folder.glob("*") if child.name not in {*kept, "capture"}]
        for path in [*stale, *folder.glob("*/*/i-*")]:
            shutil.rmtree(path, ignore_errors=True)

    def _deploy(self, name: str) -> None:
        with self._turns[name]:
            self._go_on()
            idle = self._change(name)
        self._retire(idle)

    def _change(self, name: str) -> list[Fleet]:
        """Does what is pending, if anything is; gives the fleets that have no traffic any more."""
        endpoint, traffic = self._app.store.find("Endpoint", name), self._serving.get(name)
        if endpoint is None or endpoint["EndpointStatus"] not in ("Creating", "Updating"):
            return []
        if traffic is None:
            return self._create(name, endpoint["_pending"])
        plan, running, fleet = endpoint["_pending"], endpoint["_running"], traffic.fleets[0]
        if plan["Id"] != running["Id"]:
            return self._update(name, endpoint, traffic)
        return self._adjust(name, fleet, plan, running) if fleet.up.done() else []

    def _create(self, name: str, plan: dict[str, Any]) -> list[Fleet]:
        fleet = self._starting[name] = self._fleet(name, plan)
        try:
            self._go_on()
            fleet.start()
        except UnhealthyError as error:
            self._go_on()
            failed = {"EndpointStatus": "Failed", "FailureReason": str(error)}
            over = {"_pending": None, "PendingDeploymentSummary": None}
            self._app.store.update("Endpoint", name, failed | over)
            return [fleet]
        finally:
            with self._lock:
                del self._starting[name]
                if fleet.up.done():
                    self._serving[name] = Traffic(fleet)
        self._in_service(name, plan)
        return []

    def _adjust(self, name: str, fleet: Fleet, plan: dict[str, Any], running: dict[str, Any]) -> list[Fleet]:
        """New weights and instance counts; the old ones again when they can't be had."""
        try:
            fleet.adjust(plan)
        except UnhealthyError as error:
            self._go_on()
            self._app.store.update("Endpoint", name, {"EndpointStatus": "RollingBack", "FailureReason": str(error)})
            with suppress(UnhealthyError):  # it serves with what there is
                fleet.adjust(running)
            self._in_service(name, running, str(error))
        else:
            self._in_service(name, plan)
        return []

    def _update(self, name: str, endpoint: dict[str, Any], traffic: Traffic) -> list[Fleet]:
        green = self._starting[name] = self._fleet(name, endpoint["_pending"])
        try:
            return rollout.Rollout(self._app, endpoint, traffic, green, self._closing).run()
        finally:
            with self._lock:
                del self._starting[name]

    def _retire(self, fleets: list[Fleet]) -> None:
        for fleet in fleets:
            fleet.drain(self._closing)
            self._discard(fleet)

    def _in_service(self, name: str, plan: dict[str, Any], reason: str | None = None) -> None:
        self._app.store.update("Endpoint", name, rollout.ended(plan, self._app.now(), reason))

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise ClosedError

    def _delete(self, name: str) -> None:
        with self._lock:
            endpoint = self._app.store.find("Endpoint", name)
            # Of several DeleteEndpoint calls one deletes: a late one must not meet a new endpoint of this name.
            if name in self._deleting or not endpoint or endpoint["EndpointStatus"] != "Deleting":
                return
            self._deleting.add(name)
            traffic = self._serving.pop(name, None)
        try:
            self._asynchronous.forget(name)
            self._retire(traffic.fleets if traffic else [])
            self._uploader.forget(self._root / name / "capture")
            _remove(self._root / name)
            with self._lock:
                self._app.store.delete("Endpoint", name)
                self._deleting.discard(name)
        except BaseException:
            self._deleting.discard(name)
            raise

    def _fleet(self, name: str, plan: dict[str, Any]) -> Fleet:
        if plan.get("Async"):
            self._asynchronous.serve(name)
        return Fleet(self._app, name, plan, folder=self._root / name, sockets=self.sockets, uploader=self._uploader)

    def _discard(self, fleet: Fleet) -> None:
        fleet.stop()
        shutil.rmtree(fleet.folder, ignore_errors=True)

    def _background(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except ClosedError:
                pass  # the status stays, resume() takes it up
            except Exception:
                if not self._closing.is_set():
                    log.exception("%s failed", name)
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.add(thread)
        thread.start()


def _remove(folder: Path) -> None:
    """An endpoint's folder, but for captured data that S3 has not got yet."""
    for child in folder.glob("*"):
        if child.name != "capture":
            shutil.rmtree(child, ignore_errors=True)
    for empty in (folder / "capture", folder):
        with suppress(OSError):
            empty.rmdir()


def _socket_folder(state: Path) -> Path:
    """A private folder of this state folder's own, short for a socket's 107 bytes of path. What a kill left goes."""
    own = f"sagelocal-{os.geteuid()}-{hashlib.sha256(str(state).encode()).hexdigest()[:10]}"
    roots = [os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), tempfile.gettempdir(), "/tmp"]
    fits = [root for root in roots if os.access(root, os.W_OK) and len(f"{root}/{own}") < _SOCKET_PATH_BYTES - 16]
    folder = Path(fits[0], own)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)  # fails, rather than trust it, when somebody else's folder is in the way
    return folder
