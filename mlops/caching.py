"""`mlops why-not-cached`: what kept a pipeline step from taking an earlier run's results.

Only what SageMaker's API shows is looked at, so that it works on AWS, too: the definition of the execution, the listed
steps, and what Describe says of their jobs. How AWS computes its keys is not published beyond the attributes' names.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops import console, executions
from mlops.selection import all_steps
from mlops.targets import Target
from sagelocal.workflow import cache
from sagelocal.workflow.step_types import STEP_TYPES
from sagelocal.workflow.steps.resources import RESOURCES

Document = dict[str, Any]
_LOOK_BACK = 50  # earlier executions
_SHOWN = 200  # characters of a value


@dataclass(frozen=True)
class Run:
    """One run of a step. `attributes` are what counts of it; None where the API shows them no more, or never does."""

    execution: str
    step: Document  # as ListPipelineExecutionSteps has it
    attributes: dict[str, Any] | None

    @property
    def where(self) -> str:
        return f"execution {self.execution.rsplit('/', 1)[1]} ({console.ago(self.step.get('EndTime'))})"


def why_not_cached(target: Target, execution: str, step: str) -> None:
    """Prints the first reason. `execution` is an ARN, an id or a pipeline's name for its newest. Raises LookupError."""
    for line in reasons(target.client("sagemaker"), execution, step):
        console.say(line)


def reasons(sagemaker: Any, execution: str, name: str) -> Iterator[str]:
    arn = find(sagemaker, execution)
    listed = _listed(sagemaker, arn)
    if name not in listed:
        known = ", ".join(listed) or "none yet"
        raise LookupError(f"Execution {arn} has no step {name} that has started. Its steps: {known}.")
    step = listed[name]
    if reused := _reused(step):
        yield reused
        return
    definition = _step_of(_definition(sagemaker, arn), name)
    if said := _never_cached(definition):
        yield said
        return
    run = Run(arn, step, _attributes(sagemaker, definition, step))
    yield from _compare(sagemaker, run, definition)


def _reused(step: Document) -> str:
    for member, did in (("CacheHitResult", "was cached"), ("SelectiveExecutionResult", "was not selected to run")):
        if member in step:
            source = step[member].get("SourcePipelineExecutionArn", "an earlier execution")
            return f"{step['StepName']} {did}: its results are those of {source}."
    return ""


def find(sagemaker: Any, execution: str) -> str:
    """An execution's ARN by itself, by its id, or the newest one of a pipeline. Raises LookupError."""
    if execution.startswith("arn:"):
        return execution
    pages = sagemaker.get_paginator("list_pipelines").paginate()
    names = [one["PipelineName"] for page in pages for one in page["PipelineSummaries"]]
    if execution in names:
        return executions.latest(sagemaker, execution)
    for name in names:
        with contextlib.suppress(LookupError):
            return executions.find(sagemaker, name, execution)
    raise LookupError(f"No pipeline has an execution {execution}: mlops status lists the recent ones.")


def _never_cached(step: Document) -> str:
    kind, name = step["Type"], step["Name"]
    if kind not in STEP_TYPES or not STEP_TYPES[kind].cache_key:
        return f"{name} is a {kind} step, and SageMaker caches none of those."
    if "CacheConfig" not in step:
        return f"{name} has no CacheConfig: caching is off unless a step turns it on."
    if not cache.enabled(step):
        return f"Caching is turned off in the CacheConfig of {name}."
    return ""


def _compare(sagemaker: Any, run: Run, definition: Document) -> Iterator[str]:
    name = definition["Name"]
    earlier = list(_earlier(sagemaker, run, definition))
    succeeded = [one for one in earlier if one.step["StepStatus"] == "Succeeded"]
    if not succeeded:
        yield _nothing_before(name, earlier)
        return
    if run.attributes is None:
        yield (
            f"SageMaker's API does not show what counts for {name}, a {definition['Type']} step: its resolved "
            f"arguments. The latest earlier run that succeeded is of {succeeded[0].where}."
        )
        return
    gone = [one for one in succeeded if one.attributes is None]
    same = [one for one in succeeded if one.attributes == run.attributes]
    if same:
        yield from _unused(run, same[0], definition)
    elif len(gone) == len(succeeded):
        yield (
            f"{name} succeeded before, in {gone[0].where}, but what it made then has been deleted, so nothing can be "
            "reused or compared."
        )
    else:
        yield from _difference(name, run, next(one for one in succeeded if one.attributes is not None))


