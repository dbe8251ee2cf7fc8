"""What is known of a use case at a glance: its last execution, gate, newest version, endpoints and monitors.

Plain functions over boto3 clients, for threads; each part that an account refuses is a sentence in its place.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, look, objects
from dashboard.executions import gate
from dashboard.executions.gate import Comparison
from dashboard.monitoring import runs
from deploy import declaration, managed_verdicts, names, served, verdicts
from deploy.declaration import Engine, Kind
from deploy.state import Clients, find
from deploy.verdicts import Verdict
from mlops import executions
from mlops.executions import Step
from mlops.use_cases import UseCase

RUN, VERSION, ENDPOINTS, MONITORS = "run", "version", "endpoints", "monitors"  # the parts, by which problems are told


@dataclass(frozen=True)
class Run:
    """An execution with its steps so far."""

    arn: str
    status: str  # PipelineExecutionStatus
    name: str  # PipelineExecutionDisplayName
    started: datetime
    steps: list[Step]

    @property
    def id(self) -> str:
        return self.arn.rsplit("/", 1)[1]

    @property
    def running(self) -> bool:
        return self.status in executions.RUNNING

    @property
    def ended(self) -> datetime | None:
        """When its last step did: the list of executions doesn't say."""
        ends = [step.end for step in self.steps if step.end]
        return None if self.running else max(ends, default=self.started)

    @property
    def failure(self) -> str:
        """Of the first step that failed."""
        return next((step.failure for step in self.steps if step.status == "Failed" and step.failure), "")


@dataclass(frozen=True)
class Served:
    """An endpoint of the use case."""

    endpoint: str
    stage: str
    status: str  # EndpointStatus
    version: str = ""  # of the model package; "" for none that is known
    variants: int = 1


@dataclass(frozen=True)
class Monitored:
    """A monitor that is deployed."""

    endpoint: str
    stage: str
    kind: Kind
    verdict: Verdict | None  # None: it never ran
    idle: bool = False  # the last run failed as there was no traffic to compare


@dataclass(frozen=True)
class Glance:
    name: str  # the use case's, its pipeline's and its model package group's
    summary: str
    run: Run | None = None
    gates: list[Comparison] = field(default_factory=list)
    version: dict[str, Any] | None = None  # ListModelPackages' summary of the newest
    endpoints: list[Served] = field(default_factory=list)
    monitors: list[Monitored] = field(default_factory=list)
    problems: Mapping[str, str] = field(default_factory=dict)  # part -> why it is not known


def gather(clients: Clients, cases: Sequence[UseCase]) -> list[Glance]:
    """Of every use case, all parts at the same time."""
    sagemaker, s3 = clients("sagemaker"), clients("s3")
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        asked = [(case, _ask(pool, sagemaker, s3, case.name, [each.name for each in cases])) for case in cases]
        return [_glance(case, answers) for case, answers in asked]


Answers = dict[str, list[Future[Any]]]


def _ask(pool: ThreadPoolExecutor, sagemaker: Any, s3: Any, case: str, cases: list[str]) -> Answers:
    monitors = [
        pool.submit(monitor, sagemaker, s3, names.endpoint_name(case, stage), stage, kind, monitoring.engine)
        for stage, monitoring in declaration.monitored(case).items()
        for kind in monitoring.monitors()
    ]
    return {
        RUN: [pool.submit(_run_and_gate, sagemaker, s3, case)],
        VERSION: [pool.submit(newest_version, sagemaker, case)],
        ENDPOINTS: [pool.submit(endpoints, sagemaker, case, cases)],
        MONITORS: monitors,
    }


def _glance(case: UseCase, answers: Answers) -> Glance:
    problems: dict[str, str] = {}

    def got(part: str) -> list[Any]:
        found = []
        for each in answers[part]:
            try:
                found.append(each.result())
            except (ClientError, BotoCoreError, LookupError, ValueError) as error:
                problems[part] = look.sentence(error)
        return found

    run, gates = next(iter(got(RUN)), (None, []))
    return Glance(
        name=case.name,
        summary=case.summary,
        run=run,
        gates=gates,
        version=next(iter(got(VERSION)), None),
        endpoints=[each for found in got(ENDPOINTS) for each in found],
        monitors=[each for each in got(MONITORS) if each],
        problems=problems,
    )


def last_run(sagemaker: Any, pipeline: str) -> Run | None:
    """The newest execution; None for a pipeline that isn't there, or never ran."""
    newest = functools.partial(
        sagemaker.list_pipeline_executions, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )
    found = (find(newest, PipelineName=pipeline) or {}).get("PipelineExecutionSummaries", [])
    if not found:
        return None
    arn = found[0]["PipelineExecutionArn"]
    return Run(
        arn=arn,
        status=found[0]["PipelineExecutionStatus"],
        name=found[0].get("PipelineExecutionDisplayName", ""),
        started=found[0]["StartTime"],
        steps=executions.steps(sagemaker, arn),
    )


def _run_and_gate(sagemaker: Any, s3: Any, pipeline: str) -> tuple[Run | None, list[Comparison]]:
    run = last_run(sagemaker, pipeline)
    return run, gates(sagemaker, s3, run) if run else []


