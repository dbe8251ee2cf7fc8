"""What a pipeline's executions and training jobs tried and found: read in bulk, a page at a time.

Search gives what the executions of a page were given, measured and registered, each by one call for the page. Search's
index follows with some delay on AWS, and a cached step's job belongs to another execution: what it does not know of an
execution, the execution's own steps tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from mlops import executions
from mlops.executions import Step
from mlops.targets import Target

PAGE = 50  # executions; their ids still fit into the 1,024 characters of one filter's value
JOBS = 100  # training jobs of a page: the most that Search answers at once
_FILTERS = 20  # the most of one SearchExpression
_NAMES = 12  # of trial components, at most 80 characters each, in one filter's value of at most 1,024
_THREADS = 8
_SUFFIX = {"TrainingJob": "aws-training-job", "ProcessingJob": "aws-processing-job"}
_OWN = "SageMaker."  # parameters and artifacts that SageMaker itself records start with it
_PLUMBING = (_OWN, "sagemaker_", "_")  # nobody chose these parameters: what runs, and a tuning job's objective
Document = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One execution on the leaderboard, or one training job."""

    execution: str  # its id
    status: str  # PipelineExecutionStatus, or TrainingJobStatus
    started: datetime
    ended: datetime | None
    version: str  # of the registered model package, "" without one
    metrics: dict[str, float] = field(default_factory=dict)  # the evaluation's first, then the training's last values
    parameters: dict[str, str] = field(default_factory=dict)
    job: str = ""  # TrainingJobName; of an execution the one whose model was judged
    tuning: str = ""  # that job's HyperParameterTuningJobName, in lower case
    objective: str = ""  # the metric that the tuning job is after


@dataclass(frozen=True)
class Component:
    """What of a trial component matters here."""

    metrics: dict[str, float]  # last values
    parameters: dict[str, Any]
    inputs: dict[str, str]  # URIs
    outputs: dict[str, str]
    job: str = ""  # its training job's name
    tuning: str = ""  # the last part of its tuning job's ARN

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Component:
        """A trial component as Search answers it."""
        last = {one["MetricName"]: one.get("Last") for one in found.get("Metrics") or []}
        job = (found.get("SourceDetail") or {}).get("TrainingJob") or {}
        return cls(
            metrics={name: float(value) for name, value in last.items() if value is not None},
            parameters={name: _plain(value) for name, value in (found.get("Parameters") or {}).items()},
            inputs={name: str(_plain(value)) for name, value in (found.get("InputArtifacts") or {}).items()},
            outputs={name: str(_plain(value)) for name, value in (found.get("OutputArtifacts") or {}).items()},
            job=job.get("TrainingJobName", ""),
            tuning=last_part(job.get("TuningJobArn", "")),
        )

    @property
    def hyperparameters(self) -> dict[str, str]:
        return {name: text(value) for name, value in self.parameters.items() if not name.startswith(_PLUMBING)}

    @property
    def objective(self) -> str:
        return str(self.parameters.get("_tuning_objective_metric", ""))


def _plain(value: Mapping[str, Any]) -> Any:
    """A parameter's number or text, an artifact's URI."""
    return next((value[name] for name in ("NumberValue", "StringValue", "Value") if name in value), "")


@dataclass(frozen=True)
class Page:
    entries: list[Entry]  # newest first
    token: str  # of the next page, "" at the end


def page(target: Target, pipeline: str, *, size: int = PAGE, token: str = "") -> Page:
    """Raises LookupError when the pipeline never ran."""
    summaries, following = listed(target.client("sagemaker"), pipeline, size, token)
    if not summaries:
        return Page([], "")
    with ThreadPoolExecutor(_THREADS) as pool:
        described = pool.submit(_described, target, summaries)
        registered = pool.submit(versions, target, pipeline, since=summaries[-1]["StartTime"])
        models = _models(target, summaries, pool)
        reports = list(pool.map(lambda model: _evaluation(target, model[0]) if model[0] else {}, models))
        made = {one["MetadataProperties"].get("GeneratedBy"): one for one in registered.result()}
    entries = [
        _entry(summary, described.result().get(summary["PipelineExecutionArn"], {}), made, report, training)
        for summary, report, (_, training) in zip(summaries, reports, models, strict=True)
    ]
    return Page(entries, following)


