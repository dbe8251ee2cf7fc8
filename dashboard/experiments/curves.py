"""A training job's metrics as they went.

CloudWatch keeps a job's metrics by the minute, and many a job takes less. What the job printed has every value, found
by the job's metric definitions as SageMaker finds them; what it logged with a step has them, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from dashboard import account
from mlops.experiments import component_name

GROUP = "/aws/sagemaker/TrainingJobs"
NAMESPACE = "/aws/sagemaker/TrainingJobs"
_PAGES = 10  # of a log, a megabyte each at most
_MOST = 20  # metrics
_HEAD = 200  # lines
Series = list[tuple[float, float]]  # (x, value)


@dataclass(frozen=True)
class Curves:
    x: str  # what the x-axis counts
    series: dict[str, Series]  # by metric; each has two values at least

    def frame(self, metrics: Iterable[str]) -> pd.DataFrame:
        rows = [(name, x, value) for name in metrics for x, value in self.series.get(name, [])]
        return pd.DataFrame(rows, columns=["metric", "x", "value"])


@account.kept
def read(job: str) -> Curves:
    """Without any series where nothing tells how the metrics went."""
    described = account.client("sagemaker").describe_training_job(TrainingJobName=job)
    component = _component(job)
    names = [one["MetricName"] for one in component.get("Metrics") or described.get("FinalMetricDataList") or []]
    for x, find in (
        ("iteration", lambda: _printed(described, names)),
        ("iteration", lambda: _counted(component.get("TrialComponentArn", ""), names[:_MOST])),
        ("minutes", lambda: _by_minute(described, names[:_MOST])),
    ):
        found = {name: series for name, series in find().items() if len(series) > 1}
        if found:
            return Curves(x, found)
    return Curves("", {})


def _component(job: str) -> dict[str, Any]:
    sagemaker = account.client("sagemaker")
    try:
        return dict(sagemaker.describe_trial_component(TrialComponentName=component_name("TrainingJob", job)))
    except sagemaker.exceptions.ResourceNotFound:
        return {}


def _counted(arn: str, names: Sequence[str]) -> dict[str, Series]:
    """What the job logged with a step, as the SDK's Run does (BatchPutMetrics)."""
    if not arn or not names:
        return {}
    query = {"ResourceArn": arn, "MetricStat": "Last", "Period": "IterationNumber", "XAxisType": "IterationNumber"}
    answer = account.client("sagemaker-metrics").batch_get_metrics(
        MetricQueries=[{"MetricName": name, **query} for name in names]
    )
    return {
        name: list(zip(map(float, result["XAxisValues"]), result["MetricValues"], strict=True))
        for name, result in zip(names, answer["MetricQueryResults"], strict=True)
        if result["Status"] == "Complete"
    }


def _printed(described: Mapping[str, Any], names: Sequence[str]) -> dict[str, Series]:
    """Of a job under way nobody knows yet which metrics it has: those that its first lines show."""
    definitions = described["AlgorithmSpecification"].get("MetricDefinitions") or []
    expressions = {one["Name"]: one["Regex"] for one in definitions if not names or one["Name"] in names}
    if not expressions:
        return {}
    lines = list(_lines(described["TrainingJobName"]))
    if not names:
        expressions = {name: expressions[name] for name, found in values(lines[:_HEAD], expressions).items() if found}
    return values(lines, expressions)


def values(lines: Iterable[str], expressions: Mapping[str, str]) -> dict[str, Series]:
    """Metric name to its values, numbered from 1, by the first group of its metric definition's expression."""
    compiled = {name: re.compile(expression) for name, expression in expressions.items()}
    found: dict[str, Series] = {name: [] for name in compiled}
    for line in lines:
        text = line.replace("\t", "#011")  # as AWS's log pipeline writes it, which published expressions expect
        for name, pattern in compiled.items():
            # A leading `.*` finds the same from the start alone; searching from every character would be quadratic.
            match = pattern.match(text) if pattern.pattern.startswith(".*") else pattern.search(text)
            if match and pattern.groups and (value := _number(match[1])) is not None:
                found[name].append((len(found[name]) + 1.0, value))
    return found


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _lines(job: str) -> Iterator[str]:
    """Of the job's first host."""
    logs = account.client("logs")
    try:
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return
    if not streams:
        return
    query = {"logGroupName": GROUP, "logStreamName": sorted(one["logStreamName"] for one in streams)[0]}
    token: dict[str, Any] = {"startFromHead": True}
    for _ in range(_PAGES):
        page = logs.get_log_events(**query, **token)
        yield from (event["message"].rstrip("\n") for event in page["events"])
        if page["nextForwardToken"] == token.get("nextToken"):
            return
        token = {"nextToken": page["nextForwardToken"]}


def _by_minute(described: Mapping[str, Any], names: Sequence[str]) -> dict[str, Series]:
    start = described.get("TrainingStartTime")
    if start is None or not names:
        return {}
    end = described.get("TrainingEndTime", described["LastModifiedTime"])
    by = [{"Name": "TrainingJobName", "Value": described["TrainingJobName"]}]
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": by},
                "Period": 60,
                "Stat": "Average",
            },
        }
        for number, name in enumerate(names)
    ]
    margin = timedelta(minutes=1)
    answer = account.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=start - margin, EndTime=end + margin, ScanBy="TimestampAscending"
    )
    return {
        names[int(result["Id"][1:])]: [
            ((when - start).total_seconds() / 60, value)
            for when, value in zip(result["Timestamps"], result["Values"], strict=True)
        ]
        for result in answer["MetricDataResults"]
    }
