"""One instance of a transform job: its objects, in order, through its model server into output files.

At most MaxConcurrentTransforms requests are in memory at once, whatever an object's size: an answer that came is
written in its turn before the next request is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.endpoints.instance import Call, FailedError
from sagelocal.endpoints.instance import Instance as Host
from sagelocal.endpoints.server import Reply, UnansweredError
from sagelocal.jobs import transfer
from sagelocal.jobs.logs import LogWriter
from sagelocal.jobs.transform_join import JSON_LINES, Processing
from sagelocal.jobs.transform_records import SPLITTERS, Batch, RecordError, batches, lines

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_MB = 2**20
FEW_PARTS = TransferConfig(max_concurrency=2)  # of 8 MB in memory; boto3's default of ten would be most of what is
_TIMEOUT, _RETRIES = 600, 3  # API reference: the defaults of ModelClientConfig
_PAUSES = (0.1, 0.3, 1.0)  # s before the first, second and third retry; AWS does not say
_RESTART_PATIENCE = 60.0  # s that a request waits for a model server that is being started again


@dataclass
class Failure:
    kind: str  # ClientError or AlgorithmError, as AWS begins a FailureReason
    message: str
    log: str = ""  # file of the data log


@dataclass
class Item:
    """An input object, where its output is made, and why there is none."""

    source: transfer.Object
    output: Path
    failure: Failure | None = None


@dataclass(frozen=True)
class Limits:
    """What of a request and of the container's /execution-parameters holds, in this order, before the defaults."""

    concurrent: int
    payload: int  # MB, 0: no limit
    single: bool

    @classmethod
    def of(cls, job: Mapping[str, Any], container: Mapping[str, Any]) -> Limits:
        strategy = job.get("BatchStrategy") or container.get("BatchStrategy") or "MULTI_RECORD"
        payload = job.get("MaxPayloadInMB", container.get("MaxPayloadInMB"))
        concurrent = job.get("MaxConcurrentTransforms") or container.get("MaxConcurrentTransforms")
        return cls(int(concurrent or 1), 6 if payload is None else int(payload), "SINGLE" in strategy.upper())

    def __str__(self) -> str:
        strategy = "SINGLE_RECORD" if self.single else "MULTI_RECORD"
        return f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload}, BatchStrategy={strategy}"


