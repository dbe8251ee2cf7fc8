"""What became of each run of a monitor, of either engine, by as few calls as possible.

An own monitor's verdict is what its job Check said when it ended (its ExitMessage, as Model Monitor's images write it),
which one ListProcessingJobs tells of a hundred runs. What has ended never changes: it is remembered by its ARN as long
as the dashboard runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account
from dashboard.monitoring.monitors import Monitor, listed
from deploy.verdicts import CHECK, COLLECT
from deploy.verdicts import VIOLATIONS as WITH_VIOLATIONS

SHOWN = 60  # runs of a monitor at a time
_MOST_REMEMBERED = 20_000
_LISTS, _TOGETHER, _PAGES = 4, 100, 5  # lists of jobs at a time, runs a list at least, its pages at most
_LONGEST = timedelta(hours=2)
_FEW = 4  # runs that are asked for one by one rather than found in a list
_JOB = re.compile(rf"pipelines-([a-z0-9]+)-({CHECK}|{COLLECT})-", re.IGNORECASE)
_COUNT = re.compile(r"(\d+) violations?")
_NO_DATA = ("NoRecordsError", "Job inputs had no data")  # ours; AWS's FailureReason of a monitoring execution
_ENDED = ("Completed", "Failed", "Stopped")


class State(StrEnum):
    HEALTHY = "healthy"
    VIOLATIONS = "violations"
    NOTHING = "nothing to compare"
    FAILED = "failed"
    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True)
class Run:
    id: str  # last part of the execution's ARN; of a managed monitor that of its processing job's, or of its time
    arn: str
    started: datetime
    state: State
    violations: int = 0
    reason: str = ""
    job: str = ""  # ProcessingJobName of the analysis

    @property
    def verdict(self) -> bool:
        """Whether it says if there are violations."""
        return self.state in (State.HEALTHY, State.VIOLATIONS)

    def __str__(self) -> str:
        if self.state is State.VIOLATIONS:
            return f"{self.violations} violation{'s' if self.violations != 1 else ''}"
        return str(self.state)


@st.cache_resource(show_spinner=False)
def memory() -> dict[str, Run]:
    """Runs that have ended, by ARN."""
    return {}


@account.kept
def histories(monitors: tuple[Monitor, ...], count: int = SHOWN) -> dict[str, list[Run]]:
    """By the monitor's name, newest first."""
    return gather(account.client("sagemaker"), monitors, memory(), count)


@account.kept
def before(monitor: Monitor, moment: datetime, count: int = SHOWN) -> list[Run]:
    """The runs of a monitor that began before then, newest first."""
    return gather(account.client("sagemaker"), [monitor], memory(), count, moment)[monitor.name]


@account.kept
def find(monitor: Monitor, run_id: str) -> Run:
    """Any run, however old. Raises LookupError."""
    sagemaker = account.client("sagemaker")
    if monitor.managed:
        for each in _executions(sagemaker, monitor, 1000, None):
            if _id(each) == run_id:
                return _managed(sagemaker, each)
        raise LookupError(f"The monitor {monitor.name} has no execution {run_id}.")
    arn = f"{monitor.arn}/execution/{run_id}"
    try:
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
        raise LookupError(f"The monitor {monitor.name} has no execution {run_id}.") from error
    # DescribePipelineExecution calls these otherwise than ListPipelineExecutions does.
    summary = {**described, "StartTime": described["CreationTime"]}
    summary["PipelineExecutionFailureReason"] = described.get("FailureReason", "")
    return of(sagemaker, summary)


def of(sagemaker: Any, execution: Mapping[str, Any]) -> Run:
    """Of a PipelineExecutionSummary, by its steps."""
    return _run(execution, _jobs_of(sagemaker, _arn(execution)))


