"""CloudWatch alarms that are about an endpoint: by their dimensions, whoever made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dashboard import account
from dashboard.alarms import SCALING
from deploy import names

Alarm = dict[str, Any]
_DIMENSIONS = ("EndpointName", "Endpoint")  # of AWS/SageMaker, and of Model Monitor's metrics


def endpoints(alarm: Mapping[str, Any]) -> set[str]:
    """The endpoints whose metrics an alarm watches, by metric math, too."""
    metrics = [alarm, *(each.get("MetricStat", {}).get("Metric", {}) for each in alarm.get("Metrics", []))]
    return {each["Value"] for metric in metrics for each in metric.get("Dimensions", []) if each["Name"] in _DIMENSIONS}


def ringing(cloudwatch: Any) -> list[Alarm]:
    """All metric alarms in ALARM but target tracking's own: one of them is, where nobody calls."""
    found = _pages(cloudwatch, StateValue="ALARM", AlarmTypes=["MetricAlarm"])
    return [each for each in found if not each["AlarmName"].startswith(SCALING)]


@account.kept
def about(endpoint: str, named: tuple[str, ...]) -> list[Alarm]:
    return of(account.client("cloudwatch"), endpoint, named)


def of(cloudwatch: Any, endpoint: str, named: Iterable[str] = ()) -> list[Alarm]:
    """Those whose name begins with the endpoint's, its scaling policies', those in ALARM, and the `named` ones (of any
    name and kind, such as the ones that take a deployment back); sorted by name.
    """
    found = [
        *_pages(cloudwatch, AlarmNamePrefix=f"{endpoint}-"),
        *_pages(cloudwatch, AlarmNamePrefix=f"{SCALING}{names.resource_id(endpoint, '')}"),
        *ringing(cloudwatch),
    ]
    about = {each["AlarmName"]: each for each in found if endpoint in endpoints(each)}
    about |= {each["AlarmName"]: each for each in by_name(cloudwatch, named)}
    return [about[name] for name in sorted(about)]


def by_name(cloudwatch: Any, named: Iterable[str]) -> list[Alarm]:
    """Metric and composite alarms; one that doesn't exist is left out."""
    wanted = sorted(set(named))
    return _pages(cloudwatch, AlarmNames=wanted, AlarmTypes=["MetricAlarm", "CompositeAlarm"]) if wanted else []


def _pages(cloudwatch: Any, **query: Any) -> list[Alarm]:
    pages = cloudwatch.get_paginator("describe_alarms").paginate(**query)
    return [alarm for page in pages for alarm in _of_page(page)]


def _of_page(page: Mapping[str, Any]) -> Iterator[Alarm]:
    yield from page.get("MetricAlarms", [])
    yield from page.get("CompositeAlarms", [])