def listed(sagemaker: Any, pipeline: str, size: int, token: str = "") -> tuple[list[Document], str]:
    """ListPipelineExecutions' summaries, newest first, and the next page's token."""
    query = {"PipelineName": pipeline, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": size}
    try:
        found = sagemaker.list_pipeline_executions(**query, **({"NextToken": token} if token else {}))
    except sagemaker.exceptions.ResourceNotFound as error:
        raise LookupError(f"The pipeline {pipeline} never ran here: mlops run {pipeline}") from error
    return found["PipelineExecutionSummaries"], found.get("NextToken", "")


def _described(target: Target, summaries: Sequence[Document]) -> dict[str, Document]:
    """Parameters and times of executions by their ARNs: Search's, and of those that it does not know yet their own."""
    sagemaker = target.client("sagemaker")
    margin = timedelta(seconds=1)  # filters' times need not be as exact as the answers'
    newest, oldest = summaries[0]["StartTime"] + margin, summaries[-1]["StartTime"] - margin
    filters = [
        ("PipelineArn", "Equals", summaries[0]["PipelineExecutionArn"].partition("/execution/")[0]),
        ("CreationTime", "GreaterThanOrEqualTo", oldest.isoformat()),
        ("CreationTime", "LessThanOrEqualTo", newest.isoformat()),
    ]
    found = {one["PipelineExecutionArn"]: one for one in search(sagemaker, "PipelineExecution", filters)}
    for arn in {one["PipelineExecutionArn"] for one in summaries} - found.keys():
        pages = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(PipelineExecutionArn=arn)
        given = [one for page in pages for one in page["PipelineParameters"]]
        found[arn] = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn) | {"PipelineParameters": given}
    return found


def versions(target: Target, group: str, *, since: datetime | None = None) -> list[Document]:
    """The group's model packages as Search answers them, newest first; `since` spares those made before."""
    filters = [("ModelPackageGroupName", "Equals", group), ("MetadataProperties.GeneratedBy", "Exists", None)]
    after = [("CreationTime", "GreaterThanOrEqualTo", since.isoformat())] if since else []
    return list(search(target.client("sagemaker"), "ModelPackage", [*filters, *after]))


def _models(
    target: Target, summaries: Sequence[Document], pool: ThreadPoolExecutor
) -> list[tuple[Component | None, Component | None]]:
    """Of each execution the component of its evaluation, and of the training job whose model that judged."""
    sagemaker = target.client("sagemaker")
    arns = [one["PipelineExecutionArn"] for one in summaries]
    components = Components(sagemaker)
    evaluated = components.evaluations([last_part(arn) for arn in arns])
    others = [arn for arn in arns if last_part(arn) not in evaluated]
    steps = dict(zip(others, pool.map(lambda arn: executions.steps(sagemaker, arn), others), strict=True))
    components.load(name for found in steps.values() for name in _component_names(found))
    judged = [evaluated.get(last_part(arn)) or components.evaluation(steps[arn]) for arn in arns]
    components.load(name for one in judged if one and (name := _model_of(one)))
    return [(one, components.training(one, steps.get(arn, []))) for arn, one in zip(arns, judged, strict=True)]


