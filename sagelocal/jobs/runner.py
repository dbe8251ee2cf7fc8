"""Which jobs run when: in the order of their start, as many hosts at once as the machine has cores."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from sagelocal.jobs import processing_run, reasons, staging, training_run, transform_run
from sagelocal.jobs.container import ClosingError, Control
from sagelocal.jobs.instances import host_count
from sagelocal.jobs.slots import Slots
from sagelocal.jobs.transitions import moved
from sagelocal.sandbox import ForbiddenError
from sagelocal.store import Closed

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_log = logging.getLogger(__name__)
_RUNS: dict[str, Callable[[SageLocal, str, Control], None]] = {
    "ProcessingJob": processing_run.run,
    "TrainingJob": training_run.run,
    "TransformJob": transform_run.run,
}
_STATUS = {kind: f"{kind}Status" for kind in _RUNS}


class Runner:
    """`stop_grace`: seconds between a stopped job's SIGTERM and its SIGKILL, on AWS 120."""

    def __init__(self, app: SageLocal, stop_grace: float = 120.0) -> None:
        self.stop_grace = stop_grace
        self.slots = Slots(app.settings.cpus)
        self._app = app
        self._controls: dict[tuple[str, str], Control] = {}
        self._turns: dict[tuple[str, str], Future[None]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._pool = ThreadPoolExecutor(max_workers=app.settings.cpus, thread_name_prefix="job")

    def start(self, kind: str, name: str) -> None:
        """Returns at once; the job's document is in the store already."""
        control = Control()
        with self._lock:
            if self._closed:
                return  # the next start finds it InProgress
            before = self._turns.get((kind, name))
            self._controls[kind, name] = control
            self._turns[kind, name] = self._pool.submit(self._run, kind, name, control, before)

    def stop(self, kind: str, name: str) -> None:
        """A job that still waits for its turn ends at once, too."""
        with self._lock:
            control, turn = self._controls.get((kind, name)), self._turns.get((kind, name))
        if control and turn:
            control.stop()
            if turn.cancel():
                threading.Thread(target=self._run, args=(kind, name, control), name=f"stop {name}").start()

    def interrupt(self, kind: str, name: str) -> bool:
        """Takes a running job's instances back, as a cloud short of capacity does; False for one that does not run."""
        control = self._controls.get((kind, name))
        if control:
            control.interrupt()
        return control is not None

    def resume(self) -> None:
        """Jobs that a stop or kill of sagelocal interrupted run again from a new staging folder."""
        staging.remove(self._app.settings.state / "jobs")
        for kind, status in _STATUS.items():
            for running in ("InProgress", "Stopping"):
                for document in self._app.store.page(kind, where=[(status, "=", running)]):
                    self.start(kind, document[f"{kind}Name"])

    def close(self) -> None:
        """Kills what runs; statuses stay, so that `resume` continues."""
        with self._lock:
            self._closed = True
        for control in list(self._controls.values()):
            control.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, kind: str, name: str, control: Control, before: Future[None] | None = None) -> None:
        """`before` is a deleted job of the same name that has ended and still clears the folder away."""
        again = False
        try:
            if before:
                wait([before])
            control.check()
            job = self._app.store.get(kind, name)
            if job[_STATUS[kind]] == "Stopping":
                control.stop()  # a Stop between the job's creation and its start found no control to tell

            def ends() -> bool:
                control.check()
                return control.stopping

            with self.slots.hold(host_count(kind, job), ends):
                _RUNS[kind](self._app, name, control)
        except (ClosingError, Closed):
            pass
        except ForbiddenError as error:
            self._fail(kind, name, f"ClientError: {error}")  # no internal error: a retry would not help
        except Exception as error:  # a job's status must end, whatever went wrong with running it
            _log.exception("%s %s", kind, name)
            again = self._retried(kind, name)
            if not again:
                self._fail(kind, name, f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            with self._lock:  # `start` has put both there, a newer one its own
                if self._controls.get((kind, name)) is control:
                    del self._controls[kind, name], self._turns[kind, name]
        if again:
            self.start(kind, name)

    def _retried(self, kind: str, name: str) -> bool:
        """Whether the job's RetryStrategy has an attempt left, which applies to internal errors only; counts it."""
        with contextlib.suppress(Closed, LookupError):  # closing, or the job was deleted meanwhile
            job = self._app.store.get(kind, name)
            left = (job.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0) - job.get("_retries", 0)
            if left > 0 and job[_STATUS[kind]] == "InProgress":

                def starting(document: dict[str, Any]) -> None:
                    document["_retries"] = document.get("_retries", 0) + 1
                    moved(document, "Starting", self._app.now())

                self._app.store.update(kind, name, edit=starting)
                return True
        return False

    def _fail(self, kind: str, name: str, reason: str) -> None:
        with contextlib.suppress(Closed, LookupError):  # closing, or the job was deleted meanwhile
            if kind == "TrainingJob":
                training_run.fail(self._app, name, reason)
            else:
                self._app.store.update(kind, name, {_STATUS[kind]: "Failed", "FailureReason": reason[: reasons.LIMIT]})
