"""Lambda steps, with functions that MiniStack runs."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal import config, server
from sagelocal.config import Settings
from sagelocal.workflow.steps import functions
from sagelocal.workflow.steps.attempt import Attempt, StepFailed
from tests.sagelocal.workflow.steps.conftest import Document, Runs

ECHO = """
def handler(event, context):
    said = event["word"] * event["times"]
    return {"statusCode": 200, "said": said, "count": event["times"], "share": 0.5, "ok": True}
"""
HEAD = "def handler(event, context):\n    "


def test_outputs_reach_the_next_steps_with_their_types(
    session: Any, runs: Runs, helper: Callable[[str, str], Any], laptop: Settings
) -> None:
    from sagemaker.core.workflow.conditions import ConditionEquals, ConditionGreaterThan
    from sagemaker.core.workflow.functions import Join
    from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep

    word, times = ParameterString("Word", "ab"), ParameterInteger("Times", 3)
    kinds = {"said": "String", "count": "Integer", "share": "Float", "ok": "Boolean"}
    echo = LambdaStep(
        "Echo",
        lambda_func=helper("echo", ECHO),
        inputs={"word": word, "times": times},
        outputs=[LambdaOutput(name, LambdaOutputTypeEnum[kind]) for name, kind in kinds.items()],
    )
    outputs = echo.properties.Outputs
    check = ConditionStep(
        "Check",
        conditions=[
            ConditionGreaterThan(outputs["count"], 2),
            ConditionEquals(outputs["share"], 0.5),
            ConditionEquals(outputs["ok"], True),
        ],
        if_steps=[FailStep("Told", error_message=Join(on=":", values=["said", outputs["said"]]))],
    )
    arn = runs.build(session, "lambda-echo", [echo, check], parameters=[word, times])
    runs.ended(arn)
    steps = runs.steps(arn)
    assert steps["Told"]["FailureReason"] == "said:ababab"
    assert steps["Echo"]["Metadata"]["Lambda"] == {
        "Arn": f"arn:aws:lambda:{laptop.region}:{laptop.account}:function:echo",
        "OutputParameters": [
            {"Name": "said", "Value": "ababab"},
            {"Name": "count", "Value": "3"},
            {"Name": "share", "Value": "0.5"},
            {"Name": "ok", "Value": "true"},
        ],
    }


@pytest.mark.parametrize(
    ("name", "source", "outputs", "reason"),
    [
        ("failing", "raise ValueError('no such customer')", [], r"ended in an error: .*no such customer\.$"),
        ("silent", "return None", [("x", "String")], r"'x' is missing"),
        (
            "wrong",
            "return {'x': 'three'}\n",
            [("x", "Integer")],
            r"'three', which is",
        ),
        ("nested", "return {'x': [1]}", [("x", "String")], r"'x' is a list"),
    ],
)
def test_a_failed_function_or_a_wrong_output_fails_the_step_with_the_reason(
    runs: Runs, function: Callable[[str, str], str], name: str, source: str, outputs: list[tuple[str, str]], reason: str
) -> None:
    arn = function(name, HEAD + source)
    declared = [{"OutputName": output, "OutputType": kind} for output, kind in outputs]
    step = {"Name": "Call", "Type": "Lambda", "Arguments": {}, "FunctionArn": arn, "OutputParameters": declared}
    execution = runs.start(f"lambda-{name}", [step])
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Failed"
    failed = runs.steps(execution)["Call"]
    assert failed["FailureReason"].startswith(f"ClientError: Lambda function {arn}: ")
    assert re.search(reason, failed["FailureReason"]), failed["FailureReason"]
    assert failed["Metadata"]["Lambda"]["Arn"] == arn


def test_a_missing_function_fails_the_step_in_lambdas_words(runs: Runs, laptop: Settings) -> None:
    arn = f"arn:aws:lambda:{laptop.region}:{laptop.account}:function:nobody"
    step: Document = {"Name": "Call", "Type": "Lambda", "Arguments": None, "FunctionArn": arn, "OutputParameters": []}
    execution = runs.start("lambda-missing", [step])
    runs.ended(execution)
    reason = runs.steps(execution)["Call"]["FailureReason"]
    assert reason.startswith("ClientError: Failed to invoke lambda:Invoke. Error Details: ")
    assert "nobody" in reason


def test_a_cached_step_is_not_invoked_again(runs: Runs, function: Callable[[str, str], str], laptop: Settings) -> None:
    source = "import time\n\ndef handler(event, context):\n    return {'at': str(time.time_ns())}\n"
    arn = function("clock", source)
    declared = [{"OutputName": "at", "OutputType": "String"}]
    step: Document = {
        "Name": "Clock", "Type": "Lambda", "Arguments": {"zone": "x"}, "FunctionArn": arn,
        "OutputParameters": declared, "CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"},
    }  # fmt: skip
    first = runs.start("lambda-cached", [step])
    runs.ended(first)
    second = runs.sagemaker.start_pipeline_execution(PipelineName="lambda-cached")["PipelineExecutionArn"]
    runs.ended(second)
    one, two = runs.steps(first)["Clock"], runs.steps(second)["Clock"]
    assert two["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert two["Metadata"] == one["Metadata"]


def test_stop_waits_for_the_function(runs: Runs, function: Callable[[str, str], str]) -> None:
    source = "import time\n\ndef handler(event, context):\n    time.sleep(1)\n    return {'done': 'yes'}\n"
    arn = function("slow", source)
    declared = [{"OutputName": "done", "OutputType": "String"}]
    step = {"Name": "Slow", "Type": "Lambda", "Arguments": {}, "FunctionArn": arn, "OutputParameters": declared}
    after = {**step, "Name": "After", "DependsOn": ["Slow"]}
    execution = runs.start("lambda-slow", [step, after])
    runs.step_is(execution, "Slow", "Executing")
    runs.sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution)
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Stopped"
    assert {name: found["StepStatus"] for name, found in runs.steps(execution).items()} == {"Slow": "Succeeded"}


def test_a_function_reaches_this_laptops_aws(runs: Runs, function: Callable[[str, str], str], laptop: Settings) -> None:
    source = (
        "import boto3\n\ndef handler(event, context):\n"
        "    found = boto3.client('sagemaker').describe_pipeline(PipelineName=event['name'])['PipelineStatus']\n"
        "    buckets = [one['Name'] for one in boto3.client('s3').list_buckets()['Buckets']]\n"
        "    return {'said': found + ' ' + buckets[0]}\n"
    )
    arn = function("looker", source)
    step: Document = {
        "Name": "Look", "Type": "Lambda", "Arguments": {"name": {"Get": "Execution.PipelineName"}}, "FunctionArn": arn,
        "OutputParameters": [{"OutputName": "said", "OutputType": "String"}],
    }  # fmt: skip
    execution = runs.start("lambda-looker", [step])
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(execution)
    said = runs.steps(execution)["Look"]["Metadata"]["Lambda"]["OutputParameters"]
    assert said == [{"Name": "said", "Value": f"Active {laptop.bucket}"}]


def test_a_function_over_the_steps_limit_fails_it(
    function: Callable[[str, str], str], laptop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "LAMBDA_SECONDS", 1)
    here = replace(laptop, cpus=99)  # a client of its own
    source = "import time\n\ndef handler(event, context):\n    time.sleep(3)\n"
    arn = function("sleeper", source)
    nothing: Any = None
    attempt = Attempt(
        SimpleNamespace(settings=here), "", "", "", {"FunctionArn": arn}, {}, nothing, 0.0, lambda metadata: None,  # type: ignore[arg-type]
        lambda: False, lambda: False, lambda: None, nothing,
    )  # fmt: skip
    with pytest.raises(StepFailed, match="it ran longer than"):
        functions.invoke_function(attempt)


@pytest.mark.slow
def test_after_a_kill_the_step_runs_again_once_the_function_is_back(
    runs: Runs, function: Callable[[str, str], str], laptop: Settings
) -> None:
    """Last of this file: it restarts what the others use. MiniStack forgets its functions when it is killed."""
    source = "import time\n\ndef handler(event, context):\n    time.sleep(1)\n    return {'done': 'yes'}\n"
    arn = function("killed", source)
    declared = [{"OutputName": "done", "OutputType": "String"}]
    step = {"Name": "Slow", "Type": "Lambda", "Arguments": {}, "FunctionArn": arn, "OutputParameters": declared}
    execution = runs.start("lambda-killed", [step])
    runs.step_is(execution, "Slow", "Executing")
    os.kill(server.status(laptop)["pid"], signal.SIGKILL)
    server.up(laptop)
    if runs.ended(execution)["PipelineExecutionStatus"] == "Failed":
        assert "Failed to invoke lambda:Invoke" in runs.reasons(execution)["Slow"]
        function("killed", source)
        runs.sagemaker.retry_pipeline_execution(PipelineExecutionArn=execution)
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(execution)
