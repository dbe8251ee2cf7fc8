"""One running execution: a thread that decides what starts, and a thread for each step that runs."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any

from sagelocal.store import Closed
from sagelocal.workflow import graph
from sagelocal.workflow.attempts import STEP, StepRun, Surroundings
from sagelocal.workflow.steps.attempt import Closing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
KIND = "PipelineExecution"
RUNNING = ("Executing", "Stopping")  # of an execution
FAILURE = "Step failure: One or multiple steps failed."  # AWS's words
log = logging.getLogger(__name__)


def definition_of(app: SageLocal, execution: Document) -> Document:
    version = app.store.get("PipelineVersion", execution["_version"])
    return dict(json.loads(version["PipelineDefinition"]))


class Execution:
    """Runs what is left of one pipeline execution."""

    def __init__(self, app: SageLocal, arn: str) -> None:
        self._store = app.store
        self._arn = arn
        document = self._store.get(KIND, arn)
        steps = graph.build(definition_of(app, document)["Steps"])
        self._around = Surroundings(app, document, steps, threading.Event(), threading.Event())
        chosen = document.get("_selected")
        self._graph = steps if chosen is None else graph.select(steps, set(chosen))
        # Steps that have ended and how; None to look again.
        self._events: queue.SimpleQueue[tuple[str, graph.Progress] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        if document["PipelineExecutionStatus"] == "Stopping":
            self._around.stopping.set()
        self.finished = False  # true just before the final status is in the store

    def start(self) -> None:
        self._spawn(self._main, self._arn.rsplit("/", 1)[-1])

    def stop(self) -> None:
        """Nothing new starts, and what runs is stopped. The caller then commits to the store, which wakes the steps."""
        self._around.stopping.set()
        self._events.put(None)

    def close(self) -> None:
        """Ends the threads and leaves every status as it is. The caller then commits to the store."""
        self._around.closing.set()
        self._events.put(None)

    def join(self, timeout: float) -> None:
        for thread in list(self._threads):
            thread.join(timeout)

    def _spawn(self, target: Any, name: str, *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=target, args=arguments, name=f"pipeline-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _main(self) -> None:
        try:
            self._run()
        except (Closed, Closing):
            pass
        except Exception:
            log.exception("pipeline execution %s", self._arn)
            with contextlib.suppress(Closed):
                self._finish("Failed", "InternalServerError: see sagelocal's log.")

    def _run(self) -> None:
        frontier = graph.Frontier(self._graph, self._started())
        running = {name for name, one in frontier.started.items() if one.status not in graph.ENDED}
        for name in running:
            self._spawn(self._step, name, self._graph[name])
        while not self._around.closing.is_set():
            for name in frontier.take(self._room(len(running))):
                running.add(name)
                self._spawn(self._step, name, self._graph[name])
            if not running:
                self._conclude(frontier)
                return
            if ended := self._events.get():
                running.discard(ended[0])
                frontier.end(*ended)

    def _started(self) -> dict[str, graph.Progress]:
        """What an engine before this one has left; steps that a selective execution reuses are none of these."""
        records = self._store.list(STEP, parent=self._arn)
        return {one["StepName"]: graph.progress(one) for one in records if one["StepName"] in self._graph}

    def _room(self, running: int) -> int | None:
        """How many more steps may start now; None is as many as are ready."""
        if self._around.stopping.is_set():
            return 0
        limits = self._store.get(KIND, self._arn).get("ParallelismConfiguration")  # UpdatePipelineExecution changes it
        return max(0, limits["MaxParallelExecutionSteps"] - running) if limits else None

    def _step(self, node: graph.Node) -> None:
        with contextlib.suppress(Closed, Closing):
            self._events.put((node.name, StepRun(self._around, node).run()))

    def _conclude(self, frontier: graph.Frontier) -> None:
        unwell = {name for name, one in frontier.started.items() if one.status in ("Failed", "Stopped")}
        if self._around.stopping.is_set():
            self._finish("Stopped")
        elif not unwell:
            self._finish("Succeeded")
        else:
            rescued = graph.rescuers(self._graph) & frontier.started.keys()
            fatal = unwell & rescued or {name for name in unwell if self._graph[name].type == "Fail"}
            self._finish("CompletedWithFailures" if rescued and not fatal else "Failed", FAILURE)

    def _finish(self, status: str, reason: str | None = None) -> None:
        self.finished = True
        self._store.update(KIND, self._arn, {"PipelineExecutionStatus": status, "FailureReason": reason})