def gates(sagemaker: Any, s3: Any, run: Run) -> list[Comparison]:
    """What the gates of an execution compare, with the numbers that are there so far."""
    described = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=run.arn)
    definition = json.loads(described["PipelineDefinition"])
    wanted = gate.reports(definition)
    if not wanted:
        return []
    pages = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(PipelineExecutionArn=run.arn)
    parameters = {each["Name"]: each["Value"] for page in pages for each in page["PipelineParameters"]}
    found = {(step, file): _report(sagemaker, s3, run, definition, step, file) for step, file in wanted}
    return gate.comparisons(definition, parameters, lambda step, file: found[step, file])


def _report(sagemaker: Any, s3: Any, run: Run, definition: Mapping[str, Any], step: str, file: str) -> dict[str, Any]:
    """A property file's content; {} as long as its step has not succeeded, or where it was pruned."""
    ran = next((each for each in run.steps if each.name == step and each.status == "Succeeded"), None)
    if ran is None or ran.job is None:
        return {}
    output, path = gate.location(definition, step, file)
    folder = executions.outputs(executions.describe_job(sagemaker, *ran.job)).get(output, "")
    return objects.document(s3, f"{folder.rstrip('/')}/{path}")


def newest_version(sagemaker: Any, group: str) -> dict[str, Any] | None:
    """ListModelPackages' summary; None for a group that has none, or isn't there."""
    listed = functools.partial(
        sagemaker.list_model_packages, SortBy="CreationTime", SortOrder="Descending", MaxResults=10
    )
    found = (find(listed, ModelPackageGroupName=group) or {}).get("ModelPackageSummaryList", [])
    # Versions of one second come in any order.
    return max(found, key=lambda each: int(each["ModelPackageVersion"]), default=None)


def endpoints(sagemaker: Any, case: str, cases: list[str]) -> list[Served]:
    """Those whose names begin as the use case's do, but for another one's whose name is longer."""
    own = names.endpoint_name(case, "")
    others = [longer for each in cases if (longer := names.endpoint_name(each, "")) != own and longer.startswith(own)]
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=own)
    listed = [each for page in pages for each in page["Endpoints"] if each["EndpointName"].startswith(own)]
    return [
        _served(sagemaker, case, each["EndpointName"], each["EndpointStatus"])
        for each in listed
        if not each["EndpointName"].startswith(tuple(others))
    ]


def _served(sagemaker: Any, case: str, endpoint: str, status: str) -> Served:
    described = find(sagemaker.describe_endpoint, EndpointName=endpoint) or {}
    config = described.get("EndpointConfigName", "")
    stage = endpoint.removeprefix(names.endpoint_name(case, ""))
    version = names.config_version(endpoint, config) or _version(sagemaker, case, endpoint)
    return Served(endpoint, stage, status, version, len(described.get("ProductionVariants", [])) or 1)


def _version(sagemaker: Any, case: str, endpoint: str) -> str:
    """By what it serves, for an endpoint that `deploy/` did not make: four calls and more."""
    try:
        return str(served.package(sagemaker, case, endpoint)["ModelPackageVersion"])
    except (LookupError, ClientError):
        return ""


def monitor(sagemaker: Any, s3: Any, endpoint: str, stage: str, kind: Kind, engine: Engine) -> Monitored | None:
    """None for one that isn't deployed."""
    name = names.monitor_name(endpoint, kind)
    if engine is Engine.MANAGED:
        if find(sagemaker.describe_monitoring_schedule, MonitoringScheduleName=name) is None:
            return None
        last = managed_verdicts.latest(sagemaker, s3, name, kind)
        idle = last is not None and runs.failure(last.reason) is runs.State.NOTHING
        return Monitored(endpoint, stage, kind, last, idle)
    newest = functools.partial(
        sagemaker.list_pipeline_executions, SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )
    found = find(newest, PipelineName=name)
    if found is None:
        return None
    listed = found["PipelineExecutionSummaries"]
    if not listed:
        return Monitored(endpoint, stage, kind, None)
    failed = listed[0]["PipelineExecutionStatus"] == "Failed"
    idle = failed and runs.of(sagemaker, listed[0]).state is runs.State.NOTHING
    return Monitored(endpoint, stage, kind, _verdict(sagemaker, s3, kind, listed[0]), idle)


def _verdict(sagemaker: Any, s3: Any, kind: Kind, execution: Mapping[str, Any]) -> Verdict:
    """In three calls or none, without what verdicts.read says beside it: the window, its records and a job's reason."""
    arn, status, started = (
        execution[member] for member in ("PipelineExecutionArn", "PipelineExecutionStatus", "StartTime")
    )
    if status != "Succeeded":
        said = verdicts.STATUSES.get(status, status)
        return Verdict(kind, arn, said, started, reason=execution.get("PipelineExecutionFailureReason", ""))
    output = executions.output(sagemaker, arn, verdicts.CHECK, verdicts.CHECK.lower())
    violations = verdicts.read_json(s3, f"{output}/constraint_violations.json").get("violations", [])
    return Verdict(
        kind, arn, verdicts.VIOLATIONS if violations else verdicts.COMPLETED, started, output, list(violations)
    )
