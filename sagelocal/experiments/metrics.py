"""A trial component's metrics: those that its job's output showed, and those put by BatchPutMetrics."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.store import Store

Document = dict[str, Any]
KIND = "TrialComponentMetrics"  # the values of one BatchPutMetrics, whose parent is the component's key
_PERIODS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}


def count(totals: dict[Any, Document], name: Any, value: float, timestamp: float) -> None:
    """Takes a value (`timestamp` in epoch seconds) into a metric's running totals."""
    known = totals.setdefault(
        name,
        {"Count": 0, "Sum": 0.0, "Squares": 0.0, "Min": value, "Max": value, "Last": value, "TimeStamp": timestamp},
    )
    known["Count"] += 1
    known["Sum"] += value
    known["Squares"] += value * value
    known["Min"], known["Max"] = min(known["Min"], value), max(known["Max"], value)
    if timestamp >= known["TimeStamp"]:
        known["Last"], known["TimeStamp"] = value, timestamp


def summaries(component: Document) -> list[Document]:
    """TrialComponentMetricSummaries, in the order in which the metrics first came."""
    return [
        {
            "MetricName": name,
            "SourceArn": (component.get("Source") or {}).get("SourceArn", component["TrialComponentArn"]),
            **{member: known[member] for member in ("TimeStamp", "Max", "Min", "Last", "Count")},
            "Avg": known["Sum"] / known["Count"],
            "StdDev": _deviation(known),
        }
        for name, known in component.get("_metrics", {}).items()
    ]


def _deviation(known: Document) -> float:
    """Of the sample, 0 of a single value; the guide does not say which one AWS gives."""
    if known["Count"] < 2:
        return 0.0
    mean = known["Sum"] / known["Count"]
    return math.sqrt(max(0.0, (known["Squares"] - known["Count"] * mean * mean) / (known["Count"] - 1)))


def batch_put_metrics(app: SageLocal, request: Document) -> Document:
    """The service SageMaker Metrics, by which the SDK's Run logs."""
    with app.store.transaction():
        component = app.find("TrialComponent", request["TrialComponentName"])
        given = [entry | {"Timestamp": float(entry["Timestamp"])} for entry in request["MetricData"]]
        values = [entry for entry in given if math.isfinite(entry["Value"])]

        def edit(document: Document) -> None:
            totals = document.setdefault("_metrics", {})
            for entry in values:
                count(totals, entry["MetricName"], entry["Value"], entry["Timestamp"])

        app.store.update("TrialComponent", component["_name"], edit=edit)
        name = str(uuid.uuid4())
        app.store.create(KIND, name, {"_name": name, "MetricData": values}, parent=component["_name"])
    refused = [number for number, entry in enumerate(given) if not math.isfinite(entry["Value"])]
    errors = [{"Code": "VALIDATION_ERROR", "MetricIndex": number} for number in refused]
    return {"Errors": errors} if errors else {}


def batch_get_metrics(app: SageLocal, request: Document) -> Document:
    """The series of metrics put by BatchPutMetrics; of a job's own metrics CloudWatch has the series."""
    return {"MetricQueryResults": [_query(app, query) for query in request["MetricQueries"]]}


def _query(app: SageLocal, query: Document) -> Document:
    try:
        component = app.find("TrialComponent", query["ResourceArn"])
    except AwsError as error:
        return {"Status": "ValidationError", "Message": error.message, "XAxisValues": [], "MetricValues": []}
    batches = app.store.list(KIND, parent=component["_name"])
    values = [entry for batch in batches for entry in batch["MetricData"] if entry["MetricName"] == query["MetricName"]]
    points: dict[Any, Document] = {}
    for entry in values:
        x = _x(query, entry)
        if x is not None and query.get("Start", x) <= x <= query.get("End", x):
            count(points, x, entry["Value"], entry["Timestamp"])
    xs = sorted(points)
    return {
        "Status": "Complete",
        "XAxisValues": xs,
        "MetricValues": [_statistic(points[x], query["MetricStat"]) for x in xs],
    }


def _x(query: Document, entry: Document) -> int | None:
    """Where a value lies on the x-axis: its step, or the start of its period in epoch seconds."""
    if query["XAxisType"] == "IterationNumber":
        step: int | None = entry.get("Step")
        return step
    period = _PERIODS.get(query["Period"], 1)
    return int(entry["Timestamp"] // period) * period


def _statistic(known: Document, name: str) -> float:
    if name == "Avg":
        return float(known["Sum"] / known["Count"])
    return _deviation(known) if name == "StdDev" else float(known[name])


def delete(store: Store, component: str) -> None:
    """The series of a component's key."""
    for batch in store.list(KIND, parent=component):
        store.delete(KIND, batch["_name"])


OPERATIONS = {"BatchPutMetrics": batch_put_metrics, "BatchGetMetrics": batch_get_metrics}