def gather(
    sagemaker: Any,
    monitors: Sequence[Monitor],
    known: dict[str, Run],
    count: int = SHOWN,
    before: datetime | None = None,
) -> dict[str, list[Run]]:
    """Histories, newest first; `known` is read, and given what has ended since."""
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        executions = list(pool.map(lambda each: _executions(sagemaker, each, count, before), monitors))
        pairs = list(zip(monitors, executions, strict=True))
        new = [each for monitor, found in pairs if not monitor.managed for each in found if _arn(each) not in known]
        jobs = _listed_jobs(sagemaker, new, pool) if len(new) > _FEW else {}
        missing = [each for each in new if _arn(each).rsplit("/", 1)[1] not in jobs and not _runs(each)]
        more = dict(zip(map(_arn, missing), pool.map(lambda e: _jobs_of(sagemaker, _arn(e)), missing), strict=True))
        found = {}
        for monitor, each in pairs:
            runs = [known.get(_arn(one)) for one in each]
            if monitor.managed:
                made: Iterable[Run] = pool.map(lambda one: known.get(_arn(one)) or _managed(sagemaker, one), each)
            else:
                made = (
                    run or _run(one, more.get(_arn(one)) or jobs.get(_arn(one).rsplit("/", 1)[1], {}))
                    for run, one in zip(runs, each, strict=True)
                )
            found[monitor.name] = list(made)
    if len(known) > _MOST_REMEMBERED:
        known.clear()
    known |= {run.arn: run for runs in found.values() for run in runs if run.state is not State.RUNNING}
    return found


