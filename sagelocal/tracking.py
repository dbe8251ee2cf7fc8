"""What sagelocal records of its own doing, as AWS does: experiments, lineage, metrics of pipelines and builds.

All of it follows from changes of documents, whoever makes them, and is written in the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.cicd.codebuild import metrics as codebuild
from sagelocal.experiments import components
from sagelocal.experiments import records as experiments
from sagelocal.lineage import records as lineage
from sagelocal.workflow import metrics

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def record(app: SageLocal, kind: str, before: Document | None, after: Document | None) -> None:
    """Raises AwsError only for a document that is new, which then isn't made."""
    if after is not None and kind in _RECORDS:
        _RECORDS[kind](app, before, after)


def _job(kind: str) -> Callable[[SageLocal, Document | None, Document], None]:
    watched = (f"{kind}Status", f"{kind.removesuffix('Job')}StartTime")

    def run(app: SageLocal, before: Document | None, after: Document) -> None:
        if before is None:
            component = experiments.of_new_job(app, kind, after)
            lineage.of_job_start(app, kind, after, component["TrialComponentArn"])
        elif any(before.get(member) != after.get(member) for member in watched):
            found = experiments.of_job(app, kind, after)
            if found and after[f"{kind}Status"] == "Completed":
                lineage.of_job_end(app, kind, after, found["TrialComponentArn"])

    return run


def _execution(app: SageLocal, before: Document | None, after: Document) -> None:
    """Also when it goes on after a retry: someone may have removed its trial meanwhile."""
    status = "PipelineExecutionStatus"
    if after[status] == "Executing" and (before is None or before[status] != "Executing"):
        experiments.of_execution(app, after)
    metrics.of_execution(app, before, after)


def _tuning(app: SageLocal, before: Document | None, after: Document) -> None:
    if before is None:
        experiments.of_tuning(app, after)


def _package(app: SageLocal, before: Document | None, after: Document) -> None:
    if before is None:
        lineage.of_package(app, after)
    elif before.get("ModelApprovalStatus") != after.get("ModelApprovalStatus"):
        lineage.of_approval(app, after)


def _endpoint(app: SageLocal, before: Document | None, after: Document) -> None:
    """In service with a configuration that it didn't serve before."""
    status = "EndpointStatus"
    if before is not None and after[status] == "InService" and before[status] != "InService":
        lineage.of_endpoint(app, after)


_RECORDS: dict[str, Callable[[SageLocal, Document | None, Document], None]] = {
    **{kind: _job(kind) for kind in components.KINDS},
    "PipelineExecution": _execution,
    "PipelineExecutionStep": metrics.of_step,
    "HyperParameterTuningJob": _tuning,
    "ModelPackage": _package,
    "CodeBuildBuild": codebuild.of_build,
    "Endpoint": _endpoint,
}
