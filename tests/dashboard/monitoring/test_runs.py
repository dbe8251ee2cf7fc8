"""Verdicts of runs by few calls, of either engine; strips of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dashboard import alarms
from dashboard.monitoring import monitors, report, retraining, runs, strip
from dashboard.monitoring.monitors import Account, Monitor
from dashboard.monitoring.runs import State
from deploy.declaration import Kind
from tests.dashboard.monitoring.monitored import ARN, MONITOR, NAME, NOON, run


class SageMaker:
    """Lists what it was given, a page at a time, and counts calls."""

    def __init__(self, executions: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> None:
        self.executions, self.jobs, self.calls = executions, jobs, list[str]()

    def get_paginator(self, operation: str) -> Any:
        sagemaker = self

        class Pages:
            def paginate(self, **query: Any) -> list[dict[str, Any]]:
                sagemaker.calls.append(operation)
                if operation == "list_pipeline_executions":
                    return [{"PipelineExecutionSummaries": sagemaker.executions}]
                if operation == "list_monitoring_executions":
                    return [{"MonitoringExecutionSummaries": sagemaker.executions}]
                named = [each for each in sagemaker.jobs if query["NameContains"] in each["ProcessingJobName"]]
                wanted = query.get("StatusEquals")
                found = [each for each in named if wanted in (None, each["ProcessingJobStatus"])]
                return [{"ProcessingJobSummaries": found}]

        return Pages()

    def describe_processing_job(self, ProcessingJobName: str) -> dict[str, Any]:
        self.calls.append("describe_processing_job")
        return next(each for each in self.jobs if each["ProcessingJobName"] == ProcessingJobName)

    def list_pipeline_execution_steps(self, PipelineExecutionArn: str) -> dict[str, Any]:
        self.calls.append("list_pipeline_execution_steps")
        return {"PipelineExecutionSteps": []}


def execution(run_id: str, status: str = "Succeeded", hours: int = 0) -> dict[str, Any]:
    return {
        "PipelineExecutionArn": f"{ARN}/execution/{run_id}",
        "PipelineExecutionStatus": status,
        "StartTime": NOON - timedelta(hours=hours),
    }


def job(run_id: str, step: str, message: str, status: str = "Completed", reason: str = "") -> dict[str, Any]:
    made = {"ProcessingJobName": f"pipelines-{run_id}-{step}-x1", "ProcessingJobStatus": status, "ExitMessage": message}
    return made | ({"FailureReason": reason} if reason else {})


WITH = "CompletedWithViolations: Job completed successfully with 12 violations."
WITHOUT = "Completed: Job completed successfully with no violations."
NO_RECORDS = "AlgorithmError: data_capture.NoRecordsError: no record in s3://b/captures from 11:00 to 12:00"


def test_hundreds_of_runs_take_three_calls_and_then_one() -> None:
    listed = [execution(f"run{at:03}", hours=at) for at in range(60)]
    jobs = [job(f"run{at:03}", "Check", WITH if at % 2 else WITHOUT) for at in range(60)]
    sagemaker, known = SageMaker(listed, jobs), dict[str, runs.Run]()
    (found,) = runs.gather(sagemaker, [MONITOR], known).values()
    assert len(sagemaker.calls) == 3
    assert [str(each) for each in found[:2]] == ["healthy", "12 violations"]
    assert found[1].job == "pipelines-run001-Check-x1"
    again = SageMaker(listed, [])
    assert runs.gather(again, [MONITOR], known) == {NAME: found}
    assert again.calls == ["list_pipeline_executions"]


def test_every_end_has_its_word() -> None:
    listed = [execution(each) for each in ("aaa", "bbb", "ccc", "ddd", "eee")]
    for each, status in zip(listed, ("Failed", "Failed", "Executing", "Stopped", "Succeeded"), strict=True):
        each["PipelineExecutionStatus"] = status
    jobs = [
        job("aaa", "Collect", "no record in s3://b/captures", "Failed", NO_RECORDS),
        job("bbb", "Collect", "KeyError: 'x'", "Failed", "AlgorithmError: KeyError"),
        job("ddd", "Collect", "", "Stopped"),
        job("eee", "Check", "Completed: Job completed successfully with a baseline of 10 records with 2 features."),
    ]
    (found,) = runs.gather(SageMaker(listed, jobs), [MONITOR], {}).values()
    assert [each.state for each in found] == [
        State.NOTHING, State.FAILED, State.RUNNING, State.STOPPED, State.NOTHING,
    ]  # fmt: skip
    assert found[0].reason == "no record in s3://b/captures"
    assert found[1].reason == "KeyError: 'x'"


def test_what_still_runs_is_not_remembered() -> None:
    known = dict[str, runs.Run]()
    runs.gather(SageMaker([execution("aaa", "Executing")], []), [MONITOR], known)
    assert known == {}


def test_model_monitors_executions_are_runs_too() -> None:
    managed = Monitor("shop-dq", Kind.DATA_QUALITY, "shop-staging", "arn:schedule", managed=True)
    listed = [
        {"MonitoringScheduleName": "shop-dq", "ScheduledTime": NOON, "MonitoringExecutionStatus": status} | more
        for status, more in (
            ("CompletedWithViolations", {"ProcessingJobArn": "arn:aws:sagemaker:x:0:processing-job/mm-1"}),
            ("Completed", {"ProcessingJobArn": "arn:aws:sagemaker:x:0:processing-job/mm-2"}),
            ("Failed", {"FailureReason": "Job inputs had no data"}),
            ("Pending", {}),
        )
    ]
    jobs = [{"ProcessingJobName": "mm-1", "ExitMessage": WITH}]
    (found,) = runs.gather(SageMaker(listed, jobs), [managed], {}).values()
    assert [str(each) for each in found] == ["12 violations", "healthy", "nothing to compare", "running"]
    assert found[0].id == "mm-1"


@pytest.mark.parametrize(
    ("message", "state", "count"),
    [
        (WITH, State.VIOLATIONS, 12),
        ("CompletedWithViolations: Job completed successfully with 1 violations.", State.VIOLATIONS, 1),
        (WITHOUT, State.HEALTHY, 0),
        ("", State.NOTHING, 0),
    ],
)
def test_a_jobs_exit_message_is_its_verdict(message: str, state: State, count: int) -> None:
    assert runs.verdict(message)[:2] == (state, count)


def test_a_strip_is_oldest_first_and_says_in_words_what_it_shows() -> None:
    history = [run(2, State.VIOLATIONS, 120), run(1, State.FAILED), run(0)]
    cells = strip.cells(MONITOR, history, "r1")
    assert [(each["kind"], each["mark"], each["current"]) for each in cells] == [
        ("healthy", "", False), ("failed", "✕", True), ("violations", "99+", False),
    ]  # fmt: skip
    assert cells[2]["said"].endswith("120 violations")
    assert cells[2]["href"] == f"?endpoint=shop-staging&monitor={NAME}&execution=r2"


def test_two_runs_of_one_second_are_told_apart_in_the_list_of_runs() -> None:
    history = [run(1), replace(run(1), id="other"), run(0)]
    said = report.options(history)
    assert len(set(said.values())) == 3
    assert "(other)" in said["other"]
    assert "(" not in said["r0"]


def test_only_pipelines_that_deploy_made_are_monitors() -> None:
    summaries = [
        {"PipelineName": NAME, "PipelineArn": ARN, "PipelineDescription": "mlops deploy: data-quality of shop-staging"},
        {"PipelineName": "other-data-quality", "PipelineArn": "arn", "PipelineDescription": "data-quality of somebody"},
        {"PipelineName": "churn", "PipelineArn": "arn"},
    ]
    assert list(monitors.own(summaries)) == [MONITOR]


def test_alarms_are_an_endpoints_by_their_dimensions() -> None:
    def alarm(name: str, dimension: str, value: str) -> dict[str, Any]:
        return {"AlarmName": name, "StateValue": "OK", "Dimensions": [{"Name": dimension, "Value": value}]}

    mine = [alarm("a", "MonitoringSchedule", NAME), alarm("b", "EndpointName", "shop-staging")]
    account = Account(monitors=(MONITOR,), alarms=(*mine, alarm("c", "EndpointName", "other")))
    assert [each["AlarmName"] for each in account.alarms_of(MONITOR)] == ["a"]
    assert [each["AlarmName"] for each in account.alarms_about("shop-staging")] == ["a", "b"]
    with pytest.raises(LookupError, match="There are: shop-staging-data-quality"):
        account.find("shop-staging", "bias")


def test_a_change_of_an_alarm_is_read_from_its_history() -> None:
    data = '{"oldState": {"stateValue": "OK"}, "newState": {"stateValue": "ALARM", "stateReason": "4 > 0"}}'
    found = alarms.change("a", {"Timestamp": NOON, "HistoryData": data})
    assert (found["was"], found["became"], found["why"]) == ("OK", "in alarm", "4 > 0")
    assert (
        alarms.change("a", {"Timestamp": NOON, "HistorySummary": "made", "HistoryData": "no JSON"})["became"] == "made"
    )


def test_a_start_of_a_retraining_says_pipeline_parameters_and_limits() -> None:
    found = retraining.Retraining(
        "shop-staging-retraining", "shop", {"FailOnViolation": "False"}, "InputDataUrl", "P7D", timedelta(days=1), 500
    )
    said = retraining.consequences(found)
    assert "last 7 days" in said
    assert "`FailOnViolation`: `False`" in said
    assert "fewer than 500 labelled records" in said
    assert found.next is None
    application = {"AppSpecification": {"ContainerArguments": ["--window", "P7D"]}}
    definition = {"Steps": [{"Name": "Collect", "Arguments": application}]}
    assert retraining.window(json.dumps(definition)) == "P7D"
    assert retraining.window("{}") == ""
