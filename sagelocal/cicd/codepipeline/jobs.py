"""The jobs of Lambda actions: what a function answers for the action that invoked it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codepipeline.records import ACTION

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def put_job_success_result(app: SageLocal, request: Document) -> Document:
    summary = request.get("executionDetails", {}).get("summary", "")
    job = {"summary": summary, "variables": request.get("outputVariables", {})}
    _answer(app, request["jobId"], job, request.get("executionDetails", {}).get("externalExecutionId"))
    return {}


def put_job_failure_result(app: SageLocal, request: Document) -> Document:
    details = request["failureDetails"]
    _answer(app, request["jobId"], {"failure": details}, details.get("externalExecutionId"))
    return {}


def _answer(app: SageLocal, identity: str, job: Document, external: str | None) -> None:
    with app.store.transaction():
        record = app.store.find(ACTION, identity)
        if record is None or record["_type"]["provider"] != "Lambda":
            raise AwsError("JobNotFoundException", f"There is no job {identity}.")
        if record["status"] != "InProgress" or "_job" in record:
            raise AwsError("InvalidJobStateException", f"The job {identity} has ended already.")
        app.store.update(ACTION, identity, {"_job": job, "_external": external, "lastUpdateTime": app.now()})
