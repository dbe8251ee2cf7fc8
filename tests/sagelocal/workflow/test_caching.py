"""Step caching as the developer guide has it: which earlier run is taken, and which never is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sagelocal.workflow.conftest import Laptop, output, processing, training

CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "30d"}}
DECLARED = [
    {"Name": "Image", "Type": "String", "DefaultValue": processing("x")["Arguments"]["AppSpecification"]["ImageUri"]}
]


def step(**more: Any) -> dict[str, Any]:
    specification = {"ImageUri": {"Get": "Parameters.Image"}, "ContainerEntrypoint": ["x"]}
    return processing("A", arguments={"AppSpecification": specification}, **{**CACHED, **more})


def run(app: Laptop, name: str = "p", **parameters: str) -> str:
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    return str(app.run(name, PipelineParameters=given)["PipelineExecutionArn"])


def source(app: Laptop, arn: str, name: str = "A") -> str | None:
    """The execution whose result a step took."""
    return app.steps(arn)[name].get("CacheHitResult", {}).get("SourcePipelineExecutionArn")


def age(app: Laptop, days: float) -> None:
    for entry in app.store.list("PipelineStepCache"):
        app.store.update("PipelineStepCache", entry["_name"], {"EndTime": entry["EndTime"] - days * 86400})


def test_the_most_recent_match_is_taken_with_its_properties_and_runs_nothing(app: Laptop) -> None:
    other = DECLARED[0]["DefaultValue"].replace("1.4-2", "1.2-1")
    app.pipeline([step(), training("B", {"data": output("A")})], Parameters=DECLARED)
    first, second = run(app), run(app, Image=other)
    assert (source(app, first), source(app, second)) == (None, None)
    third = run(app)
    assert source(app, third) == first
    assert app.steps(third)["A"]["Metadata"] == app.steps(first)["A"]["Metadata"]
    assert [name.split("-")[2] for name in app.jobs.started] == ["A", "B", "A", "B", "B"]
    data = app.store.get("TrainingJob", app.jobs.started[-1])["HyperParameters"]["data"]
    assert data == f"s3://bucket/{first.rsplit('/', 1)[1]}/A"
    assert source(app, run(app)) == first  # a hit is no run of its own
    assert source(app, run(app, Image=other)) == second


def test_a_newer_match_takes_the_place_of_an_older_one(app: Laptop) -> None:
    app.pipeline([step()], Parameters=DECLARED)
    run(app)
    age(app, 31)
    second = run(app)
    assert source(app, second) is None
    assert source(app, run(app)) == second


@pytest.mark.parametrize(
    ("expire", "days", "hit"),
    [
        ("30d", 29, True),
        ("30d", 31, False),
        ("T16m", 0.5, False),
        ("30dT5h", 30.1, True),
        ("5y", 400, True),
        (None, 4000, True),
    ],
)
def test_the_window(app: Laptop, expire: str | None, days: float, hit: bool) -> None:
    config = {"Enabled": True} | ({"ExpireAfter": expire} if expire else {})
    app.pipeline([step(CacheConfig=config)], Parameters=DECLARED)
    first = run(app)
    age(app, days)
    assert source(app, run(app)) == (first if hit else None)


def test_a_failed_run_is_never_taken_and_a_retried_one_that_succeeded_is(app: Laptop) -> None:
    app.jobs.outcomes["A"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
    app.pipeline([step()], Parameters=DECLARED)
    first = run(app)
    assert source(app, run(app)) is None
    app.jobs.outcomes.clear()
    app.call("RetryPipelineExecution", {"PipelineExecutionArn": first, "ClientRequestToken": "r" * 32})
    app.ended(first)
    assert source(app, run(app)) == first


def test_another_pipeline_another_name_and_another_type_share_nothing(app: Laptop) -> None:
    app.pipeline([step()], Parameters=DECLARED)
    run(app)
    app.pipeline([step()], name="q", Parameters=DECLARED)
    assert source(app, run(app, "q")) is None
    for changed in ({**step(), "Name": "Renamed"}, training("A", {}, **CACHED)):
        text = json.dumps({"Version": "2020-12-01", "Parameters": DECLARED, "Steps": [changed]})
        app.call("UpdatePipeline", {"PipelineName": "p", "PipelineDefinition": text})
        assert source(app, run(app), changed["Name"]) is None


def test_what_was_deleted_is_made_again(app: Laptop) -> None:
    app.pipeline([step()], Parameters=DECLARED)
    run(app)
    app.call("DeleteProcessingJob", {"ProcessingJobName": app.jobs.started[0]})
    assert source(app, run(app)) is None


def test_two_runs_at_once_both_run_and_the_later_end_is_taken(app: Laptop) -> None:
    app.jobs.held.add("A")
    app.pipeline([step()], Parameters=DECLARED)
    arns = [app.begin(), app.begin()]
    for arn in arns:
        app.step_is(arn, "A", "Executing")
    for arn in reversed(arns):
        app.jobs.finish("ProcessingJob", app.store.get("PipelineExecutionStep", f"{arn}/A")["_resource"])
        app.ended(arn)
    assert source(app, run(app)) == arns[0]


def test_a_run_under_another_role_and_on_other_machines_is_the_same(app: Laptop) -> None:
    app.pipeline([step()], Parameters=DECLARED)
    first = run(app)
    changed = step()
    changed["Arguments"]["RoleArn"] = "arn:aws:iam::000000000000:role/other"
    changed["Arguments"]["ProcessingResources"]["ClusterConfig"]["InstanceType"] = "ml.m5.xlarge"
    text = json.dumps({"Version": "2020-12-01", "Parameters": DECLARED, "Steps": [changed]})
    app.call("UpdatePipeline", {"PipelineName": "p", "PipelineDefinition": text})
    assert source(app, run(app)) == first
