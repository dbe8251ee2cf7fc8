"""CloudWatch's metrics of pipelines: executions and steps that started and ended, and how long they took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
NAMESPACE = "AWS/Sagemaker/ModelBuildingPipeline"  # the guide's spelling
_ENDS = ("Failed", "Succeeded", "Stopped")
_TIMED = (*_ENDS, "CompletedWithFailures")  # the latter is newer than the guide's list, which has no count of it


def of_execution(app: SageLocal, before: Document | None, after: Document) -> None:
    """For all pipelines together, and for the execution's own."""
    status = after["PipelineExecutionStatus"]
    if before is not None and before["PipelineExecutionStatus"] == status:
        return
    found = dict(_values("Execution", before, status, after["CreationTime"], after["LastModifiedTime"]))
    for dimensions in ({}, {"PipelineName": after["_pipeline"]}):
        _put(app, found, dimensions)


def of_step(app: SageLocal, before: Document | None, after: Document) -> None:
    if before is not None and before["StepStatus"] == after["StepStatus"]:
        return
    execution = app.store.find("PipelineExecution", after["_name"].removesuffix(f"/{after['StepName']}"))
    if execution:
        found = dict(_values("Step", before, after["StepStatus"], after["StartTime"], after.get("EndTime")))
        _put(app, found, {"PipelineName": execution["_pipeline"], "StepName": after["StepName"]})


def _values(what: str, before: Document | None, status: str, start: float, end: float | None) -> Iterator[Any]:
    if before is None:
        yield f"{what}Started", 1.0
    if status in _ENDS:
        yield f"{what}{status}", 1.0
    if end is not None and status in _TIMED:
        yield f"{what}Duration", 1000 * (end - start)


def _put(app: SageLocal, found: dict[str, float], dimensions: dict[str, str]) -> None:
    where = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    app.metrics.put(
        NAMESPACE,
        [
            {
                "MetricName": name,
                "Dimensions": where,
                "Timestamp": app.now(),
                "Value": value,
                "Unit": "Milliseconds" if name.endswith("Duration") else "Count",
            }
            for name, value in found.items()
        ],
    )
