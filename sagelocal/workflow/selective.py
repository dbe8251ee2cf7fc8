"""Selective execution: which steps run, and which results of an earlier execution stand in for the others.

SelectiveExecutionConfig names the steps to run and the execution whose results the others lend. Without such a source
only steps that need nothing of others can be selected; the SDK fills in the latest execution by itself. A selected
step of a branch whose condition is not selected runs whatever the condition said then (AWS documents neither).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.workflow import graph, scope
from sagelocal.workflow.attempts import STEP
from sagelocal.workflow.expressions import references, step_path

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_TERMINAL = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")


def plan(
    app: SageLocal, config: Mapping[str, Any], pipeline_arn: str, nodes: graph.Graph
) -> tuple[list[str], list[Document]]:
    """The names of the steps to run, and the source's records of the steps that those refer to. Raises AwsError."""
    selected = {one["StepName"] for one in config["SelectedSteps"]}
    if unknown := sorted(selected - nodes.keys()):
        known = ", ".join(nodes)
        raise validation(f"Invalid SelectedSteps: the pipeline has no steps {unknown}. Its steps: {known}.")
    if between := _between(nodes, selected):
        raise validation(
            f"Invalid SelectedSteps: the steps {between} are on a path between selected steps: select them, too."
        )
    needed = _needed(nodes, selected)
    source = config.get("SourcePipelineExecutionArn")
    if source is None and needed:
        # AWS's words, from a user's report (aws/sagemaker-python-sdk issue 4444).
        raise validation(
            f"Invalid SourcePipelineExecutionArn: null. The selected steps {sorted(selected)} have dependencies on "
            f"{needed}"
        )
    records = _lent(app, source, pipeline_arn, needed) if source else []
    return [name for name in nodes if name in selected], records


def _between(nodes: graph.Graph, selected: set[str]) -> list[str]:
    """Steps that are not selected but behind one selected step and before another."""
    behind: set[str] = set()
    for name, node in nodes.items():  # in an order in which each comes after what it depends on
        if graph.upstream(node) & (behind | selected):
            behind.add(name)
    before: set[str] = set()
    for name in reversed(nodes):
        if name in selected or name in before:
            before |= graph.upstream(nodes[name])
    return [name for name in nodes if name in behind & before - selected]


def _needed(nodes: graph.Graph, selected: set[str]) -> list[str]:
    """Steps that are not selected and whose results selected steps refer to."""
    found = {
        step_path(path)[0] for name in selected for path in references(nodes[name].own) if path.startswith("Steps.")
    }
    return [name for name in nodes if name in found - selected]


def _lent(app: SageLocal, source: str, pipeline_arn: str, needed: list[str]) -> list[Document]:
    execution = app.store.find("PipelineExecution", source)
    where = f"Invalid SourcePipelineExecutionArn: {source}."
    if execution is None or execution["PipelineArn"] != pipeline_arn:
        raise validation(f"{where} It is no execution of pipeline {pipeline_arn}.")
    if (status := execution["PipelineExecutionStatus"]) not in _TERMINAL:
        raise validation(f"{where} It is {status}, and must be one of: {', '.join(_TERMINAL)}.")
    records = {name: app.store.find(STEP, scope.record_name(source, name)) for name in needed}
    if without := [name for name, one in records.items() if one is None or one["StepStatus"] != "Succeeded"]:
        raise validation(f"{where} The selected steps depend on {without}, which did not succeed in it.")
    return [record for record in records.values() if record]


def reused(record: Document, source: str, execution_arn: str, now: float) -> Document:
    """A source's record as the new execution lists it."""
    kept = {name: value for name, value in record.items() if name not in ("CacheHitResult", "FailureReason")}
    return kept | {
        "StartTime": now,
        "EndTime": now,
        "SelectiveExecutionResult": {"SourcePipelineExecutionArn": source},
        "_name": scope.record_name(execution_arn, record["StepName"]),
    }
