"""Jobs that are made of other jobs, tuning and AutoML: a thread each, which looks whenever something was committed."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from sagelocal.api.errors import AwsError
from sagelocal.store import Closed

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.store import Store

log = logging.getLogger(__name__)
_JOIN_SECONDS = 5.0


class Work(Protocol):
    """One such job."""

    def advance(self) -> bool:
        """One look at everything; True when the job has ended."""

    def patience(self) -> float | None:
        """Seconds after which to look again though nothing was committed; None where time changes nothing."""

    def fail(self, reason: str) -> None:
        """Ends the job, which sagelocal itself failed on."""


class Supervisor:
    def __init__(self, store: Store, name: str, work: Work) -> None:
        self._store, self._name, self._work = store, name, work
        self._closing = False
        self.finished = False
        self._thread = threading.Thread(target=self._main, name=f"job-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and leaves every status as it is. The caller then commits to the store."""
        self._closing = True

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _main(self) -> None:
        try:
            while not self._closing:
                version = self._store.version
                if self._work.advance():
                    break
                self._store.changed_since(version, self._work.patience())
        except Closed:
            log.info("the job %s waits for the next start", self._name)
        except Exception as error:  # a job's status must end, whatever went wrong with running it
            log.exception("the job %s", self._name)
            with contextlib.suppress(Closed, LookupError):
                reason = error.message if isinstance(error, AwsError) else f"{type(error).__name__}: {error}"
                self._work.fail(f"InternalServerError: {reason}")
        finally:
            self.finished = True


class Supervisors:
    """Starts the jobs of one kind, and takes them up after a restart."""

    def __init__(self, app: SageLocal, kind: str, running: Sequence[str], work: Callable[[str], Work]) -> None:
        """`running` are the statuses of a job that goes on; `work` takes the name of one that is in the store."""
        self._app, self._kind, self._running, self._work = app, kind, running, work
        self._lock = threading.Lock()
        self._supervisors: dict[str, Supervisor] = {}
        self._closed = False

    def start(self, name: str) -> None:
        """Runs a job that is in the store, in the background."""
        with self._lock:
            self._supervisors = {name: one for name, one in self._supervisors.items() if not one.finished}
            if self._closed or name in self._supervisors:
                return
            supervisor = Supervisor(self._app.store, name, self._work(name))
            self._supervisors[name] = supervisor
        supervisor.start()

    def resume(self) -> None:
        """Goes on with every job that was running when the process ended."""
        for status in self._running:
            for job in self._app.store.page(self._kind, where=[(f"{self._kind}Status", "=", status)]):
                self.start(job[f"{self._kind}Name"])

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next one's resume() goes on."""
        with self._lock:
            self._closed = True
            supervisors = list(self._supervisors.values())
        for each in supervisors:
            each.close()
        with self._app.store.transaction():
            pass  # an empty commit: they look up and see that they are to end
        for each in supervisors:
            each.join(_JOIN_SECONDS)
