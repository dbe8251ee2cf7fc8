"""From an alarm to the use case's pipeline: CloudWatch, EventBridge, a Lambda step that really runs, SNS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from deploy import resources, retraining
from deploy.apply import apply
from deploy.declaration import Retraining
from deploy.retraining import Target
from deploy.wanted import Place
from sagelocal.config import Settings

ENDPOINT = "churn-staging"
ALARMS = (f"{ENDPOINT}-data-quality-violations", f"{ENDPOINT}-model-quality-violations")
CHURN = {
    "Version": "2020-12-01",
    "Parameters": [{"Name": "InputDataUrl", "Type": "String"}, {"Name": "NumRound", "Type": "Integer"}],
    "Steps": [
        {
            "Name": "CheckGate",
            "Type": "Condition",
            "Arguments": {
                "Conditions": [{"Type": "Equals", "LeftValue": {"Get": "Parameters.NumRound"}, "RightValue": 40}],
                "IfSteps": [],
                "ElseSteps": [],
            },
        }
    ],
}


def retrain(labelled: int, function: str) -> str:
    """The retraining pipeline without Collect, which is another test's."""
    step = {
        "Name": "Retrain",
        "Type": "Lambda",
        "Arguments": {"data": "s3://bucket/recent", "labelled": labelled, "alarm": {"Get": "Parameters.Alarm"}},
        "FunctionArn": function,
        "OutputParameters": [
            {"OutputName": each, "OutputType": "String"} for each in ("outcome", "execution", "reason")
        ],
    }
    parameter = {"Name": "Alarm", "Type": "String", "DefaultValue": ""}
    return json.dumps({"Version": "2020-12-01", "Parameters": [parameter], "Steps": [step]})


class Loop:
    """All around a retraining on a sagelocal: alarms, their topic with a queue behind it, and the pipelines."""

    def __init__(self, laptop: Settings) -> None:
        self.clients: Callable[[str], Any] = laptop.client
        self.place = Place("aws", laptop.account, laptop.region, laptop.role_arn, laptop.bucket)
        self.sagemaker = laptop.client("sagemaker")
        self.sagemaker.create_pipeline(
            PipelineName="churn", PipelineDefinition=json.dumps(CHURN), RoleArn=laptop.role_arn
        )
        self.topic = str(laptop.client("sns").create_topic(Name=f"{ENDPOINT}-monitoring")["TopicArn"])
        self.queue = str(laptop.client("sqs").create_queue(QueueName="told")["QueueUrl"])
        arn = f"arn:aws:sqs:{laptop.region}:{laptop.account}:told"
        laptop.client("sns").subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        for name in ALARMS:
            laptop.client("cloudwatch").put_metric_alarm(
                AlarmName=name, MetricName="violations", Namespace="test", Statistic="Maximum", Period=60,
                Dimensions=[{"Name": "MonitoringSchedule", "Value": name}], TreatMissingData="notBreaching",
                ComparisonOperator="GreaterThanThreshold", Threshold=0, EvaluationPeriods=1,
            )  # fmt: skip

    def deploy(self, labelled: int, declared: Retraining | None) -> int:
        definition = retrain(labelled, retraining.function_arn(ENDPOINT, self.place))
        target = Target("churn", ENDPOINT, ALARMS, self.topic, definition)
        wanted = retraining.resources(declared, target, self.place) if declared else []
        return apply(self.clients, resources.deploy(wanted, self.found()))

    def found(self) -> dict[resources.Key, Any]:
        return resources.read(self.clients, retraining.keys(ENDPOINT, self.place))

    def violate(self, *names: str) -> None:
        for name in names:
            dimensions = [{"Name": "MonitoringSchedule", "Value": name}]
            data = {"MetricName": "violations", "Dimensions": dimensions, "Value": 4.0}
            self.clients("cloudwatch").put_metric_data(Namespace="test", MetricData=[data])

    def executions(self, pipeline: str, count: int) -> list[dict[str, Any]]:
        """All of a pipeline's, once there are so many that have ended, newest first."""
        deadline = time.monotonic() + 60
        while True:
            found = self.sagemaker.list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
            if len(found) >= count and all(each["PipelineExecutionStatus"] != "Executing" for each in found):
                return list(found)
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def outcome(self, execution: str) -> dict[str, str]:
        listed = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
        (step,) = listed
        assert step["StepStatus"] == "Succeeded", step
        return {each["Name"]: each["Value"] for each in step["Metadata"]["Lambda"]["OutputParameters"]}

    def told(self) -> list[str]:
        """Subjects of what the topic has told of, oldest first."""
        sqs = self.clients("sqs")
        received = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for each in received:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(each["Body"])["Subject"] for each in received]


@pytest.fixture(scope="module")
def loop(laptop: Settings) -> Loop:
    return Loop(laptop)


def test_too_few_labels_are_said_and_two_alarms_at_once_start_one_execution(loop: Loop) -> None:
    declared = Retraining(cooldown="PT1H", parameters={"NumRound": "40"})
    loop.deploy(499, declared)
    assert loop.deploy(499, declared) == 0  # found as it was made

    loop.violate(ALARMS[0])
    (first,) = loop.executions(f"{ENDPOINT}-retraining", 1)
    assert loop.outcome(first["PipelineExecutionArn"])["outcome"] == "too few labelled records"
    assert loop.executions("churn", 0) == []
    assert "Retraining for churn-staging: too few labelled records" in loop.told()

    loop.deploy(500, declared)
    for name in ALARMS:
        loop.clients("cloudwatch").set_alarm_state(AlarmName=name, StateValue="OK", StateReason="before the test")
    for name in ALARMS:
        loop.clients("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="the test")
    found = loop.executions(f"{ENDPOINT}-retraining", 3)
    outcomes = [loop.outcome(each["PipelineExecutionArn"]) for each in found[:2]]
    (started,) = loop.executions("churn", 1)
    assert started["PipelineExecutionStatus"] == "Succeeded"
    assert started["PipelineExecutionDisplayName"] == f"retraining-{ENDPOINT}"
    assert {each["execution"] for each in outcomes} <= {started["PipelineExecutionArn"], ""}
    assert "started" in {each["outcome"] for each in outcomes}
    parameters = loop.sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=started["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert {"Name": "InputDataUrl", "Value": "s3://bucket/recent"} in parameters


def test_all_of_it_goes(loop: Loop) -> None:
    assert len(loop.found()) == 5
    loop.deploy(0, None)
    assert loop.found() == {}
