"""The path of a request: from the wire to a variant's container and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagelocal.api.errors import AwsError
from sagelocal.endpoints import serverless, streaming, targets
from sagelocal.endpoints.fleet import Fleet
from sagelocal.endpoints.instance import BetweenError, Call, FailedError, SlowError
from sagelocal.endpoints.server import ModelServer, Reply, UnansweredError
from sagelocal.endpoints.streaming import Stream
from sagelocal.endpoints.traffic import Traffic
from sagelocal.endpoints.variant import Variant

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

PAYLOAD_LIMIT = 25 * 1024 * 1024  # bytes; the documented limit of real-time endpoints
_ANSWER_SECONDS = 60.0  # the documented time a container has to answer
_PREFIX = "x-amzn-sagemaker-"
_FORWARDED = ("content-type", "accept", f"{_PREFIX}custom-attributes", f"{_PREFIX}inference-id")
_UNSUPPORTED = {
    f"{_PREFIX}enable-explanations": "EnableExplanations",
    f"{_PREFIX}inference-component": "InferenceComponentName",
    f"{_PREFIX}session-id": "SessionId",
    f"{_PREFIX}prefix-aware-id": "PrefixAwareId",
}
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {}. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


@dataclass(frozen=True)
class Invocation:
    """The answer of InvokeEndpoint."""

    status: int
    headers: dict[str, str]
    body: bytes


class Invoker:
    """Answers requests from what serves: `serving` maps an endpoint's name to its traffic."""

    def __init__(self, app: SageLocal, serving: Mapping[str, Traffic]) -> None:
        self._app = app
        self._serving = serving

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """Sends a request to a variant's container; header names in lower case. Raises AwsError."""
        started = time.perf_counter()
        _check(headers, body)
        fleet = await self._fleet(endpoint_name)
        variant = _variant(endpoint_name, fleet, headers, body)
        forwarded = {name: headers[name] for name in _FORWARDED if name in headers}
        call = Call(forwarded, body, _ANSWER_SECONDS, *targets.of(endpoint_name, variant.plan, headers))
        with fleet.busy():
            async with self._admitted(fleet, variant) if variant.serverless else nullcontext():
                server, reply = await self._ask(fleet, variant, call, headers, started)
        if not 200 <= reply.status < 300:
            raise self._model_error(fleet, reply.status, reply.body.decode(errors="replace"), server)
        content_type = reply.headers.get("content-type", "application/octet-stream")
        if variant.recorder and variant.recorder.sampled():
            variant.recorder.record(headers, body, content_type, reply.body)
        return Invocation(200, _answer_headers(variant.name, content_type, reply.headers), reply.body)

    async def _ask(
        self, fleet: Fleet, variant: Variant, call: Call, headers: Mapping[str, str], started: float
    ) -> tuple[ModelServer, Reply]:
        asked = time.perf_counter()
        status, refused = 0, False
        try:
            with self._answering(fleet):
                server, reply = await variant.request(call)
            status = reply.status
        except AwsError as error:
            refused = error.code != "ModelError"  # a model that isn't there: no container was asked
            raise
        finally:
            answered = time.perf_counter()
            if not refused:
                variant.meter.observe(status, answered - asked, asked - started)
            fleet.mirror(call, headers)
        return server, reply

    async def stream(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> Stream:
        """Like `invoke`, with the answer as event stream frames; what breaks off after its first byte is one, too."""
        started = time.perf_counter()
        _check(headers, body)
        fleet = await self._fleet(endpoint_name)
        variant = _variant(endpoint_name, fleet, headers, body)
        forwarded = {name: headers[name] for name in _FORWARDED if name in headers}
        if accept := headers.get(f"{_PREFIX}accept"):  # this operation's own name for it
            forwarded["accept"] = accept
        call = Call(forwarded, body, streaming.STREAM_SECONDS, *targets.of(endpoint_name, variant.plan, headers))
        async with AsyncExitStack() as opening:
            opening.enter_context(fleet.busy())
            await opening.enter_async_context(self._admitted(fleet, variant))
            asked, status = time.perf_counter(), 0
            opening.callback(lambda: variant.meter.observe(status, time.perf_counter() - asked, asked - started))
            opening.callback(fleet.mirror, call, headers)
            with self._answering(fleet):
                server, response = await opening.enter_async_context(variant.stream(call))
                status = response.status
                if not 200 <= status < 300:
                    said = (await response.read()).decode(errors="replace")
                    raise self._model_error(fleet, status, said, server)
            content_type = response.headers.get("content-type", "application/octet-stream")
            answered = _answer_headers(variant.name, content_type, response.headers)
            answered |= {"Content-Type": streaming.MEDIA_TYPE, "X-Amzn-SageMaker-Content-Type": content_type}
            return Stream(answered, response, opening.pop_all(), lambda: variant.meter.first_chunk(started, asked))
        raise AssertionError  # an AsyncExitStack swallows nothing

    @contextmanager
    def _answering(self, fleet: Fleet) -> Iterator[None]:
        """What goes wrong between us and a container, as AWS's errors."""
        try:
            yield
        except TimeoutError as error:
            container = error.container if isinstance(error, SlowError) else "primary"
            raise self._model_error(fleet, 0, _TIMED_OUT.format(container), name=container) from None
        except BetweenError as error:
            raise AwsError("ModelError", str(error), 424, OriginalStatusCode=200, OriginalMessage=str(error)) from None
        except UnansweredError as error:
            said = f"The model server did not answer: {error}"
            raise self._model_error(fleet, 0, said, name=error.container) from error
        except FailedError as error:
            reply = error.reply
            raise self._model_error(fleet, reply.status, reply.body.decode(errors="replace"), error.server) from None

    @asynccontextmanager
    async def _admitted(self, fleet: Fleet, variant: Variant) -> AsyncIterator[None]:
        """Around a request; a model that doesn't come up is one that doesn't answer."""
        async with AsyncExitStack() as admission:
            with self._answering(fleet):
                await admission.enter_async_context(variant.admit())
            yield

    async def _fleet(self, endpoint_name: str) -> Fleet:
        traffic = self._serving.get(endpoint_name)
        if traffic is None:
            raise self._unknown(endpoint_name)
        fleet = traffic.pick()
        if not fleet.up.done():  # just after a start of sagelocal
            await _within(asyncio.wrap_future(fleet.up), _ANSWER_SECONDS)
        return fleet

    def _unknown(self, name: str) -> AwsError:
        """AWS's sentence, also while an endpoint does not serve yet; its status is ours to add."""
        endpoint = self._app.store.find("Endpoint", name)
        said = f"Endpoint {name} of account {self._app.settings.account} not found."
        return AwsError("ValidationError", f"{said} Its status is {endpoint['EndpointStatus']}." if endpoint else said)

    def _model_error(
        self, fleet: Fleet, status: int, said: str, server: ModelServer | None = None, name: str = "primary"
    ) -> AwsError:
        settings = self._app.settings
        whose = "client" if 400 <= status < 500 else "server"
        stream = f":log-stream:{server.stream}" if server else ""
        where = f"See the log group {fleet.group} in account {settings.account} for more information."
        name = server.container if server else name
        shown = said if len(said) <= 1500 else said[:1500] + "…"  # the model allows 2048 characters
        return AwsError(
            "ModelError",
            f'Received {whose} error ({status}) from {name} with message "{shown}". {where}',
            424,
            OriginalStatusCode=status,
            OriginalMessage=said[:2048],
            LogStreamArn=f"arn:aws:logs:{settings.region}:{settings.account}:log-group:{fleet.group}{stream}",
        )


def _variant(endpoint_name: str, fleet: Fleet, headers: Mapping[str, str], body: bytes) -> Variant:
    """The variant that a request is for. Raises AwsError."""
    if fleet.plan.get("Async"):
        raise AwsError(
            "ValidationError",
            f"Endpoint {endpoint_name} is an asynchronous endpoint, which takes no InvokeEndpoint: call "
            "InvokeEndpointAsync.",
        )
    target = headers.get(f"{_PREFIX}target-variant")
    variant = fleet.pick(target)
    if variant is None:
        raise AwsError("ValidationError", f"Variant {target} not found for endpoint {endpoint_name}.")
    serverless.check_payload(variant, body)
    return variant


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


def _answer_headers(variant: str, content_type: str, given: Mapping[str, str]) -> dict[str, str]:
    headers = {"Content-Type": content_type, "x-Amzn-Invoked-Production-Variant": variant}
    if attributes := given.get(f"{_PREFIX}custom-attributes"):
        headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
    return headers
