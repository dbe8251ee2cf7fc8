"""`mlops compare`: a leaderboard of a pipeline's executions, from the trial components of SageMaker Experiments.

Read with `sagemaker-experiments` (smexperiments), on the laptop as on AWS. What an evaluation found is in the
evaluation.json that its component names as an output, since processing jobs have no metrics of their own there.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops import console, executions
from mlops.executions import Step
from mlops.targets import Target

_LOWER_IS_BETTER = ("loss", "error", "rmse", "mse", "mae", "mape", "wape", "pinball", "brier", "false_")
_SUFFIX = {"TrainingJob": "aws-training-job", "ProcessingJob": "aws-processing-job"}
_OWN = "SageMaker."  # parameters and artifacts that SageMaker itself records start with it
_PLUMBING = (_OWN, "sagemaker_", "_")  # nobody chose these parameters: what runs, and a tuning job's objective


@dataclass(frozen=True)
class Entry:
    """One execution on the leaderboard."""

    execution: str  # its id
    status: str  # PipelineExecutionStatus
    started: datetime
    ended: datetime | None
    version: str  # of the registered model package, "" without one
    metrics: dict[str, float] = field(default_factory=dict)  # the evaluation's first, then the training's
    parameters: dict[str, str] = field(default_factory=dict)


def compare(target: Target, use_case: str, metric: str | None, limit: int, *, as_json: bool) -> None:
    found = entries(target, use_case, limit)
    metric = metric or main_metric(found)
    known = sorted({name for entry in found for name in entry.metrics})
    if metric is not None and metric not in known:
        raise LookupError(f"No execution of {use_case} has the metric {metric}. Known: {', '.join(known) or 'none'}.")
    found = ranked(found, metric)
    if as_json:
        print(json.dumps([_shown(entry) for entry in found], indent=1, default=datetime.isoformat))
        return
    columns = _columns(found, metric)
    differing = differences(found)
    console.show(
        ("execution", "status", "started", "took", "version", *columns, *differing),
        [_row(entry, columns, differing) for entry in found],
    )
    if metric:
        console.note(f"Best {metric} first; --metric sorts by another: {', '.join(known)}")


def _shown(entry: Entry) -> dict[str, Any]:
    members = {"execution": entry.execution, "status": entry.status, "started": entry.started, "ended": entry.ended}
    return members | {"version": entry.version, "metrics": entry.metrics, "parameters": entry.parameters}


def _row(entry: Entry, columns: Sequence[str], parameters: Sequence[str]) -> tuple[str, ...]:
    return (
        entry.execution,
        entry.status,
        console.ago(entry.started),
        console.duration(entry.started, entry.ended),
        entry.version,
        *(f"{entry.metrics[name]:.4f}" if name in entry.metrics else "" for name in columns),
        *(_short(entry.parameters.get(name, "")) for name in parameters),
    )


def _short(text: str) -> str:
    """Of a URI its end, which is where two of them differ."""
    return "…/" + "/".join(text.rstrip("/").rsplit("/", 2)[1:]) if text.startswith("s3://") else text


def entries(target: Target, use_case: str, limit: int) -> list[Entry]:
    """The newest executions, newest first. Raises LookupError when the pipeline never ran."""
    sagemaker = target.client("sagemaker")
    recent = executions.recent(sagemaker, use_case, limit)
    steps = {each["PipelineExecutionArn"]: executions.steps(sagemaker, each["PipelineExecutionArn"]) for each in recent}
    components = Components(sagemaker, use_case, [step for found in steps.values() for step in found])
    return [_entry(target, each, steps[each["PipelineExecutionArn"]], components) for each in recent]


def _entry(target: Target, summary: Mapping[str, Any], steps: Sequence[Step], components: Components) -> Entry:
    arn = str(summary["PipelineExecutionArn"])
    evaluated, training = components.model(steps)
    metrics: dict[str, float] = {}
    if evaluated is not None:
        metrics |= _evaluation(target, evaluated)
    if training is not None:
        metrics |= {name: value for name, value in training.metrics.items() if name not in metrics}
    pages = target.client("sagemaker").get_paginator("list_pipeline_parameters_for_execution")
    given = [one for page in pages.paginate(PipelineExecutionArn=arn) for one in page["PipelineParameters"]]
    versions = [step.metadata["RegisterModel"]["Arn"] for step in steps if "RegisterModel" in step.metadata]
    ended = max((step.end for step in steps if step.end), default=None)
    return Entry(
        execution=arn.rsplit("/", 1)[1],
        status=summary["PipelineExecutionStatus"],
        started=summary["StartTime"],
        ended=None if summary["PipelineExecutionStatus"] in executions.RUNNING else ended,
        version=versions[-1].rsplit("/", 1)[1] if versions else "",
        metrics=metrics,
        parameters=_parameters(training, {one["Name"]: one["Value"] for one in given}),
    )


@dataclass(frozen=True)
class Component:
    """What of a trial component matters here."""

    metrics: dict[str, float]  # last values
    parameters: dict[str, Any]
    inputs: dict[str, str]  # URIs
    outputs: dict[str, str]

    @classmethod
    def read(cls, found: Any) -> Component:
        """A smexperiments object; where a description has objects, a search result has the API's structures."""
        metrics = (one if isinstance(one, dict) else vars(one) for one in found.metrics or [])
        last = {one.get("MetricName", one.get("metric_name")): one.get("Last", one.get("last")) for one in metrics}
        return cls(
            metrics={str(name): float(value) for name, value in last.items() if value is not None},
            parameters={name: _plain(value) for name, value in (found.parameters or {}).items()},
            inputs={name: str(_plain(value)) for name, value in (found.input_artifacts or {}).items()},
            outputs={name: str(_plain(value)) for name, value in (found.output_artifacts or {}).items()},
        )


