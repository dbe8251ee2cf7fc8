"""Endpoints at run time: deployments in the background, invocations, and taking up again what a kill ended."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.endpoints import plans
from sagelocal.endpoints.capture import Uploader
from sagelocal.endpoints.fleet import ClosedError, Fleet, UnhealthyError
from sagelocal.endpoints.invocation import Invocation, Invoker
from sagelocal.endpoints.traffic import Traffic
from sagelocal.store import Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)

_RETRY_SECONDS = (1.0, 60.0)  # first and longest pause when an endpoint that served before can't be brought up again
_SOCKET_PATH_BYTES = 107


class Manager:
    """One of it runs all endpoints of a state folder."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._root = app.settings.state / "endpoints"
        self.sockets = _socket_folder(app.settings.state)  # where model servers listen, a transform job's too
        self._serving: dict[str, Traffic] = {}
        self._invoker = Invoker(app, self._serving)
        self._starting: dict[str, Fleet] = {}  # what comes up beside it
        self._lock = threading.Lock()
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
            elif status in ("InService", "Creating", "Updating"):
                self._background(f"resume {name}", functools.partial(self._resume, name))

    def close(self) -> None:
        """Stops every model server; statuses stay, so that `resume` continues."""
        self._closing.set()
        with self._lock:
            serving = [fleet for traffic in self._serving.values() for fleet in traffic.fleets]
            fleets = [*serving, *self._starting.values()]
        stopping = [threading.Thread(target=fleet.stop) for fleet in fleets]
        for thread in stopping:
            thread.start()
        for thread in [*stopping, *list(self._threads)]:
            thread.join()
        self._uploader.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """Sends a request to a variant's container; header names in lower case. Raises AwsError."""
        return await self._invoker.invoke(endpoint_name, headers, body)

    def _resume(self, name: str) -> None:
        """The old fleet first, until it serves; then the change that was under way."""
        pause = _RETRY_SECONDS[0]
        while traffic := self._serving.get(name):
            (fleet,) = traffic.fleets
            try:
                fleet.start()
                break
            except UnhealthyError as error:
                log.warning("endpoint %s does not serve again yet: %s", name, error)
                fleet.stop()
            if self._closing.wait(pause):
                return
            pause = min(pause * 2, _RETRY_SECONDS[1])
            endpoint = self._app.store.get("Endpoint", name)
            with self._lock:
                if name in self._serving:  # not deleted meanwhile
                    self._serving[name] = Traffic(self._fleet(name, endpoint["_running"]))
        endpoint = self._app.store.get("Endpoint", name)
        if endpoint["EndpointStatus"] in ("Creating", "Updating") and not self._closing.is_set():
            self._deploy(name)

    def _sweep(self, endpoint: dict[str, Any]) -> None:
        """Removes what fleets of an earlier life left on disk, but for the models of what is to run."""
        kept = {plan["Id"] for plan in (endpoint.get("_running"), endpoint.get("_pending")) if plan}
        folder = self._root / endpoint["EndpointName"]
        stale = [child for child in folder.glob("*") if child.name not in {*kept, "capture"}]
        for path in [*stale, *folder.glob("*/*/i-*")]:
            shutil.rmtree(path, ignore_errors=True)

    def _deploy(self, name: str) -> None:
        plan = self._app.store.get("Endpoint", name)["_pending"]
        traffic = self._serving.get(name)
        old = traffic.fleets[0] if traffic else None
        try:
            if old and old.id == plan["Id"]:
                old.adjust(plan)
            else:
                self._replace(name, plan, old)
        except UnhealthyError as error:
            self._failed(name, str(error), serving=old is not None)
            return
        self._in_service(name, plan)
        if old and old.id != plan["Id"]:
            old.drain(self._closing)
            self._discard(old)

    def _replace(self, name: str, plan: dict[str, Any], old: Fleet | None) -> None:
        fleet = self._starting[name] = self._fleet(name, plan)
        try:
            if self._closing.is_set():
                raise ClosedError
            fleet.start()
        except UnhealthyError:
            self._discard(fleet)
            raise
        finally:
            with self._lock:
                del self._starting[name]
                if fleet.up.done():
                    self._take_over(name, fleet)
        if old and self._closing.wait(plan.get("KeepOldSeconds", 0)):
            raise ClosedError

    def _take_over(self, name: str, fleet: Fleet) -> None:
        """From here on the fleet takes all traffic."""
        if traffic := self._serving.get(name):
            traffic.route((fleet, 1.0))
        else:
            self._serving[name] = Traffic(fleet)

    def _in_service(self, name: str, plan: dict[str, Any]) -> None:
        changes = {"EndpointStatus": "InService", "FailureReason": None, "_running": plan, "_pending": None}
        self._app.store.update("Endpoint", name, plans.described(plan, self._app.now()) | changes)

    def _failed(self, name: str, reason: str, serving: bool) -> None:
        """A failed update leaves the endpoint InService on its old config, a failed creation is final."""
        status = "InService" if serving else "Failed"
        self._app.store.update("Endpoint", name, {"EndpointStatus": status, "FailureReason": reason, "_pending": None})

    def _delete(self, name: str) -> None:
        with self._lock:
            traffic = self._serving.pop(name, None)
        for fleet in traffic.fleets if traffic else []:
            fleet.drain(self._closing)
            self._discard(fleet)
        shutil.rmtree(self._root / name, ignore_errors=True)
        with suppress(Missing):  # two DeleteEndpoint calls at once
            self._app.store.delete("Endpoint", name)

    def _fleet(self, name: str, plan: dict[str, Any]) -> Fleet:
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


def _socket_folder(state: Path) -> Path:
    """A private folder of this state folder's own, short for a socket's 107 bytes of path. What a kill left goes."""
    own = f"sagelocal-{os.geteuid()}-{hashlib.sha256(str(state).encode()).hexdigest()[:10]}"
    roots = [os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), tempfile.gettempdir(), "/tmp"]
    fits = [root for root in roots if os.access(root, os.W_OK) and len(f"{root}/{own}") < _SOCKET_PATH_BYTES - 16]
    folder = Path(fits[0], own)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)  # fails, rather than trust it, when somebody else's folder is in the way
    return folder
