"""What Model Monitor's own schedules found: their executions, and one that runs at once."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from deploy.declaration import Kind
from deploy.state import Described, find
from deploy.verdicts import COMPLETED, VIOLATIONS, Verdict, read_json

_RUNNING = ("Pending", "InProgress", "Stopping")
_SETTLING = ("Pending",)


def latest(sagemaker: Any, s3: Any, schedule: str, kind: Kind) -> Verdict | None:
    """Of a schedule's newest execution; None where there is none, or no schedule."""
    if find(sagemaker.describe_monitoring_schedule, MonitoringScheduleName=schedule) is None:
        return None
    found = _newest(sagemaker, schedule)
    return read(sagemaker, s3, found, kind) if found else None


def _newest(sagemaker: Any, schedule: str) -> Described | None:
    listed = sagemaker.list_monitoring_executions(
        MonitoringScheduleName=schedule, SortBy="ScheduledTime", SortOrder="Descending", MaxResults=1
    )["MonitoringExecutionSummaries"]
    return listed[0] if listed else None


def read(sagemaker: Any, s3: Any, execution: Described, kind: Kind) -> Verdict:
    """Of a MonitoringExecutionSummary."""
    status, arn = execution["MonitoringExecutionStatus"], execution.get("ProcessingJobArn", "")
    verdict = Verdict(kind, arn, status, execution["CreationTime"], reason=execution.get("FailureReason", ""))
    if status not in (COMPLETED, VIOLATIONS):
        return verdict
    job = sagemaker.describe_processing_job(ProcessingJobName=arn.rsplit("/", 1)[1])
    output = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"].rstrip("/")
    environment = job.get("Environment", {})
    violations = read_json(s3, f"{output}/constraint_violations.json").get("violations", [])
    window = (environment.get("start_time", ""), environment.get("end_time", ""))
    return Verdict(kind, arn, status, verdict.started, output, violations, window=window)


def run(sagemaker: Any, s3: Any, schedule: str, kind: Kind, start: datetime, end: datetime, poll: float) -> Verdict:
    """Runs a schedule's job definition once over [start, end), by a schedule of its own that goes afterwards.

    AWS takes windows of up to 24 hours. Raises LookupError when there is no such schedule.
    """
    described = find(sagemaker.describe_monitoring_schedule, MonitoringScheduleName=schedule)
    if described is None:
        raise LookupError(f"The monitor {schedule} is not deployed: mlops deploy brings it up.")
    config, once = described["MonitoringScheduleConfig"], f"{schedule[:56]}-{secrets.token_hex(3)}"
    now = datetime.now(UTC)
    window = {
        "ScheduleExpression": "NOW",
        "DataAnalysisStartTime": _offset(now, start),
        "DataAnalysisEndTime": _offset(now, end),
    }
    sagemaker.create_monitoring_schedule(
        MonitoringScheduleName=once, MonitoringScheduleConfig={**config, "ScheduleConfig": window}
    )
    try:
        while True:
            found = _newest(sagemaker, once)
            if found and found["MonitoringExecutionStatus"] not in _RUNNING:
                return read(sagemaker, s3, found, kind)
            _check(sagemaker, once)
            time.sleep(poll)
    finally:
        _delete(sagemaker, once, poll)


def _check(sagemaker: Any, schedule: str) -> None:
    found = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=schedule)
    if found["MonitoringScheduleStatus"] == "Failed":
        raise RuntimeError(f"Monitoring schedule {schedule} failed: {found.get('FailureReason', 'no reason given')}")


def _delete(sagemaker: Any, schedule: str, poll: float) -> None:
    """AWS takes no deletion of a schedule that is still being made."""
    while True:
        found = find(sagemaker.describe_monitoring_schedule, MonitoringScheduleName=schedule)
        if found is None:
            return
        if found["MonitoringScheduleStatus"] not in _SETTLING:
            sagemaker.delete_monitoring_schedule(MonitoringScheduleName=schedule)
            return
        time.sleep(poll)


def _offset(now: datetime, moment: datetime) -> str:
    """How long ago, as an ISO 8601 duration."""
    return f"-PT{max(0, round((now - moment).total_seconds()))}S"
