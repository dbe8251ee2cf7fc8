"""One execution's page, and two side by side, on a sagelocal's real executions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from dashboard.executions import facts
from sagelocal.config import Settings

NAME = "gated"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
MESSAGE = "below :red[the floor] of <b>churn</b>"
Document = dict[str, Any]


def condition(name: str, at_least: float, then: list[Document], otherwise: list[Document], **more: Any) -> Document:
    over = {"Type": "GreaterThanOrEqualTo", "LeftValue": {"Get": "Parameters.Floor"}, "RightValue": at_least}
    arguments = {"Conditions": [over], "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def definition(settings: Settings) -> str:
    """A gate, a job whose input is nowhere, so that it fails before it needs a sandbox, and a step behind that."""
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
    missing = {
        "S3Uri": f"s3://{settings.bucket}/nowhere",
        "LocalPath": "/opt/ml/processing/input",
        "S3DataType": "S3Prefix",
    }
    job = {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "split.py"]},
        "ProcessingInputs": [{"InputName": "raw", "S3Input": missing}],
        "RoleArn": settings.role_arn,
    }
    too_low = {"Name": "TooLow", "Type": "Fail", "Arguments": {"ErrorMessage": MESSAGE}}
    steps = [
        condition("Gate", 0.5, [{"Name": "Split", "Type": "Processing", "Arguments": job}], [too_low]),
        condition("Behind", 0.5, [], [], DependsOn=["Split"]),
    ]
    parameters = [{"Name": "Floor", "Type": "Float", "DefaultValue": 0.4}]
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": steps})


@dataclass(frozen=True)
class Made:
    refused: str  # id of an execution that its gate stopped
    broken: str  # id of one whose job failed
    log: str  # the job's name

    @staticmethod
    def arn(execution: str) -> str:
        return f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{NAME}/execution/{execution}"


@pytest.fixture(scope="session")
def made(laptop: Settings) -> Made:
    sagemaker = laptop.client("sagemaker")
    sagemaker.create_pipeline(PipelineName=NAME, PipelineDefinition=definition(laptop), RoleArn=laptop.role_arn)
    refused, broken = run(sagemaker), run(sagemaker, Floor="0.7")
    (job,) = sagemaker.list_processing_jobs(NameContains=broken)["ProcessingJobSummaries"]
    write_log(laptop.client("logs"), job["ProcessingJobName"])
    return Made(refused, broken, job["ProcessingJobName"])


def run(sagemaker: Any, **values: str) -> str:
    given = [{"Name": name, "Value": value} for name, value in values.items()]
    arn = sagemaker.start_pipeline_execution(PipelineName=NAME, PipelineParameters=given)["PipelineExecutionArn"]
    while sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing":
        time.sleep(0.05)
    return str(arn.rsplit("/", 1)[1])


def write_log(logs: Any, job: str) -> None:
    group, stream = "/aws/sagemaker/ProcessingJobs", f"{job}/algo-1-1"
    with suppress(logs.exceptions.ResourceAlreadyExistsException):  # of the laptop's other jobs
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": f"row {number}"} for number in range(700)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture
def show(app_test: Callable[..., Any], made: Made) -> Callable[..., Any]:
    def run(**query: str) -> Any:
        shown = app_test("pipelines", pipeline=NAME, **query).run()
        assert [each.value for each in (*shown.exception, *shown.warning)] == []
        return shown

    return run


def drawn(shown: Any) -> Document:
    """What the graph's component was given."""
    (component,) = shown.get("bidi_component")
    return dict(json.loads(component.proto.json))


def test_an_execution_that_its_gate_stopped(show: Callable[..., Any], made: Made) -> None:
    shown = show(execution=made.refused)
    (reason,) = shown.error
    assert reason.value == r"TooLow failed\: below \:red\[the floor\] of \<b\>churn\</b\>"
    nodes = {each["name"]: each for each in drawn(shown)["nodes"]}
    assert {name: node["colour"] for name, node in nodes.items()} == {
        "Gate": "green", "Split": "gray", "TooLow": "red", "Behind": "gray",
    }  # fmt: skip
    assert nodes["Split"]["more"] == nodes["Behind"]["more"] == "Not taken"
    assert nodes["TooLow"]["chosen"], "the step that failed is open"
    assert {each["label"] for each in drawn(shown)["edges"]} == {"if", "else", ""}
    table = next(each.value for each in shown.dataframe if "outcome" in each.value)
    assert list(table["outcome"]) == ["condition is false", MESSAGE]


def test_a_steps_facts_and_its_log(show: Callable[..., Any], made: Made) -> None:
    shown = show(execution=made.broken, step="Split", show="Log")
    assert any(
        "Not at their defaults" in each.value and r"0\.7 (default 0\.4)" in each.value for each in shown.markdown
    )
    assert any(each.value == "The last 500 lines" for each in shown.caption)
    log = next(each.value for each in shown.code if "row 699" in each.value)
    assert log.splitlines()[0] == "row 200"

    shown.button(key="log-older").click().run()
    assert next(each.value for each in shown.code if "row 699" in each.value).splitlines()[0] == "row 0"

    shown.text_input(key="log-find").input("ROW 69").run()
    (found,) = [each.value for each in shown.code if "row 69" in each.value]
    assert found.splitlines() == ["row 69", *(f"row {number}" for number in range(690, 700))]

    shown = show(execution=made.broken, step="Split")
    about = "\n".join([*(each.value.to_string() for each in shown.table), *(each.value for each in shown.markdown)])
    assert made.log.split("-")[1] in about and "/nowhere`" in about and "1 × ml" in about

    shown.selectbox(key=f"step {made.arn(made.broken)}").set_value("Behind").run()
    assert any("has not started" in each.value for each in shown.caption)
    assert shown.query_params["step"] == "Behind"


def test_two_executions_side_by_side(show: Callable[..., Any], made: Made) -> None:
    shown = show(compare=f"{made.refused},{made.broken}")
    tables = [each.value for each in shown.dataframe]
    (parameters,) = [each for each in tables if list(each.get("name", [])) == ["Floor"]]
    assert list(parameters.iloc[0]) == ["Floor", "0.4", "0.7"]
    (steps,) = [each for each in tables if "TooLow" in list(each.get("name", []))]
    assert set(steps["name"]) == {"TooLow", "Split"}
    assert "1 differ, 0 are the same." in [each.value for each in shown.caption]

    shown.toggle(key="all").set_value(True).run()
    (steps,) = [each.value for each in shown.dataframe if "TooLow" in list(each.value.get("name", []))]
    assert set(steps["name"]) == {"TooLow", "Split", "Gate"}


def test_without_its_definition_there_are_steps_but_no_graph(
    app_test: Callable[..., Any], made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "definition", lambda arn: ({}, "AccessDeniedException: no (request id 1)"))
    shown = app_test("pipelines", pipeline=NAME, execution=made.refused).run()
    assert [each.value for each in (*shown.exception, *shown.get("bidi_component"))] == []
    assert any("there is no graph" in each.value and "request id" in each.value for each in shown.warning)
    assert shown.selectbox(key=f"step {made.arn(made.refused)}").options == ["Gate", "TooLow"]


def test_an_execution_that_is_not_there(app_test: Callable[..., Any], made: Made) -> None:
    shown = app_test("pipelines", pipeline=NAME, execution="abcdefghijkl").run()
    assert [each.value for each in (*shown.exception, *shown.error)] == []
    assert any("There is no execution abcdefghijkl of gated" in each.value for each in shown.warning)