def _executions(sagemaker: Any, monitor: Monitor, count: int, before: datetime | None) -> list[dict[str, Any]]:
    """Summaries, newest first. None for a monitor that is gone since it was listed."""
    pages = -(-count // 100)
    size = min(count, 100)
    try:
        if monitor.managed:
            query: dict[str, Any] = {
                "MonitoringScheduleName": monitor.name,
                "SortBy": "ScheduledTime",
                "SortOrder": "Descending",
            }
            query |= {"ScheduledTimeBefore": before} if before else {}
            operation, member = "list_monitoring_executions", "MonitoringExecutionSummaries"
        else:
            query = {"PipelineName": monitor.name, "SortBy": "CreationTime", "SortOrder": "Descending"}
            query |= {"CreatedBefore": before} if before else {}
            operation, member = "list_pipeline_executions", "PipelineExecutionSummaries"
        return listed(sagemaker, operation, member, pages, MaxResults=size, **query)[:count]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFound", "ResourceNotFoundException"):
            return []
        raise


def _arn(execution: Mapping[str, Any]) -> str:
    """What names an execution; AWS gives those of monitoring schedules none, and a job not always."""
    if arn := execution.get("PipelineExecutionArn") or execution.get("ProcessingJobArn"):
        return str(arn)
    return f"{execution['MonitoringScheduleName']}/{_stamp(execution)}"


def _id(execution: Mapping[str, Any]) -> str:
    return _arn(execution).rsplit("/", 1)[1]


def _stamp(execution: Mapping[str, Any]) -> str:
    return f"{execution['ScheduledTime'].timestamp():.0f}"


def _runs(execution: Mapping[str, Any]) -> bool:
    return execution["PipelineExecutionStatus"] in ("Executing", "Stopping")


def _listed_jobs(sagemaker: Any, executions: Sequence[dict[str, Any]], pool: ThreadPoolExecutor) -> dict[str, Any]:
    """Summaries of the jobs Check and of those Collect that failed, by the execution's id, then the step's name.

    Pages of a list come one after the other, so times are listed beside each other, a share of the executions each.
    """
    ordered = sorted(each["StartTime"] for each in executions)
    size = max(_TOGETHER, -(-len(ordered) // _LISTS))
    shares = [ordered[at : at + size] for at in range(0, len(ordered), size)]
    queries = [{**_within(each), "NameContains": f"-{CHECK}-"} for each in shares]
    queries.append({**_within(ordered), "NameContains": f"-{COLLECT}-", "StatusEquals": "Failed"})

    def ask(query: dict[str, Any]) -> list[dict[str, Any]]:
        return listed(sagemaker, "list_processing_jobs", "ProcessingJobSummaries", _PAGES, MaxResults=100, **query)

    found: dict[str, Any] = {}
    for each in pool.map(ask, queries):
        for job in each:
            if (match := _JOB.match(job["ProcessingJobName"])) and job["ProcessingJobStatus"] in _ENDED:
                found.setdefault(match[1], {})[match[2]] = job
    return found


def _within(moments: Sequence[datetime]) -> dict[str, Any]:
    """When the jobs of executions that began then were made: Check follows Collect, which may take an hour."""
    return {"CreationTimeAfter": moments[0] - timedelta(seconds=1), "CreationTimeBefore": moments[-1] + _LONGEST}


def _jobs_of(sagemaker: Any, execution: str) -> dict[str, Any]:
    """The same of one execution, by its steps."""
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    found: dict[str, Any] = {}
    for step in steps:
        name, arn = step["StepName"], step.get("Metadata", {}).get("ProcessingJob", {}).get("Arn")
        if arn and (name == CHECK or step["StepStatus"] != "Succeeded"):
            found[name] = sagemaker.describe_processing_job(ProcessingJobName=arn.rsplit("/", 1)[1])
        elif step.get("FailureReason"):
            found[name] = {"FailureReason": step["FailureReason"]}
    return found


def _run(execution: Mapping[str, Any], jobs: Mapping[str, Any]) -> Run:
    """Of a pipeline's execution: a PipelineExecutionSummary, and what became of its jobs."""
    arn, started, status = _arn(execution), execution["StartTime"], execution["PipelineExecutionStatus"]
    run_id = arn.rsplit("/", 1)[1]
    if status in ("Executing", "Stopping"):
        return Run(run_id, arn, started, State.RUNNING)
    check = jobs.get(CHECK, {})
    job = check.get("ProcessingJobName", "")
    if status == "Succeeded":
        return Run(run_id, arn, started, *verdict(check.get("ExitMessage", "")), job=job)
    failed: Mapping[str, Any] = next(
        (each for each in jobs.values() if each.get("ProcessingJobStatus") in ("Failed", "Stopped")), {}
    )
    raised, said = failed.get("FailureReason", ""), failed.get("ExitMessage", "")
    other = [each["FailureReason"] for each in jobs.values() if each.get("FailureReason")]
    reason = said or raised or next(iter(other), "") or execution.get("PipelineExecutionFailureReason", "")
    state = State.STOPPED if status == "Stopped" else failure(f"{raised} {said}")
    return Run(run_id, arn, started, state, reason=reason or "no reason given", job=job)


def verdict(message: str) -> tuple[State, int, str]:
    """State, number of violations and reason, from a job's exit message."""
    if message.startswith(WITH_VIOLATIONS):
        count = _COUNT.search(message)
        return State.VIOLATIONS, int(count[1]) if count else 1, ""
    if "no violation" in message:
        return State.HEALTHY, 0, ""
    return State.NOTHING, 0, message or "The job left no verdict."


def failure(reason: str) -> State:
    return State.NOTHING if any(each in reason for each in _NO_DATA) else State.FAILED


def _managed(sagemaker: Any, execution: Mapping[str, Any]) -> Run:
    """Of a MonitoringExecutionSummary; how many violations there are only the job's exit message says."""
    arn, started = _arn(execution), execution["ScheduledTime"]
    status, reason = execution["MonitoringExecutionStatus"], execution.get("FailureReason", "")
    job = arn.rsplit("/", 1)[1] if "ProcessingJobArn" in execution else ""
    if status in ("Pending", "InProgress", "Stopping"):
        return Run(_id(execution), arn, started, State.RUNNING, job=job)
    if status == "Completed":
        return Run(_id(execution), arn, started, State.HEALTHY, job=job)
    if status == WITH_VIOLATIONS:
        return Run(_id(execution), arn, started, State.VIOLATIONS, _counted(sagemaker, job), job=job)
    state = State.STOPPED if status == "Stopped" else failure(reason)
    return Run(_id(execution), arn, started, state, reason=reason or "no reason given", job=job)


def _counted(sagemaker: Any, job: str) -> int:
    try:
        message = sagemaker.describe_processing_job(ProcessingJobName=job).get("ExitMessage", "")
    except ClientError:
        return 1
    count = _COUNT.search(message)
    return int(count[1]) if count else 1


def moment(text: str) -> datetime:
    """Of seconds since 1970, as an address has it. Raises LookupError for what is none."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError) as error:
        raise LookupError(f"{text!r} is no time: open the monitor anew.") from error
