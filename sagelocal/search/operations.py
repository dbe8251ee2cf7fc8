"""Search and GetSearchSuggestions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.model import StructureShape

from sagelocal.api import listing
from sagelocal.api.errors import AwsError
from sagelocal.api.model import service_model
from sagelocal.api.resources import RESOURCES
from sagelocal.experiments import members, metrics
from sagelocal.search import filters, properties, records

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
# ResourceType -> (member of a SearchRecord, kind in the store)
_RESOURCES = {
    "TrainingJob": ("TrainingJob", "TrainingJob"),
    "HyperParameterTuningJob": ("HyperParameterTuningJob", "HyperParameterTuningJob"),
    "Experiment": ("Experiment", "Experiment"),
    "ExperimentTrial": ("Trial", "Trial"),
    "ExperimentTrialComponent": ("TrialComponent", "TrialComponent"),
    "Pipeline": ("Pipeline", "Pipeline"),
    "PipelineExecution": ("PipelineExecution", "PipelineExecution"),
    "PipelineVersion": ("PipelineVersion", "PipelineVersion"),
    "ModelPackage": ("ModelPackage", "ModelPackage"),
    "ModelPackageGroup": ("ModelPackageGroup", "ModelPackageGroup"),
    "Model": ("Model", "Model"),
    "Endpoint": ("Endpoint", "Endpoint"),
}
_MOST_SUGGESTIONS = 100


def search(app: SageLocal, request: Document) -> Document:
    """Latest changes first unless asked otherwise. Other accounts share nothing with this one."""
    member, kind = _RESOURCES[request["Resource"]]
    shape = _shape(member)
    expression = request.get("SearchExpression")
    test = filters.compiled(shape, expression) if expression is not None else None
    order = properties.find(shape, request["SortBy"]) if "SortBy" in request else None
    names = [*filters.names(expression or {}), request.get("SortBy", "")]
    at_once = records.needs_all(kind, names)  # else only what is on the page is made complete
    found = []
    if request.get("CrossAccountFilterOption") != "CrossAccount":
        plain = (records.plain(kind, document) for document in _candidates(app, kind, expression or {}))
        looked = (records.complete(app, kind, record) if at_once else record for record in plain)
        found = [record for record in looked if test is None or test(record)]
    found.sort(
        key=lambda record: _sort_key(order.values(record) if order else [_changed(record)]),
        reverse=request.get("SortOrder", "Descending") == "Descending",
    )
    answer = listing.page(request, found, "Results")
    shown = answer["Results"] if at_once else [records.complete(app, kind, record) for record in answer["Results"]]
    results = [{member: record} for record in shown]
    return answer | {"Results": results, "TotalHits": {"Value": len(found), "Relation": "EqualTo"}}


def _shape(member: str) -> StructureShape:
    record = service_model("sagemaker").shape_for("SearchRecord")
    assert isinstance(record, StructureShape)
    shape = record.members[member]
    assert isinstance(shape, StructureShape)
    return shape


def _changed(record: Document) -> float:
    inner = record.get("Model", record)
    return float(inner.get("LastModifiedTime", inner.get("CreationTime", 0.0)))


def _sort_key(values: list[Any]) -> tuple[int, float, str]:
    """Records without the property come before all others, numbers before texts."""
    if not values:
        return (0, 0.0, "")
    value = values[0]
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, str(value))


def _candidates(app: SageLocal, kind: str, expression: Document) -> Iterator[Document]:
    """Documents that can meet the expression. A filter for one name or for one parent spares reading all."""
    if expression.get("Operator", "And") == "And":
        for given in expression.get("Filters") or []:
            if given.get("Operator", "Equals") == "Equals" and "," not in given.get("Value", ","):
                narrowed = _narrowed(app, kind, given["Name"].lower(), given["Value"])
                if narrowed is not None:
                    return iter(narrowed)
    return iter(app.store.list(kind))


def _narrowed(app: SageLocal, kind: str, name: str, value: str) -> list[Document] | None:
    """What a filter on an indexed property leaves; None for any other property."""
    if kind in RESOURCES and name in (f"{kind}Name".lower(), f"{kind}Arn".lower()):
        try:
            return [app.find(kind, value)]
        except AwsError:
            return []
    if name == "source.sourcearn" and kind == "TrialComponent":
        return _linked(app, members.OF_SOURCE, value.lower())
    if name == "parents.trialname":
        return _linked(app, members.OF_TRIAL, value.lower())
    if name == "parents.experimentname":
        return _linked(app, members.OF_EXPERIMENT, value.lower())
    return None


def _linked(app: SageLocal, links: str, parent: str) -> list[Document]:
    entries = app.store.list(links, parent=parent)
    found = (app.store.find("TrialComponent", entry["TrialComponentName"]) for entry in entries)
    return [component for component in found if component]


def get_search_suggestions(app: SageLocal, request: Document) -> Document:
    """Names of properties that hold the hint: hyperparameters, metrics and tags that there are, and fixed ones."""
    member, kind = _RESOURCES[request["Resource"]]
    shape = _shape(member)
    query = (request.get("SuggestionQuery") or {}).get("PropertyNameQuery") or {}
    hint = str(query.get("PropertyNameHint", "")).lower()
    known = dict.fromkeys(_dynamic(app, kind)) | dict.fromkeys(properties.names(shape.name))
    found = [name for name in known if hint in name.lower()][:_MOST_SUGGESTIONS]
    return {"PropertyNameSuggestions": [{"PropertyName": name} for name in found]}


def _dynamic(app: SageLocal, kind: str) -> Iterator[str]:
    for document in app.store.list(kind):
        for name in ("HyperParameters", "Parameters"):
            if isinstance(document.get(name), dict):
                yield from (f"{name}.{key}" for key in document[name])
        shown = metrics.summaries(document) if kind == "TrialComponent" else document.get("FinalMetricDataList") or []
        yield from (f"Metrics.{metric['MetricName']}" for metric in shown)
        yield from (f"Tags.{key}" for key in app.store.tags(document.get(f"{kind}Arn", "")))


_TYPES: Any = service_model("sagemaker").shape_for("ResourceType")
_ABSENT = sorted(set(_TYPES.enum) - set(_RESOURCES))
_REFUSED = {f"Resource={name}": f"It can be {', '.join(_RESOURCES)}." for name in _ABSENT}
REFUSED = {"Search": _REFUSED | {"VisibilityConditions": ""}, "GetSearchSuggestions": _REFUSED}
OPERATIONS = {"Search": search, "GetSearchSuggestions": get_search_suggestions}
