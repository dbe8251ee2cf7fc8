"""Multi-model mode: which models one container of an instance has loaded, and making room for others.

As the developer guide has it: a model is downloaded and loaded by the first request for it, once however many ask; when
memory runs short those unload that were used least recently. Their files stay, so that a model replaced on S3 under its
old key goes on being served as it was.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tarfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal import sandbox
from sagelocal.api.errors import AwsError
from sagelocal.endpoints import artifacts
from sagelocal.endpoints.launched import MODELS
from sagelocal.endpoints.meter import HOSTS, Meter
from sagelocal.endpoints.server import ModelServer, Reply
from sagelocal.jobs.checks import s3_uri

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

TARGET = "x-amzn-sagemaker-target-model"
_LOADING_SECONDS = 360.0  # the documented time that a model may take to be downloaded and loaded
_FULL = 0.8  # of the instance's memory: no model is loaded before others have made room; AWS names no figure
_NO_MEMORY = 507
_LOADED = 409


class FailedError(Exception):
    """A container answered no 2xx before the request had come to its last stage."""

    def __init__(self, server: ModelServer, reply: Reply) -> None:
        super().__init__(f"{server.container} answered {reply.status}")
        self.server = server
        self.reply = reply


@dataclass
class _Loaded:
    process: sandbox.Process | None  # of the container that has it
    users: int = 0  # requests that it is answering


class Models:
    """Of one container; the event loop's thread alone uses it. `memory` is in bytes, `folder` gets models' files."""

    def __init__(
        self, app: SageLocal, server: ModelServer, container: Mapping[str, Any], folder: Path, memory: int, meter: Meter
    ) -> None:
        self._s3 = app.s3
        self._server = server
        self._prefix: str = container["Prefix"].rstrip("/")
        self._cached = container["Cache"] != "Disabled"
        self._folder = folder
        self._memory = memory
        self._meter = meter
        self._loaded: dict[str, _Loaded] = {}  # the least recently used first
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._unloading: dict[str, asyncio.Task[None]] = {}
        self._making_room = asyncio.Lock()

    @asynccontextmanager
    async def invoking(self, target: str, seconds: float) -> AsyncIterator[str]:
        """The path to send a request to, with the model loaded. Raises AwsError, FailedError and what requests do."""
        asked = time.perf_counter()
        loaded = self._present(target)
        self._meter.record("ModelCacheHit", 1.0 if loaded else 0.0)
        while loaded is None:
            await self._load_within(target, seconds - (time.perf_counter() - asked))
            loaded = self._present(target)
        self._meter.record("ModelLoadingWaitTime", (time.perf_counter() - asked) * 1e6, "Microseconds")
        self._loaded[target] = self._loaded.pop(target)
        loaded.users += 1
        try:
            yield f"/models/{_name(target)}/invoke"
        finally:
            loaded.users -= 1
            if not self._cached and not loaded.users and self._loaded.get(target) is loaded:
                self._unload(target)

    async def lost(self, target: str, reply: Reply) -> bool:
        """Whether to send a request again that was answered so: the container had no such model, or no memory."""
        if reply.status == 404 and (await self._ask("GET", f"/models/{_name(target)}")).status == 404:
            self._forget(target)
            return True
        return reply.status == _NO_MEMORY and await self._evict()

    def _present(self, target: str) -> _Loaded | None:
        found = self._loaded.get(target)
        if found and found.process is not self._server.process:  # the container was started again, without models
            self._forget(target)
            return None
        return found

    def _forget(self, target: str) -> None:
        self._loaded.pop(target, None)
        self._count()

    def _count(self) -> None:
        self._meter.record("LoadedModelCount", float(len(self._loaded)), namespace=HOSTS)

    async def _load_within(self, target: str, seconds: float) -> None:
        task = self._loading.get(target) or self._background(self._loading, target, self._load(target))
        done, _ = await asyncio.wait([task], timeout=max(0.0, seconds))
        if not done:
            said = f"Model {target} is still being downloaded or loaded. Wait and try again."
            raise AwsError("ModelNotReadyException", said, 429)
        task.result()

    async def _load(self, target: str) -> None:
        if unloading := self._unloading.get(target):
            await asyncio.wait([unloading])
        began = time.perf_counter()
        await asyncio.to_thread(self._download, target)
        self._meter.record("ModelDownloadingTime", (time.perf_counter() - began) * 1e6, "Microseconds")
        began = time.perf_counter()
        name = _name(target)
        body = json.dumps({"model_name": name, "url": f"{MODELS}/{name}/model"}).encode()
        await self._make_room()
        process = self._server.process
        reply = await self._ask("POST", "/models", body, target)
        while reply.status == _NO_MEMORY and await self._evict():
            reply = await self._ask("POST", "/models", body, target)
        if not 200 <= reply.status < 300 and reply.status != _LOADED:
            raise FailedError(self._server, reply)
        self._meter.record("ModelLoadingTime", (time.perf_counter() - began) * 1e6, "Microseconds")
        self._loaded[target] = _Loaded(process)
        self._count()

    def _download(self, target: str) -> None:
        uri = f"{self._prefix}/{target.lstrip('/')}"
        bucket, key = s3_uri(uri)
        folder = self._folder / _name(target)
        try:
            artifacts.stage(self._s3, {"S3Uri": uri, "S3DataType": "S3Object", "CompressionType": "Gzip"}, folder)
        except (ClientError, BotoCoreError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise AwsError(
                "ValidationError",
                f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object "
                "located at the URL and that the role passed to CreateModel has permissions to download the model.",
            ) from error
        except (tarfile.TarError, EOFError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise AwsError(
                "ValidationError",
                f"Failed to extract model data archive(bucket: {bucket}, key: {key}): {error}. Please ensure that the "
                "object located at the URL is a valid tar.gz archive.",
            ) from error

    async def _make_room(self) -> None:
        async with self._making_room:
            while self._loaded and await asyncio.to_thread(self._used) > _FULL * self._memory:
                if not await self._evict():
                    return

    def _used(self) -> int:
        process = self._server.process
        return process.memory() if process else 0

    async def _evict(self) -> bool:
        """Unloads what was used least recently of what answers nobody; whether there was any."""
        idle = next((target for target, loaded in self._loaded.items() if not loaded.users), None)
        if idle is None:
            return False
        await asyncio.wait([self._unload(idle)])
        return True

    def _unload(self, target: str) -> asyncio.Task[None]:
        del self._loaded[target]  # at once, so that nobody asks for it any more
        return self._background(self._unloading, target, self._unloaded(target))

    async def _unloaded(self, target: str) -> None:
        began = time.perf_counter()
        await self._ask("DELETE", f"/models/{_name(target)}", target=target)
        self._meter.record("ModelUnloadingTime", (time.perf_counter() - began) * 1e6, "Microseconds")
        self._count()
        if not self._cached:
            await asyncio.to_thread(shutil.rmtree, self._folder / _name(target), ignore_errors=True)

    async def _ask(self, method: str, path: str, body: bytes = b"", target: str = "") -> Reply:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if target:
            headers[TARGET] = target
        async with self._server.exchange(method, path, headers, body, _LOADING_SECONDS) as response:
            return Reply(response.status, response.headers, await response.read())

    def _background(
        self, tasks: dict[str, asyncio.Task[None]], target: str, work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Begins it, to be found in `tasks` until it is done."""

        def done(task: asyncio.Task[None]) -> None:
            del tasks[target]
            if not task.cancelled():
                task.exception()  # who waits for it is told; nobody may

        task = tasks[target] = asyncio.create_task(work)
        task.add_done_callback(done)
        return task


def _name(target: str) -> str:
    """The container knows a model by an opaque name, fit for a path."""
    return hashlib.sha256(target.encode()).hexdigest()[:32]
