"""The API of job definitions, schedules and alerts: references, statuses, lists."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.monitoring import alerts, loop
from tests.sagelocal.monitoring.conftest import CLARIFY, ENDPOINT, MONITOR, definition

HOURLY = {"ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"}}


def named(name: str, kind: str = "DataQuality") -> dict[str, Any]:
    return {**HOURLY, "MonitoringJobDefinitionName": name, "MonitoringType": kind}


@pytest.fixture(scope="module", autouse=True)
def defined(app: SageLocal, endpoint: str) -> None:
    app.call("CreateDataQualityJobDefinition", definition(app, "DataQuality", "defined"))


def scheduled(app: SageLocal, name: str, config: dict[str, Any] | None = None) -> None:
    request = {"MonitoringScheduleName": name, "MonitoringScheduleConfig": config or named("defined")}
    app.call("CreateMonitoringSchedule", request)
    app.monitoring.look()


def status(app: SageLocal, name: str) -> str:
    found = app.call("DescribeMonitoringSchedule", {"MonitoringScheduleName": name})
    return str(found["MonitoringScheduleStatus"])


def test_a_definition_is_described_and_listed_as_aws_does(app: SageLocal) -> None:
    found = app.call("DescribeDataQualityJobDefinition", {"JobDefinitionName": "defined"})
    assert found["JobDefinitionArn"].endswith(":data-quality-job-definition/defined")
    assert found["DataQualityJobInput"]["EndpointInput"]["EndpointName"] == ENDPOINT
    assert "EndpointName" not in found
    (summary,) = app.call("ListDataQualityJobDefinitions", {"EndpointName": ENDPOINT})["JobDefinitionSummaries"]
    assert summary["MonitoringJobDefinitionName"] == "defined"
    assert summary["MonitoringJobDefinitionArn"] == found["JobDefinitionArn"]
    assert app.call("ListDataQualityJobDefinitions", {"EndpointName": "other"})["JobDefinitionSummaries"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint_input": {"EndpointName": "nobody"}}, "Could not find endpoint"),
        ({"endpoint_input": {"EndpointName": "silent"}}, "captures no data"),
        ({"BaselineConfig": {"ConstraintsResource": {"S3Uri": "s3://b/no.json"}}}, "ConstraintsResource.S3Uri s3://b"),
        ({"BaselineConfig": {"BaseliningJobName": "nobody"}}, "Could not find requested job"),
        ({"application": {"RecordPreprocessorSourceUri": "s3://b/no.py"}}, "RecordPreprocessorSourceUri s3://b/no.py"),
        ({"application": {"ImageUri": CLARIFY}}, "is no image of a DataQuality monitor"),
        ({"endpoint_input": {"StartTimeOffset": "-P1W"}}, "StartTimeOffset must be an ISO 8601 duration"),
        ({"endpoint_input": {"LocalPath": "/data"}}, "LocalPath of the monitoring input"),
    ],
)
def test_what_a_definition_names_has_to_be_there(app: SageLocal, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        app.call("CreateDataQualityJobDefinition", definition(app, "DataQuality", "wrong", **changes))
    assert said in refused.value.message


def test_a_schedule_is_pending_then_scheduled_then_stopped(app: SageLocal) -> None:
    request = {"MonitoringScheduleName": "states", "MonitoringScheduleConfig": named("defined")}
    app.call("CreateMonitoringSchedule", request)
    assert status(app, "states") == "Pending"
    with pytest.raises(AwsError, match="in status Pending"):
        app.call("DeleteMonitoringSchedule", {"MonitoringScheduleName": "states"})
    app.monitoring.look()
    assert status(app, "states") == "Scheduled"
    for operation, expected in (("Stop", "Stopped"), ("Start", "Scheduled")):
        app.call(f"{operation}MonitoringSchedule", {"MonitoringScheduleName": "states"})
        app.monitoring.look()
        assert status(app, "states") == expected
    with pytest.raises(AwsError, match="in use by monitoring schedule states"):
        app.call("DeleteDataQualityJobDefinition", {"JobDefinitionName": "defined"})
    with pytest.raises(AwsError) as refused:
        app.call("CreateMonitoringSchedule", request)
    assert refused.value.code == "ResourceInUse"
    app.call("DeleteMonitoringSchedule", {"MonitoringScheduleName": "states"})
    with pytest.raises(AwsError) as refused:
        status(app, "states")
    assert refused.value.code == "ResourceNotFound"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (HOURLY, "exactly one of MonitoringJobDefinition and"),
        ({**HOURLY, "MonitoringJobDefinitionName": "defined"}, "MonitoringType is required"),
        (named("nobody"), "Could not find job definition nobody"),
        (named("defined", "ModelBias"), "Could not find job definition defined"),
        ({**named("defined"), "ScheduleConfig": {"ScheduleExpression": "NOW"}}, "needs DataAnalysisStartTime"),
    ],
)
def test_configs_that_are_refused(app: SageLocal, config: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        app.call("CreateMonitoringSchedule", {"MonitoringScheduleName": "no", "MonitoringScheduleConfig": config})
    assert said in refused.value.message


def test_an_hourly_merge_and_monitor_share_their_hour(app: SageLocal) -> None:
    request = definition(app, "ModelQuality", "slow", application={"ProblemType": "Regression"})
    app.call("CreateModelQualityJobDefinition", {**request, "StoppingCondition": {"MaxRuntimeInSeconds": 1801}})
    with pytest.raises(AwsError, match="must be 1800 at most"):
        config = named("slow", "ModelQuality")
        app.call("CreateMonitoringSchedule", {"MonitoringScheduleName": "no", "MonitoringScheduleConfig": config})


def test_an_inline_definition_is_one_of_data_quality(app: SageLocal) -> None:
    own = definition(app, "DataQuality", "inline")
    inline = {
        "MonitoringInputs": [own["DataQualityJobInput"]],
        "MonitoringOutputConfig": own["DataQualityJobOutputConfig"],
        "MonitoringResources": own["JobResources"],
        "MonitoringAppSpecification": {"ImageUri": MONITOR},
        "RoleArn": own["RoleArn"],
    }
    scheduled(app, "inline", {**HOURLY, "MonitoringJobDefinition": inline})
    listed = app.call("ListMonitoringSchedules", {"NameContains": "inline", "MonitoringTypeEquals": "DataQuality"})
    (summary,) = listed["MonitoringScheduleSummaries"]
    assert summary["EndpointName"] == ENDPOINT
    assert "MonitoringJobDefinitionName" not in summary
    app.call("DeleteMonitoringSchedule", {"MonitoringScheduleName": "inline"})


def test_an_hour_that_came_starts_one_execution_also_after_a_kill(
    app: SageLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(app, "hourly")
    now = time.time()
    monkeypatch.setattr(app, "now", lambda: now + 2 * 3600)
    app.monitoring.look()
    loop.Monitor(app).look()  # as a new process would
    listed = {"MonitoringScheduleName": "hourly", "StatusEquals": "Failed", "SortBy": "ScheduledTime"}
    (execution,) = app.call("ListMonitoringExecutions", listed)["MonitoringExecutionSummaries"]
    assert execution["ScheduledTime"] % 3600 == 0
    assert execution["EndpointName"] == ENDPOINT
    assert execution["MonitoringType"] == "DataQuality"
    before = {"MonitoringScheduleName": "hourly", "ScheduledTimeBefore": execution["ScheduledTime"]}
    assert app.call("ListMonitoringExecutions", before)["MonitoringExecutionSummaries"] == []
    app.call("StopMonitoringSchedule", {"MonitoringScheduleName": "hourly"})
    monkeypatch.setattr(app, "now", lambda: now + 4 * 3600)
    app.monitoring.look()
    assert len(app.store.list("MonitoringExecution", parent="hourly")) == 1
    app.call("DeleteMonitoringSchedule", {"MonitoringScheduleName": "hourly"})
    assert app.store.list("MonitoringExecution", parent="hourly") == []


def test_alerts_count_the_newest_executions(app: SageLocal) -> None:
    scheduled(app, "alerted")
    who = {"MonitoringScheduleName": "alerted"}
    (alert,) = app.call("ListMonitoringAlerts", who)["MonitoringAlertSummaries"]
    assert alert["AlertStatus"] == "OK"
    name = {"MonitoringAlertName": alert["MonitoringAlertName"]}
    app.call("UpdateMonitoringAlert", {**who, **name, "DatapointsToAlert": 2, "EvaluationPeriod": 3})

    def seen() -> str:
        alerts.evaluate(app, "alerted")
        (found,) = app.call("ListMonitoringAlerts", who)["MonitoringAlertSummaries"]
        return str(found["AlertStatus"])

    found = []
    for number, end in enumerate(["CompletedWithViolations", "Failed", "Completed", "Completed"]):
        document = {"ScheduledTime": float(number), "MonitoringExecutionStatus": end, "_ended": 1.0, **who}
        app.store.create("MonitoringExecution", f"alerted/{number}", document, parent="alerted")
        found.append(seen())
    assert found == ["OK", "InAlert", "InAlert", "OK"]
    history = app.call("ListMonitoringAlertHistory", {**who, "SortOrder": "Ascending"})["MonitoringAlertHistory"]
    assert [entry["AlertStatus"] for entry in history] == ["InAlert", "OK"]
    with pytest.raises(AwsError, match="must not exceed"):
        app.call("UpdateMonitoringAlert", {**who, **name, "DatapointsToAlert": 2, "EvaluationPeriod": 1})
    with pytest.raises(AwsError) as refused:
        numbers = {"DatapointsToAlert": 1, "EvaluationPeriod": 1}
        app.call("UpdateMonitoringAlert", {**who, "MonitoringAlertName": "other", **numbers})
    assert refused.value.code == "ResourceNotFound"
