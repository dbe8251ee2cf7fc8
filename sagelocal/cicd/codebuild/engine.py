"""Starts, stops and takes up builds."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codebuild import builds, log, run, transitions
from sagelocal.cicd.codebuild.record import ClosingError
from sagelocal.cicd.codebuild.session import Guard
from sagelocal.store import Closed, Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_log = logging.getLogger(__name__)
_LEAST_AT_ONCE = 2  # builds: most of a build's time here is waiting for the executions that it has started


@dataclass(frozen=True)
class Input:
    """An artifact that a pipeline hands to a build: a zip in S3, or a commit to be cloned in full."""

    name: str
    s3: str = ""  # s3://bucket/key of the zip; "" for a clone
    repository: str = ""  # of a clone: what `sagelocal.cicd.remote` knows it by, such as local/churn
    commit: str = ""  # of a source artifact: the commit id, which becomes CODEBUILD_RESOLVED_SOURCE_VERSION


@dataclass(frozen=True)
class Order:
    """A build that a pipeline's action asks for; users' own StartBuild has none."""

    project: str
    initiator: str  # codepipeline/<pipeline name>
    inputs: Sequence[Input]
    primary: str  # which input becomes CODEBUILD_SRC_DIR
    outputs: Mapping[str, str] = field(default_factory=dict)  # output artifact's name -> s3://bucket/key to put its zip
    variables: Sequence[Mapping[str, Any]] = ()  # the action's EnvironmentVariables, parsed
    token: str = ""  # the same token gives the same build: a pipeline that goes on after a kill asks again


class Builder:
    """Runs builds in the order of their start. One that a stop or kill of sagelocal interrupts runs again from its
    beginning, in a new folder and under the same id (on AWS there is no such thing: a build's host does not restart).
    """

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._folder = app.settings.state / "codebuild"
        self._guards: dict[str, Guard] = {}
        self._turns: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._closed = False
        at_once = max(_LEAST_AT_ONCE, app.settings.cpus // 2)
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="build")

    def start(self, order: Order) -> str:
        """The build's id; its document (kind "CodeBuildBuild") is on disk. Raises AwsError."""
        build = builds.ordered(self._app, order)
        self.submit(build["id"])
        return str(build["id"])

    def stop(self, identifier: str) -> None:
        """Ends a build, also one that waits for its turn; nothing for one that has ended."""
        with self._lock:
            guard, turn = self._guards.get(identifier), self._turns.get(identifier)
        if guard and turn:
            if turn.cancel():
                self._forget(identifier)
                self._end_queued(identifier, "STOPPED")
            else:
                guard.end("stopped")

    def log_file(self, identifier: str) -> Path:
        """A build's log as a plain file, which grows while it runs. Raises Missing."""
        return log.file_of(self._app.settings.state, self._app.store.get(builds.KIND, identifier))

    def submit(self, identifier: str) -> None:
        """Gives a build its turn; nothing for one that has it or has ended."""
        build = self._app.store.get(builds.KIND, identifier)
        left = build["queuedTimeoutInMinutes"] * 60 - (time.time() - build["startTime"])
        with self._lock:
            if self._closed or identifier in self._turns or build["buildComplete"]:
                return  # the next start finds it in progress
            guard = self._guards[identifier] = Guard()
            guard.limit(left, lambda: self._out_of_queue(identifier))
            self._turns[identifier] = self._pool.submit(self._run, identifier, guard)

    def resume(self) -> None:
        """Goes on with every build that was running when the process ended."""
        shutil.rmtree(self._folder / "builds", ignore_errors=True)  # the attempts that were interrupted
        for build in self._app.store.page(builds.KIND, where=[("buildComplete", "=", False)]):
            self.submit(build["id"])

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next resume() goes on."""
        with self._lock:
            self._closed = True
            guards = list(self._guards.values())
        for guard in guards:
            guard.end("closing")
        self._pool.shutdown(wait=True, cancel_futures=True)
        for guard in guards:
            guard.close()

    def _run(self, identifier: str, guard: Guard) -> None:
        try:
            if guard.reason != "closing":
                run.run(self._app, identifier, self._folder, guard)
        except (ClosingError, Closed, Missing):  # it goes on at the next start, or was deleted
            pass
        except Exception as error:  # a build's status must end, whatever went wrong with running it
            _log.exception("build %s", identifier)
            self._fault(identifier, f"{type(error).__name__}: {error}")
        finally:
            guard.close()
            self._forget(identifier)

    def _forget(self, identifier: str) -> None:
        with self._lock:
            guard = self._guards.pop(identifier, None)
            self._turns.pop(identifier, None)
        if guard:
            guard.close()

    def _out_of_queue(self, identifier: str) -> None:
        with self._lock:
            turn = self._turns.get(identifier)
        if turn and turn.cancel():
            self._forget(identifier)
            self._end_queued(identifier, "TIMED_OUT")

    def _end_queued(self, identifier: str, status: str) -> None:
        def edit(build: dict[str, Any]) -> None:
            transitions.leave(build, status, self._app.now())
            transitions.complete(build, status, self._app.now())

        self._app.store.update(builds.KIND, identifier, edit=edit)

    def _fault(self, identifier: str, message: str) -> None:
        def edit(build: dict[str, Any]) -> None:
            context = {"statusCode": "INTERNAL_SERVICE_ERROR", "message": message}
            if "phaseStatus" not in build["phases"][-1]:
                transitions.leave(build, "FAULT", self._app.now(), [context])
            if not build["buildComplete"]:
                transitions.complete(build, "FAULT", self._app.now())

        with contextlib.suppress(Closed, Missing):
            self._app.store.update(builds.KIND, identifier, edit=edit)
