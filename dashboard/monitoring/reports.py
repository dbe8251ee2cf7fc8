"""One run's files: what was found, against which baseline. Read from S3 and remembered, as they do not change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, objects
from dashboard.monitoring.monitors import Monitor
from dashboard.monitoring.runs import Run
from deploy import names, verdicts
from mlops import storage
from mlops.use_cases import find_all

Document = dict[str, Any]
_KEPT_SECONDS = 3600
_MOST_FILES = 3000
VIOLATIONS, STATISTICS, ANALYSIS = "constraint_violations.json", "statistics.json", "analysis.json"


@dataclass(frozen=True)
class Baseline:
    """What a run was compared with."""

    constraints: Document = field(default_factory=dict)  # of bias and explanations: an analysis.json
    statistics: Document = field(default_factory=dict)
    uri: str = ""  # of the constraints
    made: datetime | None = None  # when S3 got them
    group: str = ""  # model package group and version whose baseline it is, where that is known
    version: str = ""


@dataclass(frozen=True)
class Report:
    job: Document = field(default_factory=dict)  # DescribeProcessingJob of the analysis
    output: str = ""  # URI of the folder
    violations: tuple[Document, ...] = ()
    statistics: Document = field(default_factory=dict)
    analysis: Document = field(default_factory=dict)
    baseline: Baseline = field(default_factory=Baseline)
    window: tuple[str, str] = ("", "")  # ISO 8601
    records: int | None = None
    labelled: int | None = None

    @property
    def pruned(self) -> bool:
        """Whether the job is known and its files are gone."""
        return bool(self.output) and not (self.statistics or self.analysis)

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(verdicts.subject(each) for each in self.violations))


@st.cache_data(ttl=_KEPT_SECONDS, max_entries=200, show_spinner=False)
def read(monitor: Monitor, run: Run) -> Report:
    """Of a run that has ended. Empty where its job is gone, or never came to be."""
    if not run.job:
        return Report()
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    job = describe(sagemaker, run.job)
    if not job:
        return Report()
    output, inputs = output_of(job), inputs_of(job)
    constraints = _input(inputs, "constraints.json", ANALYSIS)
    statistics = _input(inputs, STATISTICS) or _beside(constraints, STATISTICS)
    registered = job.get("Environment", {}).get("model_registered", "")
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        version = pool.submit(_version, sagemaker, monitor, registered)
        made = pool.submit(modified, s3, constraints)
        collected = inputs.get("data", "").rpartition("/")[0] if not monitor.managed else ""
        uris = [
            *(f"{output}/{each}" for each in (VIOLATIONS, STATISTICS, ANALYSIS)),
            *(constraints, statistics, f"{collected}/summary.json" if collected else ""),
        ]
        found, now, analysis, allowed, before, summary = pool.map(lambda uri: objects.document(s3, uri), uris)
        group, number = version.result()
        baseline = Baseline(allowed, before, constraints, made.result(), group, number)
    window = summary.get("window") or _environment_window(job) or _dataset_window(now)
    return Report(
        job=job,
        output=output,
        violations=tuple(found.get("violations", ())),
        statistics=now,
        analysis=analysis,
        baseline=baseline,
        window=(window.get("start", ""), window.get("end", "")),
        records=_records(summary, now),
        labelled=summary.get("labelled"),
    )


@st.cache_resource(show_spinner=False)
def _files() -> dict[tuple[str, str], Document]:
    """What is in a file of a run's results, by the analysis' job and the file's name."""
    return {}


def files(jobs: Sequence[str], file: str) -> dict[str, Document]:
    """The same file of many runs' results, by the analysis' job; empty where it is gone."""
    return _each(jobs, file, lambda job: f"{output}/{file}" if (output := output_of(job)) else "")


def constraints(jobs: Sequence[str]) -> dict[str, Document]:
    """What many runs were compared with, by the analysis' job; empty where it is gone."""
    return _each(jobs, "baseline", lambda job: _input(inputs_of(job), "constraints.json", ANALYSIS))


def _each(jobs: Sequence[str], what: str, where: Callable[[Document], str]) -> dict[str, Document]:
    """`where` is the URI by what DescribeProcessingJob answers."""
    known, sagemaker, s3 = _files(), account.client("sagemaker"), account.client("s3")
    missing = [job for job in jobs if (job, what) not in known]
    if len(known) > _MOST_FILES:
        known.clear()
    read = account.together(lambda job: objects.document(s3, where(describe(sagemaker, job))), missing)
    known |= {(job, what): found for job, found in zip(missing, read, strict=True)}
    return {job: known.get((job, what), {}) for job in jobs}


