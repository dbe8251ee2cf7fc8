"""Rules and schedules that start pipelines: when, with which parameters, and that a kill loses and doubles none."""

from __future__ import annotations

import inspect
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from sagelocal import config, ministack, server
from sagelocal.config import Settings
from sagelocal.ministack_triggers import due, pipeline_parameters, saved_service, starter
from sagelocal.workflow.expressions import ExpressionError

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()


def schedule(expression: str, **more: Any) -> dict[str, Any]:
    base = {"ScheduleExpression": expression, "State": "ENABLED", "LastModificationDate": NINE}
    return {**base, "CreationDate": NINE, **more}


def test_a_one_time_schedule_fires_once_whatever_its_start() -> None:
    one = schedule("at(2026-03-02T10:00:00)", StartDate=NINE + 9999)
    assert due(one, None, NINE + 3599) is None
    assert due(one, None, NINE + 3601) == NINE + 3600
    assert due(one, NINE + 3600, NINE + 9000) is None
    assert due(one | {"State": "DISABLED"}, None, NINE + 3601) is None


def test_a_time_zone_counts_for_times_and_calendars() -> None:
    berlin = {"ScheduleExpressionTimezone": "Europe/Berlin"}
    assert due(schedule("at(2026-03-02T11:00:00)", **berlin), None, NINE + 3601) == NINE + 3600
    daily = schedule("cron(0 11 * * ? *)", **berlin)
    assert due(daily, None, NINE + 3599) is None
    assert due(daily, None, NINE + 3601) == NINE + 3600
    summer = datetime(2026, 7, 1, 9, 0, 1, tzinfo=UTC).timestamp()
    assert due(daily, summer - 3600, summer) == summer - 1


def test_a_rate_begins_at_once_or_at_its_start_and_keeps_its_beat() -> None:
    rate = schedule("rate(5 minutes)")
    assert due(rate, None, NINE + 1) == NINE
    assert due(rate, NINE, NINE + 299) is None
    assert due(rate, NINE, NINE + 301) == NINE + 300
    assert due(rate, NINE, NINE + 3001) == NINE + 3000  # what was missed runs once
    later = rate | {"StartDate": NINE + 600}
    assert due(later, None, NINE + 599) is None
    assert due(later, None, NINE + 601) == NINE + 600
    past = rate | {"StartDate": NINE - 450}
    assert due(past, None, NINE + 1) is None
    assert due(past, None, NINE + 151) == NINE + 150


def test_a_calendar_fires_on_the_minute_and_not_after_the_end() -> None:
    hourly = schedule("cron(30 * * * ? *)", StartDate=NINE)
    assert due(hourly, None, NINE + 1799) is None
    assert due(hourly, None, NINE + 1801) == NINE + 1800
    assert due(hourly, NINE + 1801, NINE + 3600) is None
    assert due(hourly, NINE + 1801, NINE + 4 * 3600) == NINE + 5400  # what was missed runs once
    every = schedule("cron(* * * * ? *)", StartDate=NINE, LastModificationDate=NINE - 30)
    assert due(every, None, NINE + 1) == NINE
    assert due(hourly | {"EndDate": NINE + 1700}, None, NINE + 1801) is None
    assert due(schedule("cron(nonsense)"), None, NINE + 9999) is None


def test_parameters_come_from_the_event_by_path() -> None:
    event = {"id": "1", "detail-type": "t", "detail": {"bucket": {"name": "b"}, "n": 3, "ok": True, "keys": ["a", "c"]}}
    given = {
        "Fixed": "x", "Bucket": "$.detail.bucket.name", "N": "$.detail.n", "Ok": "$.detail.ok", "Type": "$.detail-type",
        "Second": "$.detail.keys[1]", "All": "$.detail.keys", "Price": "$5",
    }  # fmt: skip
    listed = [{"Name": name, "Value": value} for name, value in given.items()]
    target = {"SageMakerPipelineParameters": {"PipelineParameterList": listed}}
    assert {one["Name"]: one["Value"] for one in pipeline_parameters(target, event)} == {
        "Fixed": "x", "Bucket": "b", "N": "3", "Ok": "true", "Type": "t", "Second": "c", "All": '["a", "c"]',
        "Price": "$5",
    }  # fmt: skip
    assert pipeline_parameters({"SageMakerPipelineParameters": {}}, event) == []
    with pytest.raises(ExpressionError, match="no 'key'"):
        pipeline_parameters({"SageMakerPipelineParameters": {"PipelineParameterList": [
            {"Name": "Key", "Value": "$.detail.key"}]}}, event)  # fmt: skip


