"""Pipeline executions as people want to see them: steps, how long each took, what came out, where its log is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from botocore import xform_name

from mlops import storage
from mlops.targets import Target

RUNNING = ("Executing", "Stopping")
TUNING = "HyperParameterTuningJob"
# Member of a step's Metadata -> the kind of the job that it names.
JOBS = {
    "ProcessingJob": "ProcessingJob",
    "TrainingJob": "TrainingJob",
    "TransformJob": "TransformJob",
    "TuningJob": TUNING,
    "QualityCheck": "ProcessingJob",
    "ClarifyCheck": "ProcessingJob",
}


@dataclass(frozen=True)
class Step:
    name: str
    status: str  # StepStatus
    cached: bool
    start: datetime | None
    end: datetime | None
    metadata: dict[str, Any]  # as ListPipelineExecutionSteps has it
    failure: str
    lent: bool = False  # not selected to run: an earlier execution's results stand in
    source: str = ""  # ARN of the execution whose results a cached or lent step has
    attempts: int = 1

    @property
    def shown_status(self) -> str:
        how = "cached" if self.cached else "not selected" if self.lent else ""
        return f"{self.status} ({how})" if how else self.status

    @property
    def running(self) -> bool:
        return self.status in ("Starting", "Executing", "Stopping")

    @property
    def job(self) -> tuple[str, str] | None:
        """(kind, the job's name), the kind as in describe_job; a cached step's job is the one it was taken from."""
        for member, kind in JOBS.items():
            named = self.metadata.get(member, {})
            if arn := named.get("CheckJobArn") or named.get("Arn"):
                return kind, arn.rsplit("/", 1)[1]
        return None


def steps(sagemaker: Any, execution: str) -> list[Step]:
    """In the order in which they started."""
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=execution, SortOrder="Ascending"
    )
    return [_step(each) for page in pages for each in page["PipelineExecutionSteps"]]


def _step(document: dict[str, Any]) -> Step:
    return Step(
        name=document["StepName"],
        status=document["StepStatus"],
        cached="CacheHitResult" in document,
        start=document.get("StartTime"),
        end=document.get("EndTime"),
        metadata=document.get("Metadata", {}),
        failure=document.get("FailureReason", ""),
        lent="SelectiveExecutionResult" in document,
        source=document.get("CacheHitResult", document.get("SelectiveExecutionResult", {})).get(
            "SourcePipelineExecutionArn", ""
        ),
        attempts=document.get("AttemptCount", 1),
    )


def recent(sagemaker: Any, pipeline: str, count: int = 5, status: str | None = None) -> list[dict[str, Any]]:
    """ListPipelineExecutions' summaries, newest first. Raises LookupError when the pipeline was never upserted."""
    query = {"PipelineName": pipeline, "SortBy": "CreationTime", "SortOrder": "Descending"}
    found: list[dict[str, Any]] = []
    try:
        for page in sagemaker.get_paginator("list_pipeline_executions").paginate(**query):
            summaries = page["PipelineExecutionSummaries"]
            found += [each for each in summaries if status in (None, each["PipelineExecutionStatus"])]
            if len(found) >= count:
                break
    except sagemaker.exceptions.ResourceNotFound as error:
        raise LookupError(f"The pipeline {pipeline} never ran here: mlops run {pipeline}") from error
    return found[:count]


def latest(sagemaker: Any, pipeline: str, status: str | None = None) -> str:
    """ARN of the newest execution, or of the newest one in that status. Raises LookupError when there is none."""
    found = recent(sagemaker, pipeline, 1, status)
    if not found:
        which = f"{status} execution" if status else "execution"
        raise LookupError(f"The pipeline {pipeline} has no {which}: mlops run {pipeline}")
    return str(found[0]["PipelineExecutionArn"])


def find(sagemaker: Any, pipeline: str, execution: str | None) -> str:
    """An execution by its ARN, by its id (the ARN's last part), or the newest. Raises LookupError."""
    if execution is None:
        return latest(sagemaker, pipeline)
    if execution.startswith("arn:"):
        return execution
    for each in recent(sagemaker, pipeline, 1000):
        if each["PipelineExecutionArn"].endswith(f"/{execution}"):
            return str(each["PipelineExecutionArn"])
    raise LookupError(f"The pipeline {pipeline} has no execution {execution}: mlops status lists the recent ones.")


def outcome(target: Target, step: Step) -> str:
    """One line on what a finished step made: metrics, version, branch taken, or why it failed."""
    if step.status == "Failed":
        return step.failure or step.metadata.get("Fail", {}).get("ErrorMessage", "")
    if "Condition" in step.metadata:
        return f"condition is {str(step.metadata['Condition'].get('Outcome', '')).lower()}"
    if "RegisterModel" in step.metadata:
        return "version " + step.metadata["RegisterModel"]["Arn"].rsplit("/", 1)[1]
    for kind in ("Model", "EndpointConfig", "Endpoint"):
        if kind in step.metadata:
            return str(step.metadata[kind]["Arn"].rsplit("/", 1)[1])
    if found := checked(target, step):
        return found
    said = ", ".join(f"{name} {value:.4g}" for name, value in metrics(target, step).items())
    if step.job and step.job[0] == TUNING and step.status == "Succeeded":
        return f"{said} by {best_trial(target, step)}"
    return said


def checked(target: Target, step: Step) -> str:
    """What a check of the data or the model found, by this project's jobs or by AWS's steps; "" for other steps."""
    if step.job is None or step.job[0] != "ProcessingJob" or step.status != "Succeeded":
        return ""
    s3 = target.client("s3")
    try:
        for kind in ("QualityCheck", "ClarifyCheck"):
            if kind in step.metadata:
                report = step.metadata[kind].get("ViolationReport")
                return _counted(storage.read_json(s3, report)["violations"]) if report else "skipped."
        uri = outputs(describe_job(target.client("sagemaker"), *step.job)).get("check")
        return str(storage.read_json(s3, f"{uri}/check.json")["message"]) if uri else ""
    except s3.exceptions.ClientError:  # pruned, or the bucket's life cycle took it
        return ""


def _counted(violations: list[Any]) -> str:
    return f"{len(violations)} violations." if violations else "no violation."


def best_trial(target: Target, step: Step) -> str:
    """Which training job of a Tuning step is the best, of how many, and with which hyperparameters."""
    assert step.job
    job = describe_job(target.client("sagemaker"), *step.job)
    best = job["BestTrainingJob"]
    tuned = ", ".join(f"{name} {_short(value)}" for name, value in sorted(best["TunedHyperParameters"].items()))
    return f"{best['TrainingJobName']}, best of {job['TrainingJobStatusCounters']['Completed']}: {tuned}"


def _short(value: str) -> str:
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value


def metrics(target: Target, step: Step) -> dict[str, float]:
    """A training job's final metrics, a tuning job's best objective, or the headline numbers of an evaluation.json."""
    if step.job is None or step.status != "Succeeded":
        return {}
    kind, name = step.job
    job = describe_job(target.client("sagemaker"), kind, name)
    if kind == "TrainingJob":
        return {each["MetricName"]: each["Value"] for each in job.get("FinalMetricDataList", [])}
    if kind == TUNING:
        objective = job.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric")
        return {objective["MetricName"]: objective["Value"]} if objective else {}
    uri = outputs(job).get("evaluation")
    return headline(evaluation(target, uri)) if uri else {}


def evaluation(target: Target, uri: str) -> dict[str, Any]:
    """The evaluation.json in a step's output folder."""
    return dict(storage.read_json(target.client("s3"), f"{uri.rstrip('/')}/evaluation.json"))


def headline(report: dict[str, Any]) -> dict[str, float]:
    """The first metrics of each group of an evaluation.json (`binary_classification_metrics` and the like)."""
    groups = [group for name, group in report.items() if name.endswith("_metrics")]
    values = {name: each["value"] for group in groups for name, each in group.items() if "value" in each}
    first = [
        name
        for name in ("average_precision", "auc", "accuracy", "rmse", "r2", "silhouette", "stability")
        if name in values
    ]
    return {name: values[name] for name in first or list(values)[:3]}


def outputs(job: dict[str, Any]) -> dict[str, str]:
    """A Processing job's S3 URIs by output name, from DescribeProcessingJob."""
    described = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return {each["OutputName"]: each["S3Output"]["S3Uri"] for each in described if "S3Output" in each}


def output(sagemaker: Any, execution: str, step_name: str, name: str) -> str:
    """S3 URI of one output of an execution's Processing step. Raises LookupError when it isn't there."""
    for step in steps(sagemaker, execution):
        if step.name == step_name and step.job:
            found = outputs(describe_job(sagemaker, *step.job))
            if name in found:
                return found[name].rstrip("/")
    raise LookupError(f"Execution {execution} has no step {step_name} with an output {name}.")


def log_streams(target: Target, step: Step) -> Iterator[tuple[str, str]]:
    """(log group, stream prefix) of a step's job. The ARN has its name in lower case, the streams as it is.

    A tuning job's prefix is that of all its training jobs.
    """
    if step.job:
        kind, name = step.job
        named = describe_job(target.client("sagemaker"), kind, name)[f"{kind}Name"]
        trials = kind == TUNING
        yield f"/aws/sagemaker/{'TrainingJob' if trials else kind}s", f"{named}{'-' if trials else '/'}"


def describe_job(sagemaker: Any, kind: str, name: str) -> dict[str, Any]:
    """The answer of Describe<kind>; EndpointConfig will do as well as a job."""
    return dict(getattr(sagemaker, xform_name(f"Describe{kind}"))(**{f"{kind}Name": name}))


def log_link(target: Target, group: str, prefix: str) -> str:
    """Where a job's log is to be read: a folder on the laptop, CloudWatch's console page on AWS."""
    if target.settings:
        logs = target.settings.state / "logs" / group.strip("/") / prefix.rstrip("/")
        return f"{logs}*" if prefix.endswith("-") else str(logs)
    # The console's own encoding: percent signs of an encoded name are written as $25.
    encoded = quote(quote(group, safe=""), safe="").replace("%", "$")
    stream = quote(quote(prefix, safe=""), safe="").replace("%", "$")
    page = f"https://{target.region}.console.aws.amazon.com/cloudwatch/home?region={target.region}"
    return f"{page}#logsV2:log-groups/log-group/{encoded}$3FlogStreamNameFilter$3D{stream}"