def why_pruned(report: Report) -> str:
    """A sentence: the report's files are gone, or may not be read."""
    s3 = account.client("s3")
    said = [objects.read(s3, f"{report.output}/{each}") for each in (STATISTICS, ANALYSIS)]
    hidden = next((each for each in said if isinstance(each, str) and not each.startswith("is gone")), "")
    return f"The report's files can't be read: {hidden}." if hidden else "The report's files are gone from S3."


def violations(jobs: Sequence[str]) -> dict[str, list[Document] | None]:
    """By the analysis' job; None where the file is gone."""
    read = files(jobs, VIOLATIONS)
    return {job: list(found["violations"]) if "violations" in found else None for job, found in read.items()}


def describe(sagemaker: Any, job: str) -> Document:
    """Empty where there is no such job."""
    try:
        return dict(sagemaker.describe_processing_job(ProcessingJobName=job))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFound", "ValidationException"):
            return {}
        raise


def output_of(job: Mapping[str, Any]) -> str:
    """URI of a processing job's first output, without a slash at its end."""
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return str(outputs[0]["S3Output"]["S3Uri"]).rstrip("/") if outputs else ""


def inputs_of(job: Mapping[str, Any]) -> dict[str, str]:
    """URIs by the inputs' names."""
    return {
        each["InputName"]: each["S3Input"]["S3Uri"] for each in job.get("ProcessingInputs", []) if "S3Input" in each
    }


def modified(s3: Any, uri: str) -> datetime | None:
    """When an object was written; None where there is none, or it may not be seen."""
    if not uri:
        return None
    bucket, key = storage.split(uri)
    try:
        found: datetime = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    except ClientError:
        return None
    return found


def _input(inputs: Mapping[str, str], *ends: str) -> str:
    return next((uri for end in ends for uri in inputs.values() if uri.endswith(f"/{end}")), "")


def _beside(uri: str, file: str) -> str:
    """Model quality's monitors get no statistics, but the check that made the constraints left them beside."""
    return f"{uri.rpartition('/')[0]}/{file}" if uri.endswith("/constraints.json") else ""


def _environment_window(job: Mapping[str, Any]) -> dict[str, str]:
    """Of Model Monitor's images."""
    given = job.get("Environment", {})
    return {"start": given.get("start_time", ""), "end": given.get("end_time", "")} if "start_time" in given else {}


def _dataset_window(found: Mapping[str, Any]) -> dict[str, str]:
    dataset = found.get("dataset", {})
    return {"start": dataset.get("start_time", ""), "end": dataset.get("end_time", "")}


def _records(summary: Mapping[str, Any], found: Mapping[str, Any]) -> int | None:
    count = found.get("dataset", {}).get("item_count", summary.get("records"))
    return int(count) if count is not None else None


def _version(sagemaker: Any, monitor: Monitor, registered: str) -> tuple[str, str]:
    """Group and version that were registered at that second, among the use cases' groups."""
    if not registered:
        return "", ""
    moment = datetime.fromisoformat(registered)
    within = {"CreationTimeAfter": moment - timedelta(seconds=1), "CreationTimeBefore": moment + timedelta(seconds=2)}
    group = _group(sagemaker, monitor)
    try:
        found = sagemaker.list_model_packages(ModelPackageGroupName=group, **within)["ModelPackageSummaryList"]
    except ClientError:
        return "", ""
    same = [each for each in found if each["CreationTime"].replace(microsecond=0) == moment]
    return (group, str(same[0]["ModelPackageVersion"])) if same else ("", "")


def _group(sagemaker: Any, monitor: Monitor) -> str:
    """The model package group is called after the use case, which the monitor is tagged with."""
    try:
        tags = sagemaker.list_tags(ResourceArn=monitor.arn)["Tags"]
    except ClientError:
        tags = []
    tagged = next((each["Value"] for each in tags if each["Key"] == names.PROJECT_TAG), "")
    return tagged or use_case(monitor.endpoint) or monitor.endpoint


def use_case(endpoint: str) -> str:
    """The one that an endpoint is called after; empty for one of nobody here."""
    named = [each.name for each in find_all() if endpoint.startswith(names.endpoint_name(each.name, ""))]
    return max(named, key=len, default="")
