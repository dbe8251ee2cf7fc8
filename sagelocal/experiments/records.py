"""What executions and jobs record by themselves, in the transaction of their own change: so a kill loses none of it and
nothing is recorded twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.api.model import service_model
from sagelocal.api.validation import problems
from sagelocal.experiments import components, members, metrics, operations

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.store import Store

Document = dict[str, Any]
_OVER: Document = dict.fromkeys(("StartTime", "EndTime", "OutputArtifacts", "_metrics"))
EXECUTION_TAG = "sagemaker:pipeline-execution-arn"  # by which the SDK's lineage classes find a job's execution


def of_execution(app: SageLocal, execution: Document) -> None:
    """Its experiment and its trial, unless they exist: PipelineExperimentConfig null means neither."""
    if config := job_config(execution):
        pipeline = {"SourceArn": execution["PipelineArn"], "SourceType": "SageMakerPipeline"}
        run = {"SourceArn": execution["PipelineExecutionArn"], "SourceType": "SageMakerPipelineExecution"}
        _ensure(app, config, pipeline, run)


def job_config(execution: Document) -> Document:
    """The ExperimentConfig of an execution's jobs; {} where its PipelineExperimentConfig is null.

    AWS names a pipeline's experiment in lower case. A member that the definition leaves out is the pipeline's name or
    the execution's id. Raises AwsError for a name that no experiment or trial can have.
    """
    config = execution.get("PipelineExperimentConfig")
    if not config:
        return {}
    names = {
        "ExperimentName": str(config.get("ExperimentName") or execution["_pipeline"]).lower(),
        "TrialName": str(config.get("TrialName") or execution["_id"]),
    }
    shape = service_model("sagemaker").shape_for("ExperimentConfig")
    if found := problems(shape, names, "pipelineExperimentConfig"):
        raise validation("; ".join(found))
    return names


def _ensure(app: SageLocal, config: Document, experiment_source: Document, trial_source: Document) -> None:
    experiment, trial = config["ExperimentName"], config["TrialName"]
    if app.store.find("Experiment", experiment.lower()) is None:
        operations.create(app, "Experiment", {"ExperimentName": experiment, "Source": experiment_source})
    if app.store.find("Trial", trial.lower()) is None:
        made = {"TrialName": trial, "ExperimentName": experiment, "Source": trial_source}
        operations.create(app, "Trial", made, parent=experiment.lower())


def of_job(app: SageLocal, kind: str, job: Document) -> Document | None:
    """The job's trial component as it is after the job's change; None when someone has deleted it."""
    name = components.name_of(kind, job)
    found = app.store.find("TrialComponent", name)
    if found is None:
        return None
    shown = components.status(kind, job)
    if shown["Status"]["PrimaryStatus"] in ("Completed", "Failed", "Stopped"):
        # What the job itself has written meanwhile stays.
        made = components.outputs(kind, job) if shown["Status"]["PrimaryStatus"] != "Failed" else {}
        shown["OutputArtifacts"] = made | found.get("OutputArtifacts", {})
        shown["_metrics"] = (job.get("_metrics") or {}) | found.get("_metrics", {})
    return app.store.update("TrialComponent", name, shown)


def of_new_job(app: SageLocal, kind: str, job: Document) -> Document:
    """Raises AwsError when the job's ExperimentConfig names an experiment, trial or run that does not exist."""
    name = components.name_of(kind, job)
    config = job.get("ExperimentConfig") or _of_tuning(app, job)
    source = components.source(kind, job)
    request = {
        "TrialComponentName": name,
        "DisplayName": config.get("TrialComponentDisplayName", name),
        "Source": source,
        "Parameters": components.parameters(kind, job),
        "InputArtifacts": components.inputs(kind, job),
        **components.status(kind, job),
    }
    known = app.store.find("TrialComponent", name) or {}
    parents = known.get("_parents", [])
    trial = _trial(app, config, kind, job)
    if trial and members.parent(trial) not in parents:
        parents = [*parents, members.parent(trial)]
    if parents:
        request["_parents"] = parents
    if known:  # of a deleted job of the same name: its trials keep it, what it measured and made is over
        metrics.delete(app.store, name)
        component = app.store.update("TrialComponent", name, _OVER | request)
    else:
        component = operations.create(app, "TrialComponent", request)
    members.link(app.store, members.OF_SOURCE, source["SourceArn"].lower(), component)
    if trial:
        members.list_under(app.store, component, trial)
    if run := config.get("RunName"):
        _add_source(app.store, app.find("TrialComponent", run), source)
    return component


def _trial(app: SageLocal, config: Document, kind: str, job: Document) -> Document | None:
    """The trial that an ExperimentConfig names, or a new one in the experiment that it names."""
    if "ExperimentName" in config:
        app.find("Experiment", config["ExperimentName"])
    if "TrialName" in config:
        return app.find("Trial", config["TrialName"])
    if "ExperimentName" not in config:
        return None
    name = f"{job[f'{kind}Name']}-aws-trial"
    request = {"TrialName": name, "ExperimentName": config["ExperimentName"]}
    return app.store.find("Trial", name.lower()) or operations.create_trial(app, request)


def _add_source(store: Store, run: Document, source: Document) -> None:
    """A job started within an experiment run becomes one of the run's sources."""
    sources = [one for one in run.get("Sources", []) if one["SourceArn"] != source["SourceArn"]]
    store.update("TrialComponent", run["_name"], {"Sources": [*sources, source]})


def _of_tuning(app: SageLocal, job: Document) -> Document:
    """The trial of the execution whose tuning step started the job."""
    execution_arn = app.store.tags(job["TuningJobArn"]).get(EXECUTION_TAG) if "TuningJobArn" in job else None
    execution = app.store.find("PipelineExecution", execution_arn) if execution_arn else None
    return job_config(execution) if execution else {}


def of_tuning(app: SageLocal, tuning: Document) -> None:
    """AWS makes an experiment named after each tuning job."""
    name = str(tuning["HyperParameterTuningJobName"]).lower()
    if app.store.find("Experiment", name) is None:
        source = {
            "SourceArn": tuning["HyperParameterTuningJobArn"],
            "SourceType": "SageMakerHyperParameterTuningJob",
        }
        operations.create(app, "Experiment", {"ExperimentName": name, "Source": source})