def _plain(value: Any) -> Any:
    """A parameter's number or text, an artifact's URI."""
    if isinstance(value, dict):
        return next((value[name] for name in ("NumberValue", "StringValue", "Value") if name in value), "")
    return getattr(value, "value", value)


class Components:
    """The trial components of some steps' jobs, those of cached steps too: one search finds most of them."""

    def __init__(self, sagemaker: Any, experiment: str, steps: Iterable[Step]) -> None:
        self._sagemaker = sagemaker
        self._names = {name for step in steps if (name := _component_name(step))}
        self._found: dict[str, Component | None] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # smexperiments imports pkg_resources, which says that it is deprecated
            from smexperiments import search_expression, trial_component
        self._class = trial_component.TrialComponent
        search = search_expression
        of_experiment = search.Filter("Parents.ExperimentName", search.Operator.EQUALS, experiment.lower())
        results = self._class.search(
            search_expression=search.SearchExpression(filters=[of_experiment]),
            sort_by="CreationTime",
            sort_order="Descending",
            max_results=100,
            sagemaker_boto_client=sagemaker,
        )
        left = set(self._names)
        while left and (component := next(results, None)) is not None:
            name = component.trial_component_name.lower()
            if name in left:
                left.discard(name)
                self._found[name] = Component.read(component)

    def of(self, name: str) -> Component | None:
        """A component by its name; None when it is gone."""
        if name not in self._found:
            try:
                self._found[name] = Component.read(self._class.load(name, sagemaker_boto_client=self._sagemaker))
            except self._sagemaker.exceptions.ResourceNotFound:
                self._found[name] = None
        return self._found[name]

    def model(self, steps: Sequence[Step]) -> tuple[Component | None, Component | None]:
        """The component of the evaluation, and of the training job whose model it judged.

        A tuned model's job is not a step's; its name is in the address of the model.
        """
        found = [component for step in steps if (name := _component_name(step)) and (component := self.of(name))]
        evaluated = next((one for one in found if "evaluation" in one.outputs), None)
        trained = [one for one in found if f"{_OWN}ModelArtifact" in one.outputs]
        model = evaluated.inputs.get("model", "") if evaluated else ""
        if "/output/" in model:
            job = model.rsplit("/output/", 1)[0].rsplit("/", 1)[1]
            return evaluated, self.of(f"{job}-{_SUFFIX['TrainingJob']}".lower())
        return evaluated, trained[-1] if trained else None


def _component_name(step: Step) -> str | None:
    return f"{step.job[1]}-{_SUFFIX[step.job[0]]}".lower() if step.job and step.job[0] in _SUFFIX else None


def _evaluation(target: Target, component: Component) -> dict[str, float]:
    try:
        report = executions.evaluation(target, component.outputs["evaluation"])
    except target.client("s3").exceptions.ClientError:  # pruned, or the bucket's life cycle took it
        return {}
    first = executions.headline(report)
    groups = [group for name, group in report.items() if name.endswith("_metrics")]
    rest = {name: one["value"] for group in groups for name, one in group.items() if "value" in one}
    return first | {name: value for name, value in rest.items() if isinstance(value, int | float)}


def _parameters(training: Component | None, given: Mapping[str, Any]) -> dict[str, str]:
    """The training job's hyperparameters, and of the pipeline's parameters those that are no hyperparameter too."""
    own = training.parameters if training else {}
    found = {name: _text(value) for name, value in own.items() if not name.startswith(_PLUMBING)}
    same = {_bare(name) for name in found}
    return found | {name: _text(value) for name, value in given.items() if _bare(name) not in same}


def _bare(name: str) -> str:
    """MaxDepth and max_depth are one parameter."""
    return name.replace("_", "").replace("-", "").lower()


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def main_metric(found: Sequence[Entry]) -> str | None:
    """The metric that an evaluation puts first, as the use case's gate does."""
    return next((next(iter(entry.metrics)) for entry in found if entry.metrics), None)


def ranked(found: Sequence[Entry], metric: str | None) -> list[Entry]:
    """Best first; executions without the metric last, as they were."""
    if metric is None:
        return list(found)
    sign = 1 if any(part in metric.lower() for part in _LOWER_IS_BETTER) else -1
    return sorted(found, key=lambda entry: (metric not in entry.metrics, sign * entry.metrics.get(metric, 0.0)))


def differences(found: Sequence[Entry]) -> list[str]:
    """Parameters that not all executions have the same value of."""
    names = dict.fromkeys(name for entry in found for name in entry.parameters)
    return [name for name in names if len({entry.parameters.get(name) for entry in found}) > 1]


def _columns(found: Sequence[Entry], metric: str | None) -> list[str]:
    """The metric sorted by, then the first three others that evaluations put first."""
    names = dict.fromkeys(name for entry in found for name in list(entry.metrics)[:3])
    return list(dict.fromkeys([metric, *names] if metric else names))[:4]
