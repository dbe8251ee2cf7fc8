"""Endpoints at run time: deployments in the background, invocations, and taking up again what a kill ended."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.endpoints import plans
from sagelocal.endpoints.capture import Uploader
from sagelocal.endpoints.fleet import ClosedError, Fleet, UnhealthyError
from sagelocal.endpoints.server import ModelServer, Reply, UnansweredError
from sagelocal.store import Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)

PAYLOAD_LIMIT = 25 * 1024 * 1024  # bytes; the documented limit of real-time endpoints
_ANSWER_SECONDS = 60.0  # the documented time a container has to answer
_RETRY_SECONDS = (1.0, 60.0)  # first and longest pause when an endpoint that served before can't be brought up again
_SOCKET_PATH_BYTES = 107
_PREFIX = "x-amzn-sagemaker-"
_FORWARDED = ("content-type", "accept", f"{_PREFIX}custom-attributes", f"{_PREFIX}inference-id")
_UNSUPPORTED = {
    f"{_PREFIX}target-model": "TargetModel",
    f"{_PREFIX}target-container-hostname": "TargetContainerHostname",
    f"{_PREFIX}enable-explanations": "EnableExplanations",
    f"{_PREFIX}inference-component": "InferenceComponentName",
    f"{_PREFIX}session-id": "SessionId",
    f"{_PREFIX}prefix-aware-id": "PrefixAwareId",
}


@dataclass(frozen=True)
class Invocation:
    """The answer of InvokeEndpoint."""

    status: int
    headers: dict[str, str]
    body: bytes


class Manager:
    """One of it runs all endpoints of a state folder."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._root = app.settings.state / "endpoints"
        self.sockets = _socket_folder(app.settings.state)  # where model servers listen, a transform job's too
        self._fleets: dict[str, Fleet] = {}  # what serves
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
                self._fleets[name] = self._fleet(name, running)
            if status == "Deleting":
                self.delete(name)
            elif status in ("InService", "Creating", "Updating"):
                self._background(f"resume {name}", functools.partial(self._resume, name))

    def close(self) -> None:
        """Stops every model server; statuses stay, so that `resume` continues."""
        self._closing.set()
        with self._lock:
            fleets = [*self._fleets.values(), *self._starting.values()]
        stopping = [threading.Thread(target=fleet.stop) for fleet in fleets]
        for thread in stopping:
            thread.start()
        for thread in [*stopping, *list(self._threads)]:
            thread.join()
        self._uploader.close()
        shutil.rmtree(self.sockets, ignore_errors=True)

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """Sends a request to a variant's container; header names in lower case. Raises AwsError."""
        _check(headers, body)
        fleet = self._fleets.get(endpoint_name)
        if fleet is None:
            raise self._unknown(endpoint_name)
        if not fleet.up.done():  # just after a start of sagelocal
            await _within(asyncio.wrap_future(fleet.up), _ANSWER_SECONDS)
        target = headers.get(f"{_PREFIX}target-variant")
        variant = fleet.pick(target)
        if variant is None:
            raise AwsError("ValidationError", f"Variant {target} not found for endpoint {endpoint_name}.")
        forwarded = {name: headers[name] for name in _FORWARDED if name in headers}
        try:
            server, reply = await fleet.request(variant, forwarded, body, _ANSWER_SECONDS)
        except TimeoutError:
            raise self._model_error(fleet, 0, _TIMED_OUT) from None
        except UnansweredError as error:
            raise self._model_error(fleet, 0, f"The model server did not answer: {error}") from error
        if not 200 <= reply.status < 300:
            raise self._model_error(fleet, reply.status, reply.body.decode(errors="replace"), server)
        content_type = reply.headers.get("content-type", "application/octet-stream")
        if variant.recorder and variant.recorder.sampled():
            variant.recorder.record(headers, body, content_type, reply.body)
        return Invocation(200, _answer_headers(variant.name, content_type, reply), reply.body)

    def _unknown(self, name: str) -> AwsError:
        """AWS's sentence, also while an endpoint does not serve yet; its status is ours to add."""
        endpoint = self._app.store.find("Endpoint", name)
        said = f"Endpoint {name} of account {self._app.settings.account} not found."
        return AwsError("ValidationError", f"{said} Its status is {endpoint['EndpointStatus']}." if endpoint else said)

    def _model_error(self, fleet: Fleet, status: int, said: str, server: ModelServer | None = None) -> AwsError:
        settings = self._app.settings
        whose = "client" if 400 <= status < 500 else "server"
        stream = f":log-stream:{server.stream}" if server else ""
        where = f"See the log group {fleet.group} in account {settings.account} for more information."
        shown = said if len(said) <= 1500 else said[:1500] + "…"  # the model allows 2048 characters
        return AwsError(
            "ModelError",
            f'Received {whose} error ({status}) from primary with message "{shown}". {where}',
            424,
            OriginalStatusCode=status,
            OriginalMessage=said[:2048],
            LogStreamArn=f"arn:aws:logs:{settings.region}:{settings.account}:log-group:{fleet.group}{stream}",
        )

    def _resume(self, name: str) -> None:
        """The old fleet first, until it serves; then the change that was under way."""
        pause = _RETRY_SECONDS[0]
        while fleet := self._fleets.get(name):
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
                if name in self._fleets:  # not deleted meanwhile
                    self._fleets[name] = self._fleet(name, endpoint["_running"])
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
        old = self._fleets.get(name)
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
                    self._fleets[name] = fleet  # from here on it takes all traffic
        if old and self._closing.wait(plan.get("KeepOldSeconds", 0)):
            raise ClosedError

    def _in_service(self, name: str, plan: dict[str, Any]) -> None:
        changes = {"EndpointStatus": "InService", "FailureReason": None, "_running": plan, "_pending": None}
        self._app.store.update("Endpoint", name, plans.described(plan, self._app.now()) | changes)

    def _failed(self, name: str, reason: str, serving: bool) -> None:
        """A failed update leaves the endpoint InService on its old config, a failed creation is final."""
        status = "InService" if serving else "Failed"
        self._app.store.update("Endpoint", name, {"EndpointStatus": status, "FailureReason": reason, "_pending": None})

    def _delete(self, name: str) -> None:
        with self._lock:
            fleet = self._fleets.pop(name, None)
        if fleet:
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


