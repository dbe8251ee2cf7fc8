"""ForEach steps: the body's steps run once for each item, as steps `<body>-<index>` of the same execution.

The iterations are steps like others, with records, attempts, caching and retry policies of their own. Before any of
them starts, the items are in this step's record, so that after a kill the same iterations go on; a retry of the
execution keeps those that succeeded. Once a step of an iteration has failed, no further one starts, as elsewhere in an
execution; AWS documents neither this nor how MaxParallelExecutionSteps counts them (here it limits the iterations of
one ForEach step, too, which counts as one beside other steps).
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagelocal.store import Closed
from sagelocal.workflow import graph
from sagelocal.workflow.expressions import (
    ExpressionError,
    is_expression,
    look_up,
    parse_path,
    references,
    resolve,
    text,
)
from sagelocal.workflow.scope import record_name, step_properties
from sagelocal.workflow.steps.attempt import Attempt, Closing, Result, StepFailed, StepStopped

Document = dict[str, Any]
STEP = "PipelineExecutionStep"
CURRENT = "ForEach.CurrentItem"
OUTPUT = "IterationOutput"
MAX_CONCURRENCY = 50
_LONGEST_ITEM = 12800  # characters in a step's IterationContext
_Ended = tuple[str, graph.Progress | None]  # None: the engine closes


def run_iterations(attempt: Attempt) -> Result:
    items = _kept_items(attempt)
    iterations = _Iterations(attempt, items)
    iterations.run()
    return iterations.result()


def _kept_items(attempt: Attempt) -> list[Any]:
    store, name = attempt.app.store, record_name(attempt.arn, attempt.step["Name"])
    record = store.get(STEP, name)
    if "_items" not in record:
        if attempt.stop_asked():
            raise StepStopped
        items = _items(attempt)
        _drop_others(attempt, items)
        record = store.update(STEP, name, {"_items": items})
    return list(record["_items"])


def _items(attempt: Attempt) -> list[Any]:
    """A list, each of its elements resolved, or a reference to one: as a list or as its JSON text."""
    given = attempt.request["IterableItems"]
    found = resolve(given, attempt.scope)
    if is_expression(given) and isinstance(found, str):
        with contextlib.suppress(ValueError):
            found = json.loads(found)
    if not isinstance(found, list) or not found:
        raise StepFailed(f"ClientError: IterableItems must be a JSON list with at least one item, not {found!r}.")
    for item in found:
        if item is None or len(_said(item)) > _LONGEST_ITEM:
            raise StepFailed(
                f"ClientError: An item must not be null or over {_LONGEST_ITEM} characters: {item!r:.200}."
            )
    return found


def _said(item: Any) -> str:
    return json.dumps(item) if isinstance(item, dict | list) else text(item)


def _drop_others(attempt: Attempt, items: Sequence[Any]) -> None:
    """What an earlier try of a retried execution did for other items than these counts no more."""
    store = attempt.app.store
    for record in store.list(STEP, parent=attempt.arn):
        context = record.get("IterationContext") or {}
        if context.get("ParentStepName") == attempt.step["Name"]:
            index = context["Index"]
            if index >= len(items) or context["Item"] != _said(items[index]):
                store.delete(STEP, record["_name"])


def current(item: Any, path: str) -> Any:
    """The value of `ForEach.CurrentItem` or of a path into it, where text is read as JSON. Raises ExpressionError."""
    rest = path.removeprefix(CURRENT)
    if not rest:
        return _said(item) if isinstance(item, dict | list) else item
    if isinstance(item, str):
        with contextlib.suppress(ValueError):
            item = json.loads(item)
    found = look_up(item, parse_path(rest), path, f"the item {_said(item)[:200]}")
    return _said(found) if isinstance(found, dict | list) else found


def expand(step: Mapping[str, Any], items: Sequence[Any]) -> graph.Graph:
    """All steps of all iterations, each after those of its iteration that it needs."""
    body = {one["Name"]: one for one in step["Arguments"]["ForEachBody"]}
    order = _sorted(body)
    nodes: graph.Graph = {}
    for index, item in enumerate(items):
        for name in order:
            copy = _copy(body[name], frozenset(body), index)
            copy["Name"] = f"{name}-{index}"
            copy["IterationContext"] = {"ParentStepName": step["Name"], "Index": index, "Item": _said(item)}
            waits = _inner_dependencies(body[name], body)
            inner = tuple(graph.Dependency(f"{one}-{index}", trigger) for one, trigger in waits.items())
            nodes[copy["Name"]] = graph.Node(copy, inner)
    return nodes


def _sorted(body: Mapping[str, Mapping[str, Any]]) -> list[str]:
    inner = [
        {"Name": name, "Type": one["Type"], "DependsOn": list(_inner_dependencies(one, body))}
        for name, one in body.items()
    ]
    return list(graph.build(inner))


def _inner_dependencies(step: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    """The body's steps that one of them waits for, by DependsOn or by reference, and each one's trigger."""
    named = {path.split(".")[1]: graph.COMPLETED for path in references(step) if path.startswith("Steps.")}
    for one in step.get("DependsOn") or []:
        explicit = (
            {one: graph.COMPLETED} if isinstance(one, str) else {one["Step"]: one.get("Trigger", graph.COMPLETED)}
        )
        named |= explicit
    return {name: trigger for name, trigger in named.items() if name in body}


def _copy(value: Any, body: frozenset[str], index: int) -> Any:
    """A body's step for one iteration: its references lead to that iteration's steps and to its item.

    The item is a parameter to it, under a name that no pipeline can give one.
    """
    if is_expression(value) and "Get" in value:
        path = value["Get"]
        if path.startswith(CURRENT):
            return {"Get": f"Parameters.{path}"}
        root, _, rest = path.partition(".")
        name, dot, more = rest.partition(".")
        return {"Get": f"Steps.{name}-{index}{dot}{more}"} if root == "Steps" and name in body else dict(value)
    if isinstance(value, dict):
        return {key: _copy(member, body, index) for key, member in value.items() if key != "DependsOn"}
    if isinstance(value, list):
        return [_copy(member, body, index) for member in value]
    return value


class _Iterations:
    def __init__(self, attempt: Attempt, items: Sequence[Any]) -> None:
        self._attempt = attempt
        self._items = items
        self._arguments = attempt.step["Arguments"]
        self._body = [one["Name"] for one in self._arguments["ForEachBody"]]
        self._nodes = expand(attempt.step, items)
        paths = {path for path in references(self._arguments["ForEachBody"]) if path.startswith(CURRENT)}
        self._values = [{path: current(item, path) for path in paths} for item in items]
        self._events: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._started: dict[str, graph.Progress] = {}

    def run(self) -> None:
        """Returns when no step of an iteration runs and none may start. Raises Closing."""
        attempt = self._attempt
        frontier = graph.Frontier(self._nodes, self._progress())
        running = {name for name, one in frontier.started.items() if one.status not in graph.ENDED}
        for name in running:
            self._spawn(name)
        while not attempt.closing():
            self._tell(frontier.started)
            for name in frontier.take(self._room(len(running))):
                running.add(name)
                self._spawn(name)
            if not running:
                self._started = frontier.started
                return
            name, progress = self._events.get()
            if progress is None:
                break
            running.discard(name)
            frontier.end(name, progress)
        for thread in self._threads:
            thread.join()
        raise Closing

    def _tell(self, started: Mapping[str, graph.Progress]) -> None:
        """The step's status and counts, for who looks while it runs."""
        if self._attempt.stop_asked():
            self._attempt.stopping()
        else:
            self._attempt.executing(self._metadata(started, None))

    def _room(self, running: int) -> int:
        """How many more steps may start now. The execution's own limit holds inside, too (AWS documents neither)."""
        if self._attempt.stop_asked():
            return 0
        execution = self._attempt.app.store.get("PipelineExecution", self._attempt.arn)
        limit = (execution.get("ParallelismConfiguration") or {}).get("MaxParallelExecutionSteps", MAX_CONCURRENCY)
        return max(0, min(limit, self._arguments["MaxConcurrency"]) - running)

    def _progress(self) -> dict[str, graph.Progress]:
        records = self._attempt.app.store.list(STEP, parent=self._attempt.arn)
        return {one["StepName"]: graph.progress(one) for one in records if one["StepName"] in self._nodes}

    def _spawn(self, name: str) -> None:
        thread = threading.Thread(target=self._child, args=(name,), name=f"pipeline-{name}", daemon=True)
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        thread.start()

    def _child(self, name: str) -> None:
        progress = None
        try:
            node = self._nodes[name]
            progress = self._attempt.run_step(node, self._nodes, self._values[node.step["IterationContext"]["Index"]])
        except (Closed, Closing):
            pass
        finally:
            self._events.put((name, progress))

    def result(self) -> Result:
        """Raises StepFailed or StepStopped, each with the counts in the step's Metadata."""
        statuses = {name: one.status for name, one in self._started.items()}
        if failed := [name for name, status in statuses.items() if status == "Failed"]:
            reason = f"ClientError: {len(failed)} of {len(self._nodes)} steps failed: {', '.join(failed)}."
            raise StepFailed(reason, metadata=self._metadata(self._started, "Failed"))
        if len(statuses) < len(self._nodes) or "Stopped" in statuses.values():
            record = record_name(self._attempt.arn, self._attempt.step["Name"])
            self._attempt.app.store.update(STEP, record, {"Metadata": self._metadata(self._started, "Stopped")})
            raise StepStopped
        return self._succeeded()

    def _succeeded(self) -> Result:
        store, arn = self._attempt.app.store, self._attempt.arn
        outputs = [
            {name: step_properties(store, arn, f"{name}-{index}") for name in self._body}
            for index in range(len(self._items))
        ]
        metadata = self._metadata(self._started, "Succeeded")
        properties = {**metadata["ForEach"], "IterationOutputs": outputs}
        if selector := self._arguments.get("Selector"):
            step, index = select(selector, outputs)
            metadata["ForEach"]["Selector"] = {"StepName": step, "Index": index}
            properties["Selected"] = outputs[index][step]
        return Result(metadata, properties)

    def _metadata(self, started: Mapping[str, graph.Progress], status: str | None) -> Document:
        ended = [one.status for one in started.values()]
        counts = {f"{one}StepCount": ended.count(one) for one in graph.ENDED}
        found = {"InputItemCount": len(self._items), "TotalStepCount": len(self._nodes), **counts}
        return {"ForEach": {"Status": status, **found} if status else found}


