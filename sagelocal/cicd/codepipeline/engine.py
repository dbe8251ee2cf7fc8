"""Starts, stops and takes up executions of pipelines."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codepipeline import flow, records, triggers, variables
from sagelocal.cicd.codepipeline.actions import PROVIDERS
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION, PIPELINE
from sagelocal.cicd.codepipeline.work import Interrupted, Outcome, Work, failed
from sagelocal.store import Closed, Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
Document = dict[str, Any]
_JOIN_SECONDS = 5.0


class Delivery:
    """A thread runs each action; what comes next is decided in the transaction that records how one ended."""

    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._lock = threading.Lock()  # of the two below alone, never held while the store is asked
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False
        self.looking = threading.Lock()  # one look for pushes at a time

    def advance(self, name: str) -> None:
        """Lets a pipeline's executions go as far as they can; to be called after every change, in no transaction."""
        with self._app.store.transaction():
            started = flow.advance(self._app, name)
        for action in started:
            self._run(action)

    def resume(self) -> None:
        """Goes on with every execution that was in progress when the process ended, and looks for pushes since."""
        for action in self._app.store.page(ACTION, where=[("status", "=", "InProgress")]):
            self._run(action["actionExecutionId"])
        for pipeline in self._app.store.list(PIPELINE):
            self.advance(pipeline["name"])
        triggers.look(self._app)

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next resume() goes on."""
        with self._lock:
            self._closed = True
            threads = list(self._threads.values())
        with self._app.store.transaction():  # an empty commit: those who wait in the store look up
            pass
        for thread in threads:
            thread.join(_JOIN_SECONDS)

    def _run(self, action: str) -> None:
        with self._lock:
            if self._closed or action in self._threads:
                return
            thread = threading.Thread(target=self._work, args=(action,), name=f"action-{action[:8]}", daemon=True)
            self._threads[action] = thread
            thread.start()

    def _work(self, identity: str) -> None:
        try:
            self._act(identity)
        except (Interrupted, Closed, Missing):  # Missing: the pipeline was deleted meanwhile
            pass
        except Exception:
            log.exception("the action %s failed in sagelocal itself", identity)
            outcome = failed("sagelocal failed on this action; its log says how.", "SystemUnavailable")
            with contextlib.suppress(Closed, Missing):
                self._ended(identity, outcome)
        finally:
            with self._lock:
                self._threads.pop(identity, None)

    def _act(self, identity: str) -> None:
        app = self._app
        record = app.store.get(ACTION, identity)
        execution = app.store.get(EXECUTION, record["pipelineExecutionId"])
        declaration = records.declaration(app, record["pipelineName"], record["pipelineVersion"])
        action = next(
            one
            for stage in declaration["stages"]
            for one in stage["actions"]
            if (stage["name"], one["name"]) == (record["stageName"], record["actionName"])
        )
        scope = variables.scope(execution)
        try:
            given = variables.resolve_all(action["configuration"], scope)
            work = Work(app, ACTION, record, execution, declaration, action, given, scope, lambda: self._closed)
            outcome = PROVIDERS[action["actionTypeId"]["provider"]](work)
        except variables.Unresolved as error:
            outcome = failed(str(error), "ConfigurationError")
        self._ended(identity, outcome, action)

    def _ended(self, identity: str, outcome: Outcome, action: Document | None = None) -> None:
        """Records how an action ended with what it gave, and what follows: all of it or nothing."""
        store, now = self._app.store, self._app.now()
        with store.transaction():
            record = store.get(ACTION, identity)
            if record["status"] != "InProgress":  # abandoned in the meantime
                return
            changes = {
                "status": outcome.status,
                "lastUpdateTime": now,
                "_summary": outcome.summary,
                "_error": outcome.error,
                "_variables": outcome.variables,
                "_artifacts": outcome.artifacts,
            }
            store.update(ACTION, identity, changes)
            if action is not None and outcome.status == "Succeeded":
                store.update(
                    EXECUTION, record["pipelineExecutionId"], edit=lambda document: _give(document, action, outcome)
                )
            started = flow.advance(self._app, record["pipelineName"])
        for one in started:
            self._run(one)


def _give(execution: Document, action: Document, outcome: Outcome) -> None:
    execution["_artifacts"].update(outcome.artifacts)
    if namespace := action.get("namespace"):
        execution["_variables"][namespace] = outcome.variables
    if outcome.revision:
        name = action["outputArtifacts"][0]["name"]
        others = [one for one in execution["artifactRevisions"] if one["name"] != name]
        execution["artifactRevisions"] = [*others, {"name": name, **outcome.revision, "_action": action["name"]}]
