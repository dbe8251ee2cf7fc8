"""One running execution: a thread that decides what starts, and a thread for each step that runs.

What is known lives in the store. A step's record, with the name that its job will have, is there before the job is, so
an engine that starts after a kill finds each step's job or creates it under the same name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import queue
import secrets
import string
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sagelocal.api.model import operation_model
from sagelocal.store import Closed
from sagelocal.workflow import cache, graph, retries, scope
from sagelocal.workflow.expressions import ExpressionError, Scope, resolve
from sagelocal.workflow.step_types import STEP_TYPES
from sagelocal.workflow.steps import RUN
from sagelocal.workflow.steps.attempt import Attempt, Closing, Result, StepFailed, StepStopped
from sagelocal.workflow.steps.resources import RESOURCES, resource_name

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
KIND, STEP, CACHE = "PipelineExecution", "PipelineExecutionStep", "PipelineStepCache"
RUNNING = ("Executing", "Stopping")  # of an execution
FAILURE = "Step failure: One or multiple steps failed."  # AWS's words
_NO_VALUES = ("Arguments", "CacheConfig", "RetryPolicies", "PropertyFiles")
_OWN_NAME = {"Processing": "ProcessingJobName", "Training": "TrainingJobName"}
_ALPHABET = string.ascii_lowercase + string.digits
log = logging.getLogger(__name__)


def random_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def definition_of(app: SageLocal, execution: Document) -> Document:
    version = app.store.get("PipelineVersion", execution["_version"])
    return dict(json.loads(version["PipelineDefinition"]))


class Execution:
    """Runs what is left of one pipeline execution."""

    def __init__(self, app: SageLocal, arn: str) -> None:
        self._app = app
        self._store = app.store
        self._arn = arn
        self._document = self._store.get(KIND, arn)
        self._graph = graph.build(definition_of(app, self._document)["Steps"])
        self._events: queue.SimpleQueue[str | None] = (
            queue.SimpleQueue()
        )  # a step's name when it ended; None to look again
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        if self._document["PipelineExecutionStatus"] == "Stopping":
            self._stopping.set()
        self.finished = False  # true just before the final status is in the store

    def start(self) -> None:
        self._spawn(self._main, self._arn.rsplit("/", 1)[-1])

    def stop(self) -> None:
        """Nothing new starts, and what runs is stopped. The caller then commits to the store, which wakes the steps."""
        self._stopping.set()
        self._events.put(None)

    def close(self) -> None:
        """Ends the threads and leaves every status as it is. The caller then commits to the store."""
        self._closing.set()
        self._events.put(None)

    def join(self, timeout: float) -> None:
        for thread in list(self._threads):
            thread.join(timeout)

    def _spawn(self, target: Any, name: str, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, name=f"pipeline-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # The deciding thread.

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
        running = {record["StepName"] for record in self._records() if record["StepStatus"] not in graph.ENDED}
        for name in running:
            self._spawn(self._step, name, self._graph[name])
        while not self._closing.is_set():
            states = graph.states(self._graph, self._progress())
            for name in self._startable(states, running):
                running.add(name)
                self._spawn(self._step, name, self._graph[name])
            if not running:
                self._conclude()
                return
            running.discard(self._events.get() or "")

    def _startable(self, states: dict[str, str], running: set[str]) -> Iterable[str]:
        """A step just begun may not have its record yet, so `running` counts, too."""
        if self._stopping.is_set():
            return []
        limit = (self._store.get(KIND, self._arn).get("ParallelismConfiguration") or {}).get(
            "MaxParallelExecutionSteps"
        )
        ready = [name for name in self._graph if states[name] == graph.READY and name not in running]
        return ready if limit is None else ready[: max(0, limit - len(running))]

    def _records(self) -> list[Document]:
        return self._store.list(STEP, parent=self._arn)

    def _progress(self) -> dict[str, graph.Progress]:
        return {
            record["StepName"]: graph.Progress(
                record["StepStatus"], (record.get("_properties") or {}).get("Outcome", "")
            )
            for record in self._records()
        }

    def _conclude(self) -> None:
        ended = {name: progress.status for name, progress in self._progress().items()}
        unwell = {name for name, status in ended.items() if status in ("Failed", "Stopped")}
        if self._stopping.is_set():
            self._finish("Stopped")
        elif not unwell:
            self._finish("Succeeded")
        else:
            rescued = graph.rescuers(self._graph) & ended.keys()
            fatal = unwell & rescued or {name for name in unwell if self._graph[name].type == "Fail"}
            self._finish("CompletedWithFailures" if rescued and not fatal else "Failed", FAILURE)

    def _finish(self, status: str, reason: str | None = None) -> None:
        self.finished = True
        self._store.update(KIND, self._arn, {"PipelineExecutionStatus": status, "FailureReason": reason})

    # A step's thread.

    def _step(self, node: graph.Node) -> None:
        try:
            self._try(node)
        except (Closed, Closing):
            return
        except Exception:
            log.exception("step %s of pipeline execution %s", node.name, self._arn)
            with contextlib.suppress(Closed, Closing):
                self._end(node, "Failed", {"FailureReason": "InternalServerError: see sagelocal's log."})
        self._events.put(node.name)

    def _try(self, node: graph.Node) -> None:
        """Attempts until one succeeds, is stopped, or no retry policy wants another."""
        record = self._record(node)
        while True:
            try:
                self._attempt(node, record)
                return
            except StepStopped:
                self._end(node, "Stopped", {})
                return
            except ExpressionError as error:
                failure = StepFailed(f"ClientError: {error}.")
            except StepFailed as error:
                failure = error
            elapsed = self._app.now() - record["StartTime"]
            policies = node.step.get("RetryPolicies") or []
            pause = retries.pause(policies, failure.error, record["AttemptCount"], elapsed)
            if pause is None or not self._pause(pause):
                self._fail(node, failure)
                return
            changes = {"AttemptCount": record["AttemptCount"] + 1, "_resource": self._resource_name(node)}
            record = self._update(node, changes)

    def _pause(self, seconds: float) -> bool:
        """Whether there is still reason to try again after waiting."""
        self._stopping.wait(seconds)
        if self._closing.is_set():
            raise Closing
        return not self._stopping.is_set()

    def _fail(self, node: graph.Node, failure: StepFailed) -> None:
        changes: Document = {"FailureReason": failure.reason[:1024]}
        if failure.metadata:
            changes["Metadata"] = failure.metadata
        self._end(node, "Failed", changes)

    def _attempt(self, node: graph.Node, record: Document) -> None:
        name = record["_resource"]
        own = {_OWN_NAME[node.type]: name} if node.type in _OWN_NAME else {}
        view = scope.build(self._app, self._document, self._graph, own)
        step, key = self._resolved(node, view), ""
        begun = node.type in RESOURCES and self._store.find(RESOURCES[node.type].kind, name) is not None
        if self._stopping.is_set() and not begun:
            raise StepStopped
        if cache.enabled(node.step):
            key = self._cache_key(node, step)
            if not begun and (source := self._cached(node, key)):
                self._reuse(node, source)
                return
        result = RUN[node.type](self._context(node, record, step, view))
        self._succeed(node, result, key)

    def _resolved(self, node: graph.Node, view: Scope) -> Document:
        """The step with values in place of expressions, but for the Arguments that its own function resolves."""
        siblings = {member: value for member, value in node.own.items() if member not in _NO_VALUES}
        if STEP_TYPES[node.type].lazy:
            arguments = node.arguments
        else:
            resource = RESOURCES.get(node.type)
            shape = operation_model("sagemaker", resource.create).input_shape if resource else None
            arguments = resolve(node.arguments, view, shape)
        return {**node.step, **resolve(siblings, view), "Arguments": arguments}

    def _context(self, node: graph.Node, record: Document, step: Document, view: Scope) -> Attempt:
        digest = hashlib.sha256(node.name.encode()).hexdigest()[:16]
        return Attempt(
            app=self._app,
            arn=self._arn,
            name=record["_resource"],
            token=f"{self._document['_id']}-{digest}",
            step=step,
            request=step["Arguments"],
            scope=view,
            started=record["StartTime"],
            executing=lambda metadata: self._executing(node, metadata),
            stop_asked=self._stopping.is_set,
            closing=self._closing.is_set,
            stopping=lambda: self._set_status(node, "Stopping"),
        )

    def _resource_name(self, node: graph.Node) -> str:
        return resource_name(node.type, node.arguments, self._document["_id"], node.name, random_id(10))

    # A step's record.

    def _record(self, node: graph.Node) -> Document:
        """The record that a killed engine left, or a new one: on disk before anything is created for the step."""
        name = scope.record_name(self._arn, node.name)
        found = self._store.find(STEP, name)
        if found:
            return found
        step = node.step
        record: Document = {
            "StepName": node.name,
            "StepDisplayName": step.get("DisplayName"),
            "StepDescription": step.get("Description"),
            "StartTime": self._app.now(),
            "StepStatus": "Starting",
            "AttemptCount": 1,
            "Metadata": {},
            "_name": name,
            "_type": node.type,
            "_resource": self._resource_name(node),
        }
        return self._store.create(STEP, name, record, parent=self._arn)

    def _update(self, node: graph.Node, changes: Document) -> Document:
        """Raises Closing once the engine is closed: then the record belongs to the next one."""
        if self._closing.is_set():
            raise Closing
        return self._store.update(STEP, scope.record_name(self._arn, node.name), changes)

    def _executing(self, node: graph.Node, metadata: Document) -> None:
        self._update(node, {"StepStatus": "Executing", "Metadata": metadata})

    def _set_status(self, node: graph.Node, status: str) -> None:
        self._update(node, {"StepStatus": status})

    def _end(self, node: graph.Node, status: str, changes: Document) -> None:
        self._update(node, {"StepStatus": status, "EndTime": self._app.now(), **changes})

    def _succeed(self, node: graph.Node, result: Result, key: str) -> None:
        properties = json.loads(json.dumps(result.properties, default=str))
        with self._store.transaction():
            self._end(node, "Succeeded", {"Metadata": result.metadata, "_properties": properties})
            if key:
                self._remember(node, key)

    # Step caching: the latest success of each key is one document, written with the success itself.

    def _cache_key(self, node: graph.Node, step: Document) -> str:
        return f"{self._document['PipelineArn']}/{node.name}/{node.type}/{cache.key(step)}"

    def _remember(self, node: graph.Node, key: str) -> None:
        entry = {"_name": key, "SourcePipelineExecutionArn": self._arn, "EndTime": self._app.now()}
        if self._store.find(CACHE, key):
            self._store.update(CACHE, key, entry)
        else:
            self._store.create(CACHE, key, entry, parent=self._document["_pipeline"])

    def _cached(self, node: graph.Node, key: str) -> Document | None:
        """The record of the run to reuse, if there is one inside the window whose resource still exists."""
        entry = self._store.find(CACHE, key)
        if not entry or not cache.is_fresh(node.step, entry["EndTime"], self._app.now()):
            return None
        source = self._store.find(STEP, scope.record_name(entry["SourcePipelineExecutionArn"], node.name))
        if not source or source["StepStatus"] != "Succeeded":
            return None
        arn = cache.made(source["Metadata"])
        there = not arn or self._store.by_arn(arn)
        return source | {"_source": entry["SourcePipelineExecutionArn"]} if there else None

    def _reuse(self, node: graph.Node, source: Document) -> None:
        changes = {
            "CacheHitResult": {"SourcePipelineExecutionArn": source["_source"]},
            "Metadata": source["Metadata"],
            "_properties": source["_properties"],
        }
        self._end(node, "Succeeded", changes)
