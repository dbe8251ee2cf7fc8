"""Monitoring executions: each one a Processing job, before it a merge job where ground truth is needed.

An execution's document is there before its job is, and the names of its jobs follow from it, so that a kill at any
moment neither loses an execution nor starts a job twice.
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.monitoring import alerts, jobs, kinds
from sagelocal.monitoring.captures import NoDataError
from sagelocal.monitoring.timing import Window, iso

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_REASON = 1024  # characters of a FailureReason
_UNPARSEABLE = "AlgorithmError: "


def begin(app: SageLocal, schedule: Document, scheduled: float, window: Window) -> None:
    """A new execution, unless there is one of that time; within the transaction that notes it in the schedule."""
    name = f"{schedule['_name']}/{scheduled}"
    if app.store.find("MonitoringExecution", name):
        return
    now = app.now()
    shown = ("MonitoringScheduleName", "MonitoringType", "EndpointName", "MonitoringJobDefinitionName")
    document = {
        **{member: schedule[member] for member in shown if schedule.get(member)},
        "_name": name,
        "ScheduledTime": scheduled,
        "CreationTime": now,
        "LastModifiedTime": now,
        "MonitoringExecutionStatus": "Pending",
        "_window": [window.start, window.end],
        "_stage": "waiting",
    }
    app.store.create("MonitoringExecution", name, document, parent=schedule["_name"])


def unfinished(app: SageLocal) -> list[Document]:
    return app.store.page("MonitoringExecution", where=[("_ended", "present", False)])


def newest(app: SageLocal, schedule: str) -> Document | None:
    found = app.store.page("MonitoringExecution", parent=schedule, order="ScheduledTime", descending=True, limit=1)
    return found[0] if found else None


def remove(app: SageLocal, schedule: str) -> list[str]:
    """The names of jobs that still run."""
    found = app.store.list("MonitoringExecution", parent=schedule)
    for execution in found:
        app.store.delete("MonitoringExecution", execution["_name"])
    return [one["_job"] for one in found if one.get("_job") and not one.get("_ended")]


def stop_job(app: SageLocal, name: str) -> None:
    with contextlib.suppress(AwsError):  # it has just ended
        app.call("StopProcessingJob", {"ProcessingJobName": name})


def advance(app: SageLocal, execution: Document) -> None:
    """Takes an execution as far as it goes now."""
    schedule = app.store.find("MonitoringSchedule", execution["MonitoringScheduleName"])
    if schedule is None:
        return  # deleted just now, and its executions with it
    if execution["_stage"] == "waiting":
        _launch(app, schedule, execution)
        return
    job = app.store.find("ProcessingJob", execution["_job"])
    if job is None:
        _end(app, execution, "Failed", f"The processing job {execution['_job']} was deleted.")
    elif job["ProcessingJobStatus"] == "Stopping" and execution["MonitoringExecutionStatus"] != "Stopping":
        app.store.update("MonitoringExecution", execution["_name"], {"MonitoringExecutionStatus": "Stopping"})
    elif job["ProcessingJobStatus"] not in ("InProgress", "Stopping"):
        _follow(app, schedule, execution, job)


def _launch(app: SageLocal, schedule: Document, execution: Document) -> None:
    """The first job, once the baselining job has ended that the definition names."""
    try:
        definition = kinds.of_schedule(app, schedule["MonitoringScheduleConfig"])
        baselines = jobs.baselines(app, definition)
        if baselines is None:
            return
        plan = _plan(app, schedule, execution, definition)
        if definition.kind.truth:
            _start(app, execution, "merging", jobs.merge(app, plan))
        else:
            _start(app, execution, "monitoring", jobs.monitor(app, plan, baselines))
    except (AwsError, NoDataError, jobs.BaselineError) as error:
        _end(app, execution, "Failed", error.message if isinstance(error, AwsError) else str(error))


def _follow(app: SageLocal, schedule: Document, execution: Document, job: Document) -> None:
    """After a job's end: the next job, or the execution's end."""
    status, said = job["ProcessingJobStatus"], job.get("ExitMessage", "")
    if status == "Stopped":
        _end(app, execution, "Stopped", f"The processing job {job['ProcessingJobName']} was stopped.")
    elif status == "Failed":
        _end(app, execution, "Failed", job.get("FailureReason") or said or "The processing job failed.")
    elif execution["_stage"] == "merging":
        try:
            definition = kinds.of_schedule(app, schedule["MonitoringScheduleConfig"])
            plan = _plan(app, schedule, execution, definition)
            request = jobs.monitor(app, plan, jobs.baselines(app, definition) or {}, merged=True)
            _start(app, execution, "monitoring", request)
        except (AwsError, NoDataError, jobs.BaselineError) as error:
            _end(app, execution, "Failed", error.message if isinstance(error, AwsError) else str(error))
    else:
        violated = said.startswith("CompletedWithViolations")
        _end(app, execution, "CompletedWithViolations" if violated else "Completed")


def _plan(app: SageLocal, schedule: Document, execution: Document, definition: kinds.Definition) -> jobs.Plan:
    scheduled = execution["ScheduledTime"]
    digest = hashlib.sha256(f"{schedule['MonitoringScheduleArn']} {scheduled}".encode()).hexdigest()[:24]
    return jobs.Plan(
        definition=definition,
        schedule=schedule["MonitoringScheduleName"],
        arn=schedule["MonitoringScheduleArn"],
        scheduled=scheduled,
        window=Window(*execution["_window"]),
        suffix=f"{datetime.fromtimestamp(scheduled, UTC):%Y%m%d%H%M}-{digest}",
    )


def _start(app: SageLocal, execution: Document, stage: str, request: Document) -> None:
    name = request["ProcessingJobName"]
    arn = jobs.start(app, request)
    changes = {"MonitoringExecutionStatus": "InProgress", "ProcessingJobArn": arn, "_job": name, "_stage": stage}
    app.store.update("MonitoringExecution", execution["_name"], changes)


def _end(app: SageLocal, execution: Document, status: str, reason: str = "") -> None:
    changes: Document = {"MonitoringExecutionStatus": status, "_ended": app.now()}
    changes |= {"FailureReason": _with_window(reason, execution)[:_REASON]} if reason else {}
    app.store.update("MonitoringExecution", execution["_name"], changes)
    alerts.evaluate(app, execution["MonitoringScheduleName"])


def _with_window(reason: str, execution: Document) -> str:
    """What a container says of the data is told with the window that the data is from."""
    start, end = execution["_window"]
    return f"{reason} (window {iso(start)} to {iso(end)})" if reason.startswith(_UNPARSEABLE) else reason
