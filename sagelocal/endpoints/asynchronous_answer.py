"""One asynchronous invocation: its input from S3, a container's answer, the result on S3, the message on SNS."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError, ParamValidationError

from sagelocal.api.errors import AwsError
from sagelocal.endpoints.instance import Call
from sagelocal.endpoints.server import UnansweredError
from sagelocal.endpoints.variant import Variant
from sagelocal.jobs.logs import LogWriter
from sagelocal.jobs.transfer import TransferError, split_uri

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

INPUT_LIMIT = 1024 * 1024 * 1024  # bytes; the documented limit of asynchronous endpoints
_IN_MEMORY = 8 * 1024 * 1024  # bytes; a larger input goes by a file
_INCLUDED = 128 * 1024  # bytes of an answer that a notification may have
_LOGS = "See the SageMaker Endpoint logs in your account for more information."  # AWS's sentence


@dataclass(frozen=True)
class Outcome:
    """An answer, or with a `reason` a failure, whose body is what the container said of it."""

    body: bytes
    content_type: str
    reason: str = ""
    expired: bool = False


class Answer:
    """What becomes of the invocations of one endpoint; the coroutines of one event loop use it."""

    def __init__(self, app: SageLocal, endpoint: str) -> None:
        self._app = app
        self._group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self._folder = app.settings.state / "endpoints" / endpoint / "async"
        self._writers: dict[str, LogWriter] = {}

    async def give(self, document: Document, variant: Variant, gone: Callable[[], bool]) -> bool:
        """Answers an invocation and publishes the outcome; False when it must begin again, since its server is `gone`.

        A repetition after a kill writes the same objects. Raises what the disk raises, and BotoCoreError or ClientError
        while S3 or SNS is not there: then nothing has been decided, and it begins again, too.
        """
        waited = time.time() - document["ReceivedTime"]
        variant.meter.record("TimeInBacklog", waited * 1e6, "Microseconds")
        file = self._folder / f"{document['Name']}-{uuid.uuid4().hex}"
        try:
            outcome = await self._outcome(document, variant, gone, file)
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        if outcome is None:
            return False
        await self._publish(document, outcome, variant)
        return True

    async def expired(self, document: Document, variant: Variant | None) -> None:
        seconds = document["RequestTTLSeconds"]
        reason = f"ClientError: The request expired: it was in the queue for longer than RequestTTLSeconds ({seconds})."
        await self._publish(document, Outcome(reason.encode(), "text/plain", reason, expired=True), variant)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    async def _outcome(
        self, document: Document, variant: Variant, gone: Callable[[], bool], file: Path
    ) -> Outcome | None:
        started = time.perf_counter()
        try:
            body = await asyncio.to_thread(self._input, document, file)
        except (ClientError, ParamValidationError, TransferError, ValueError) as error:
            _raise_transient(error)
            variant.meter.record("RequestDownloadFailures", 1.0, "Count")
            return _failed(f"ClientError: The input {document['InputLocation']} could not be read: {error}")
        if document["InputLocation"]:
            variant.meter.record("RequestDownloadLatency", (time.perf_counter() - started) * 1e6, "Microseconds")
        return await self._ask(
            document, Call(document["Headers"], body, document["InvocationTimeoutSeconds"]), variant, gone
        )

    async def _ask(self, document: Document, call: Call, variant: Variant, gone: Callable[[], bool]) -> Outcome | None:
        asked = time.perf_counter()
        try:
            _, reply = await variant.request(call)
        except TimeoutError:
            said = f"did not answer within InvocationTimeoutSeconds ({document['InvocationTimeoutSeconds']})"
            return self._counted(variant, 0, asked, _failed(f"ClientError: The model {said}. {_LOGS}"))
        except AwsError as error:  # what a request to such a variant lacks: a TargetModel
            return _failed(f"ClientError: {error.message}")
        except UnansweredError as error:
            if gone():
                return None
            return self._counted(variant, 0, asked, _failed(f"ClientError: The model did not answer: {error}. {_LOGS}"))
        content_type = reply.headers.get("content-type", "application/octet-stream")
        outcome = Outcome(reply.body, content_type)
        if not 200 <= reply.status < 300:
            whose = "client" if 400 <= reply.status < 500 else "server"
            reason = f"ClientError: Received {whose} error ({reply.status}) from model. {_LOGS}"
            outcome = Outcome(reply.body or reason.encode(), content_type, reason)
        elif variant.recorder and isinstance(call.body, bytes) and variant.recorder.sampled():
            await asyncio.to_thread(variant.recorder.record, call.headers, call.body, content_type, reply.body)
        return self._counted(variant, reply.status, asked, outcome)

    @staticmethod
    def _counted(variant: Variant, status: int, asked: float, outcome: Outcome) -> Outcome:
        """Not by Meter.observe: asynchronous endpoints have no Invocations and no OverheadLatency."""
        variant.meter.record("ModelLatency", (time.perf_counter() - asked) * 1e6, "Microseconds")
        variant.meter.record("Invocation4XXErrors", float(400 <= status < 500))
        variant.meter.record("Invocation5XXErrors", float(not 200 <= status < 500))
        return outcome

    def _input(self, document: Document, file: Path) -> bytes | Path:
        """In memory where it is small, else in `file`. Raises ValueError for a location or size that can't be."""
        if document["Body"]:
            return base64.b64decode(document["Body"])
        bucket, key = _object(document["InputLocation"])
        found = self._app.s3.get_object(Bucket=bucket, Key=key)
        size = found["ContentLength"]
        if size > INPUT_LIMIT:
            raise ValueError(f"it has {size} bytes, and the limit is {INPUT_LIMIT}")
        if size <= _IN_MEMORY:
            return bytes(found["Body"].read())
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            shutil.copyfileobj(found["Body"], out, 1024 * 1024)
        return file

    async def _publish(self, document: Document, outcome: Outcome, variant: Variant | None) -> None:
        """The object, then the message, then the figures."""
        record = variant.meter.record if variant else lambda *_: None
        started = time.perf_counter()
        location = document["FailureLocation" if outcome.reason else "OutputLocation"]
        if location:
            try:
                await asyncio.to_thread(self._upload, location, outcome)
                record("ResponseUploadLatency", (time.perf_counter() - started) * 1e6, "Microseconds")
            except (ClientError, ParamValidationError) as error:
                _raise_transient(error)
                record("ResponseUploadFailures", 1.0, "Count")
                if not outcome.reason:
                    outcome = _failed(f"ClientError: The answer could not be written to {location}: {error}")
        topic = document["Notification"].get("ErrorTopic" if outcome.reason else "SuccessTopic")
        if topic:
            message = json.dumps(self._message(document, outcome), separators=(",", ":"))
            try:
                await asyncio.to_thread(self._app.settings.client("sns").publish, TopicArn=topic, Message=message)
            except (ClientError, ParamValidationError) as error:
                _raise_transient(error)
                record("NotificationFailures", 1.0, "Count")
                self._say(variant, document, f"The notification to {topic} failed: {error}")
        record("InvocationFailures" if outcome.reason else "InvocationsProcessed", 1.0, "Count")
        if outcome.expired:
            record("ExpiredRequests", 1.0, "Count")
        record("TotalProcessingTime", (time.time() - document["ReceivedTime"]) * 1e3, "Milliseconds")
        self._say(variant, document, outcome.reason or f"Inference request succeeded. Its output is {location}.")

    def _upload(self, location: str, outcome: Outcome) -> None:
        bucket, key = split_uri(location)
        self._app.s3.put_object(Bucket=bucket, Key=key, Body=outcome.body, ContentType=outcome.content_type)

    def _message(self, document: Document, outcome: Outcome) -> Document:
        """In the shape of AWS's notifications, which leave out what a request had not."""
        settings = self._app.settings
        asked = {
            "accept": document["Headers"].get("accept"),
            "contentType": document["Headers"].get("content-type"),
            "endpointName": document["EndpointName"],
            "inputLocation": document["InputLocation"],
        }
        answered = {"contentType": outcome.content_type, "outputLocation": document["OutputLocation"]}
        kind = "ERROR_NOTIFICATION_TOPIC" if outcome.reason else "SUCCESS_NOTIFICATION_TOPIC"
        included = kind in (document["Notification"].get("IncludeInferenceResponseIn") or [])
        message = {
            "awsRegion": settings.region,
            "eventTime": _time(time.time()),
            "receivedTime": _time(document["ReceivedTime"]),
            "invocationStatus": "Failed" if outcome.reason else "Completed",
            "failureReason": outcome.reason or None,
            "requestParameters": _given(asked),
            "responseParameters": None if outcome.reason else _given(answered),
            "responseBody": _included(outcome.body) if included else None,
            "inferenceId": document["InferenceId"],
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        return _given(message)

    def _say(self, variant: Variant | None, document: Document, said: str) -> None:
        """A line of the platform's own log, whose stream AWS calls <variant>/<instance>/data-log."""
        names = [instance.name for instance in variant.instances] if variant else []
        stream = f"{names[0] if names else variant.name if variant else document['EndpointName']}/data-log"
        if stream not in self._writers:
            self._writers[stream] = LogWriter(self._app, self._group, stream)
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "")
        self._writers[stream].write(f"{moment}:[sagemaker logs] [{document['InferenceId']}] {said}\n".encode())


def _raise_transient(error: Exception) -> None:
    """Raises what is a fault of S3 or SNS, not an answer of theirs."""
    if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        raise error


def _failed(reason: str) -> Outcome:
    return Outcome(reason.encode(), "text/plain", reason)


def _given(members: Document) -> Document:
    return {name: value for name, value in members.items() if value is not None}


def _included(body: bytes) -> Document:
    """AWS's responseBody; an answer above the limit is left out of it."""
    said = {"message": "Check S3 path location(if configured) or Cloudwatch for additional details."}
    if len(body) > _INCLUDED:
        return said
    return {"content": base64.b64encode(body).decode(), **said, "encoding": "BASE64"}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _object(location: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI or of an object's https address, by path or by host. Raises ValueError."""
    if location.startswith("s3://"):
        return split_uri(location)
    parts = urlsplit(location)
    host, path = parts.netloc, unquote(parts.path.lstrip("/"))
    if host.split(".")[0].split("-")[0] == "s3":
        bucket, _, key = path.partition("/")
        return bucket, key
    if ".s3" in host:
        return host.partition(".s3")[0], path
    raise ValueError(f"{location} is no address of an S3 object: write s3://<bucket>/<key>")
