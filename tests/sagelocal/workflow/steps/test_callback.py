"""Callback steps, with a real queue and answers through the wire."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal import server
from sagelocal.config import Settings
from tests.sagelocal.workflow.steps.conftest import Document, Runs

DECLARED = [{"OutputName": "rows", "OutputType": "Integer"}, {"OutputName": "good", "OutputType": "Boolean"}]

ANSWERER = """
import json
import boto3

def handler(event, context):
    for record in event["Records"]:
        message = json.loads(record["body"])
        rows = str(len(message["arguments"]["question"]))
        outputs = [{"Name": "rows", "Value": rows}, {"Name": "good", "Value": "true"}]
        boto3.client("sagemaker").send_pipeline_execution_step_success(
            CallbackToken=message["token"], OutputParameters=outputs
        )
"""


class Queue:
    def __init__(self, settings: Settings, name: str) -> None:
        self._sqs = settings.client("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]

    def take(self, wait: int = 10) -> Document:
        """The next message's body."""
        (message,) = self._sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=wait)["Messages"]
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return dict(json.loads(message["Body"]))

    def step(self, name: str = "Ask", **more: Any) -> Document:
        return {
            "Name": name, "Type": "Callback", "SqsQueueUrl": self.url, "Arguments": {"question": "how many?"},
            "OutputParameters": DECLARED, **more,
        }  # fmt: skip


@pytest.fixture
def queue(laptop: Settings, request: pytest.FixtureRequest) -> Queue:
    return Queue(laptop, request.node.name[-60:].replace("[", "-").replace("]", ""))


def answer(rows: str = "7", good: str = "true") -> list[Document]:
    return [{"Name": "rows", "Value": rows}, {"Name": "good", "Value": good}]


def test_the_sdks_step_asks_and_reads_the_typed_answer(session: Any, runs: Runs, queue: Queue) -> None:
    from sagemaker.core.workflow.conditions import ConditionEquals, ConditionLessThan
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.mlops.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep

    question = ParameterString("Question", "how many?")
    ask = CallbackStep(
        "Ask",
        sqs_queue_url=queue.url,
        inputs={"question": question, "limit": 5},
        outputs=[
            CallbackOutput("rows", CallbackOutputTypeEnum.Integer),
            CallbackOutput("good", CallbackOutputTypeEnum.Boolean),
        ],
    )
    outputs = ask.properties.Outputs
    gate = ConditionStep(
        "Gate",
        conditions=[ConditionLessThan(outputs["rows"], 10), ConditionEquals(outputs["good"], True)],
        if_steps=[FailStep("Told", error_message=outputs["rows"])],
    )
    arn = runs.build(session, "callback-sdk", [ask, gate], parameters=[question])
    message = queue.take()
    assert message["pipelineExecutionArn"] == arn
    assert message["arguments"] == {"question": "how many?", "limit": 5}
    waiting = runs.steps(arn)["Ask"]
    assert waiting["Metadata"]["Callback"] == {"CallbackToken": message["token"], "SqsQueueUrl": queue.url}
    said = session.boto_session.client("sagemaker").send_pipeline_execution_step_success(
        CallbackToken=message["token"], OutputParameters=answer()
    )
    assert said["PipelineExecutionArn"] == arn
    runs.ended(arn)
    steps = runs.steps(arn)
    assert steps["Told"]["FailureReason"] == "7"
    assert steps["Ask"]["Metadata"]["Callback"]["OutputParameters"] == answer()


def test_a_token_takes_one_answer_and_only_one_that_fits(runs: Runs, queue: Queue) -> None:
    execution = runs.start("callback-rules", [queue.step()])
    token = queue.take()["token"]
    send = runs.sagemaker.send_pipeline_execution_step_success
    for wrong in (answer("many"), answer()[:1], [*answer(), {"Name": "more", "Value": "1"}]):
        with pytest.raises(ClientError, match="ValidationException.*(many|good|more)"):
            send(CallbackToken=token, OutputParameters=wrong)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        send(CallbackToken="A123456789", OutputParameters=answer())
    request = {"CallbackToken": token, "OutputParameters": answer(), "ClientRequestToken": "r" * 32}
    assert send(**request)["PipelineExecutionArn"] == execution
    assert send(**request)["PipelineExecutionArn"] == execution
    with pytest.raises(ClientError, match="ConflictException"):
        send(CallbackToken=token, OutputParameters=answer())
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Succeeded"
    runs.sagemaker.delete_pipeline(PipelineName="callback-rules")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        send(**request)


