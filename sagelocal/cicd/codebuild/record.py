"""The document and log of a build while it runs: which phase it is in, and how each has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codebuild import builds, transitions
from sagelocal.cicd.codebuild.log import BuildLog
from sagelocal.cicd.codebuild.session import EndedError, Guard

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
STATUS = {"stopped": "STOPPED", "timed out": "TIMED_OUT", "": "FAILED"}  # by a guard's reason
_CONTEXT = {
    "timed out": {"statusCode": "BUILD_TIMED_OUT", "message": "Build has timed out. "},
    "": {
        "statusCode": "CLIENT_ERROR",
        "message": "The build container ended by itself: see the end of the log.",
    },
}


class ClosingError(Exception):
    """sagelocal closes: the build's status stays, and it runs again after the next start."""


class PhaseError(Exception):
    """A phase failed; `code` and the message become its context."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Record:
    """Every change is on disk before the call returns. All raise ClosingError when sagelocal closes."""

    def __init__(self, app: SageLocal, build: Document, log: BuildLog, guard: Guard) -> None:
        """`build` is in PROVISIONING."""
        self.build, self.log = build, log
        self._app, self._guard = app, guard

    def change(self, **members: Any) -> None:
        self._edit(lambda build: build.update(members))

    def complete(self, status: str) -> None:
        self._edit(lambda build: transitions.complete(build, status, self._app.now()))

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """PhaseError and EndedError are recorded and raised again."""
        self._edit(lambda build: transitions.enter(build, name, self._app.now()))
        with self.ending_phase():
            yield

    @contextlib.contextmanager
    def ending_phase(self) -> Iterator[None]:
        """The same for the phase that the build is in already."""
        try:
            self._guard.check()
            yield
        except PhaseError as error:
            self._end("FAILED", {"statusCode": error.code, "message": str(error)})
            raise
        except EndedError:
            self._end(STATUS.get(self._guard.reason, ""), _CONTEXT.get(self._guard.reason))
            raise
        self._end("SUCCEEDED")

    def _end(self, status: str, context: Document | None = None) -> None:
        name = self.build["currentPhase"]
        if name not in ("PROVISIONING", "FINALIZING"):
            said = context or {"statusCode": "", "message": ""}
            self.log.said(f"Phase complete: {name} State: {status}")
            self.log.said(f"Phase context status code: {said['statusCode']} Message: {said['message']}")
        contexts = [context] if context else []
        self._edit(lambda build: transitions.leave(build, status, self._app.now(), contexts))

    def _edit(self, edit: Callable[[Document], None]) -> None:
        if self._guard.reason == "closing":
            raise ClosingError
        self.build = self._app.store.update(builds.KIND, self.build["id"], edit=edit)
