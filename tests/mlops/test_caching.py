"""Why a step was not cached, asked of a sagelocal whose jobs are the test's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from mlops import caching
from sagelocal.api.errors import AwsError
from sagelocal.api.model import operation_names
from tests.sagelocal.workflow.conftest import Laptop, app, condition, fail, processing, training  # noqa: F401  a fixture

CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}
_OPERATIONS = {xform_name(name): name for name in operation_names("sagemaker")}


class Client:
    """boto3's client, as far as the command uses it, on a sagelocal without a server."""

    def __init__(self, laptop: Laptop) -> None:
        self._laptop = laptop

    def __getattr__(self, name: str) -> Any:
        return lambda **request: self._call(_OPERATIONS[name], request)

    def get_paginator(self, name: str) -> Any:
        client = self

        class Paginator:
            def paginate(self, **request: Any) -> Any:
                while True:
                    page = client._call(_OPERATIONS[name], request)
                    yield page
                    if "NextToken" not in page:
                        return
                    request["NextToken"] = page["NextToken"]

        return Paginator()

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        try:
            return _with_times(self._laptop.call(operation, request))
        except AwsError as error:
            raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, operation) from error


def _with_times(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with_times(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_times(member) for member in value]
    return datetime.fromtimestamp(value, UTC) if name.endswith("Time") and isinstance(value, float) else value


def run(laptop: Laptop, **parameters: str) -> str:
    given = [{"Name": name, "Value": value} for name, value in parameters.items()]
    return str(laptop.run(PipelineParameters=given)["PipelineExecutionArn"])


def why(laptop: Laptop, execution: str, step: str) -> str:
    return "\n".join(caching.reasons(Client(laptop), execution, step))


def rounds(laptop: Laptop, **cache: Any) -> None:
    step = training("Train", {"rounds": {"Get": "Parameters.Rounds"}, "eta": "0.1"}, **(cache or CACHED))
    laptop.pipeline([step], Parameters=[{"Name": "Rounds", "Type": "Integer", "DefaultValue": 5}])


def update(laptop: Laptop, steps: list[Any]) -> None:
    text = json.dumps({"Version": "2020-12-01", "Steps": steps})
    laptop.call("UpdatePipeline", {"PipelineName": "p", "PipelineDefinition": text})


def test_the_attribute_that_differs_with_both_values_and_the_execution(app: Laptop) -> None:  # noqa: F811
    rounds(app)
    first = run(app)
    second = run(app, Rounds="7")
    said = why(app, second, "Train")
    differs = "Train ran because HyperParameters.rounds differs from its latest run that succeeded"
    assert f"{differs}, in execution {first.rsplit('/', 1)[1]}" in said
    assert 'then: "5"' in said
    assert 'now:  "7"' in said
    assert why(app, second.rsplit("/", 1)[1], "Train") == said
    assert why(app, "p", "Train") == said


def test_a_hit_names_its_source(app: Laptop) -> None:  # noqa: F811
    rounds(app)
    first = run(app)
    assert why(app, run(app), "Train") == f"Train was cached: its results are those of {first}."


def test_a_hit_is_compared_by_where_it_ran(app: Laptop) -> None:  # noqa: F811
    rounds(app)
    first = run(app)
    run(app)
    assert first.rsplit("/", 1)[1] in why(app, run(app, Rounds="7"), "Train")


def test_inputs_are_named(app: Laptop) -> None:  # noqa: F811
    app.pipeline([processing("A", inputs=["s3://bucket/one"], **CACHED)])
    run(app)
    update(app, [processing("A", inputs=["s3://bucket/two", "s3://bucket/x"], **CACHED)])
    said = why(app, run(app), "A")
    assert "ProcessingInputs['in0'].S3Input.S3Uri differs" in said
    assert 'then: "s3://bucket/one"' in said
    assert "also different: ProcessingInputs['in1']" in said


def test_an_iteration_of_a_body_is_compared_with_the_same_one(app: Laptop) -> None:  # noqa: F811
    body = training("Fit", {"rounds": {"Get": "ForEach.CurrentItem"}}, **CACHED)

    def each(*items: str) -> list[Any]:
        arguments = {"IterableItems": list(items), "MaxConcurrency": 2, "ForEachBody": [body]}
        return [{"Name": "Each", "Type": "ForEach", "Arguments": arguments}]

    app.pipeline(each("1", "2"))
    run(app)
    update(app, each("1", "3"))
    arn = run(app)
    assert "Fit-0 was cached" in why(app, arn, "Fit-0")
    said = why(app, arn, "Fit-1")
    assert "Fit-1 ran because HyperParameters.rounds differs" in said
    assert 'then: "2"' in said


def test_expired(app: Laptop) -> None:  # noqa: F811
    rounds(app, CacheConfig={"Enabled": True, "ExpireAfter": "T1H"})
    first = run(app)
    app.store.update("PipelineExecutionStep", f"{first}/Train", {"EndTime": app.now() - 2 * 3600})
    for entry in app.store.list("PipelineStepCache"):
        app.store.update("PipelineStepCache", entry["_name"], {"EndTime": app.now() - 2 * 3600})
    said = why(app, run(app), "Train")
    assert said.startswith(f"Expired: execution {first.rsplit('/', 1)[1]} (2 h ago) ran Train with the same attributes")
    assert "2.0 hours" in said
    assert "ExpireAfter is T1H" in said


def test_what_it_made_was_deleted(app: Laptop) -> None:  # noqa: F811
    rounds(app)
    run(app)
    app.call("DeleteTrainingJob", {"TrainingJobName": app.jobs.started[0]})
    assert "what it made then has been deleted" in why(app, run(app), "Train")


def test_never_succeeded_or_never_ran_or_renamed(app: Laptop) -> None:  # noqa: F811
    app.jobs.outcomes["Train"] = {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: x"}
    rounds(app)
    assert why(app, run(app), "Train").startswith("No earlier execution of this pipeline has a step Train of this type")
    assert "Train never succeeded before" in why(app, run(app), "Train")
    update(app, [training("Fit", {"rounds": "5"}, **CACHED)])
    assert "a renamed step starts anew" in why(app, run(app), "Fit")


def test_off_or_never_possible(app: Laptop) -> None:  # noqa: F811
    check = condition("Check", [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}], [fail("Stop", "x")], [])
    app.pipeline([processing("A"), processing("B", CacheConfig={"Enabled": False}), check])
    arn = run(app)
    assert why(app, arn, "A") == "A has no CacheConfig: caching is off unless a step turns it on."
    assert why(app, arn, "B") == "Caching is turned off in the CacheConfig of B."
    assert why(app, arn, "Stop") == "Stop is a Fail step, and SageMaker caches none of those."
    with pytest.raises(LookupError, match="has no step Train that has started. Its steps: "):
        why(app, arn, "Train")
    with pytest.raises(LookupError, match="No pipeline has an execution nope"):
        why(app, "nope", "A")


def test_a_run_without_caching_is_not_remembered(app: Laptop) -> None:  # noqa: F811
    app.pipeline([processing("A")])
    run(app)
    update(app, [processing("A", **CACHED)])
    assert "only runs with caching on are remembered" in why(app, run(app), "A")


def test_a_run_that_was_still_going(app: Laptop) -> None:  # noqa: F811
    app.jobs.held.add("A")
    app.pipeline([processing("A", **CACHED)])
    first, second = app.begin(), app.begin()
    for arn in (first, second):
        app.step_is(arn, "A", "Executing")
    for name in app.jobs.started:
        app.jobs.finish("ProcessingJob", name)
    app.ended(first)
    app.ended(second)
    assert "had not finished when this one started" in why(app, second, "A")
