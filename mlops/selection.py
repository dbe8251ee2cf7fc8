"""`mlops run --steps`: some of a pipeline's steps, with the others' results from an earlier execution or given by hand.

AWS has no way to hand in a result that no execution made: so the given values take the place of the references in a
version of the definition that only this execution runs; the pipeline itself keeps its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops import executions

Document = dict[str, Any]
_ENDED = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")


@dataclass(frozen=True)
class Selection:
    steps: Sequence[str]
    source: str | None = None  # id or ARN of the execution that lends results; the newest that ended if none is named
    given: Mapping[str, str] = field(default_factory=dict)  # "Step.output" or "Step.Property.Path" -> value


def find_source(sagemaker: Any, pipeline: str, selection: Selection) -> str | None:
    """The ARN of the execution whose results the other steps lend; None when the pipeline never ran to an end."""
    if selection.source:
        return executions.find(sagemaker, pipeline, selection.source)
    try:
        recent = executions.recent(sagemaker, pipeline, 100)
    except LookupError:
        return None
    return next((one["PipelineExecutionArn"] for one in recent if one["PipelineExecutionStatus"] in _ENDED), None)


def parameters(sagemaker: Any, source: str | None, known: Sequence[str]) -> dict[str, str]:
    """Those of the source, as far as the pipeline still has them."""
    if source is None:
        return {}
    pages = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(PipelineExecutionArn=source)
    found = {one["Name"]: one["Value"] for page in pages for one in page["PipelineParameters"]}
    return {name: value for name, value in found.items() if name in known}


def request(selection: Selection, source: str | None) -> Document:
    """StartPipelineExecution's SelectiveExecutionConfig."""
    lent = {"SourcePipelineExecutionArn": source} if source else {}
    return {"SelectedSteps": [{"StepName": name} for name in selection.steps], **lent}


def put_in(definition: Document, given: Mapping[str, str]) -> Document:
    """The definition with given values in place of the references to them. Raises LookupError for one that nothing
    refers to.
    """
    steps = {step["Name"]: step for step in all_steps(definition["Steps"])}
    values = {_path(steps, name): value for name, value in given.items()}
    files = dict(_files(steps, values))
    used: set[str] = set()
    changed = _replaced(definition, values, files, used)
    if unused := [name for name in given if _path(steps, name) not in used]:
        referred = sorted({path.removeprefix("Steps.") for path in references(definition)})
        raise LookupError(f"No step refers to {', '.join(unused)}. What steps refer to: {', '.join(referred)}.")
    return dict(changed)


def _path(steps: Mapping[str, Document], name: str) -> str:
    """`Process.train` is the output `train` of a Processing step, anything else a property's path."""
    step, _, rest = name.partition(".")
    outputs = (steps.get(step, {}).get("Arguments") or {}).get("ProcessingOutputConfig", {}).get("Outputs", [])
    if rest in [one.get("OutputName") for one in outputs]:
        return f"Steps.{step}.ProcessingOutputConfig.Outputs['{rest}'].S3Output.S3Uri"
    return f"Steps.{name}"


def _files(steps: Mapping[str, Document], values: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """A property file's reference -> the path of the given output that it lies in, and its own address."""
    for step in steps.values():
        for file in step.get("PropertyFiles") or []:
            path = _path(steps, f"{step['Name']}.{file['OutputName']}")
            if path in values:
                address = f"{values[path].rstrip('/')}/{file['FilePath'].lstrip('/')}"
                yield f"Steps.{step['Name']}.PropertyFiles.{file['PropertyFileName']}", (path, address)


def _replaced(value: Any, values: Mapping[str, str], files: Mapping[str, tuple[str, str]], used: set[str]) -> Any:
    if isinstance(value, list):
        return [_replaced(member, values, files, used) for member in value]
    if not isinstance(value, dict):
        return value
    path = str(value.get("Get", ""))
    if len(value) == 1 and path in values:
        used.add(path)
        return values[path]
    file = (value.get("Std:JsonGet") or {}).get("PropertyFile", {}).get("Get")
    if file in files:
        output, address = files[file]
        used.add(output)
        return {"Std:JsonGet": {"S3Uri": address, "Path": value["Std:JsonGet"]["Path"]}}
    return {name: _replaced(member, values, files, used) for name, member in value.items()}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if len(value) == 1 and str(value.get("Get", "")).startswith("Steps."):
            yield value["Get"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def all_steps(steps: Sequence[Document]) -> Iterator[Document]:
    """Of a definition, those of branches and bodies too."""
    for step in steps:
        yield step
        arguments = step.get("Arguments") or {}
        for member in ("IfSteps", "ElseSteps", "ForEachBody"):
            yield from all_steps(arguments.get(member) or [])


def version_with(sagemaker: Any, pipeline: str, given: Mapping[str, str]) -> int | None:
    """The number of a version of the pipeline with the given values in it, None without any. The pipeline's newest
    version afterwards is as it was.
    """
    if not given:
        return None
    own = sagemaker.describe_pipeline(PipelineName=pipeline)["PipelineDefinition"]
    changed = json.dumps(put_in(json.loads(own), given))
    answer = sagemaker.update_pipeline(PipelineName=pipeline, PipelineDefinition=changed)
    sagemaker.update_pipeline(PipelineName=pipeline, PipelineDefinition=own)
    return int(answer["PipelineVersionId"])
