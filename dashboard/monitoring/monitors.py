"""Which monitors there are, of either engine: found by ListPipelines and ListMonitoringSchedules."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look
from dashboard.alarms import SCALING
from deploy import names, recurrence, retraining
from deploy.declaration import Kind

KEPT_SECONDS = 30  # what exists changes seldom; whoever changes it here is shown it at once
_PAGES = 10  # of a list call, at most: accounts have thousands of other pipelines and alarms
_FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_GONE = ("ResourceNotFound", "ResourceNotFoundException")
_TYPES = {  # of MonitoringSchedules
    "DataQuality": Kind.DATA_QUALITY,
    "ModelQuality": Kind.MODEL_QUALITY,
    "ModelBias": Kind.MODEL_BIAS,
    "ModelExplainability": Kind.EXPLAINABILITY,
}


@dataclass(frozen=True)
class Monitor:
    """`name` is that of its pipeline or, `managed`, of AWS's MonitoringSchedule; and a dimension of its metrics."""

    name: str
    kind: Kind
    endpoint: str  # or, of batch transform jobs, what their monitors' names begin with
    arn: str
    managed: bool = False
    expression: str = ""  # cron or rate, UTC; empty: none, or not to be read
    enabled: bool = True
    since: datetime | None = None  # from when on a rate counts

    @property
    def next(self) -> datetime | None:
        """When it runs next by its schedule."""
        if not self.expression or not self.enabled:
            return None
        try:
            return recurrence.next_after(self.expression, datetime.now(UTC), self.since)
        except ValueError:  # such as NOW, or at(…)
            return None


@dataclass(frozen=True)
class Account:
    """Of an account: what is monitored, and what could be."""

    monitors: tuple[Monitor, ...] = ()
    endpoints: tuple[str, ...] = ()  # all, monitored or not
    alarms: tuple[dict[str, Any], ...] = ()  # DescribeAlarms' MetricAlarms, but for autoscaling's own
    retrainings: tuple[str, ...] = ()  # endpoints that have a pipeline for it
    refused: tuple[str, ...] = ()  # what this identity may not read, in sentences

    def of(self, endpoint: str) -> list[Monitor]:
        return [each for each in self.monitors if each.endpoint == endpoint]

    def find(self, endpoint: str, monitor: str) -> Monitor:
        """By its name or its kind. Raises LookupError."""
        for each in self.of(endpoint):
            if monitor in (each.name, each.kind):
                return each
        known = ", ".join(each.name for each in self.of(endpoint)) or "none"
        readable = " that may be read" if self.refused else ""
        raise LookupError(f"{endpoint} has no monitor {monitor!r}{readable}. There are: {known}.")

    def alarms_of(self, monitor: Monitor) -> list[dict[str, Any]]:
        return [each for each in self.alarms if ("MonitoringSchedule", monitor.name) in _dimensions(each)]

    def alarms_about(self, endpoint: str) -> list[dict[str, Any]]:
        """Of the endpoint itself and of all its monitors."""
        about = {("Endpoint", endpoint), ("EndpointName", endpoint)}
        about |= {("MonitoringSchedule", each.name) for each in self.of(endpoint)}
        return [each for each in self.alarms if about & _dimensions(each)]

    def groups(self) -> list[str]:
        """Endpoints that are monitored, sorted."""
        return sorted({each.endpoint for each in self.monitors})


