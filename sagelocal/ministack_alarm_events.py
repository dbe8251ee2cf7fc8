"""EventBridge events of CloudWatch alarms: runs inside MiniStack's process, which knows none.

Every change of state is a `CloudWatch Alarm State Change`, whether the alarm's actions are enabled or not, as in the
User Guide's "Alarm events and EventBridge". Creations, updates and deletions of alarms are events on AWS only. After a
restart the first event of an alarm has nothing but `value` in `previousState`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]
Publish = Callable[[Document], Any]  # takes an EventBridge envelope


def install(cloudwatch: Any, publish: Publish) -> None:
    """Has every change of an alarm's state published; CloudWatch's history is where MiniStack notes each of them."""
    record = cloudwatch._record_history
    known: dict[str, Document] = {}  # ARN -> the state that the newest event told of

    def record_history(name: str, old: str, new: str, reason: str, *more: Any) -> None:
        record(name, old, new, reason, *more)
        alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
        if alarm is None:
            return
        before = known.get(alarm["AlarmArn"], {})
        known[alarm["AlarmArn"]] = now = state(alarm, new, reason)
        if old != new:
            publish(envelope(alarm, before if before.get("value") == old else {"value": old}, now))

    cloudwatch._record_history = record_history


def state(alarm: Mapping[str, Any], value: str, reason: str) -> Document:
    """The member `state` of an event."""
    moment = datetime.now(UTC)
    found = {
        "value": value,
        "reason": reason,
        "reasonData": alarm.get("StateReasonData"),
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000",
    }
    return {name: each for name, each in found.items() if each}


def envelope(alarm: Mapping[str, Any], before: Document, now: Document) -> Document:
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": account,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [alarm["AlarmArn"]],
        "detail": {
            "alarmName": alarm["AlarmName"],
            "configuration": configuration(alarm),
            "previousState": before,
            "state": now,
        },
    }


def configuration(alarm: Mapping[str, Any]) -> Document:
    shown: Document = {}
    if alarm.get("AlarmDescription"):
        shown["description"] = alarm["AlarmDescription"]
    if alarm.get("AlarmRule"):
        return shown | {"alarmRule": alarm["AlarmRule"]}
    return shown | {"metrics": metrics(alarm)}


def metrics(alarm: Mapping[str, Any]) -> list[Document]:
    """The queries of an alarm: of metric math all of them, else the one metric."""
    if not alarm.get("Metrics"):
        stat = _stat(alarm, alarm["Period"], alarm.get("ExtendedStatistic") or alarm.get("Statistic"))
        return [{"id": str(uuid.uuid5(uuid.NAMESPACE_URL, alarm["AlarmArn"])), "metricStat": stat, "returnData": True}]
    shown = []
    for query in alarm["Metrics"]:
        found = {"id": query["Id"], "label": query.get("Label"), "expression": query.get("Expression")}
        if stat := query.get("MetricStat"):
            found["metricStat"] = _stat(stat["Metric"], stat["Period"], stat["Stat"])
        found["returnData"] = query.get("ReturnData", True)
        shown.append({name: each for name, each in found.items() if each is not None})
    return shown


def _stat(metric: Mapping[str, Any], period: int, statistic: str | None) -> Document:
    dimensions: Sequence[Mapping[str, str]] = metric.get("Dimensions") or []
    named = {
        "dimensions": {each["Name"]: each["Value"] for each in dimensions},
        "name": metric["MetricName"],
        "namespace": metric["Namespace"],
    }
    return {"metric": named, "period": period, "stat": statistic}