def last_part(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


class Components:
    """Trial components by name, found by as few searches as it takes."""

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker
        self._found: dict[str, Component | None] = {}

    def evaluations(self, trials: Sequence[str]) -> dict[str, Component]:
        """Of executions that ran the step Evaluate themselves, by their ids."""
        filters = [("Parents.TrialName", "In", ",".join(trials)), ("TrialComponentName", "Contains", "-evaluate-")]
        found: dict[str, Component] = {}
        for one in search(self._sagemaker, "ExperimentTrialComponent", filters):
            component = Component.read(one)
            self._found[one["TrialComponentName"].lower()] = component
            for parent in one["Parents"]:
                if "evaluation" in component.outputs:
                    found.setdefault(parent["TrialName"], component)
        return found

    def load(self, names: Iterable[str]) -> None:
        """Those not loaded yet."""
        left = sorted(set(names) - self._found.keys())
        self._found |= dict.fromkeys(left)
        values = [",".join(left[start : start + _NAMES]) for start in range(0, len(left), _NAMES)]
        for start in range(0, len(values), _FILTERS):
            filters = [("TrialComponentName", "In", value) for value in values[start : start + _FILTERS]]
            for one in search(self._sagemaker, "ExperimentTrialComponent", filters, operator="Or"):
                self._found[one["TrialComponentName"].lower()] = Component.read(one)

    def evaluation(self, steps: Sequence[Step]) -> Component | None:
        """What a cached step names is another execution's job."""
        return next((one for one in self._of(steps) if "evaluation" in one.outputs), None)

    def training(self, evaluated: Component | None, steps: Sequence[Step]) -> Component | None:
        """Of the training job whose model was judged, or, where none was, of the last step that trained one."""
        if evaluated and (name := _model_of(evaluated)):
            return self._found.get(name)
        return next((one for one in reversed(self._of(steps)) if f"{_OWN}ModelArtifact" in one.outputs), None)

    def _of(self, steps: Sequence[Step]) -> list[Component]:
        return [one for name in _component_names(steps) if (one := self._found.get(name))]


def _component_names(steps: Iterable[Step]) -> Iterator[str]:
    jobs = (step.job for step in steps)
    return (component_name(*job) for job in jobs if job and job[0] in _SUFFIX)


def component_name(kind: str, job: str) -> str:
    """The name of a job's trial component."""
    return f"{job}-{_SUFFIX[kind]}".lower()


def _model_of(evaluated: Component) -> str:
    """A tuned model's training job is not a step's; its name is in the address of the model. "" where it is not."""
    job = _job(evaluated.inputs.get("model", ""))
    return component_name("TrainingJob", job) if job else ""


def _job(model: str) -> str:
    """The training job that made an artifact, by where SageMaker puts them."""
    return model.rsplit("/output/", 1)[0].rsplit("/", 1)[1] if "/output/" in model else ""


def _entry(
    summary: Document,
    described: Document,
    versions: Mapping[str, Document],
    report: Mapping[str, float],
    training: Component | None,
) -> Entry:
    arn, status = summary["PipelineExecutionArn"], summary["PipelineExecutionStatus"]
    package = versions.get(arn)
    given = {one["Name"]: one["Value"] for one in described.get("PipelineParameters") or []}
    training = training or Component({}, {}, {}, {})
    return Entry(
        execution=last_part(arn),
        status=status,
        started=summary["StartTime"],
        ended=None if status in executions.RUNNING else described.get("LastModifiedTime"),
        version=str(package["ModelPackageVersion"]) if package else "",
        metrics=dict(report) | {name: value for name, value in training.metrics.items() if name not in report},
        parameters=_parameters(training, given),
        job=training.job,
        tuning=training.tuning,
        objective=training.objective,
    )


def _evaluation(target: Target, component: Component) -> dict[str, float]:
    """All numbers of an evaluation.json, those that it puts first in front; none when it is gone."""
    try:
        report = executions.evaluation(target, component.outputs["evaluation"])
    except target.client("s3").exceptions.ClientError:  # pruned, or the bucket's life cycle took it
        return {}
    first = executions.headline(report)
    groups = [group for name, group in report.items() if name.endswith("_metrics")]
    rest = {name: one["value"] for group in groups for name, one in group.items() if "value" in one}
    return first | {name: value for name, value in rest.items() if isinstance(value, int | float)}


def _parameters(training: Component, given: Mapping[str, Any]) -> dict[str, str]:
    """The training job's hyperparameters, and of the pipeline's parameters those that are no hyperparameter too."""
    found = training.hyperparameters
    same = {_bare(name) for name in found}
    return found | {name: text(value) for name, value in given.items() if _bare(name) not in same}


def _bare(name: str) -> str:
    """MaxDepth and max_depth are one parameter."""
    return name.replace("_", "").replace("-", "").lower()


def text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def training_jobs(target: Target, pipeline: str, *, execution: str = "", limit: int = JOBS) -> list[Entry]:
    """Those of a pipeline's newest executions, the jobs of their tuning jobs too, or of one execution; newest first."""
    sagemaker = target.client("sagemaker")
    pages = iter([[execution]]) if execution else _ids(sagemaker, pipeline)
    found = (one for ids in pages for one in _trained(sagemaker, ids, limit))
    components = list(islice(found, limit))
    if not components:
        return []
    registered = _made_by_job(versions(target, pipeline, since=components[-1]["CreationTime"]))
    return [_training_job(one, registered) for one in components]


def _ids(sagemaker: Any, pipeline: str) -> Iterator[list[str]]:
    """Of all executions, newest first, a page at a time."""
    token = ""
    while True:
        summaries, token = listed(sagemaker, pipeline, PAGE, token)
        yield [last_part(one["PipelineExecutionArn"]) for one in summaries]
        if not token:
            return


def _trained(sagemaker: Any, executions: Sequence[str], limit: int) -> Iterator[Document]:
    """Trial components of training jobs."""
    if not executions:
        return iter(())
    mine = ("Parents.TrialName", "In", ",".join(executions))
    filters = [mine, ("Source.SourceType", "Equals", "SageMakerTrainingJob")]
    return search(sagemaker, "ExperimentTrialComponent", filters, most=limit)


def _made_by_job(packages: Iterable[Document]) -> dict[str, str]:
    """Training job to the version that holds its model; of several versions the newest."""
    found: dict[str, str] = {}
    for one in packages:
        for container in one.get("InferenceSpecification", {}).get("Containers", []):
            found.setdefault(_job(container.get("ModelDataUrl", "")), str(one["ModelPackageVersion"]))
    return found


def _training_job(found: Document, versions: Mapping[str, str]) -> Entry:
    component = Component.read(found)
    return Entry(
        execution=next((one["TrialName"] for one in found.get("Parents", [])), ""),
        status=found.get("Status", {}).get("PrimaryStatus", ""),
        started=found["StartTime"] if "StartTime" in found else found["CreationTime"],
        ended=found.get("EndTime"),
        version=versions.get(component.job, ""),
        metrics=component.metrics,
        parameters=component.hyperparameters,
        job=component.job,
        tuning=component.tuning,
        objective=component.objective,
    )


def search(
    sagemaker: Any,
    resource: str,
    filters: Iterable[tuple[str, str, str | None]],
    *,
    operator: str = "And",
    most: int = 100,
) -> Iterator[Document]:
    """Records, newest first. A filter is (property, operator, value), the value None where the operator takes none."""
    given = [
        {"Name": name, "Operator": how, **({} if value is None else {"Value": value})} for name, how, value in filters
    ]
    pages = sagemaker.get_paginator("search").paginate(
        Resource=resource,
        SearchExpression={"Filters": given, "Operator": operator},
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": min(most, 100)},
    )
    return (next(iter(result.values())) for page in pages for result in page["Results"])
