"""Steps that run a job to its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.experiments import records
from sagelocal.experiments.components import KINDS
from sagelocal.workflow.steps.attempt import Attempt, Closing, Result, StepFailed, StepStopped, invoke

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def run_job(kind: str, attempt: Attempt, metadata: str = "") -> Result:
    """`metadata` is the member of the step's Metadata that shows the ARN, where that isn't the kind's name."""
    app, store = attempt.app, attempt.app.store
    if store.find(kind, attempt.name) is None:
        invoke(app, f"Create{kind}", _tracked(kind, attempt) | {f"{kind}Name": attempt.name})
    job = store.get(kind, attempt.name)
    shown = {metadata or kind: {"Arn": job[f"{kind}Arn"]}}
    attempt.executing(shown)
    job = store.wait(
        kind, attempt.name, lambda document: _ended(kind, document) or attempt.closing() or attempt.stop_asked()
    )
    if not _ended(kind, job) and not attempt.closing():
        attempt.stopping()
        _stop(app, kind, attempt.name)
        job = store.wait(kind, attempt.name, lambda document: _ended(kind, document) or attempt.closing())
    if not _ended(kind, job):
        raise Closing
    # A training job that ran out of time is Stopped with a FailureReason: nobody stopped it, so its step failed.
    if job[f"{kind}Status"] == "Stopped" and "FailureReason" not in job:
        raise StepStopped
    if job[f"{kind}Status"] != "Completed":
        reason = job.get("FailureReason", "The job failed without a reason.")
        raise StepFailed(f"ClientError: {reason}", _job_error(kind, reason), shown)
    return Result(shown, app.call(f"Describe{kind}", {f"{kind}Name": attempt.name}))


def _tracked(kind: str, attempt: Attempt) -> Document:
    """The request with what connects the job with its execution: a tag, and the execution's experiment and trial."""
    tags = [*(attempt.request.get("Tags") or []), {"Key": records.EXECUTION_TAG, "Value": attempt.arn}]
    request = attempt.request | {"Tags": tags}
    if kind in KINDS and (config := records.job_config(attempt.app.store.get("PipelineExecution", attempt.arn))):
        request["ExperimentConfig"] = request.get("ExperimentConfig") or config
    return request


def _ended(kind: str, job: Document) -> bool:
    return job[f"{kind}Status"] in ("Completed", "Failed", "Stopped")


def _stop(app: SageLocal, kind: str, name: str) -> None:
    with contextlib.suppress(AwsError):  # it ended, or is being stopped, in this very moment
        app.call(f"Stop{kind}", {f"{kind}Name": name})


def run_processing(attempt: Attempt) -> Result:
    return run_job("ProcessingJob", attempt)


def run_training(attempt: Attempt) -> Result:
    return run_job("TrainingJob", attempt)


def run_automl(attempt: Attempt) -> Result:
    return run_job("AutoMLJob", attempt)


def _job_error(kind: str, reason: str) -> str:
    """The exception type of a failed job; AWS starts such a FailureReason with the error's name.

    A tuning job retries its own jobs' internal errors, and no policy covers its own (developer guide, retry policies).
    """
    if reason.startswith("CapacityError"):
        return "SageMaker.CAPACITY_ERROR"
    internal = reason.startswith("InternalServerError") and kind != "HyperParameterTuningJob"
    return "SageMaker.JOB_INTERNAL_ERROR" if internal else ""