def test_which_calls_change_what_is_saved() -> None:
    assert saved_service("events", "POST", "AWSEvents.PutRule") == "eventbridge"
    assert saved_service("events", "POST", "AWSEvents.RemoveTargets") == "eventbridge"
    assert saved_service("events", "POST", "AWSEvents.PutEvents") == ""
    assert saved_service("events", "POST", "AWSEvents.ListRules") == ""
    assert saved_service("scheduler", "PUT", "") == "scheduler"
    assert saved_service("scheduler", "GET", "") == ""


def test_a_start_waits_for_sagelocal(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [503, 200]
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: Any) -> None:
            pass

    monkeypatch.setattr("sagelocal.ministack_triggers._PAUSES", (0.0, 0.0, 0.0))
    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        starter(listening.server_port, "KEY")("arn", [{"Name": "A", "Value": "1"}], "t" * 64)
        listening.shutdown()
        thread.join()
    request = {"PipelineName": "arn", "PipelineParameters": [{"Name": "A", "Value": "1"}]}
    assert seen == [request | {"ClientRequestToken": "t" * 64}] * 2


# On a running sagelocal.


def create(settings: Settings, name: str, **definition: Any) -> str:
    """A pipeline of one condition, which needs no jobs; its ARN."""
    check = {"Conditions": [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}], "IfSteps": [], "ElseSteps": []}
    steps = [{"Name": "Check", "Type": "Condition", "Arguments": check}]
    return str(settings.client("sagemaker").create_pipeline(
        PipelineName=name, RoleArn=settings.role_arn,
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": steps, **definition}),
    )["PipelineArn"])  # fmt: skip


def started(settings: Settings, name: str) -> list[str]:
    found = settings.client("sagemaker").list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
    return [one["PipelineExecutionArn"] for one in found]


