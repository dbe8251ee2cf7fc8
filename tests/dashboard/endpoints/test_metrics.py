"""Questions to CloudWatch and what is made of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.endpoints import alarms, listing, metrics
from dashboard.endpoints.described import Found
from dashboard.endpoints.metrics import RANGES, Line

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class CloudWatch:
    """Answers each query with the value 2 in the minute before the end; two pages."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> CloudWatch:
        assert operation == "get_metric_data"
        return self

    def paginate(self, **query: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(query)
        for minutes in (2, 1):
            at = query["EndTime"] - timedelta(minutes=minutes)
            yield {
                "MetricDataResults": [
                    {"Id": each["Id"], "Timestamps": [at], "Values": [2.0]}
                    for each in query["MetricDataQueries"]
                    if each["MetricStat"]["Metric"]["MetricName"] != "Invocation4XXErrors"
                ]
            }


def test_a_range_is_whole_periods_that_include_now() -> None:
    now = NOON + timedelta(seconds=61)
    assert metrics.span(RANGES["15 min"], now) == (NOON - timedelta(minutes=13), NOON + timedelta(minutes=2))
    assert metrics.span(RANGES["7 days"], now)[1] == NOON + timedelta(hours=1)


@pytest.mark.parametrize("chosen", RANGES.values(), ids=RANGES)
def test_a_period_is_whole_minutes_and_gives_a_readable_chart(chosen: metrics.Range) -> None:
    assert chosen.period % 60 == 0
    assert 15 <= chosen.minutes * 60 / chosen.period <= 300


def test_dimensions_are_those_a_line_has() -> None:
    lines = [Line("Invocations", "Sum", "blue", config="c"), Line("ApproximateBacklogSize", "Maximum")]
    first, second = metrics.query(lines, "churn", 60)
    where = first["MetricStat"]["Metric"]["Dimensions"]
    assert {each["Name"]: each["Value"] for each in where} == {
        "EndpointName": "churn", "VariantName": "blue", "EndpointConfigName": "c",
    }  # fmt: skip
    assert second["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "EndpointName", "Value": "churn"}]
    assert (second["Id"], second["MetricStat"]["Stat"], second["MetricStat"]["Period"]) == ("m1", "Maximum", 60)


def test_pages_are_put_together_and_many_lines_take_several_calls() -> None:
    cloudwatch = CloudWatch()
    queries = metrics.query([Line("Invocations", "Sum", str(number)) for number in range(501)], "churn", 60)
    values = metrics.get(cloudwatch, queries, NOON, NOON + timedelta(minutes=5))
    assert [len(each["MetricDataQueries"]) for each in cloudwatch.asked] == [500, 1]
    assert [value for _, value in values["m500"]] == [2.0, 2.0]


def test_steps_without_a_value_are_gaps_and_latencies_are_milliseconds() -> None:
    lines = [Line("ModelLatency", "p50", "blue"), Line("Invocations", "Sum", "blue")]
    values = {"m0": [(NOON, 1500.0)], "m1": [(NOON + timedelta(minutes=2), 4.0)]}
    table = metrics.frame(lines, values, NOON, NOON + timedelta(minutes=3), 60)
    latency, requests = (table[table["metric"] == each]["value"].tolist() for each in ("ModelLatency", "Invocations"))
    assert latency[0] == 1.5
    assert requests[2] == 4.0
    assert table["value"].isna().sum() == 4
    assert len(table) == 6


def test_an_hours_requests_are_summed_over_variants() -> None:
    variants = [{"VariantName": "blue"}, {"VariantName": "green"}]
    found = Found({"EndpointName": "churn", "EndpointStatus": "InService", "ProductionVariants": variants})
    sums = listing.counted(CloudWatch(), [found], NOON)
    assert sums == {"churn": {"requests": 8.0, "errors": 8.0}}


def test_an_alarm_is_of_the_endpoints_in_its_dimensions() -> None:
    metric = {"Dimensions": [{"Name": "EndpointName", "Value": "a"}, {"Name": "VariantName", "Value": "x"}]}
    math = {"Metrics": [{"Id": "e", "Expression": "m"}, {"Id": "m", "MetricStat": {"Metric": metric}}]}
    monitor = {"Dimensions": [{"Name": "Endpoint", "Value": "b"}]}
    assert [alarms.endpoints(each) for each in (metric, math, monitor, {})] == [{"a"}, {"a"}, {"b"}, set()]
