"""Tuning jobs that a pipeline's executions started, and their training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from mlops.experiments import PAGE, Entry, last_part, listed, search
from mlops.targets import Target

EXECUTION_TAG = "sagemaker:pipeline-execution-arn"  # of jobs that a pipeline's steps started
Document = dict[str, Any]


def jobs(target: Target, pipeline: str, *, limit: int = PAGE) -> list[Document]:
    """Tuning jobs that the pipeline's executions started, newest first, as Search answers them.

    Those under way that Search's index does not have yet are found by their names, which begin with an execution's id.
    """
    sagemaker = target.client("sagemaker")
    tag = [(f"Tags.{EXECUTION_TAG}", "Contains", f":pipeline/{pipeline.lower()}/")]
    found = list(islice(search(sagemaker, "HyperParameterTuningJob", tag), limit))
    known = {one["HyperParameterTuningJobName"] for one in found}
    running = sagemaker.list_hyper_parameter_tuning_jobs(StatusEquals="InProgress", MaxResults=100)
    fresh = [
        name
        for one in running["HyperParameterTuningJobSummaries"]
        if (name := one["HyperParameterTuningJobName"]) not in known
    ]
    if fresh:
        ids = {last_part(one["PipelineExecutionArn"]) for one in listed(sagemaker, pipeline, PAGE)[0]}
        own = [name for name in fresh if name.partition("-")[0] in ids]
        found = [
            sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name) for name in own
        ] + found
    return found


def describe(target: Target, name: str) -> Document:
    """DescribeHyperParameterTuningJob. Raises LookupError when there is none."""
    sagemaker = target.client("sagemaker")
    try:
        return dict(sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))
    except sagemaker.exceptions.ResourceNotFound:
        raise LookupError(f"There is no tuning job {name}.") from None


def trials(target: Target, tuning: Mapping[str, Any]) -> list[Entry]:
    """The training jobs of a described tuning job, as they started; their metric is its objective."""
    name = tuning["HyperParameterTuningJobName"]
    pages = target.client("sagemaker").get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    query = {"HyperParameterTuningJobName": name, "SortBy": "CreationTime", "SortOrder": "Ascending"}
    found = pages.paginate(**query, PaginationConfig={"PageSize": 100})
    metric = objective(tuning).get("MetricName", "")
    return [_trial(one, name, metric) for page in found for one in page["TrainingJobSummaries"]]


def _trial(summary: Document, tuning: str, objective: str) -> Entry:
    final = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
    return Entry(
        execution="",
        status=summary["TrainingJobStatus"],
        started=summary["CreationTime"],
        ended=summary.get("TrainingEndTime"),
        version="",
        metrics={final["MetricName"]: float(final["Value"])} if final else {},
        parameters={name: _shortened(value) for name, value in summary["TunedHyperParameters"].items()},
        job=summary["TrainingJobName"],
        tuning=tuning,
        objective=objective,
    )


def _shortened(value: str) -> str:
    """Tuned values are texts, numbers with all their digits."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def objective(tuning: Mapping[str, Any]) -> Document:
    """HyperParameterTuningJobObjective: {Type, MetricName}; {} of a job of several definitions with several ones."""
    found = [tuning.get("HyperParameterTuningJobConfig", {}).get("HyperParameterTuningJobObjective")]
    found += [one.get("TuningObjective") for one in tuning.get("TrainingJobDefinitions") or []]
    given = [one for one in found if one]
    return dict(given[0]) if given and all(one == given[0] for one in given) else {}


def scalings(tuning: Mapping[str, Any]) -> dict[str, str]:
    """ScalingType of each numeric hyperparameter of a tuning job."""
    definitions = [tuning.get("HyperParameterTuningJobConfig", {}).get("ParameterRanges", {})]
    definitions += [one.get("HyperParameterRanges", {}) for one in tuning.get("TrainingJobDefinitions") or []]
    numeric = ("ContinuousParameterRanges", "IntegerParameterRanges")
    ranges = [one for definition in definitions for kind in numeric for one in definition.get(kind) or []]
    return {one["Name"]: one.get("ScalingType", "Auto") for one in ranges}
