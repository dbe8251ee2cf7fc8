"""ForEach steps: with the SDK and real functions, and by hand where the order of things matters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.workflow import graph
from sagelocal.workflow.steps.foreach import current, expand, select
from tests.sagelocal.workflow.conftest import Laptop, output, processing, training
from tests.sagelocal.workflow.steps.conftest import Document, Runs

ITEM = {"Get": "ForEach.CurrentItem"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    """The whole workflow over a real store, with jobs that end as the test says."""
    laptop = Laptop(tmp_path)
    yield laptop
    laptop.workflow.close()
    laptop.store.close()


def loop(items: Any, body: list[Document], at_once: int = 2, **more: Any) -> Document:
    arguments = {"IterableItems": items, "MaxConcurrency": at_once, "ForEachBody": body, **more.pop("arguments", {})}
    return {"Name": "Each", "Type": "ForEach", "Arguments": arguments, **more}


def fit(name: str = "Fit", item: Any = ITEM, **more: Any) -> Document:
    return training(name, {"eta": item}, **more)


def parameters(app: Laptop) -> list[str]:
    """What the iterations got, in the order of their start."""
    started = [name for name in app.jobs.started if "-Fit-" in name]
    return [app.store.get("TrainingJob", name)["HyperParameters"]["eta"] for name in started]


def statuses(app: Laptop, arn: str) -> dict[str, str]:
    return {name: step["StepStatus"] for name, step in app.steps(arn).items()}


def test_the_sdks_step_fans_out_and_the_best_iteration_is_selected(
    session: Any, runs: Runs, helper: Callable[[str, str], Any]
) -> None:
    from sagemaker.core.workflow.functions import Join
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.for_each_step import CurrentItem, ForEachSelector, ForEachStep, IterationOutput
    from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep

    source = "def handler(event, context):\n    return {'score': -((event['eta'] - 0.3) ** 2)}\n"
    items = ParameterString("Items", json.dumps([{"name": "a", "eta": 0.1}, {"name": "b", "eta": 0.25}]))
    item = CurrentItem()
    score = LambdaStep(
        "Score",
        lambda_func=helper("score", source),
        inputs={"eta": item.eta, "name": item.name},
        outputs=[LambdaOutput("score", LambdaOutputTypeEnum.Float)],
    )
    each = ForEachStep(
        "Each",
        iterable_items=items,
        max_concurrency=2,
        for_each_body=[score],
        selector=ForEachSelector("MaxBy", IterationOutput(score).OutputParameters["score"]),
    )
    found = each.properties
    values = [
        found.InputItemCount,
        found.Status,
        found.IterationOutputs[0].Score.OutputParameters["score"],
        found.Selected.OutputParameters["score"],
    ]
    told = FailStep("Told", error_message=Join(on=" ", values=values))
    arn = runs.build(session, "for-each-sdk", [each, told], parameters=[items])
    runs.ended(arn)
    said = runs.reasons(arn)["Told"].split()
    assert said[:2] == ["2", "Succeeded"]
    assert [round(float(one), 6) for one in said[2:]] == [-0.04, -0.0025]
    assert set(runs.steps(arn)) == {"Each", "Score-0", "Score-1", "Told"}


def test_iterations_are_listed_with_their_items_and_counted(app: Laptop) -> None:
    app.pipeline(
        [
            loop(["0.1", 0.2, {"Get": "Parameters.Eta"}], [fit()]),
            training("Next", {"n": {"Get": "Steps.Each.SucceededStepCount"}}),
        ],
        Parameters=[{"Name": "Eta", "Type": "Float", "DefaultValue": 0.3}],
    )
    arn = app.run()["PipelineExecutionArn"]
    assert statuses(app, arn) == dict.fromkeys(("Each", "Fit-0", "Fit-1", "Fit-2", "Next"), "Succeeded")
    steps = app.steps(arn)
    assert steps["Fit-1"]["IterationContext"] == {"ParentStepName": "Each", "Index": 1, "Item": "0.2"}
    assert "IterationContext" not in steps["Each"]
    assert steps["Each"]["Metadata"]["ForEach"] == {
        "Status": "Succeeded", "InputItemCount": 3, "TotalStepCount": 3, "SucceededStepCount": 3,
        "FailedStepCount": 0, "StoppedStepCount": 0,
    }  # fmt: skip
    assert sorted(parameters(app)) == ["0.1", "0.2", "0.3"]
    assert app.store.get("TrainingJob", app.jobs.started[3])["HyperParameters"] == {"n": "3"}


def test_no_more_iterations_run_at_once_than_allowed(app: Laptop) -> None:
    app.jobs.held.add("Fit")
    app.pipeline([loop(["a", "b", "c"], [fit()], at_once=2)])
    arn = app.begin()
    app.step_is(arn, "Fit-1", "Executing")
    assert "Fit-2" not in app.steps(arn)
    app.jobs.finish("TrainingJob", app.jobs.started[0])
    app.step_is(arn, "Fit-2", "Executing")
    for name in app.jobs.started[1:]:
        app.jobs.finish("TrainingJob", name)
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_the_executions_own_limit_holds_inside(app: Laptop) -> None:
    app.jobs.held.add("Fit")
    app.pipeline([loop(["a", "b"], [fit()], at_once=2)])
    arn = app.begin(ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    app.step_is(arn, "Fit-0", "Executing")
    app.jobs.finish("TrainingJob", app.jobs.started[0])
    app.step_is(arn, "Fit-1", "Executing")
    steps = app.steps(arn)
    assert steps["Fit-0"]["EndTime"] <= steps["Fit-1"]["StartTime"]
    assert steps["Each"]["Metadata"]["ForEach"]["SucceededStepCount"] == 1
    app.jobs.finish("TrainingJob", app.jobs.started[1])
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


def test_the_steps_of_one_iteration_wait_for_each_other_and_all_for_what_is_outside(app: Laptop) -> None:
    body = [
        fit("Judge", {"Get": "Steps.Fit.ModelArtifacts.S3ModelArtifacts"}),
        fit(arguments={"OutputDataConfig": {"S3OutputPath": output("Prepare")}}, DependsOn=["Before"]),
    ]
    app.pipeline([loop(["a", "b"], body), processing("Prepare"), processing("Before")])
    arn = app.run()["PipelineExecutionArn"]
    assert set(statuses(app, arn).values()) == {"Succeeded"}
    order = list(app.steps(arn))
    assert set(order[:2]) == {"Prepare", "Before"}
    judged = app.store.get("TrainingJob", next(name for name in app.jobs.started if "Judge-1" in name))
    assert "-Fit-1-" in judged["HyperParameters"]["eta"]


def test_a_failed_iteration_fails_the_step_and_a_retry_runs_only_what_did_not_succeed(app: Laptop) -> None:
    app.jobs.held.add("Fit")
    app.pipeline([loop(["a", "b", "c"], [fit()]), fit("After", "x", DependsOn=["Each"])])
    arn = app.begin()
    app.step_is(arn, "Fit-0", "Executing")
    app.step_is(arn, "Fit-1", "Executing")
    first, second = sorted(app.jobs.started)
    app.jobs.finish("TrainingJob", first, {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"})
    app.step_is(arn, "Fit-0", "Failed")
    app.jobs.finish("TrainingJob", second)
    assert app.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert statuses(app, arn) == {"Each": "Failed", "Fit-0": "Failed", "Fit-1": "Succeeded"}
    each = app.steps(arn)["Each"]
    assert each["FailureReason"] == "ClientError: 1 of 3 steps failed: Fit-0."
    assert each["Metadata"]["ForEach"]["FailedStepCount"] == 1
    app.jobs.held.clear()
    app.call("RetryPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "r" * 32})
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert set(statuses(app, arn).values()) == {"Succeeded"}
    assert len([name for name in app.jobs.started if "-Fit-1-" in name]) == 1


def test_stop_stops_the_running_iterations_and_starts_no_more(app: Laptop) -> None:
    app.jobs.held.add("Fit")
    app.pipeline([loop(["a", "b", "c"], [fit()])])
    arn = app.begin()
    app.step_is(arn, "Fit-1", "Executing")
    app.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "s" * 32})
    assert app.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(app, arn) == {"Each": "Stopped", "Fit-0": "Stopped", "Fit-1": "Stopped"}
    assert app.steps(arn)["Each"]["Metadata"]["ForEach"]["StoppedStepCount"] == 2


def test_iterations_go_on_after_a_kill_at_any_write(tmp_path: Path) -> None:
    writes, finished = 0, False
    while not finished:
        app = Laptop(tmp_path / str(writes))
        now = {"Std:Join": {"On": "", "Values": [{"Get": "Execution.CurrentDateTime"}]}}
        app.pipeline([loop([now, "b"], [fit(), fit("Judge", {"Get": "Steps.Fit.TrainingJobName"})])])
        app.workflow.close()
        arn = app.begin()
        app.restart()
        app.store.writes_left = writes
        app.workflow.resume()
        app.until(lambda: left(app) < 0 or "EndTime" in app.steps(arn).get("Each", {}))  # noqa: B023
        finished = left(app) >= 0
        app.restart()
        app.jobs.resume()
        app.workflow.resume()
        assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded", writes
        assert len(app.steps(arn)) == 5
        assert len(app.store.list("TrainingJob")) == 4, writes
        app.workflow.close()
        app.store.close()
        writes += 1
    assert writes > 10


def test_a_stop_survives_a_kill_of_its_iterations(app: Laptop) -> None:
    app.jobs.held.add("Fit")
    app.pipeline([loop(["a", "b", "c"], [fit()])])
    arn = app.begin()
    app.step_is(arn, "Fit-1", "Executing")
    app.workflow.close()  # the engine is gone before it hears of the stop
    app.call("StopPipelineExecution", {"PipelineExecutionArn": arn, "ClientRequestToken": "s" * 32})
    app.restart()
    app.workflow.resume()
    assert app.ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert statuses(app, arn) == {"Each": "Stopped", "Fit-0": "Stopped", "Fit-1": "Stopped"}


def left(app: Laptop) -> int:
    assert app.store.writes_left is not None
    return app.store.writes_left


@pytest.mark.parametrize(
    ("items", "said"),
    [("[]", "at least one item"), ('{"a": 1}', "must be a JSON list"), ("nothing", "must be a JSON list")],
)
def test_items_that_are_no_list_fail_the_step(app: Laptop, items: str, said: str) -> None:
    app.pipeline(
        [loop({"Get": "Parameters.Items"}, [fit()])],
        Parameters=[{"Name": "Items", "Type": "String", "DefaultValue": items}],
    )
    arn = app.run()["PipelineExecutionArn"]
    assert said in app.steps(arn)["Each"]["FailureReason"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([loop(["a"], [fit()], at_once=51)], "MaxConcurrency"),
        ([loop([], [fit()])], "1 to 100 items"),
        ([loop(["a"], [{"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}])], "cannot be in the body"),
        ([loop(["a"], [fit()]), fit("Fit-0", "x")], "has the name of an iteration"),
        ([loop(["a"], [fit()]), fit("Fit", "x")], "more than once"),
        ([fit("Alone")], "Invalid reference 'ForEach.CurrentItem'"),
        ([loop(["a"], [fit()]), fit("B", {"Get": "Steps.Each.IterationOutputs.Fit.Job"})], "no such property"),
        ([loop(["a"], [fit()]), fit("B", {"Get": "Steps.Each.IterationOutputs[0].Fit.Job"})], "no such property"),
        ([loop(["a"], [fit()]), fit("B", {"Get": "Steps.Each.Selected.TrainingJobName"})], "no such property"),
        (
            [loop(["a"], [fit()], arguments={"Selector": {"Pick": "MaxBy", "Field": {"Get": "IterationOutput.X.y"}}})],
            "Selector.Field of ForEach step 'Each' must be",
        ),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_at_create(app: Laptop, steps: list[Document], said: str) -> None:
    with pytest.raises(AwsError, match=said.replace("[", r"\[")):
        app.pipeline(steps)


def test_paths_into_an_item() -> None:
    item = json.dumps({"name": "a", "more": {"deep": [1, 2]}})
    assert current(item, "ForEach.CurrentItem") == item
    assert current(item, "ForEach.CurrentItem.name") == "a"
    assert current(item, "ForEach.CurrentItem['more'].deep[1]") == 2
    assert current(5, "ForEach.CurrentItem") == 5


def test_expansion_leads_references_to_the_same_iteration() -> None:
    body = [fit("Judge", {"Get": "Steps.Fit.TrainingJobName"}), fit("Fit", {"Get": "ForEach.CurrentItem.eta"})]
    nodes = expand(loop(['{"eta": 1}'], body), ['{"eta": 1}', '{"eta": 2}'])
    assert list(nodes) == ["Fit-0", "Judge-0", "Fit-1", "Judge-1"]
    assert nodes["Judge-1"].dependencies == (graph.Dependency("Fit-1"),)
    assert nodes["Judge-1"].arguments["HyperParameters"] == {"eta": {"Get": "Steps.Fit-1.TrainingJobName"}}


def test_expansion_keeps_triggers() -> None:
    rescue = fit("Rescue", "x", DependsOn=[{"Step": "Fit", "Trigger": "Failed"}])
    nodes = expand(loop(["a"], [rescue, fit()]), ["a"])
    assert nodes["Rescue-0"].dependencies == (graph.Dependency("Fit-0", "Failed"),)


def test_selection_takes_the_first_of_equal_ones() -> None:
    outputs = [{"B": {"x": value}} for value in (1, 3, "3", 0)]
    field = {"Get": "IterationOutput.B.x"}
    assert select({"Pick": "MaxBy", "Field": field}, outputs) == ("B", 1)
    assert select({"Pick": "MinBy", "Field": field}, outputs) == ("B", 3)
