"""One step of a running execution, in a thread of its own: its record in the store, its attempts and its cache.

A step's record, with the name that its job will have, is there before the job is, so an engine that starts after a kill
finds each step's job or creates it under the same name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import string
import threading
from dataclasses import dataclass, replace
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
STEP, CACHE = "PipelineExecutionStep", "PipelineStepCache"
_NO_VALUES = ("Arguments", "CacheConfig", "RetryPolicies", "PropertyFiles")
_OWN_NAME = {"Processing": "ProcessingJobName", "Training": "TrainingJobName"}
_ALPHABET = string.ascii_lowercase + string.digits
log = logging.getLogger(__name__)


def random_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(frozen=True)
class Surroundings:
    """What a step sees of its execution: its document as it started, all of the definition's steps, and its events."""

    app: SageLocal
    execution: Document
    graph: graph.Graph
    stopping: threading.Event
    closing: threading.Event

    @property
    def arn(self) -> str:
        return str(self.execution["PipelineExecutionArn"])


class StepRun:
    def __init__(self, around: Surroundings, node: graph.Node) -> None:
        self._around = around
        self._app = around.app
        self._store = around.app.store
        self._node = node
        self._key = scope.record_name(around.arn, node.name)

    def run(self) -> graph.Progress:
        """Returns when the step has ended. Raises Closing or Closed when the engine or the store is closed before."""
        try:
            record = self._try()
        except (Closed, Closing):
            raise
        except Exception:
            log.exception("step %s of pipeline execution %s", self._node.name, self._around.arn)
            record = self._end("Failed", {"FailureReason": "InternalServerError: see sagelocal's log."})
        return graph.progress(record)

    def _try(self) -> Document:
        """Attempts until one succeeds, is stopped, or no retry policy wants another."""
        record = self._record()
        while True:
            try:
                return self._attempt(record)
            except StepStopped:
                return self._end("Stopped", {})
            except ExpressionError as error:
                failure = StepFailed(f"ClientError: {error}.")
            except StepFailed as error:
                failure = error
            failures = [*record.get("_failures", []), failure.error]
            policies = self._node.step.get("RetryPolicies") or []
            pause = retries.pause(policies, failures, self._app.now() - record["StartTime"])
            if pause is None or not self._pause(self._app.settings.shortened(pause)):
                return self._fail(failure)
            record = self._update(
                {"AttemptCount": len(failures) + 1, "_failures": failures, "_resource": self._resource_name()}
            )

    def _pause(self, seconds: float) -> bool:
        """Whether there is still reason to try again after waiting."""
        self._around.stopping.wait(seconds)
        if self._around.closing.is_set():
            raise Closing
        return not self._around.stopping.is_set()

    def _fail(self, failure: StepFailed) -> Document:
        changes: Document = {"FailureReason": failure.reason[:1024]}
        if failure.metadata:
            changes["Metadata"] = failure.metadata
        return self._end("Failed", changes)

    def _attempt(self, record: Document) -> Document:
        node, name = self._node, record["_resource"]
        own = {_OWN_NAME[node.type]: name} if node.type in _OWN_NAME else {}
        view = scope.build(self._app, self._around.execution, self._around.graph, own)
        step, key = self._resolved(view), ""
        if node.type in RESOURCES:
            begun = self._store.find(RESOURCES[node.type].kind, name) is not None
        else:  # after a kill, one that waits or has iterations ends these itself
            begun = record["StepStatus"] != "Starting"
        if self._around.stopping.is_set() and not begun:
            raise StepStopped
        if cache.enabled(node.step):
            key = self._cache_key(step)
            if not begun and (source := self._cached(key)):
                return self._reuse(source)
        return self._succeed(RUN[node.type](self._context(record, step, view)), key)

    def _resolved(self, view: Scope) -> Document:
        """The step with values in place of expressions, but for the Arguments that its own function resolves."""
        node = self._node
        siblings = {member: value for member, value in node.own.items() if member not in _NO_VALUES}
        if STEP_TYPES[node.type].lazy:
            arguments = node.arguments
        else:
            resource = RESOURCES.get(node.type)
            shape = operation_model("sagemaker", resource.create).input_shape if resource else None
            arguments = resolve(node.arguments, view, shape)
        return {**node.step, **resolve(siblings, view), "Arguments": arguments}

    def _context(self, record: Document, step: Document, view: Scope) -> Attempt:
        digest = hashlib.sha256(self._node.name.encode()).hexdigest()[:16]
        return Attempt(
            app=self._app,
            arn=self._around.arn,
            name=record["_resource"],
            token=f"{self._around.execution['_id']}-{digest}",
            step=step,
            request=step["Arguments"],
            scope=view,
            started=record["StartTime"],
            executing=lambda metadata: self._update({"StepStatus": "Executing", "Metadata": metadata}),
            stop_asked=self._around.stopping.is_set,
            closing=self._around.closing.is_set,
            stopping=lambda: self._update({"StepStatus": "Stopping"}),
            run_step=self._run_inner,
        )

    def _run_inner(self, node: graph.Node, steps: graph.Graph, parameters: Document) -> graph.Progress:
        around = self._around
        execution = {**around.execution, "_parameters": around.execution["_parameters"] | parameters}
        return StepRun(replace(around, execution=execution, graph=around.graph | steps), node).run()

    def _resource_name(self) -> str:
        node = self._node
        return resource_name(node.type, node.arguments, self._around.execution["_id"], node.name, random_id(10))

    # The step's record.

    def _record(self) -> Document:
        """The record that a killed engine left, or a new one: on disk before anything is created for the step."""
        if found := self._store.find(STEP, self._key):
            return found
        step = self._node.step
        record: Document = {
            "StepName": self._node.name,
            "StepDisplayName": step.get("DisplayName"),
            "StepDescription": step.get("Description"),
            "IterationContext": step.get("IterationContext"),
            "StartTime": self._app.now(),
            "StepStatus": "Starting",
            "AttemptCount": 1,
            "Metadata": {},
            "_name": self._key,
            "_type": self._node.type,
            "_resource": self._resource_name(),
            "_failures": [],  # the errors of earlier attempts, as RetryPolicies name them
        }
        return self._store.create(STEP, self._key, record, parent=self._around.arn)

    def _update(self, changes: Document) -> Document:
        """Raises Closing once the engine is closed: then the record belongs to the next one."""
        if self._around.closing.is_set():
            raise Closing
        return self._store.update(STEP, self._key, changes)

    def _end(self, status: str, changes: Document) -> Document:
        return self._update({"StepStatus": status, "EndTime": self._app.now(), **changes})

    def _succeed(self, result: Result, key: str) -> Document:
        properties = json.loads(json.dumps(result.properties, default=str))
        with self._store.transaction():
            ended = self._end("Succeeded", {"Metadata": result.metadata, "_properties": properties})
            if key:
                self._remember(key)
        return ended

    # Step caching: the latest success of each key is one document, written with the success itself.

    def _cache_key(self, step: Document) -> str:
        pipeline = self._around.execution["PipelineArn"]
        return f"{pipeline}/{self._node.name}/{self._node.type}/{cache.key(step)}"

    def _remember(self, key: str) -> None:
        entry = {"_name": key, "SourcePipelineExecutionArn": self._around.arn, "EndTime": self._app.now()}
        if self._store.find(CACHE, key):
            self._store.update(CACHE, key, entry)
        else:
            self._store.create(CACHE, key, entry, parent=self._around.execution["_pipeline"])

    def _cached(self, key: str) -> Document | None:
        """The record of the run to reuse, if there is one inside the window whose resource still exists."""
        entry = self._store.find(CACHE, key)
        if not entry or not cache.is_fresh(self._node.step, entry["EndTime"], self._app.now()):
            return None
        source = self._store.find(STEP, scope.record_name(entry["SourcePipelineExecutionArn"], self._node.name))
        if not source or source["StepStatus"] != "Succeeded":
            return None
        arn = cache.made(source["Metadata"])
        there = not arn or self._store.by_arn(arn)
        return source | {"_source": entry["SourcePipelineExecutionArn"]} if there else None

    def _reuse(self, source: Document) -> Document:
        changes = {
            "CacheHitResult": {"SourcePipelineExecutionArn": source["_source"]},
            "Metadata": source["Metadata"],
            "_properties": source["_properties"],
        }
        return self._end("Succeeded", changes)