_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


def _check(headers: Mapping[str, str], body: bytes) -> None:
    if len(body) > PAYLOAD_LIMIT:
        raise AwsError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less "
            f"than or equal to {PAYLOAD_LIMIT}",
        )
    for header, member in _UNSUPPORTED.items():
        if header in headers:
            raise AwsError("ValidationError", f"InvokeEndpoint's {member} is not implemented by sagelocal.")


async def _within(work: asyncio.Future[None], seconds: float) -> None:
    try:
        await asyncio.wait_for(asyncio.shield(work), seconds)
    except TimeoutError:
        said = "The endpoint's model servers are still being started: try again."
        raise AwsError("ServiceUnavailable", said, 503) from None


def _answer_headers(variant: str, content_type: str, reply: Reply) -> dict[str, str]:
    headers = {"Content-Type": content_type, "x-Amzn-Invoked-Production-Variant": variant}
    if attributes := reply.headers.get(f"{_PREFIX}custom-attributes"):
        headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
    return headers


def _socket_folder(state: Path) -> Path:
    """A private folder of this state folder's own, short for a socket's 107 bytes of path. What a kill left goes."""
    own = f"sagelocal-{os.geteuid()}-{hashlib.sha256(str(state).encode()).hexdigest()[:10]}"
    roots = [os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), tempfile.gettempdir(), "/tmp"]
    fits = [root for root in roots if os.access(root, os.W_OK) and len(f"{root}/{own}") < _SOCKET_PATH_BYTES - 16]
    folder = Path(fits[0], own)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)  # fails, rather than trust it, when somebody else's folder is in the way
    return folder
