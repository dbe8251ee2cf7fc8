"""A CloudWatch dashboard a endpoint, of its name: traffic, errors, latencies, hosts, monitors, alarms, deployments.

A dashboard has no description, and its tags come in no listing, so its first widget says that `mlops deploy` made it.
What is annotated of earlier deployments is kept when it is put anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy import monitors, names, staleness, view
from deploy.changes import Call
from deploy.declaration import Deployment, Mode, Monitoring
from deploy.resources import Key, Request, Resource
from deploy.state import Clients, Described, find
from deploy.wanted import Place, Wanted
from deploy.watch import Watch

Widget = dict[str, Any]
_KEPT = 20  # deployments that are annotated
_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3  # of a widget, on a grid of 24; of widgets in a row
_SERVED, _HOSTS = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
_MINUTE, _DAY = 60, 86400


@dataclass(frozen=True)
class Dashboard:
    """Its request: `DashboardName`; `Widgets`; `Deployed`, an annotation of what is served: `label` and `value`."""

    kind: str = "dashboard"

    def find(self, clients: Clients, name: str) -> Described | None:
        """GetDashboard with its body as `Widgets`."""
        found = find(clients("cloudwatch").get_dashboard, DashboardName=name)
        widgets = json.loads(found["DashboardBody"]).get("widgets", []) if found else []
        text = str(widgets[0].get("properties", {}).get("markdown", "")) if widgets else ""
        return {**(found or {}), "Widgets": widgets} if text.startswith(names.MADE) else None

    def put(self, request: Request, found: Described | None) -> tuple[Call, ...]:
        body = json.dumps({"widgets": _annotated(request, found)})
        return (
            Call("cloudwatch", "put_dashboard", {"DashboardName": request["DashboardName"], "DashboardBody": body}),
        )

    def differences(self, request: Request, found: Described) -> tuple[str, ...]:
        new = _deployments(request, found)
        said = [f"annotated: {new[-1]['label']}"] if new != _deployments_of(found["Widgets"]) else []
        before, after = _plain(found["Widgets"]), _plain(request["Widgets"])
        changed = [_title(each) for each in after if each not in before]
        gone = [_title(each) for each in before if _title(each) not in map(_title, after)]
        return (*said, *[f"shows {each}" for each in changed], *[f"no longer {each}" for each in gone])

    def remove(self, name: str, found: Described) -> tuple[Call, ...]:
        return (Call("cloudwatch", "delete_dashboards", {"DashboardNames": [name]}),)


DASHBOARD = Dashboard()


def keys(endpoint: str) -> list[Key]:
    return [(DASHBOARD, endpoint)]


def resource(
    deployment: Deployment,
    wanted: Wanted,
    place: Place,
    monitoring: Monitoring | None = None,
    watches: Sequence[Watch] = (),
    now: datetime | None = None,
) -> Resource:
    widgets = [_text(wanted), *_laid_out(_widgets(deployment, wanted, place, monitoring, watches))]
    moment = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    request: Request = {
        "DashboardName": wanted.endpoint,
        "Widgets": widgets,
        "Deployed": {"label": view.model(wanted.config_name), "value": moment},
    }
    return Resource(DASHBOARD, wanted.endpoint, request, (f"{len(widgets) - 1} graphs",))


def _text(wanted: Wanted) -> Widget:
    said = f"{names.MADE}endpoint **{wanted.endpoint}**. Vertical lines are deployments."
    return {"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": {"markdown": said}}


def _widgets(
    deployment: Deployment,
    wanted: Wanted,
    place: Place,
    monitoring: Monitoring | None,
    watches: Sequence[Watch],
) -> Iterator[Widget]:
    served, hosts = _of_variants(_SERVED, wanted), _of_variants(_HOSTS, wanted)
    yield _graph("Invocations", place, served("Invocations", "Sum"), marked=True)
    errors = ("Invocation4XXErrors", "Invocation5XXErrors")
    yield _graph("Errors", place, [line for each in errors for line in served(each, "Sum")], marked=True)
    latencies = [line for each in ("p50", "p90", "p99") for line in served("ModelLatency", each)]
    yield _graph("Model latency in microseconds", place, latencies, marked=True)
    yield _graph("Overhead latency in microseconds", place, served("OverheadLatency", "p90"), marked=True)
    if deployment.mode is Mode.SERVERLESS:
        yield _graph("Cold starts in microseconds", place, served("ModelSetupTime", "Maximum"))
    else:
        utilized = ("CPUUtilization", "MemoryUtilization")
        yield _graph(
            "CPU and memory in per cent", place, [line for each in utilized for line in hosts(each, "Average")]
        )
    if deployment.mode is Mode.ASYNCHRONOUS:
        waiting = ("ApproximateBacklogSize", "ApproximateAgeOfOldestRequest")
        of = ["EndpointName", wanted.endpoint]
        yield _graph("Requests that wait", place, [[_SERVED, each, *of, {"stat": "Maximum"}] for each in waiting])
    if watches:
        found = [_line({**monitors.metric(each), "label": each.kind}) for each in watches]
        yield _graph("Violations that monitors found", place, found, period=_MINUTE)
    if watches and monitoring and monitoring.max_model_age:
        yield _age(place, monitoring, watches)
    if alarms := _alarms(wanted, place, monitoring, watches):
        yield {"type": "alarm", "properties": {"title": "Alarms", "alarms": alarms}}


def _of_variants(namespace: str, wanted: Wanted) -> Any:
    """Makes the lines of a metric, one a variant."""
    variants = [each["VariantName"] for each in wanted.config["ProductionVariants"]]

    def lines(metric: str, statistic: str) -> list[list[Any]]:
        return [
            [
                *[namespace, metric, "EndpointName", wanted.endpoint, "VariantName", each],
                {"stat": statistic, "label": " ".join([metric, statistic, *([each] if len(variants) > 1 else [])])},
            ]
            for each in variants
        ]

    return lines


def _line(metric: Mapping[str, Any]) -> list[Any]:
    """One line of what is written as members of PutMetricAlarm."""
    dimensions = [part for each in metric["Dimensions"] for part in (each["Name"], each["Value"])]
    drawn = {"stat": metric["Statistic"], **({"label": metric["label"]} if "label" in metric else {})}
    return [metric["Namespace"], metric["MetricName"], *dimensions, drawn]


def _graph(title: str, place: Place, lines: list[list[Any]], *, marked: bool = False, period: int = _MINUTE) -> Widget:
    properties = {"title": title, "region": place.region, "view": "timeSeries", "period": period, "metrics": lines}
    return {"type": "metric", "properties": {**properties, **({"annotations": {"vertical": []}} if marked else {})}}


def _age(place: Place, monitoring: Monitoring, watches: Sequence[Watch]) -> Widget:
    age = {**monitors.metric(staleness.most_often(watches)), "MetricName": monitors.AGE_METRIC, "label": "days"}
    widget = _graph("Days since the model was registered", place, [_line(age)], period=_DAY)
    limit = {"label": "stale", "value": staleness.limit(monitoring)}
    widget["properties"]["annotations"] = {"horizontal": [limit]}
    return widget


def _alarms(wanted: Wanted, place: Place, monitoring: Monitoring | None, watches: Sequence[Watch]) -> list[str]:
    """ARNs, of those that watch the endpoint at all times."""
    found = [each["AlarmName"] for each in wanted.alarms if not each["AlarmName"].startswith(wanted.config_name)]
    found += [names.violations_alarm(wanted.endpoint, each.kind) for each in watches]
    if watches and monitoring and monitoring.max_model_age:
        found.append(names.staleness_alarm(wanted.endpoint))
    return [f"arn:{place.partition}:cloudwatch:{place.region}:{place.account}:alarm:{each}" for each in found]


def _laid_out(widgets: Iterator[Widget]) -> Iterator[Widget]:
    for number, each in enumerate(widgets):
        row, column = divmod(number, _COLUMNS)
        yield {**each, "x": column * _WIDTH, "y": 1 + row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}


def _annotated(request: Request, found: Described | None) -> list[Widget]:
    deployments = _deployments(request, found)
    return [_marked(each, deployments) if _is_marked(each) else each for each in request["Widgets"]]


def _deployments(request: Request, found: Described | None) -> list[dict[str, str]]:
    """Those before, and what is deployed now unless it is the last of them."""
    before = _deployments_of(found["Widgets"]) if found else []
    if before and before[-1]["label"] == request["Deployed"]["label"]:
        return before
    return [*before, request["Deployed"]][-_KEPT:]


def _deployments_of(widgets: Sequence[Widget]) -> list[dict[str, str]]:
    return next((each["properties"]["annotations"]["vertical"] for each in widgets if _is_marked(each)), [])


def _is_marked(widget: Mapping[str, Any]) -> bool:
    return "vertical" in widget["properties"].get("annotations", {})


def _marked(widget: Widget, deployments: list[dict[str, str]]) -> Widget:
    return {**widget, "properties": {**widget["properties"], "annotations": {"vertical": deployments}}}


def _plain(widgets: Sequence[Widget]) -> list[Widget]:
    return [_marked(each, []) if _is_marked(each) else each for each in widgets]


def _title(widget: Mapping[str, Any]) -> str:
    return str(widget["properties"].get("title", "its text"))
