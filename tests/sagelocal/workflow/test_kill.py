"""A kill at every single write of an execution: what was acknowledged stays, and nothing is made twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagelocal.store import Closed
from tests.sagelocal.workflow.conftest import Laptop, deploying, processing

MADE_ONCE = (
    "ProcessingJob",
    "TrainingJob",
    "ModelPackage",
    "ModelPackageGroup",
    "Model",
    "EndpointConfig",
    "Endpoint",
    "Experiment",
    "Trial",
)


def begun(path: Path) -> tuple[Laptop, str]:
    """An execution that is in the store and has not started, as after a kill right behind its acknowledgement."""
    app = Laptop(path)
    floor = {"Name": "Floor", "Type": "Float", "DefaultValue": 0.8}
    app.pipeline(deploying(), Parameters=[floor], PipelineExperimentConfig={"ExperimentName": "p"})
    app.workflow.close()
    arn = app.begin()
    app.put(f"s3://bucket/{arn.rsplit('/', 1)[1]}/Evaluate/evaluation.json", {"metrics": [{"auc": 0.9}]})
    app.restart()
    return app, arn


def test_an_execution_goes_on_after_a_kill_at_any_write(tmp_path: Path) -> None:
    writes, finished = 0, False
    while not finished:
        app, arn = begun(tmp_path / str(writes))
        app.store.writes_left = writes
        app.workflow.resume()
        app.until(lambda: left(app) < 0 or status(app, arn) == "Succeeded")  # noqa: B023
        finished = left(app) >= 0
        app.restart()
        before = {name: step for name, step in app.steps(arn).items() if step["StepStatus"] == "Succeeded"}
        app.jobs.resume()
        app.endpoints.resume()
        app.workflow.resume()
        assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded", writes
        steps = app.steps(arn)
        assert len(steps) == 7
        for name, step in before.items():
            assert steps[name] == step
        for kind in MADE_ONCE:
            assert len(app.store.list(kind)) == 1, (writes, kind)
        components = app.store.list("TrialComponent")
        assert [one["Status"]["PrimaryStatus"] for one in components] == ["Completed", "Completed"], writes
        app.workflow.close()
        app.store.close()
        writes += 1
    assert writes > 25


def left(app: Laptop) -> int:
    assert app.store.writes_left is not None
    return app.store.writes_left


def status(app: Laptop, arn: str) -> str:
    return str(app.store.get("PipelineExecution", arn)["PipelineExecutionStatus"])


def test_a_stop_survives_a_kill(app: Laptop) -> None:
    app.jobs.held.add("Long")
    app.pipeline([processing("Long"), processing("After", DependsOn=["Long"])])
    arn = app.begin()
    app.step_is(arn, "Long", "Executing")
    app.workflow.close()  # the engine is gone before it hears of the stop
    app.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "s" * 32})
    app.restart()
    assert status(app, arn) == "Stopping"
    app.workflow.resume()
    assert app.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert {name: step["StepStatus"] for name, step in app.steps(arn).items()} == {"Long": "Stopped"}


def test_closing_changes_no_status(app: Laptop) -> None:
    app.jobs.held.add("Long")
    app.pipeline([processing("Long")])
    arn = app.begin()
    app.step_is(arn, "Long", "Executing")
    app.workflow.close()
    before = json.dumps([app.store.list("PipelineExecution"), app.store.list("PipelineExecutionStep")])
    app.jobs.finish("ProcessingJob", app.jobs.started[0])
    assert json.dumps([app.store.list("PipelineExecution"), app.store.list("PipelineExecutionStep")]) == before
    app.store.close()
    with pytest.raises(Closed):
        app.store.list("PipelineExecution")
    app.open()
    app.workflow.resume()
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
