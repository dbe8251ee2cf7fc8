"""InvokeEndpointAsync: an invocation is on disk before its 202, and is answered also after a kill (at least once)."""

from __future__ import annotations

import asyncio
import base64
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.endpoints import asynchronous_config as config
from sagelocal.endpoints.asynchronous_queue import KIND, Queue, Waiting
from sagelocal.endpoints.traffic import Traffic
from sagelocal.store import Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

_TTL_SECONDS = 21_600  # RequestTTLSeconds and InvocationTimeoutSeconds by default, from their API reference
_TIMEOUT_SECONDS = 900
_PAGE = 200  # documents read at once after a start; each may have a body
_CONTAINERS = {  # request member -> the header that a container sees
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
}


@dataclass(frozen=True)
class Accepted:
    """The answer of InvokeEndpointAsync; a location is None where its endpoint config has no path."""

    inference_id: str
    output: str | None
    failure: str | None


class Asynchronous:
    """The queues of all asynchronous endpoints. They have a thread and an event loop of their own.

    A gigabyte on its way to a container so delays no real-time request; an endpoint has invocations of one kind only,
    and so each model server belongs to one of the two loops.
    """

    def __init__(self, app: SageLocal, serving: Mapping[str, Traffic]) -> None:
        self._app = app
        self._serving = serving
        self._queues: dict[str, Queue] = {}  # the loop's thread alone touches it
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # both from the first asynchronous endpoint on

    def accept(self, endpoint_name: str, request: Document) -> Accepted:
        """`request` has the members of InvokeEndpointAsync, valid by its shape. Raises AwsError."""
        _check(request)
        name = str(uuid.uuid4())
        with self._app.store.transaction():  # an endpoint that is deleted meanwhile leaves nothing in its queue
            plan = self._plan(endpoint_name)
            document = self._document(endpoint_name, plan, name, request)
            self._app.store.create(KIND, name, document, parent=endpoint_name)
        self._call(self._put, endpoint_name, Waiting.of(document))
        return Accepted(document["InferenceId"], document["OutputLocation"], document["FailureLocation"])

    def serve(self, endpoint_name: str) -> None:
        """From now on, an asynchronous endpoint's backlog is answered and measured."""
        self._call(self._queue, endpoint_name)

    def forget(self, endpoint_name: str) -> None:
        """The endpoint is deleted: nothing of its queue is answered any more."""
        if self._loop:
            asyncio.run_coroutine_threadsafe(self._forget(endpoint_name), self._loop).result()
        while documents := self._app.store.page(KIND, parent=endpoint_name, limit=_PAGE):
            for document in documents:
                with suppress(Missing):
                    self._app.store.delete(KIND, document["Name"])

    def resume(self) -> None:
        """After a start: everything acknowledged that has no result yet goes back into its queue."""
        found: list[tuple[str, Waiting]] = []
        while documents := self._app.store.page(KIND, offset=len(found), limit=_PAGE):
            found += [(document["EndpointName"], Waiting.of(document)) for document in documents]
        endpoints = {endpoint["EndpointName"] for endpoint in self._app.store.list("Endpoint")}
        for deleted in {endpoint_name for endpoint_name, _ in found} - endpoints:
            self.forget(deleted)
        for endpoint_name, waiting in found:  # only now: whoever is answered is gone from the store
            if endpoint_name in endpoints:
                self._call(self._put, endpoint_name, waiting)

    def close(self) -> None:
        """What is under way stays on disk, and begins again at the next start."""
        if not self._loop or not self._thread:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _plan(self, name: str) -> Document:
        endpoint = self._app.store.find("Endpoint", name)
        plan = (endpoint or {}).get("_running")
        if not endpoint or not plan or endpoint["EndpointStatus"] == "Deleting":
            said = f"Endpoint {name} of account {self._app.settings.account} not found."
            status = f" Its status is {endpoint['EndpointStatus']}." if endpoint else ""
            raise AwsError("ValidationError", said + status)
        if not plan.get("Async"):
            raise AwsError(
                "ValidationError",
                f"Endpoint {name} is not an asynchronous endpoint: its config {plan['EndpointConfigName']} has no "
                "AsyncInferenceConfig. Call InvokeEndpoint.",
            )
        return dict(plan)

    def _document(self, endpoint_name: str, plan: Document, name: str, request: Document) -> Document:
        output, failure = config.locations(
            plan["Async"], name, request.get("S3OutputPathExtension", ""), request.get("Filename", "")
        )
        request = {"InferenceId": str(uuid.uuid4()), **request}
        return {
            "Name": name,
            "EndpointName": endpoint_name,
            "InferenceId": request["InferenceId"],
            "InputLocation": request.get("InputLocation"),
            "Body": base64.b64encode(request["Body"]).decode() if request.get("Body") else None,
            "Headers": {header: request[member] for member, header in _CONTAINERS.items() if member in request},
            "OutputLocation": output,
            "FailureLocation": failure,
            "Notification": config.notification(plan["Async"]),
            "ReceivedTime": self._app.now(),
            "RequestTTLSeconds": request.get("RequestTTLSeconds", _TTL_SECONDS),
            "InvocationTimeoutSeconds": request.get("InvocationTimeoutSeconds", _TIMEOUT_SECONDS),
        }

    def _call(self, work: Any, *arguments: Any) -> None:
        with self._lock:
            if not self._loop:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="asynchronous", daemon=True)
                self._thread.start()
        self._loop.call_soon_threadsafe(work, *arguments)

    def _queue(self, endpoint_name: str) -> Queue:
        if endpoint_name not in self._queues:
            self._queues[endpoint_name] = Queue(self._app, endpoint_name, self._serving)
        return self._queues[endpoint_name]

    def _put(self, endpoint_name: str, waiting: Waiting) -> None:
        self._queue(endpoint_name).put(waiting)

    async def _forget(self, endpoint_name: str) -> None:
        if queue := self._queues.pop(endpoint_name, None):
            await queue.close()

    async def _close(self) -> None:
        queues, self._queues = self._queues, {}
        await asyncio.gather(*(queue.close() for queue in queues.values()))


def _check(request: Document) -> None:
    if bool(request.get("Body")) == ("InputLocation" in request):
        raise AwsError("ValidationError", "Provide exactly one of InputLocation and Body.")
