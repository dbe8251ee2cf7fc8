"""A change of an alarm's state is an event on the default bus, in AWS's shape."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sagelocal import config, ministack
from sagelocal.config import Settings

PATTERN = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = config.load(tmp_path_factory.mktemp("state"))
    child = ministack.MiniStack(settings)
    child.wait()
    yield settings
    child.stop()


@pytest.fixture(scope="module")
def queue(aws: Settings) -> str:
    sqs, events = aws.client("sqs"), aws.client("events")
    url = str(sqs.create_queue(QueueName="alarms")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="alarms", EventPattern=json.dumps(PATTERN))
    events.put_targets(Rule="alarms", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def put_alarm(settings: Settings, name: str, **more: Any) -> None:
    settings.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0.0,
        EvaluationPeriods=1,
        **more,
    )


def put(settings: Settings, metric: str, value: float) -> None:
    data = {"MetricName": metric, "Dimensions": [{"Name": "Endpoint", "Value": "e"}], "Value": value}
    settings.client("cloudwatch").put_metric_data(Namespace="test", MetricData=[data])


def received(settings: Settings, url: str, count: int) -> list[dict[str, Any]]:
    sqs, found, deadline = settings.client("sqs"), list[dict[str, Any]](), time.monotonic() + 15
    while len(found) < count:
        assert time.monotonic() < deadline, found
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(json.loads(message["Body"]))
    return found


def test_a_metric_alarm_tells_where_it_came_from_and_what_it_watches(aws: Settings, queue: str) -> None:
    dimensions = [{"Name": "Endpoint", "Value": "e"}]
    put_alarm(
        aws,
        "violations",
        AlarmDescription="drift",
        Dimensions=dimensions,
        MetricName="violations",
        Namespace="test",
        Statistic="Maximum",
        Period=60,
    )
    put(aws, "violations", 2.0)
    (event,) = received(aws, queue, 1)
    assert (event["source"], event["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert event["resources"] == [f"arn:aws:cloudwatch:{aws.region}:{aws.account}:alarm:violations"]
    detail = event["detail"]
    assert detail["alarmName"] == "violations"
    assert (detail["previousState"]["value"], detail["state"]["value"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert detail["previousState"]["reason"] == "Unchecked: Initial alarm creation"
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [2.0]
    (metric,) = detail["configuration"].pop("metrics")
    assert detail["configuration"] == {"description": "drift"}
    named = {"dimensions": {"Endpoint": "e"}, "name": "violations", "namespace": "test"}
    assert metric["metricStat"] == {"metric": named, "period": 60, "stat": "Maximum"}


def test_an_alarm_with_metric_math_shows_all_its_queries(aws: Settings, queue: str) -> None:
    metric = {"Namespace": "test", "MetricName": "m", "Dimensions": [{"Name": "Endpoint", "Value": "e"}]}
    queries = [
        {"Id": "m", "MetricStat": {"Metric": metric, "Stat": "Sum", "Period": 60}, "ReturnData": False},
        {"Id": "twice", "Expression": "2 * m", "Label": "double", "ReturnData": True},
    ]
    put_alarm(aws, "math", Metrics=queries)
    put(aws, "m", 1.0)
    (event,) = received(aws, queue, 1)
    first, second = event["detail"]["configuration"]["metrics"]
    assert (first["metricStat"]["metric"]["name"], first["returnData"]) == ("m", False)
    assert second == {"id": "twice", "label": "double", "expression": "2 * m", "returnData": True}


def test_a_state_that_is_set_and_a_composite_alarm_are_events_too(aws: Settings, queue: str) -> None:
    put_alarm(aws, "child", MetricName="none", Namespace="test", Statistic="Sum", Period=60)
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_composite_alarm(AlarmName="parent", AlarmRule="ALARM(child)")
    cloudwatch.set_alarm_state(AlarmName="child", StateValue="ALARM", StateReason="a drill")
    events = received(aws, queue, 2)
    by_name = {each["detail"]["alarmName"]: each["detail"] for each in events[-2:]}
    assert by_name["child"]["state"]["reason"] == "a drill"
    assert by_name["parent"]["configuration"] == {"alarmRule": "ALARM(child)"}
    assert by_name["parent"]["state"]["value"] == "ALARM"


def test_the_private_call_is_as_it_is_used() -> None:
    from ministack.services import cloudwatch

    expected = ["alarm_name", "old_state", "new_state", "reason", "alarm_type", "reason_data"]
    assert list(inspect.signature(cloudwatch._record_history).parameters) == expected
