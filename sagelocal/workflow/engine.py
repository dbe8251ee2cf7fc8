"""Starts, stops and takes up pipeline executions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sagelocal.workflow.execution import KIND, RUNNING, Execution

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_JOIN_SECONDS = 5.0


class Engine:
    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._executions: dict[str, Execution] = {}
        self._closed = False

    def start(self, execution_arn: str) -> None:
        """Runs an execution that is in the store, in the background; nothing happens if it runs already."""
        with self._lock:
            self._executions = {arn: one for arn, one in self._executions.items() if not one.finished}
            if self._closed or execution_arn in self._executions:
                return
            execution = Execution(self._app, execution_arn)
            self._executions[execution_arn] = execution
        execution.start()

    def stop(self, execution_arn: str) -> None:
        """Stops the running steps of an execution whose status is Stopping already."""
        with self._lock:
            execution = self._executions.get(execution_arn)
        if execution:
            execution.stop()
            self._wake()

    def resume(self) -> None:
        """Goes on with every execution that was running when the process ended."""
        for status in RUNNING:
            for execution in self._app.store.page(KIND, where=[("PipelineExecutionStatus", "=", status)]):
                self.start(execution["PipelineExecutionArn"])

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next engine's resume() goes on."""
        with self._lock:
            self._closed = True
            executions = list(self._executions.values())
        for execution in executions:
            execution.close()
        self._wake()
        for execution in executions:
            execution.join(_JOIN_SECONDS)

    def _wake(self) -> None:
        """An empty commit: steps that wait in the store look up and see what is asked of them."""
        with self._app.store.transaction():
            pass
