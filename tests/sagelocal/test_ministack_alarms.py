"""Alarms: their states as in CloudWatch's documentation, on real metrics, and after a kill."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sagelocal import config, ministack
from sagelocal.config import Settings
from sagelocal.ministack_alarms import state, thinned

NOW = 1_800_000_000.0


def alarm(treatment: str, needed: int = 3, now: str = "OK") -> dict[str, Any]:
    return {
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": needed,
        "TreatMissingData": treatment,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.5,
        "StateValue": now,
    }


@pytest.mark.parametrize(
    ("oldest_first", "missing", "ignore", "breaching", "not_breaching"),
    [  # the table of the User Guide for 3 datapoints of 3; "=" is the state that the alarm was in
        ("0-X-X", "OK", "OK", "ALARM", "OK"),  # unlike AWS: where missing is breaching, the 0 of long ago is not asked
        ("0----", "OK", "OK", "ALARM", "OK"),
        ("-----", "INSUFFICIENT_DATA", "=", "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "OK"),
        ("--X--", "ALARM", "=", "ALARM", "OK"),
        ("----X", "=", "=", "ALARM", "OK"),  # one value is no reason for an alarm that needs three
        ("--XXX", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("XXX00", "OK", "OK", "OK", "OK"),
    ],
)
def test_missing_values_count_as_the_alarm_says(
    oldest_first: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    values = [{"0": 0.0, "X": 1.0, "-": None}[one] for one in reversed(oldest_first)]
    for treatment, expected in (
        ("missing", missing),
        ("ignore", ignore),
        ("breaching", breaching),
        ("notBreaching", not_breaching),
    ):
        for now in ("OK", "ALARM"):
            assert state(alarm(treatment, now=now), values) == (now if expected == "=" else expected), treatment


def test_some_of_the_periods_are_enough_where_the_alarm_says_so() -> None:
    assert state(alarm("missing", needed=2), [1.0, 0.0, 1.0]) == "ALARM"
    assert state(alarm("missing", needed=2), [0.0, 0.0, 1.0]) == "OK"


def test_values_of_long_ago_are_put_together_and_none_is_lost() -> None:
    def point(age: float, value: float, count: float = 1.0) -> dict[str, Any]:
        return {"Timestamp": NOW - age, "Value": value, "Count": count, "Unit": "None", "Dimensions": {}}

    recent, old = [point(10, 1.0), point(11, 1.0)], [point(590, 1.0, 3.0), point(591, 1.0), point(592, 2.0)]
    found = thinned([*old, *recent, point(15 * 24 * 3600, 1.0)], NOW)
    assert [(one["Value"], one["Count"]) for one in found] == [(1.0, 4.0), (2.0, 1.0), (1.0, 1.0), (1.0, 1.0)]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = config.load(tmp_path_factory.mktemp("state"))
    child = ministack.MiniStack(settings)
    child.wait()
    yield settings
    child.stop()


def put(settings: Settings, metric: str, *values: float, ago: float = 0.0, **dimensions: str) -> None:
    settings.client("cloudwatch").put_metric_data(
        Namespace="test",
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                "Timestamp": datetime.now(UTC) - timedelta(seconds=ago),
                "Values": list(values),
            }
        ],
    )


def put_alarm(settings: Settings, name: str, **more: Any) -> None:
    settings.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=5.0,
        **{"EvaluationPeriods": 1, **more},
    )


def alarm_state(settings: Settings, name: str) -> str:
    (found,) = settings.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_alarm_looks_at_its_own_dimensions_and_periods(aws: Settings) -> None:
    mine = {"MetricName": "m", "Namespace": "test", "Statistic": "Sum", "Period": 60}
    put_alarm(aws, "one", Dimensions=[{"Name": "EndpointName", "Value": "a"}], **mine)
    put_alarm(aws, "three", Dimensions=[{"Name": "EndpointName", "Value": "c"}], **mine | {"EvaluationPeriods": 3})
    put(aws, "m", 9.0, EndpointName="b")
    put(aws, "m", 9.0, EndpointName="a", VariantName="v")
    put(aws, "m", 9.0, EndpointName="c")
    assert alarm_state(aws, "one") == alarm_state(aws, "three") == "INSUFFICIENT_DATA"
    put(aws, "m", 3.0, 3.0, EndpointName="a")
    assert alarm_state(aws, "one") == "ALARM"
    for minutes in (1, 2):
        put(aws, "m", 9.0, ago=60.0 * minutes, EndpointName="c")
    assert alarm_state(aws, "three") == "ALARM"


def test_an_alarm_ends_when_its_values_do(aws: Settings) -> None:
    put_alarm(
        aws, "brief", MetricName="brief", Namespace="test", Statistic="Sum", Period=1, TreatMissingData="notBreaching"
    )
    put(aws, "brief", 9.0)
    assert alarm_state(aws, "brief") == "ALARM"
    until(lambda: alarm_state(aws, "brief") == "OK")


def test_metric_math_in_alarms_and_in_metric_data(aws: Settings) -> None:
    def stat(name: str) -> dict[str, Any]:
        return {"Metric": {"Namespace": "test", "MetricName": name}, "Stat": "Sum", "Period": 60}

    queries = [
        {"Id": "errors", "MetricStat": stat("errors"), "ReturnData": False},
        {"Id": "all", "MetricStat": stat("all"), "ReturnData": False},
        {"Id": "rate", "Expression": "100 * errors / all", "ReturnData": True},
    ]
    put(aws, "all", *[1.0] * 10)
    put(aws, "errors", 0.0)
    put_alarm(aws, "rate", Metrics=queries, TreatMissingData="breaching")
    history = aws.client("cloudwatch").describe_alarm_history(AlarmName="rate", HistoryItemType="StateUpdate")
    assert not any("to ALARM" in one["HistorySummary"] for one in history["AlarmHistoryItems"])
    put(aws, "errors", 1.0)
    assert alarm_state(aws, "rate") == "ALARM"
    cloudwatch = aws.client("cloudwatch")
    now = datetime.now(UTC)
    (found,) = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(minutes=1)
    )["MetricDataResults"]
    assert found["Values"] == [10.0]
    with pytest.raises(cloudwatch.exceptions.ClientError, match="not implemented by sagelocal"):
        put_alarm(
            aws,
            "band",
            Metrics=[
                {"Id": "m", "MetricStat": stat("all"), "ReturnData": False},
                {"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(m)"},
            ],
        )


def test_a_state_that_was_set_lasts_until_the_next_evaluation(aws: Settings) -> None:
    put_alarm(aws, "set", MetricName="none", Namespace="test", Statistic="Sum", Period=60)
    aws.client("cloudwatch").set_alarm_state(AlarmName="set", StateValue="ALARM", StateReason="a drill")
    put(aws, "other", 1.0)
    assert alarm_state(aws, "set") == "ALARM"


def test_a_kill_loses_no_alarm_or_dashboard_and_brings_none_back(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    child = ministack.MiniStack(settings)
    try:
        child.wait()
        for name in ("kept", "gone"):
            put_alarm(settings, name, MetricName="m", Namespace="test", Statistic="Sum", Period=60)
            settings.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
        settings.client("cloudwatch").delete_alarms(AlarmNames=["gone"])
        settings.client("cloudwatch").delete_dashboards(DashboardNames=["gone"])
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: ministack.healthy(settings))
        found = settings.client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert [one["AlarmName"] for one in found] == ["kept"]
        boards = settings.client("cloudwatch").list_dashboards()["DashboardEntries"]
        assert [one["DashboardName"] for one in boards] == ["kept"]
    finally:
        child.stop()
