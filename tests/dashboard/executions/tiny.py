"""A pipeline whose executions take as long as a test wants: a callback that is answered, and a gate behind it."""

from __future__ import annotations

import json
import time
from typing import Any

from sagelocal.config import Settings

NAME = "churn"  # a use case's, so that the overview has it
PARAMETERS = [
    {"Name": "Floor", "Type": "Float", "DefaultValue": 0.601},
    {"Name": "Rounds", "Type": "Integer", "DefaultValue": 3},
    {"Name": "Mode", "Type": "String", "DefaultValue": "fast", "EnumValues": ["fast", "slow"]},
    {"Name": "Check", "Type": "Boolean", "DefaultValue": True},
    {"Name": "InstanceType", "Type": "String", "DefaultValue": "ml.m5.large"},
]


def definition(queue: str) -> str:
    ask = {
        "Name": "Ask",
        "Type": "Callback",
        "SqsQueueUrl": queue,
        "Arguments": {"rounds": {"Get": "Parameters.Rounds"}},
        "OutputParameters": [{"OutputName": "score", "OutputType": "Float"}],
    }
    score = {"Get": "Steps.Ask.OutputParameters['score']"}
    enough = {"Type": "GreaterThanOrEqualTo", "LeftValue": score, "RightValue": {"Get": "Parameters.Floor"}}
    words = [score, "is less than", {"Get": "Parameters.Floor"}]
    refused = {"Std:Join": {"On": " ", "Values": words}}
    branches = {
        "IfSteps": [{**ask, "Name": "Announce"}],
        "ElseSteps": [{"Name": "TooLow", "Type": "Fail", "Arguments": {"ErrorMessage": refused}}],
    }
    gate = {"Name": "Gate", "Type": "Condition", "Arguments": {"Conditions": [enough], **branches}}
    return json.dumps({"Version": "2020-12-01", "Parameters": PARAMETERS, "Steps": [ask, gate]})


class Tiny:
    def __init__(self, settings: Settings, name: str = NAME) -> None:
        self._sqs, self.sagemaker, self.name = settings.client("sqs"), settings.client("sagemaker"), name
        self.queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=definition(self.queue), RoleArn=settings.role_arn
        )

    def start(self, **values: str) -> str:
        """The execution's ARN."""
        given = [{"Name": name, "Value": value} for name, value in values.items()]
        started = self.sagemaker.start_pipeline_execution(PipelineName=self.name, PipelineParameters=given)
        return str(started["PipelineExecutionArn"])

    def answer(self, execution: str, score: float) -> None:
        """Answers the next question of an execution, by its ARN or its id."""
        while True:
            (message,) = self._sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=20)["Messages"]
            self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            if body["pipelineExecutionArn"].endswith(execution) and "status" not in body:  # else it is being stopped
                break
        outputs = [{"Name": "score", "Value": str(score)}]
        self.sagemaker.send_pipeline_execution_step_success(CallbackToken=body["token"], OutputParameters=outputs)

    def status(self, arn: str) -> str:
        found = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return str(found["PipelineExecutionStatus"])

    def ended(self, arn: str) -> str:
        """The status in which it ended."""
        while (status := self.status(arn)) in ("Executing", "Stopping"):
            time.sleep(0.05)
        return status

    def newest(self) -> dict[str, Any]:
        """DescribePipelineExecution's answer."""
        arn = self._listed("Descending")
        return dict(self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))

    def oldest(self) -> str:
        """Its id."""
        return self._listed("Ascending").rsplit("/", 1)[1]

    def _listed(self, order: str) -> str:
        answer = self.sagemaker.list_pipeline_executions(
            PipelineName=self.name, SortBy="CreationTime", SortOrder=order, MaxResults=1
        )
        return str(answer["PipelineExecutionSummaries"][0]["PipelineExecutionArn"])