def _nothing_before(name: str, earlier: list[Run]) -> str:
    if not earlier:
        return f"No earlier execution of this pipeline has a step {name} of this type (a renamed step starts anew)."
    return (
        f"{name} never succeeded before: in {earlier[0].where} it is {earlier[0].step['StepStatus']}. Only runs that "
        "succeeded are reused."
    )


def _unused(run: Run, same: Run, definition: Document) -> Iterator[str]:
    """Why an earlier run with equal attributes was not taken."""
    name, ended = definition["Name"], same.step["EndTime"]
    expire = definition["CacheConfig"].get("ExpireAfter")
    age = (run.step["StartTime"] - ended).total_seconds()
    if age < 0:
        yield f"{same.where} ran {name} with the same attributes, but had not finished when this one started."
    elif expire and age > cache.seconds(expire):
        yield (
            f"Expired: {same.where} ran {name} with the same attributes, but ended {age / 3600:.1f} hours before this "
            f"one started, and ExpireAfter is {expire}."
        )
    else:
        yield (
            f"{same.where} ran {name} with the same attributes and inside the window, and the API shows no reason. "
            "Caching may have been off then: only runs with caching on are remembered."
        )


def _difference(name: str, run: Run, before: Run) -> Iterator[str]:
    compared = cache.differences(before.attributes or {}, run.attributes or {})
    found = [(path.removeprefix("Arguments."), old, new) for path, old, new in compared]
    where, old, new = found[0]
    yield f"{name} ran because {where} differs from its latest run that succeeded, in {before.where}:"
    yield f"  then: {_shown(old)}"
    yield f"  now:  {_shown(new)}"
    if more := [path for path, _, _ in found[1:]]:
        yield f"  also different: {', '.join(more)}"


def _shown(value: Any) -> str:
    text = "(nothing)" if value is None else json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def _earlier(sagemaker: Any, run: Run, definition: Document) -> Iterator[Run]:
    """Runs of the same step in earlier executions, newest first; those that took their results from others left out."""
    pipeline = run.execution.split(":pipeline/")[1].split("/execution/")[0]
    found = [one["PipelineExecutionArn"] for one in executions.recent(sagemaker, pipeline, 10_000)]
    start = found.index(run.execution) + 1 if run.execution in found else len(found)
    for arn in found[start : start + _LOOK_BACK]:
        step = _listed(sagemaker, arn).get(definition["Name"])
        if step is None or "CacheHitResult" in step or "SelectiveExecutionResult" in step:
            continue
        before = _step_of(_definition(sagemaker, arn), definition["Name"])
        if before.get("Type") == definition["Type"]:
            yield Run(arn, step, _attributes(sagemaker, before, step))


def _attributes(sagemaker: Any, definition: Document, step: Document) -> dict[str, Any] | None:
    """What counts of a run, after its job's Describe; None where that is gone or there is none."""
    resource = RESOURCES.get(definition["Type"])
    if resource is None or resource.kind == "Endpoint":  # an endpoint's description is of what it serves by now
        return None
    metadata = step.get("Metadata", {}).get(resource.metadata, {})
    arn = metadata.get("CheckJobArn") or metadata.get("Arn")
    if arn is None:
        return None
    described = _describe(sagemaker, resource.kind, arn.rsplit("/", 1)[1])
    if described is None:
        return None
    asked = {name: described[name] for name in definition["Arguments"] if name in described}
    # Job types name what counts; of the others everything that was asked for does.
    return cache.attributes({**definition, **metadata, "Arguments": asked})


def _describe(sagemaker: Any, kind: str, name: str) -> Document | None:
    try:
        return executions.describe_job(sagemaker, kind, name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            return None
        raise


def _listed(sagemaker: Any, execution: str) -> dict[str, Document]:
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(PipelineExecutionArn=execution)
    return {one["StepName"]: one for page in pages for one in page["PipelineExecutionSteps"]}


def _definition(sagemaker: Any, execution: str) -> dict[str, Document]:
    """The steps of an execution's definition by name, those of branches and bodies too."""
    text = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=execution)["PipelineDefinition"]
    return {step["Name"]: step for step in all_steps(json.loads(text)["Steps"])}


def _step_of(steps: dict[str, Document], name: str) -> Document:
    """A step's definition under the name that it ran by; an iteration of a ForEach body is `<body step>-<index>`."""
    return steps.get(name) or {**steps.get(re.sub(r"-\d+$", "", name), {}), "Name": name}