def eventually(look: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def rule(settings: Settings, name: str, pattern: dict[str, Any], arn: str, **parameters: str) -> None:
    events = settings.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    listed = [{"Name": key, "Value": value} for key, value in parameters.items()]
    target = {"Id": "1", "Arn": arn, "RoleArn": settings.role_arn}
    events.put_targets(Rule=name, Targets=[target | {"SageMakerPipelineParameters": {"PipelineParameterList": listed}}])


def test_a_rule_starts_a_pipeline_with_parameters_of_the_event(laptop: Settings) -> None:
    declared = [{"Name": "Key", "Type": "String"}, {"Name": "Stage", "Type": "String", "DefaultValue": "none"}]
    arn = create(laptop, "on-upload", Parameters=declared)
    rule(laptop, "upload", {"source": ["shop"]}, arn, Key="$.detail.key", Stage="staging")
    entry = {"Source": "shop", "DetailType": "upload", "Detail": json.dumps({"key": "data/new.csv"})}
    laptop.client("events").put_events(Entries=[entry, entry | {"Source": "other"}])
    [execution] = eventually(lambda: started(laptop, "on-upload"))
    listed = laptop.client("sagemaker").list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert {one["Name"]: one["Value"] for one in listed["PipelineParameters"]} == {
        "Key": "data/new.csv",
        "Stage": "staging",
    }


def test_an_upload_starts_a_pipeline_with_its_address(laptop: Settings) -> None:
    arn = create(laptop, "on-object", Parameters=[{"Name": "Key", "Type": "String"}])
    s3 = laptop.client("s3")
    s3.put_bucket_notification_configuration(
        Bucket=laptop.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    detail = {"bucket": {"name": [laptop.bucket]}, "object": {"key": [{"prefix": "incoming/"}]}}
    rule(laptop, "object", {"source": ["aws.s3"], "detail": detail}, arn, Key="$.detail.object.key")
    s3.put_object(Bucket=laptop.bucket, Key="elsewhere.csv", Body=b"a")
    s3.put_object(Bucket=laptop.bucket, Key="incoming/new.csv", Body=b"a")
    [execution] = eventually(lambda: started(laptop, "on-object"))
    listed = laptop.client("sagemaker").list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert listed["PipelineParameters"] == [{"Name": "Key", "Value": "incoming/new.csv"}]


def test_the_end_of_one_pipeline_starts_another(laptop: Settings) -> None:
    first, second = create(laptop, "first"), create(laptop, "second")
    detail = {"pipelineArn": [first], "currentPipelineExecutionStatus": ["Succeeded"]}
    rule(laptop, "chain", {"source": ["aws.sagemaker"], "detail": detail}, second)
    laptop.client("sagemaker").start_pipeline_execution(PipelineName="first")
    [execution] = eventually(lambda: started(laptop, "second"))
    sagemaker = laptop.client("sagemaker")
    eventually(
        lambda: (
            sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)["PipelineExecutionStatus"]
            == "Succeeded"
        )
    )


def test_the_sdks_triggers(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.triggers import PipelineSchedule

    session = PipelineSession(boto_session=boto3.Session(), default_bucket=laptop.bucket)
    from sagemaker.core.workflow.conditions import ConditionEquals

    stage = ParameterString("Stage", "none")
    check = ConditionStep("Check", conditions=[ConditionEquals(stage, "none")], if_steps=[])
    pipeline = Pipeline(name="nightly", parameters=[stage], steps=[check], sagemaker_session=session)
    pipeline.upsert(laptop.role_arn)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    triggers = [PipelineSchedule(name="once", at=soon), PipelineSchedule(name="daily", cron="0 3 * * ? *")]
    assert len(pipeline.put_triggers(triggers=triggers, role_arn=laptop.role_arn)) == 2
    described = pipeline.describe_trigger("daily")
    assert described["Schedule_Expression"] == "cron(0 3 * * ? *)"
    assert described["Schedule_State"] == "ENABLED"
    eventually(lambda: started(laptop, "nightly"))
    pipeline.put_triggers(triggers=[PipelineSchedule(name="once", rate=(5, "minutes"))], role_arn=laptop.role_arn)
    eventually(lambda: len(started(laptop, "nightly")) == 2)  # a changed schedule begins anew
    pipeline.delete_triggers(["once", "daily"])
    with pytest.raises(Exception, match="does not exist"):
        pipeline.describe_trigger("once")


@pytest.mark.slow
def test_a_rule_with_a_calendar_starts_a_pipeline(laptop: Settings) -> None:
    arn = create(laptop, "every-minute")
    events = laptop.client("events")
    events.put_rule(Name="every-minute", ScheduleExpression="cron(* * * * ? *)")
    events.put_targets(Rule="every-minute", Targets=[{"Id": "1", "Arn": arn, "RoleArn": laptop.role_arn}])
    assert len(eventually(lambda: started(laptop, "every-minute"), seconds=90)) == 1
    events.remove_targets(Rule="every-minute", Ids=["1"])


def test_a_kill_loses_no_rule_and_no_schedule_and_fires_none_again(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    server.up(settings)
    try:
        arn = create(settings, "kept")
        rule(settings, "kept", {"source": ["shop"]}, arn)
        target = {"Arn": arn, "RoleArn": settings.role_arn, "SageMakerPipelineParameters": {}}
        once = f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})"
        settings.client("scheduler").create_schedule(
            Name="once", ScheduleExpression=once, FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
        assert len(eventually(lambda: started(settings, "kept"))) == 1
        eventually((settings.state / "ministack" / "sagelocal_fired.json").exists)
        process = psutil.Process(server.status(settings)["pid"])
        child = next(one for one in process.children() if "sagelocal.ministack_child" in one.cmdline())
        process.suspend()  # so that it starts no other MiniStack
        for each in (child, process):
            os.kill(each.pid, signal.SIGKILL)
        eventually(lambda: not ministack.healthy(settings, timeout=0.5))
        server.up(settings)
        assert [one["Name"] for one in settings.client("scheduler").list_schedules()["Schedules"]] == ["once"]
        entry = {"Source": "shop", "DetailType": "upload", "Detail": "{}"}
        settings.client("events").put_events(Entries=[entry])
        assert len(eventually(lambda: len(started(settings, "kept")) > 1 and started(settings, "kept"))) == 2
        time.sleep(1.5)  # longer than from one look at the schedules to the next
        assert len(started(settings, "kept")) == 2
    finally:
        server.down(settings)


def test_the_private_parts_are_as_the_triggers_use_them() -> None:
    """What MiniStack promises nobody: names and parameters; their behaviour is seen in the tests above."""
    from ministack import app
    from ministack.core import persistence
    from ministack.services import eventbridge, scheduler

    def parameters(function: Callable[..., Any]) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(eventbridge._invoke_target) == ["target", "event", "rule", "view"]
    assert parameters(eventbridge._parse_rate_seconds) == ["expr"]
    assert parameters(eventbridge._parse_cron_fields) == ["expr"]
    assert parameters(eventbridge._cron_next_fire) == ["fields", "after_dt"]
    assert parameters(eventbridge._tick_scheduled_rules) == parameters(scheduler._tick_schedules) == []
    assert isinstance(eventbridge._rule_last_fired, dict)
    assert isinstance(scheduler._schedules._data, dict)
    assert {eventbridge._SCHEDULER_TICK_INTERVAL, scheduler._SCHEDULE_TICK_INTERVAL} == {10}
    assert parameters(scheduler._to_epoch) == ["value"]
    assert parameters(persistence.save_state) == ["service", "data"]
    assert parameters(persistence.load_state) == ["service"]
    assert {"eventbridge", "scheduler"} <= set(app._state_map)
