"""Search's records: documents with what a result shows beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sagelocal.experiments import members, metrics

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def plain(kind: str, document: Document) -> Document:
    """As far as the document alone tells, which is enough for most filters and costs nothing."""
    if kind != "TrialComponent":
        return document
    return document | {"Metrics": metrics.summaries(document), "Parents": document.get("_parents", [])}


def needs_all(kind: str, names: Iterable[str]) -> bool:
    """Whether one of these properties is in complete records only."""
    late = _LATE.get(kind, ("tags",))
    return kind in _ALWAYS or any(name.split(".")[0].lower() in late for name in names)


def complete(app: SageLocal, kind: str, record: Document) -> Document:
    """A plain record with tags and all else that has to be looked up."""
    more = _MORE[kind](app, record) if kind in _MORE else {}
    if tags := app.store.tags(record.get(f"{kind}Arn", "")):
        more["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    found = record | more
    return {"Model": found, "Endpoints": _endpoints(app, record)} if kind == "Model" else found


def _component(app: SageLocal, component: Document) -> Document:
    source = component.get("Source")
    if not source:
        return {}
    found = app.store.by_arn(source["SourceArn"])
    return {"SourceDetail": {"SourceArn": source["SourceArn"], **({found[0]: found[2]} if found else {})}}


def _trial(app: SageLocal, trial: Document) -> Document:
    summaries = [
        component | ({"TrialComponentSource": component["Source"]} if "Source" in component else {})
        for component in members.components_of(app.store, trial["_name"])
    ]
    return {"TrialComponentSummaries": summaries}


def _execution(app: SageLocal, execution: Document) -> Document:
    arn, parameters, request = execution["PipelineExecutionArn"], "PipelineParameters", {"MaxResults": 100}
    answer = app.call("ListPipelineParametersForExecution", {"PipelineExecutionArn": arn, **request})
    found = answer[parameters]
    while "NextToken" in answer:
        more = {"PipelineExecutionArn": arn, "NextToken": answer["NextToken"], **request}
        answer = app.call("ListPipelineParametersForExecution", more)
        found += answer[parameters]
    return {parameters: found}


def _endpoint(app: SageLocal, endpoint: Document) -> Document:
    return app.call("DescribeEndpoint", {"EndpointName": endpoint["EndpointName"]})


def _version(app: SageLocal, version: Document) -> Document:
    arn = version.get("LastExecutionPipelineExecutionArn")
    execution = app.store.find("PipelineExecution", arn) if arn else None
    if execution is None:
        return {}
    return {
        "LastExecutedPipelineExecutionArn": arn,
        "LastExecutedPipelineExecutionDisplayName": execution.get("PipelineExecutionDisplayName"),
        "LastExecutedPipelineExecutionStatus": execution["PipelineExecutionStatus"],
    }


def _endpoints(app: SageLocal, model: Document) -> list[Document]:
    """Endpoints whose configuration has the model."""
    found = []
    for endpoint in app.store.list("Endpoint"):
        config = app.store.find("EndpointConfig", endpoint.get("EndpointConfigName", "")) or {}
        variants = config.get("ProductionVariants") or []
        if any(variant.get("ModelName") == model["ModelName"] for variant in variants):
            found.append(endpoint)
    return found


_MORE: dict[str, Callable[[SageLocal, Document], Document]] = {
    "TrialComponent": _component,
    "Trial": _trial,
    "PipelineExecution": _execution,
    "PipelineVersion": _version,
    "Endpoint": _endpoint,
}
_LATE = {
    "TrialComponent": ("tags", "sourcedetail"),
    "Trial": ("tags", "trialcomponentsummaries"),
    "PipelineExecution": ("tags", "pipelineparameters"),
}
_ALWAYS = ("Model", "Endpoint", "PipelineVersion")
