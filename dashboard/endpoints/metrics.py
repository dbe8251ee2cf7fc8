"""What CloudWatch has of an endpoint's requests and instances: one GetMetricData call for many lines.

Names, namespaces, dimensions and units are those of the developer guide's pages on CloudWatch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

SERVED, HOSTS = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
LATENCIES = ("p50", "p90", "p99")
ERRORS = ("Invocation4XXErrors", "Invocation5XXErrors")
_MOST = 500  # MetricDataQueries of a call
_MICROSECONDS = frozenset({"ModelLatency", "OverheadLatency", "ModelSetupTime"})


@dataclass(frozen=True)
class Range:
    """How far back, and in steps of how many seconds: whole minutes, as AWS keeps them."""

    words: str
    minutes: int
    period: int


RANGES = {
    each.words: each
    for each in (
        Range("15 min", 15, 60),
        Range("1 hour", 60, 60),
        Range("3 hours", 180, 60),
        Range("12 hours", 720, 300),
        Range("1 day", 1440, 300),
        Range("7 days", 10080, 3600),
    )
}


@dataclass(frozen=True)
class Line:
    """`statistic` as in GetMetricData: Sum, Average, Maximum, p99 …"""

    metric: str
    statistic: str
    variant: str = ""  # empty: of the endpoint as a whole
    namespace: str = SERVED
    config: str = ""  # EndpointConfigName: of that fleet alone


def counted(asynchronous: bool) -> tuple[str, tuple[str, ...]]:
    """The metrics of a variant's requests and of those that failed."""
    return ("InvocationsProcessed", ("InvocationFailures",)) if asynchronous else ("Invocations", ERRORS)


def of_requests(variants: Iterable[str], asynchronous: bool = False) -> Iterator[Line]:
    """Asynchronous endpoints publish neither Invocations nor OverheadLatency ("Monitor asynchronous endpoint")."""
    requests, errors = counted(asynchronous)
    latencies = ("ModelLatency",) if asynchronous else ("ModelLatency", "OverheadLatency")
    for each in variants:
        yield from (Line(metric, "Sum", each) for metric in (requests, *errors))
        yield from (Line(metric, statistic, each) for metric in latencies for statistic in LATENCIES)


def of_instances(variants: Iterable[str]) -> Iterator[Line]:
    for each in variants:
        yield from (Line(metric, "Average", each, HOSTS) for metric in ("CPUUtilization", "MemoryUtilization"))
        yield Line("ConcurrentRequestsPerModel", "Maximum", each)


def of_serverless(variants: Iterable[str]) -> Iterator[Line]:
    for each in variants:
        yield Line("ModelSetupTime", "Maximum", each)
        yield Line("ServerlessConcurrentExecutionsUtilization", "Maximum", each)


def of_backlog() -> Iterator[Line]:
    """Of an asynchronous endpoint's queue."""
    yield Line("ApproximateBacklogSize", "Maximum")
    yield Line("ApproximateAgeOfOldestRequest", "Maximum")


def of_models(variants: Iterable[str]) -> Iterator[Line]:
    """Of a multi-model endpoint."""
    for each in variants:
        yield Line("ModelCacheHit", "Average", each)
        yield Line("LoadedModelCount", "Average", each, HOSTS)


def query(lines: Sequence[Line], endpoint: str, period: int) -> list[dict[str, Any]]:
    """MetricDataQueries, with ids m0, m1 …"""
    return [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": line.namespace,
                    "MetricName": line.metric,
                    "Dimensions": [
                        {"Name": name, "Value": value}
                        for name, value in (
                            ("EndpointName", endpoint),
                            ("VariantName", line.variant),
                            ("EndpointConfigName", line.config),
                        )
                        if value
                    ],
                },
                "Period": period,
                "Stat": line.statistic,
            },
        }
        for number, line in enumerate(lines)
    ]


def span(chosen: Range, now: datetime | None = None) -> tuple[datetime, datetime]:
    """Whole periods, the last of which is not over: GetMetricData's own steps are aligned so, too."""
    end = math.ceil((now or datetime.now(UTC)).timestamp() / chosen.period) * chosen.period
    until = datetime.fromtimestamp(end, UTC)
    return until - timedelta(minutes=chosen.minutes), until


def get(
    cloudwatch: Any, queries: Sequence[dict[str, Any]], start: datetime, end: datetime
) -> dict[str, list[tuple[datetime, float]]]:
    """The values of each query's id, oldest first."""
    found: dict[str, list[tuple[datetime, float]]] = {each["Id"]: [] for each in queries}
    paginator = cloudwatch.get_paginator("get_metric_data")
    for first in range(0, len(queries), _MOST):
        pages = paginator.paginate(
            MetricDataQueries=queries[first : first + _MOST], StartTime=start, EndTime=end, ScanBy="TimestampAscending"
        )
        for page in pages:
            for each in page["MetricDataResults"]:
                found[each["Id"]] += zip(each["Timestamps"], each["Values"], strict=True)
    return found


def frame(
    lines: Sequence[Line], values: dict[str, list[tuple[datetime, float]]], start: datetime, end: datetime, period: int
) -> pd.DataFrame:
    """A row a line and step: time (UTC), metric, statistic, variant, config, value; of at least one line.

    Steps without a value are NaN, so that a chart shows a gap; latencies become milliseconds.
    """
    steps = pd.date_range(start, end, freq=f"{period}s", inclusive="left")
    parts = []
    for number, line in enumerate(lines):
        known = {pd.Timestamp(when).tz_convert("UTC"): value for when, value in values.get(f"m{number}", [])}
        scale = 1000.0 if line.metric in _MICROSECONDS else 1.0
        parts.append(
            pd.DataFrame(
                {
                    "time": steps,
                    "metric": line.metric,
                    "statistic": line.statistic,
                    "variant": line.variant,
                    "config": line.config,
                    "value": [known[step] / scale if step in known else math.nan for step in steps],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
