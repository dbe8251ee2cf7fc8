"""Search and GetSearchSuggestions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.model import StructureShape

from sagelocal.api import listing
from sagelocal.api.model import service_model
from sagelocal.experiments import metrics
from sagelocal.search import candidates, filters, properties, records
from sagelocal.search.properties import Property

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
    "FeatureGroup": ("FeatureGroup", "FeatureGroup"),
    "FeatureMetadata": ("FeatureMetadata", "FeatureMetadata"),
}
_MOST_SUGGESTIONS = 100


def search(app: SageLocal, request: Document) -> Document:
    """Latest changes first unless asked otherwise. Other accounts share nothing with this one.

    By CreationTime no more is read than the page and those before it take, and TotalHits is then a lower bound.
    """
    member, kind = _RESOURCES[request["Resource"]]
    shape = _shape(member)
    expression = request.get("SearchExpression")
    test = filters.compiled(shape, expression) if expression is not None else None
    order = properties.find(shape, request["SortBy"]) if "SortBy" in request else None
    names = [*filters.names(expression or {}), request.get("SortBy", "")]
    at_once = records.needs_all(kind, names)  # else only what is on the page is made complete
    descending = request.get("SortOrder", "Descending") == "Descending"
    found: Iterator[Document] = iter(())
    if request.get("CrossAccountFilterOption") != "CrossAccount":
        plain = (records.plain(kind, one) for one in candidates.find(app, kind, expression or {}, descending))
        looked = (records.complete(app, kind, record) if at_once else record for record in plain)
        found = (record for record in looked if test is None or test(record))
    if order is not None and order.path == candidates.ORDER:
        hits, relation = _first(found, listing.needed(request))
    else:
        hits, relation = _sorted(found, order, descending), "EqualTo"
    answer = listing.page(request, hits, "Results")
    shown = answer["Results"] if at_once else [records.complete(app, kind, record) for record in answer["Results"]]
    results = [{member: record} for record in shown]
    return answer | {"Results": results, "TotalHits": {"Value": len(hits), "Relation": relation}}


def _first(found: Iterator[Document], count: int) -> tuple[list[Document], str]:
    """So many, and whether they are all there are (TotalHitsRelation)."""
    hits = list(islice(found, count))
    return hits, "EqualTo" if len(hits) < count else "GreaterThanOrEqualTo"


def _sorted(found: Iterator[Document], order: Property | None, descending: bool) -> list[Document]:
    def key(record: Document) -> tuple[int, float, str]:
        return _sort_key(order.values(record) if order else [_changed(record)])

    return sorted(found, key=key, reverse=descending)


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
