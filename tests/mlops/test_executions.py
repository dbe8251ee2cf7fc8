from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from mlops import executions
from mlops.executions import Step
from mlops.targets import AWS, Target

EXECUTION = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/churn/execution/abcdefghijkl"
TARGET = Target(AWS, "111122223333", "eu-west-1", boto3.Session(region_name="eu-west-1"))


def step(**members: Any) -> Step:
    base = {
        "name": "A",
        "status": "Succeeded",
        "cached": False,
        "start": None,
        "end": None,
        "metadata": {},
        "failure": "",
    }
    return Step(**base | members)  # type: ignore[arg-type]


def sagemaker() -> Any:
    return boto3.client("sagemaker", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_steps_say_what_was_cached_and_why_one_failed() -> None:
    client = sagemaker()
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/pipelines-x-a"
    listed = [
        {
            "StepName": "A",
            "StepStatus": "Succeeded",
            "StartTime": moment,
            "EndTime": moment,
            "CacheHitResult": {"SourcePipelineExecutionArn": EXECUTION},
            "Metadata": {"ProcessingJob": {"Arn": arn}},
        },
        {"StepName": "B", "StepStatus": "Failed", "StartTime": moment, "FailureReason": "out of memory"},
        {
            "StepName": "C",
            "StepStatus": "Succeeded",
            "SelectiveExecutionResult": {"SourcePipelineExecutionArn": EXECUTION},
            "AttemptCount": 3,
        },
    ]
    with Stubber(client) as stub:
        stub.add_response("list_pipeline_execution_steps", {"PipelineExecutionSteps": listed})
        first, second, third = executions.steps(client, EXECUTION)
    assert (first.shown_status, first.job) == ("Succeeded (cached)", ("ProcessingJob", "pipelines-x-a"))
    assert third.shown_status == "Succeeded (not selected)"
    assert (first.source, second.source, third.source) == (EXECUTION, "", EXECUTION)
    assert (first.attempts, third.attempts) == (1, 3)
    assert (second.cached, executions.outcome(TARGET, second)) == (False, "out of memory")


def test_no_execution_names_the_command() -> None:
    client = sagemaker()
    with Stubber(client) as stub:
        stub.add_response("list_pipeline_executions", {"PipelineExecutionSummaries": []})
        with pytest.raises(LookupError, match="has no Succeeded execution: mlops run churn"):
            executions.latest(client, "churn", "Succeeded")
    with Stubber(client) as stub:
        stub.add_client_error("list_pipeline_executions", "ResourceNotFound", "Pipeline does not exist")
        with pytest.raises(LookupError, match="never ran here: mlops run churn"):
            executions.latest(client, "churn")


def test_an_execution_is_found_by_its_id() -> None:
    client = sagemaker()
    summaries = [
        {"PipelineExecutionArn": EXECUTION.replace("abc", "xyz"), "PipelineExecutionStatus": "Failed"},
        {"PipelineExecutionArn": EXECUTION, "PipelineExecutionStatus": "Succeeded"},
    ]
    with Stubber(client) as stub:
        stub.add_response("list_pipeline_executions", {"PipelineExecutionSummaries": summaries})
        assert executions.find(client, "churn", "abcdefghijkl") == EXECUTION
        stub.add_response("list_pipeline_executions", {"PipelineExecutionSummaries": summaries})
        with pytest.raises(LookupError, match="no execution nope"):
            executions.find(client, "churn", "nope")
    assert executions.find(client, "churn", EXECUTION) == EXECUTION


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"Condition": {"Outcome": "True"}}, "condition is true"),
        ({"RegisterModel": {"Arn": "arn:aws:sagemaker:eu-west-1:1:model-package/churn/7"}}, "version 7"),
        ({"Endpoint": {"Arn": "arn:aws:sagemaker:eu-west-1:1:endpoint/churn-staging"}}, "churn-staging"),
        ({}, ""),
    ],
)
def test_outcomes_of_steps_without_a_job(metadata: dict[str, Any], said: str) -> None:
    assert executions.outcome(TARGET, step(metadata=metadata)) == said


def test_a_fail_step_says_its_message() -> None:
    failed = step(status="Failed", metadata={"Fail": {"ErrorMessage": "0.5 is below 0.6"}})
    assert executions.outcome(TARGET, failed) == "0.5 is below 0.6"


def test_headline_takes_the_metrics_people_ask_for_first() -> None:
    group = {"f1": {"value": 0.1}, "auc": {"value": 0.8}, "average_precision": {"value": 0.6}, "confusion_matrix": {}}
    assert executions.headline({"binary_classification_metrics": group, "dataset": {"records": 3}}) == {
        "average_precision": 0.6,
        "auc": 0.8,
    }
    assert executions.headline({"regression_metrics": {"mae": {"value": 2.0}}}) == {"mae": 2.0}


@pytest.mark.parametrize(
    ("metadata", "job", "log"),
    [
        ({"TransformJob": {"Arn": "arn:x/t"}}, ("TransformJob", "t"), ("/aws/sagemaker/TransformJobs", "T/")),
        ({"QualityCheck": {"CheckJobArn": "arn:x/t"}}, ("ProcessingJob", "t"), ("/aws/sagemaker/ProcessingJobs", "T/")),
        ({"TuningJob": {"Arn": "arn:x/t"}}, (executions.TUNING, "t"), ("/aws/sagemaker/TrainingJobs", "T-")),
        ({"Model": {"Arn": "arn:x/t"}}, None, None),
    ],
)
def test_every_kind_of_job_has_its_log(
    monkeypatch: pytest.MonkeyPatch, metadata: dict[str, Any], job: Any, log: Any
) -> None:
    monkeypatch.setattr(executions, "describe_job", lambda client, kind, name: {f"{kind}Name": name.upper()})
    ran = step(metadata=metadata)
    assert ran.job == job
    assert list(executions.log_streams(TARGET, ran)) == ([log] if log else [])


def test_log_link_on_aws_opens_the_jobs_streams() -> None:
    link = executions.log_link(TARGET, "/aws/sagemaker/TrainingJobs", "job-1/")
    assert link.startswith("https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2")
    assert "$252Faws$252Fsagemaker$252FTrainingJobs" in link
    assert link.endswith("logStreamNameFilter$3Djob-1$252F")