def test_a_failure_is_the_steps_reason_and_a_retry_asks_again(runs: Runs, queue: Queue) -> None:
    execution = runs.start("callback-failure", [queue.step()])
    first = queue.take()["token"]
    runs.sagemaker.send_pipeline_execution_step_failure(CallbackToken=first, FailureReason="nobody knows")
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Failed"
    assert runs.steps(execution)["Ask"]["FailureReason"] == "nobody knows"
    runs.sagemaker.retry_pipeline_execution(PipelineExecutionArn=execution)
    second = queue.take()["token"]
    assert second != first
    runs.sagemaker.send_pipeline_execution_step_success(CallbackToken=second, OutputParameters=answer())
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Succeeded"


def test_stop_tells_the_queue_and_waits_for_the_answer(runs: Runs, queue: Queue) -> None:
    execution = runs.start("callback-stop", [queue.step()])
    token = queue.take()["token"]
    runs.sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution)
    message = queue.take()
    assert (message["token"], message["status"], message["arguments"]) == (token, "Stopping", {"question": "how many?"})
    assert runs.step_is(execution, "Ask", "Stopping")
    assert runs.until(execution, lambda _: True)["PipelineExecutionStatus"] == "Stopping"
    runs.sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="stopped")
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Stopped"


def test_a_missing_queue_fails_the_step(runs: Runs, queue: Queue) -> None:
    execution = runs.start("callback-no-queue", [queue.step(SqsQueueUrl=f"{queue.url}-not-there")])
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Failed"
    assert "Failed to invoke sqs:SendMessage on http" in runs.steps(execution)["Ask"]["FailureReason"]


def test_a_function_behind_the_queue_answers(
    runs: Runs, queue: Queue, function: Callable[[str, str], str], laptop: Settings
) -> None:
    """The usual setup on AWS: an SQS event source invokes a Lambda function with the message."""
    arn = function("answerer", ANSWERER)
    queue_arn = f"arn:aws:sqs:{laptop.region}:{laptop.account}:{queue.url.rsplit('/', 1)[1]}"
    laptop.client("lambda").create_event_source_mapping(EventSourceArn=queue_arn, FunctionName=arn, BatchSize=1)
    execution = runs.start("callback-function", [queue.step()])
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(execution)
    assert runs.steps(execution)["Ask"]["Metadata"]["Callback"]["OutputParameters"] == answer("9")


def test_waiting_survives_a_kill(runs: Runs, queue: Queue, laptop: Settings) -> None:
    """This and the next are the last of this file: they restart what the others use."""
    execution = runs.start("callback-kill", [queue.step()])
    token = queue.take()["token"]
    os.kill(server.status(laptop)["pid"], signal.SIGKILL)
    server.up(laptop)
    assert runs.step_is(execution, "Ask", "Executing")["Metadata"]["Callback"]["CallbackToken"] == token
    runs.sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=answer())
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Succeeded"


def test_a_stop_waits_for_the_answer_also_after_a_kill(runs: Runs, queue: Queue, laptop: Settings) -> None:
    execution = runs.start("callback-stop-kill", [queue.step()])
    token = queue.take()["token"]
    runs.sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution)
    assert queue.take()["status"] == "Stopping"
    os.kill(server.status(laptop)["pid"], signal.SIGKILL)
    server.up(laptop)
    assert runs.step_is(execution, "Ask", "Stopping")
    assert runs.until(execution, lambda _: True)["PipelineExecutionStatus"] == "Stopping"
    runs.sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=answer())
    assert runs.ended(execution)["PipelineExecutionStatus"] == "Stopped"