def select(selector: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """The body step's name and the index of the iteration with the largest or smallest field, of equal ones the first.

    Raises StepFailed where the field is missing or no number.
    """
    path = selector["Field"]["Get"]
    step, *tokens = parse_path(path.removeprefix(f"{OUTPUT}."))
    values = []
    for index, output in enumerate(outputs):
        try:
            found = look_up(output[str(step)], tokens, path, f"iteration {index}")
            values.append(float(found))
        except (ExpressionError, TypeError, ValueError) as error:
            raise StepFailed(f"ClientError: The Selector cannot compare iteration {index}: {error}.") from error
    pick = max if selector["Pick"] == "MaxBy" else min
    return str(step), values.index(pick(values))


def problems(steps: Sequence[Mapping[str, Any]], names: set[str]) -> Iterator[str]:
    """What is wrong between the ForEach steps of a definition and its other steps, whose names are `names`."""
    seen: set[str] = set()
    for step in steps:
        body = [one["Name"] for one in step["Arguments"]["ForEachBody"]]
        where = f"ForEach step '{step['Name']}'"
        for name in body:
            if name in seen or name in names:
                yield f"Step names must be unique, and '{name}' in the body of {where} is used more than once"
            seen.add(name)
            for other in sorted(names):
                if other.startswith(f"{name}-") and other.removeprefix(f"{name}-").isdigit():
                    yield f"Step '{other}' has the name of an iteration of step '{name}' in the body of {where}"
        yield from _field_problems(step, body)


def _field_problems(step: Mapping[str, Any], body: Sequence[str]) -> Iterator[str]:
    selector = step["Arguments"].get("Selector")
    if not selector:
        return
    field = selector["Field"]
    path = field.get("Get") if isinstance(field, dict) else None
    tokens = parse_path(path.removeprefix(f"{OUTPUT}.")) if isinstance(path, str) else []
    if not isinstance(path, str) or not path.startswith(f"{OUTPUT}.") or tokens[0] not in body or len(tokens) < 2:
        yield (
            f"Selector.Field of ForEach step '{step['Name']}' must be a reference to {OUTPUT}.<step>.<property> of one "
            f"of its steps: {', '.join(body)}"
        )