@dataclass
class _Refusals:
    """Runs calls of which some may be forbidden, or about what has gone meanwhile: a page shows what it can."""

    said: list[str] = field(default_factory=list)

    def guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE:
                return []
            if code not in _FORBIDDEN:
                raise
            self.said.append(look.sentence(error))
            return []


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read() -> Account:
    """By some list calls at a time, and GetSchedule of each monitor."""
    refusals = _Refusals()
    sagemaker, scheduler = account.client("sagemaker"), account.client("scheduler")
    cloudwatch = account.client("cloudwatch")
    with ThreadPoolExecutor(account.AT_ONCE) as pool:
        asked = [
            pool.submit(refusals.guarded, call)
            for call in (
                lambda: listed(sagemaker, "list_pipelines", "PipelineSummaries", MaxResults=100),
                lambda: listed(sagemaker, "list_monitoring_schedules", "MonitoringScheduleSummaries", MaxResults=100),
                lambda: listed(sagemaker, "list_endpoints", "Endpoints", MaxResults=100),
                lambda: listed(cloudwatch, "describe_alarms", "MetricAlarms", MaxRecords=100),
            )
        ]
        pipelines, schedules, endpoints, alarms = (each.result() for each in asked)
        found = [*own(pipelines), *managed(schedules)]
        ask = functools.partial(_scheduled, sagemaker, scheduler)
        scheduled = list(pool.map(lambda each: refusals.guarded(functools.partial(ask, each)) or each, found))
    return Account(
        tuple(sorted(scheduled, key=lambda each: (each.endpoint, list(Kind).index(each.kind), each.name))),
        tuple(each["EndpointName"] for each in endpoints),
        tuple(each for each in alarms if not each["AlarmName"].startswith(SCALING)),
        tuple(_retrainings(pipelines)),
        tuple(dict.fromkeys(refusals.said)),
    )


def listed(client: Any, operation: str, member: str, pages: int = _PAGES, **query: Any) -> list[dict[str, Any]]:
    """A list operation's entries of its first pages."""
    found = itertools.islice(client.get_paginator(operation).paginate(**query), pages)
    return [each for page in found for each in page[member]]


def own(pipelines: Iterable[dict[str, Any]]) -> Iterator[Monitor]:
    """Those that `mlops deploy` made, by their description and name."""
    for each in pipelines:
        name, said = each["PipelineName"], each.get("PipelineDescription") or ""
        kind = next((kind for kind in Kind if said.startswith(f"{names.MADE}{kind} of ")), None)
        if kind and name.endswith(f"-{kind}"):
            yield Monitor(name, kind, name.removesuffix(f"-{kind}"), each["PipelineArn"])


def managed(schedules: Iterable[dict[str, Any]]) -> Iterator[Monitor]:
    for each in schedules:
        name, kind = each["MonitoringScheduleName"], _TYPES[each.get("MonitoringType", "DataQuality")]
        endpoint = each.get("EndpointName") or name.removesuffix(f"-{kind}")
        enabled = each["MonitoringScheduleStatus"] != "Stopped"
        yield Monitor(name, kind, endpoint, each["MonitoringScheduleArn"], True, enabled=enabled)


def _retrainings(pipelines: Iterable[dict[str, Any]]) -> Iterator[str]:
    for each in pipelines:
        endpoint = each["PipelineName"].removesuffix("-retraining")
        made = (each.get("PipelineDescription") or "").startswith(f"{names.MADE}collects labelled traffic")
        if made and each["PipelineName"] == retraining.name(endpoint):
            yield endpoint


def _scheduled(sagemaker: Any, scheduler: Any, monitor: Monitor) -> Monitor:
    """With when it runs; without, where it has no schedule."""
    if monitor.managed:
        config = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=monitor.name)
        schedule = config.get("MonitoringScheduleConfig", {}).get("ScheduleConfig", {})
        return _with(monitor, schedule.get("ScheduleExpression", ""), monitor.enabled, config["CreationTime"])
    try:
        found = scheduler.get_schedule(Name=monitor.name)
    except scheduler.exceptions.ResourceNotFoundException:
        return monitor
    enabled = found["State"] == "ENABLED"
    return _with(monitor, found["ScheduleExpression"], enabled, found.get("StartDate") or found["CreationDate"])


def _with(monitor: Monitor, expression: str, enabled: bool, since: datetime) -> Monitor:
    made = {**vars(monitor), "expression": expression, "enabled": enabled, "since": since}
    return Monitor(**made)


def _dimensions(alarm: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["Name"], each["Value"]) for each in alarm.get("Dimensions", [])}
