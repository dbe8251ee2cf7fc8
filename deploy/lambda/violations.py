"""Gives Model Monitor's verdicts the metric that alarms watch: what its jobs found, as a number.

Model Monitor publishes distances and metrics of its own, a name for each feature, and no event; its jobs say in their
exit message how many violations they found. EventBridge calls this for each Processing job that completed in the
account; jobs of other schedules are passed over. boto3 is all that it needs, and Lambda's runtime has that.

    event:   {"detail": {"ProcessingJobName": "data-quality-monitoring-202611210900-…", …}}

Environment: MONITORS (JSON: a schedule's name to Namespace and Dimensions of its metrics, and when the version in
service was registered), METRIC, AGE_METRIC.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

_FOUND = re.compile(r"CompletedWithViolations: .*?(\d+) violations?")

_AT_ONCE = re.compile(r"-[0-9a-f]{6}$")  # ends the name of a schedule that runs a monitor once


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any] | None:
    """What it published, None for a job that is none of the monitors'."""
    job = boto3.client("sagemaker").describe_processing_job(ProcessingJobName=event["detail"]["ProcessingJobName"])
    datum = measured(job, json.loads(os.environ["MONITORS"]))
    if datum is None:
        return None
    values = {os.environ["METRIC"]: datum["Value"], os.environ["AGE_METRIC"]: age(datum["Registered"])}
    metrics = [
        {"MetricName": name, "Dimensions": datum["Dimensions"], "Value": value} for name, value in values.items()
    ]
    boto3.client("cloudwatch").put_metric_data(Namespace=datum["Namespace"], MetricData=metrics)
    print(json.dumps(datum))
    return datum


def age(registered: str) -> float:
    """Days since then, ISO 8601."""
    return (datetime.now(UTC) - datetime.fromisoformat(registered)) / timedelta(days=1)


def measured(job: Mapping[str, Any], monitors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Namespace, dimensions and value of a monitoring job's verdict; None for any other job, such as one that merges
    captures with labels.
    """
    arn, said = job.get("MonitoringScheduleArn", ""), job.get("ExitMessage", "")
    schedule = _AT_ONCE.sub("", arn.rpartition("/")[2].lower())
    monitor = {name.lower(): each for name, each in monitors.items()}.get(schedule)
    if monitor is None or not said.startswith("Completed"):
        return None
    found = _FOUND.match(said)
    return {**monitor, "Value": float(found[1]) if found else 0.0}
