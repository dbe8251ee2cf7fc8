"""What monitors found: the executions of their pipelines, as a monitoring execution's status and violations."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from deploy.declaration import Kind
from deploy.state import Described, find

COMPLETED, VIOLATIONS = "Completed", "CompletedWithViolations"
RUNNING = "InProgress"
STATUSES = {"Executing": RUNNING, "Stopping": "Stopping", "Succeeded": COMPLETED}  # others have the same name
COLLECT, CHECK = "Collect", "Check"


@dataclass(frozen=True)
class Verdict:
    """One execution of a monitor."""

    kind: Kind
    execution: str  # ARN
    status: str  # as MonitoringExecutionStatus: InProgress, Completed, CompletedWithViolations, Failed, Stopped
    started: datetime
    output_uri: str = ""  # folder with report.html and the files of violations and statistics
    violations: list[dict[str, Any]] = field(default_factory=list)  # as in constraint_violations.json
    reason: str = ""  # why it failed
    window: tuple[str, str] = ("", "")  # ISO 8601
    records: int | None = None  # that it looked at

    @property
    def report_uri(self) -> str:
        return f"{self.output_uri}/report.html"

    @property
    def subjects(self) -> list[str]:
        """Features, metrics or facets that violate a constraint, each once."""
        return list(dict.fromkeys(subject(each) for each in self.violations))


def subject(violation: dict[str, Any]) -> str:
    """What a violation is about: a feature; a metric; a metric of a facet's value."""
    metric = str(violation.get("metric_name") or violation.get("feature_name", ""))
    facet = violation.get("facet")
    return f"{metric} of {facet} {violation.get('facet_value', '')}".rstrip() if facet else metric


def latest(sagemaker: Any, s3: Any, name: str, kind: Kind) -> Verdict | None:
    """Of the newest execution of a monitor's pipeline; None where there is none, or no pipeline."""
    newest = functools.partial(
        sagemaker.list_pipeline_executions, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )
    found = (find(newest, PipelineName=name) or {}).get("PipelineExecutionSummaries", [])
    return read(sagemaker, s3, found[0]["PipelineExecutionArn"], kind) if found else None


def start(sagemaker: Any, name: str, start: datetime, end: datetime) -> str:
    """Starts a monitor's pipeline over [start, end); the execution's ARN."""
    window = [{"Name": "WindowStart", "Value": iso(start)}, {"Name": "WindowEnd", "Value": iso(end)}]
    started = sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=window)
    return str(started["PipelineExecutionArn"])


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def ended(sagemaker: Any, execution: str, poll: float, said: Callable[[str], None] | None = None) -> None:
    """Waits until it runs no more; `said` is told the status at each look."""
    while True:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)["PipelineExecutionStatus"]
        if said:
            said(status)
        if status not in ("Executing", "Stopping"):
            return
        time.sleep(poll)


def read(sagemaker: Any, s3: Any, execution: str, kind: Kind) -> Verdict:
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
    status, started = described["PipelineExecutionStatus"], described["CreationTime"]
    if status in ("Executing", "Stopping"):
        return Verdict(kind, execution, STATUSES[status], started)
    jobs = _jobs(sagemaker, execution)
    summary = read_json(s3, f"{_output(jobs.get(COLLECT, {}))}/summary.json")
    window = summary.get("window", {})
    looked: dict[str, Any] = {
        "window": (window.get("start", ""), window.get("end", "")),
        "records": summary.get("records"),
    }
    if status != "Succeeded":
        reason = _reason(sagemaker, described, execution, jobs)
        return Verdict(kind, execution, STATUSES.get(status, status), started, reason=reason, **looked)
    output = _output(jobs[CHECK])
    found = read_json(s3, f"{output}/constraint_violations.json")
    if "violations" not in found:
        reason = f"nothing was compared: {output} has no constraint_violations.json"
        return Verdict(kind, execution, "Failed", started, output, reason=reason, **looked)
    violations = list(found["violations"])
    return Verdict(kind, execution, VIOLATIONS if violations else COMPLETED, started, output, violations, **looked)


def _jobs(sagemaker: Any, execution: str) -> dict[str, Described]:
    """DescribeProcessingJob by the step's name, of the steps that came so far."""
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    named = {each["StepName"]: each.get("Metadata", {}).get("ProcessingJob", {}).get("Arn") for each in steps}
    return {
        step: dict(sagemaker.describe_processing_job(ProcessingJobName=arn.rsplit("/", 1)[1]))
        for step, arn in named.items()
        if arn
    }


def _reason(sagemaker: Any, described: Described, execution: str, jobs: dict[str, Described]) -> str:
    """What the job that failed said itself, else what the step or the execution says."""
    for job in jobs.values():
        if job["ProcessingJobStatus"] in ("Failed", "Stopped"):
            said = job.get("ExitMessage") or job.get("FailureReason")
            if said:
                return f"{said} (job {job['ProcessingJobName']}, log group /aws/sagemaker/ProcessingJobs)"
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    reasons = [each["FailureReason"] for each in steps if each.get("FailureReason")]
    return str(reasons[0] if reasons else described.get("FailureReason", "no reason given"))


def _output(job: Described) -> str:
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return str(outputs[0]["S3Output"]["S3Uri"]).rstrip("/") if outputs else ""


def read_json(s3: Any, uri: str) -> dict[str, Any]:
    """Empty where there is no such object."""
    where = urlsplit(uri)
    if not where.netloc:
        return {}
    try:
        return dict(json.loads(s3.get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read()))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return {}
        raise
