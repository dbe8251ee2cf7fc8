"""What a better model may not cost: errors and latency of both variants, from CloudWatch's metrics of the endpoint.

`AWS/SageMaker` has Invocations and Invocation5XXErrors, and ModelLatency in microseconds, by EndpointName and
VariantName (Developer Guide, "Monitor Amazon SageMaker AI with Amazon CloudWatch"). They count every request, also
those that failed and were therefore never captured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import abtest
import abtest_sequential
import numpy as np
from abtest_plan import Plan

KEPT, BROKEN, OPEN = "kept", "broken", "open"
FEWEST_MINUTES = 30  # of traffic on both sides: latency is compared by the minute
# How long CloudWatch keeps data of a period in seconds (its guide, "Metrics retention"), less some.
_KEPT = ((60, timedelta(days=14)), (300, timedelta(days=60)), (3600, timedelta(days=450)))
_QUERIES = {
    "requests": ("Invocations", "Sum"),
    "errors": ("Invocation5XXErrors", "Sum"),
    "latency": ("ModelLatency", "Sum"),
    "answers": ("ModelLatency", "SampleCount"),
}


@dataclass(frozen=True)
class Served:
    """One variant's requests; arrays have a value a period with requests."""

    requests: int = 0
    errors: int = 0
    latency: np.ndarray = field(default_factory=lambda: np.empty(0))  # seconds, summed over the period's answers
    answers: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Guardrail:
    """`value` is B less A in errors, B over A in latency. Broken: B is certainly worse, and by more than `limit`."""

    name: str
    a: float | None  # share of failed requests; mean seconds
    b: float | None
    value: float | None
    low: float | None  # of the confidence sequence
    high: float | None
    limit: float
    state: str
    note: str = ""


def read(cloudwatch: Any, endpoint: str, variant: str, start: datetime, end: datetime) -> Served:
    """From the first whole period after `start` to `end`, which are aware, at the finest period that is still kept.

    CloudWatch would count all of the period in which the test began, and what A alone was asked before it.
    """
    period = next((each for each, kept in _KEPT if end - start < kept), 3600)
    first = datetime.fromtimestamp(math.ceil(start.timestamp() / period) * period, UTC)
    if first >= end:
        return Served()
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": endpoint},
                        {"Name": "VariantName", "Value": variant},
                    ],
                },
                "Period": period,
                "Stat": statistic,
            },
        }
        for name, (metric, statistic) in _QUERIES.items()
    ]
    found: dict[str, dict[datetime, float]] = {name: {} for name in _QUERIES}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=first, EndTime=end + timedelta(seconds=period)
    )
    for page in pages:
        for each in page["MetricDataResults"]:
            found[each["Id"]] |= dict(zip(each["Timestamps"], each["Values"], strict=True))
    times = sorted(time for time, count in found["answers"].items() if count)
    return Served(
        round(sum(found["requests"].values())),
        round(sum(found["errors"].values())),
        np.array([found["latency"].get(time, 0.0) / 1e6 for time in times]),
        np.array([found["answers"][time] for time in times]),
    )


def judge(a: Served, b: Served, plan: Plan) -> list[Guardrail]:
    return [errors(a, b, plan), latency(a, b, plan)]


def errors(a: Served, b: Served, plan: Plan) -> Guardrail:
    """Share of requests that failed with a 5XX."""
    if not a.requests or not b.requests:
        return Guardrail(
            "errors", None, None, None, None, None, plan.max_errors, OPEN, "CloudWatch has no whole minute yet"
        )
    shares = a.errors / a.requests, b.errors / b.requests
    # Agresti and Caffo (2000): one failure and one success more a side, as no failure has no variance.
    variance = sum(abtest.proportion_variance(each.errors + 1, each.requests + 2) for each in (a, b))
    found = abtest_sequential.always_valid(
        shares[1] - shares[0],
        variance,
        abtest_sequential.mixture_of(plan.max_errors),
        plan.alpha,
        min(a.requests, b.requests),
    )
    return _judged(Guardrail("errors", *shares, None, None, None, plan.max_errors, OPEN), found)


def latency(a: Served, b: Served, plan: Plan) -> Guardrail:
    """Mean model latency. The requests of one minute share the machine's moods, so they go together."""
    minutes = min(len(a.answers), len(b.answers))
    mean_a, mean_b = (float(each.latency.sum() / each.answers.sum()) if len(each.answers) else None for each in (a, b))
    limit = math.log(plan.max_latency)
    known = Guardrail("latency", mean_a, mean_b, None, None, None, limit, OPEN)
    if minutes < FEWEST_MINUTES or not mean_a or not mean_b:
        note = f"{minutes} of {FEWEST_MINUTES} minutes with traffic on both"
        ratio = mean_b / mean_a if mean_a and mean_b else None
        return replace(known, value=ratio, limit=plan.max_latency, note=note)
    variance_a, variance_b = (abtest.clustered_mean(each.latency, each.answers)[1] for each in (a, b))
    found = abtest_sequential.always_valid(
        math.log(mean_b / mean_a),
        variance_a / mean_a**2 + variance_b / mean_b**2,
        abtest_sequential.mixture_of(limit),
        plan.alpha,
    )
    judged = _judged(known, found)
    low, high = (None if each is None else math.exp(each) for each in (judged.low, judged.high))
    return replace(judged, value=mean_b / mean_a, low=low, high=high, limit=plan.max_latency)


def _judged(guardrail: Guardrail, found: abtest_sequential.Sequence) -> Guardrail:
    value, low, high = float(found.value), float(found.low), float(found.high)
    if not math.isfinite(low):
        return replace(guardrail, value=value, note="too few requests yet")
    broken = BROKEN if low > 0 and value > guardrail.limit else OPEN
    return replace(guardrail, value=value, low=low, high=high, state=KEPT if high < guardrail.limit else broken)
