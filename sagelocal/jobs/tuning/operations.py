"""The API of tuning jobs; Describe and tags come from the resource table as far as nothing here says otherwise."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.resources import RESOURCES
from sagelocal.api.validation import validate
from sagelocal.jobs import checks as job_checks
from sagelocal.jobs import training
from sagelocal.jobs.tuning import checks, trials, warm_start
from sagelocal.jobs.tuning.definitions import completed, definitions, training_request
from sagelocal.jobs.tuning.trials import KIND

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_PAGE = 10  # the documented default of MaxResults


def create_hyper_parameter_tuning_job(app: SageLocal, request: Document) -> Document:
    checks.parts(request)
    name, job = request["HyperParameterTuningJobName"], {**request, **completed(request)}
    tags = job.pop("Tags", None)
    config, found = job["HyperParameterTuningJobConfig"], definitions(request)
    checks.search(config, found)
    for number, definition in enumerate(definitions(job)):
        sample = {each.name: each.first for each in found[number].ranges}
        trial = training_request(definition, f"{name}-001-00000000", sample)
        validate("sagemaker", "CreateTrainingJob", trial)
        training.check(trial)
    if request.get("WarmStartConfig"):
        warm_start.check(app, job)
    job |= {
        "HyperParameterTuningJobStatus": "InProgress",
        "TrainingJobStatusCounters": trials.status_counters([]),
        "ObjectiveStatusCounters": trials.objective_counters([]),
        # Members of the summary that List answers.
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
        "_seed": config.get("RandomSeed", secrets.randbits(31)),
    }
    arn = app.create(KIND, job, tags=tags)["HyperParameterTuningJobArn"]
    app.tuning.start(name)
    return {"HyperParameterTuningJobArn": arn}


def describe_hyper_parameter_tuning_job(app: SageLocal, request: Document) -> Document:
    job = app.find(KIND, request["HyperParameterTuningJobName"])
    if "ConsumedResources" not in job:
        job["ConsumedResources"] = {"RuntimeInSeconds": round(app.now() - job["CreationTime"])}
    return job


def list_hyper_parameter_tuning_jobs(app: SageLocal, request: Document) -> Document:
    return listing.stored(app.store, RESOURCES[KIND], {"SortBy": "Name", **request})


def stop_hyper_parameter_tuning_job(app: SageLocal, request: Document) -> Document:
    name = app.find(KIND, request["HyperParameterTuningJobName"])["HyperParameterTuningJobName"]

    def stopping(job: Document) -> None:
        job_checks.terminal(job["HyperParameterTuningJobStatus"], name, "hyperparameter tuning")
        job["HyperParameterTuningJobStatus"] = "Stopping"

    app.store.update(KIND, name, edit=stopping)
    return {}


def delete_hyper_parameter_tuning_job(app: SageLocal, request: Document) -> Document:
    """Its training jobs stay, as on AWS."""
    with app.store.transaction():
        job = app.find(KIND, request["HyperParameterTuningJobName"])
        job_checks.deletable(job["HyperParameterTuningJobStatus"], job["HyperParameterTuningJobArn"])
        for trial in app.store.list(trials.RECORD, parent=job["_name"]):
            app.store.delete(trials.RECORD, trial["_name"])
        app.store.delete(KIND, job["_name"])
    return {}


def list_training_jobs_for_hyper_parameter_tuning_job(app: SageLocal, request: Document) -> Document:
    found = summaries(app, request["HyperParameterTuningJobName"])
    if "StatusEquals" in request:
        found = [each for each in found if each["TrainingJobStatus"] == request["StatusEquals"]]
    by = request.get("SortBy", "Name")
    if by == "FinalObjectiveMetricValue":  # those without one are not listed
        found = [each for each in found if "FinalHyperParameterTuningJobObjectiveMetric" in each]
        found.sort(key=trials.value)
    else:
        member = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(by, "CreationTime")
        found.sort(key=lambda each: each[member])
    if request.get("SortOrder") == "Descending":
        found.reverse()
    return listing.page(request, found, "TrainingJobSummaries", default=_PAGE)


def summaries(app: SageLocal, name_or_arn: str) -> list[Document]:
    """HyperParameterTrainingJobSummary of every trial, in the order in which they were started."""
    job = app.find(KIND, name_or_arn)
    known = definitions(job)
    found = []
    for document in app.store.list(trials.RECORD, parent=job["_name"]):
        trial = trials.load(document)
        definition = known[trial.definition]
        training_job = None if trial.summary else app.store.find("TrainingJob", trial.name)
        if training_job:
            trial.summary = trials.summary(trial, training_job, definition.objective, definition.name)
        found.append(trial.summary)
    return found


# How Autotune chooses ranges and limits is AWS's own and not documented.
_RANGES = "Give a range for each hyperparameter to tune."
REFUSED = {
    "CreateHyperParameterTuningJob": {
        "Autotune": "Give ParameterRanges and ResourceLimits.",
        "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters": _RANGES,
        "TrainingJobDefinitions[].HyperParameterRanges.AutoParameters": _RANGES,
    }
}
OPERATIONS = {
    "CreateHyperParameterTuningJob": create_hyper_parameter_tuning_job,
    "DescribeHyperParameterTuningJob": describe_hyper_parameter_tuning_job,
    "ListHyperParameterTuningJobs": list_hyper_parameter_tuning_jobs,
    "StopHyperParameterTuningJob": stop_hyper_parameter_tuning_job,
    "DeleteHyperParameterTuningJob": delete_hyper_parameter_tuning_job,
    "ListTrainingJobsForHyperParameterTuningJob": list_training_jobs_for_hyper_parameter_tuning_job,
}
