"""The alarm of a model that has grown old: the monitors say at each run how many days ago it was registered.

    monitor  →  metric `model_age_days`  →  alarm <endpoint>-staleness  →  SNS topic

The alarm listens to the monitor that runs most often. A period in which it says nothing counts as too old, so a monitor
that has stopped, or finds no traffic to look at, raises the alarm, too; the first value comes from the deployment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from deploy import monitors, names, recurrence, retraining
from deploy.changes import Call
from deploy.declaration import Monitoring
from deploy.resources import ALARM, Key, Request, Resource
from deploy.wanted import Place, topic_arn
from deploy.watch import Watch

DAY = 86400  # seconds: the alarm's period, CloudWatch's longest
_MOST_PERIODS = 7  # CloudWatch evaluates a week at most


def keys(endpoint: str) -> list[Key]:
    return [(ALARM, names.staleness_alarm(endpoint))]


def resources(
    monitoring: Monitoring,
    endpoint: str,
    watches: Sequence[Watch],
    tags: list[dict[str, str]],
    place: Place,
    now: datetime | None = None,
) -> list[Resource]:
    """Nothing where no age is declared or nothing is monitored."""
    if not monitoring.max_model_age or not watches:
        return []
    listened = most_often(watches)
    name, arn = names.staleness_alarm(endpoint), topic_arn(place, names.monitoring_topic(endpoint))
    days = limit(monitoring)
    metric = {**monitors.metric(listened), "MetricName": monitors.AGE_METRIC}
    request: Request = {
        "AlarmName": name,
        "AlarmDescription": f"{names.MADE}the model was registered more than {days:g} days ago, or no monitor says so",
        **metric,
        "Period": DAY,
        "EvaluationPeriods": periods(listened.monitor.schedule),
        "Threshold": days,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "breaching",
        "AlarmActions": [arn],
        "OKActions": [arn],
        "Tags": tags,
    }
    details = (f"older than {monitoring.max_model_age} tells {arn.rsplit(':', 1)[1]}",)
    return [Resource(ALARM, name, request, details, (_first(metric, listened, now or datetime.now(UTC)),))]


def limit(monitoring: Monitoring) -> float:
    """Days."""
    return retraining.seconds(monitoring.max_model_age) / DAY


def most_often(watches: Sequence[Watch]) -> Watch:
    return max(watches, key=lambda each: recurrence.runs_a_month(each.monitor.schedule))


def periods(schedule: str) -> int:
    """Days in which the monitor surely runs once: all of them must breach."""
    interval = recurrence.DAYS / recurrence.runs_a_month(schedule)
    return 1 if interval < 1 else min(_MOST_PERIODS, 1 + math.ceil(interval))


def _first(metric: dict[str, Any], watch: Watch, now: datetime) -> Call:
    age = (now - datetime.fromisoformat(watch.registered)).total_seconds() / DAY
    datum = {"MetricName": monitors.AGE_METRIC, "Dimensions": metric["Dimensions"], "Value": age, "Timestamp": now}
    return Call("cloudwatch", "put_metric_data", {"Namespace": metric["Namespace"], "MetricData": [datum]})