async def execution_parameters(host: Host) -> Document:
    """What the (first) container answers, if it has the optional path at all."""
    try:
        async with host.servers[0].exchange("GET", "/execution-parameters", {}, None, 10.0) as response:
            found = json.loads(await response.read()) if response.status == 200 else {}
    except (UnansweredError, TimeoutError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class _RejectedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Instance:
    """`run` may be cancelled; `close` in any case."""

    def __init__(self, app: SageLocal, job: Document, host: Host, limits: Limits, processing: Processing) -> None:
        self._app = app
        self._host = host
        self._limits = limits
        self._processing = processing
        self._input = job["TransformInput"]
        self._assemble_lines = job["TransformOutput"].get("AssembleWith") == "Line"
        client = job.get("ModelClientConfig") or {}
        self._seconds = float(client.get("InvocationsTimeoutInSeconds", _TIMEOUT))
        self._retries = client.get("InvocationsMaxRetries", _RETRIES)
        self._headers = {"content-type": self._input.get("ContentType") or "application/octet-stream"}
        if accept := job["TransformOutput"].get("Accept"):
            self._headers["accept"] = accept
        self._pending: deque[tuple[Item, asyncio.Task[bytes]]] = deque()
        self._log = LogWriter(app, host.group, f"{host.name}/data-log")
        self._say(str(limits))

    async def run(self, items: Sequence[Item]) -> None:
        """What fails an item is in its `failure`; raises for what is wrong with sagelocal or the machine."""
        for item in items:
            local = item.output.with_suffix(".in")
            try:
                await self._send(item, local)
            except (RecordError, gzip.BadGzipFile, EOFError, zlib.error, transfer.TransferError) as error:
                self._fail(item, Failure("ClientError", str(error)))
            finally:
                local.unlink(missing_ok=True)
        while self._pending:
            await self._settle()

    async def close(self) -> None:
        for _, task in self._pending:
            task.cancel()
        await asyncio.gather(*(task for _, task in self._pending), return_exceptions=True)
        for server in self._host.servers:
            await server.disconnect()
        self._log.close()

    async def _send(self, item: Item, local: Path) -> None:
        await asyncio.to_thread(fetch, self._app.s3, item.source, local)
        item.output.touch()
        if self._streams:
            while self._pending:
                await self._settle()
            await self._stream(item, local)
            return
        with _opened(local, self._input["CompressionType"]) as file:
            found = self._batches(file)
            while batch := await asyncio.to_thread(next, found, None):
                while len(self._pending) >= self._limits.concurrent:
                    await self._settle()
                if item.failure:
                    return
                self._pending.append((item, asyncio.create_task(self._ask(item, batch))))

    @property
    def _streams(self) -> bool:
        """MaxPayloadInMB 0: whole objects, chunked, answers likewise."""
        split = self._input["SplitType"] != "None"
        return self._limits.payload == 0 and self._processing.identity and not (split and self._limits.single)

    def _batches(self, file: BinaryIO) -> Iterator[Batch]:
        split, limit = self._input["SplitType"], self._limits.payload * _MB
        prepare = self._processing.prepare
        if split != "None":
            records = SPLITTERS[split](file, not self._limits.single)
            separator = b"\n" if split == "Line" else b""
            yield from batches(records, prepare, limit=limit, single=self._limits.single, separator=separator)
        elif not self._processing.identity and self._processing.content_type == JSON_LINES:
            yield from batches(lines(file, True), prepare, limit=limit, single=False, whole=True)
        else:
            data = file.read(limit + 1) if limit else file.read()
            yield from batches([data], prepare, limit=limit, single=True)

    async def _settle(self) -> None:
        """Writes the oldest answer to its object's output; after an object's failure its answers count no more."""
        item, task = self._pending[0]
        try:
            output = await task
        except _RejectedError as error:
            self._fail(item, error.failure)
            output = b""
        self._pending.popleft()
        if not item.failure:
            await asyncio.to_thread(_append, item.output, output)

    async def _ask(self, item: Item, batch: Batch) -> bytes:
        where = f"s3://{item.source.bucket}/{item.source.key}, {batch}"
        reply = await self._retried(where, batch.body)
        if self._processing.changes_output:
            try:
                made = await asyncio.to_thread(self._processing.finish, batch.records, reply.body)
            except ValueError as error:
                raise _RejectedError(Failure("ClientError", f"{where}: {error}")) from error
            end = b"\n" if self._assemble_lines else b""
            return end.join(made) + end
        body = reply.body
        return body + b"\n" if self._assemble_lines and not body.endswith(b"\n") else body

    async def _retried(self, where: str, body: bytes) -> Reply:
        """A 4xx answer is final; anything else that is no success is asked for again, InvocationsMaxRetries times."""
        for attempt in range(self._retries + 1):
            if attempt:
                await asyncio.sleep(_PAUSES[attempt - 1])
            try:
                await self._healthy()
                _, reply = await self._host.request(Call(self._headers, body, self._seconds))
            except UnansweredError as error:
                why = str(error) or "it refuses connections"
                said = Failure("AlgorithmError", f"{where}: Unable to get response from algorithm: {why}")
                continue
            except TimeoutError:
                seconds = f"{self._seconds:g} s (InvocationsTimeoutInSeconds)"
                said = Failure("AlgorithmError", f"{where}: Model server did not respond within {seconds}")
                continue
            if 200 <= reply.status < 300:
                return reply
            said = _bad_status(where, reply.status, reply.body)
            if reply.status < 500:
                break
        raise _RejectedError(said)

    async def _healthy(self) -> None:
        deadline = asyncio.get_running_loop().time() + _RESTART_PATIENCE
        while not self._host.healthy:
            if asyncio.get_running_loop().time() > deadline:
                raise UnansweredError(f"it is being started again; its last line was: {self._host.last_line}")
            await asyncio.sleep(0.05)

    async def _stream(self, item: Item, local: Path) -> None:
        where = f"s3://{item.source.bucket}/{item.source.key}"
        try:
            await self._healthy()
            with _opened(local, self._input["CompressionType"]) as file:
                call = Call(self._headers, _chunks(file), self._seconds)
                async with self._host.stream(call) as (_, response):
                    if not 200 <= response.status < 300:
                        self._fail(item, _bad_status(where, response.status, await response.read()))
                        return
                    with item.output.open("wb") as output:
                        async for chunk in response.content.iter_chunked(_MB):
                            output.write(chunk)
        except FailedError as error:
            self._fail(item, _bad_status(where, error.reply.status, error.reply.body))
        except (UnansweredError, TimeoutError) as error:
            message = f"{where}: Unable to get response from algorithm: {error or 'timed out'}"
            self._fail(item, Failure("AlgorithmError", message))

    def _fail(self, item: Item, failure: Failure) -> None:
        if item.failure:
            return
        if "s3://" not in failure.message:
            failure.message = f"s3://{item.source.bucket}/{item.source.key}, {failure.message}"
        failure.log = str(self._log.path)
        item.failure = failure
        item.output.unlink(missing_ok=True)
        name = f"{item.source.bucket}/{item.source.key}"
        for line in (failure.kind, "", "Message:", *failure.message.splitlines()):
            self._say(f"{name}: {line}")

    def _say(self, text: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self._log.write(f"{now}:[sagemaker logs]: {text}\n".encode())


def _bad_status(where: str, status: int, body: bytes) -> Failure:
    said = body.decode(errors="replace").strip()
    kind = "ClientError" if 400 <= status < 500 else "AlgorithmError"
    return Failure(kind, f"{where}: Bad HTTP status received from algorithm: {status}. {said[:500]}")


def fetch(s3: Any, source: transfer.Object, path: Path) -> None:
    try:
        s3.download_file(source.bucket, source.key, str(path), Config=FEW_PARTS)
    except (BotoCoreError, ClientError) as error:
        raise transfer.TransferError(f"it could not be downloaded: {error}") from error


@contextlib.contextmanager
def _opened(local: Path, compression: str) -> Iterator[BinaryIO]:
    with local.open("rb") as file:
        if compression == "Gzip":
            with gzip.open(file) as plain:
                yield plain  # type: ignore[misc]
        else:
            yield file


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _MB):
        yield chunk


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as output:
        output.write(data)
