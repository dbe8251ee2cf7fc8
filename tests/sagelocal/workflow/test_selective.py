"""Selective execution: what runs, what is reused, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from tests.sagelocal.workflow.conftest import FILES, SCORE, Laptop, at_least, condition, fail, output, processing


def steps() -> list[dict[str, Any]]:
    """Prepare -> Train -> Evaluate -> Gate -> Deploy, and Report beside them."""
    return [
        processing("Prepare"),
        processing("Train", inputs=[output("Prepare")]),
        processing("Evaluate", inputs=[output("Train"), output("Prepare")], PropertyFiles=FILES),
        condition("Gate", [at_least(SCORE, 0.5)], [processing("Deploy", inputs=[output("Train")])], []),
        processing("Report", DependsOn=["Prepare"]),
    ]


def first(app: Laptop) -> str:
    app.jobs.outcomes["Deploy"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no"}
    app.jobs.held.add("Evaluate")
    app.pipeline(steps())
    arn = app.begin()
    app.step_is(arn, "Evaluate", "Executing")
    app.put(f"s3://bucket/{arn.rsplit('/', 1)[1]}/Evaluate/evaluation.json", {"metrics": [{"auc": 0.9}]})
    app.jobs.finish("ProcessingJob", next(name for name in app.jobs.started if "Evaluate" in name))
    assert app.ended(arn)["PipelineExecutionStatus"] == "Failed"
    app.jobs.outcomes.clear()
    app.jobs.held.clear()
    app.jobs.started.clear()
    return arn


def select(app: Laptop, source: str | None, *names: str) -> dict[str, Any]:
    config: dict[str, Any] = {"SelectedSteps": [{"StepName": name} for name in names]}
    if source:
        config["SourcePipelineExecutionArn"] = source
    return app.run(SelectiveExecutionConfig=config)


def test_selected_steps_run_with_the_results_of_the_others(app: Laptop) -> None:
    source = first(app)
    execution = select(app, source, "Train", "Evaluate")
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert execution["SelectiveExecutionConfig"]["SourcePipelineExecutionArn"] == source
    assert [name.split("-")[2] for name in app.jobs.started] == ["Train", "Evaluate"]
    found = app.steps(execution["PipelineExecutionArn"])
    assert set(found) == {"Prepare", "Train", "Evaluate"}
    assert found["Prepare"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert found["Prepare"]["Metadata"] == app.steps(source)["Prepare"]["Metadata"]
    assert "SelectiveExecutionResult" not in found["Train"]
    job = app.store.get("ProcessingJob", app.jobs.started[0])
    old = source.rsplit("/", 1)[1]
    assert job["ProcessingInputs"][0]["S3Input"]["S3Uri"] == f"s3://bucket/{old}/Prepare"
    again = app.store.get("ProcessingJob", app.jobs.started[1])["ProcessingInputs"]
    new = execution["PipelineExecutionArn"].rsplit("/", 1)[1]
    assert [one["S3Input"]["S3Uri"] for one in again] == [f"s3://bucket/{new}/Train", f"s3://bucket/{old}/Prepare"]


def test_a_condition_reads_the_property_file_of_a_reused_step(app: Laptop) -> None:
    source = first(app)
    execution = select(app, source, "Gate", "Deploy")
    found = app.steps(execution["PipelineExecutionArn"])
    assert found["Gate"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    assert {name for name, step in found.items() if "SelectiveExecutionResult" in step} == {"Train", "Evaluate"}
    assert found["Deploy"]["StepStatus"] == "Succeeded"


def test_a_step_of_a_branch_alone_runs_whatever_the_condition_said(app: Laptop) -> None:
    execution = select(app, first(app), "Deploy")
    assert [name.split("-")[2] for name in app.jobs.started] == ["Deploy"]
    assert execution["PipelineExecutionStatus"] == "Succeeded"


def test_a_source_may_itself_have_been_selective(app: Laptop) -> None:
    second = select(app, first(app), "Train")["PipelineExecutionArn"]
    execution = select(app, second, "Train")
    reused = app.steps(execution["PipelineExecutionArn"])["Prepare"]
    assert reused["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": second}


def test_no_source_is_needed_where_nothing_is_read_from_other_steps(app: Laptop) -> None:
    app.pipeline(steps())
    execution = select(app, None, "Report")
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert set(app.steps(execution["PipelineExecutionArn"])) == {"Report"}


def test_parameters_are_those_of_the_new_execution(app: Laptop) -> None:
    image = {"AppSpecification": {"ImageUri": {"Get": "Parameters.Image"}, "ContainerEntrypoint": ["x"]}}
    app.pipeline(
        [processing("A"), processing("B", inputs=[output("A")], arguments=image)],
        Parameters=[{"Name": "Image", "Type": "String"}],
    )
    old = processing("x")["Arguments"]["AppSpecification"]["ImageUri"]
    source = app.run(PipelineParameters=[{"Name": "Image", "Value": old}])["PipelineExecutionArn"]
    config = {"SelectedSteps": [{"StepName": "B"}], "SourcePipelineExecutionArn": source}
    with pytest.raises(AwsError, match="without a default value must be given: Image"):
        app.begin(SelectiveExecutionConfig=config)
    new = old.replace("1.4-2", "1.2-1")
    app.run(SelectiveExecutionConfig=config, PipelineParameters=[{"Name": "Image", "Value": new}])
    assert app.store.get("ProcessingJob", app.jobs.started[-1])["AppSpecification"]["ImageUri"] == new


def test_what_is_refused(app: Laptop) -> None:
    source = first(app)
    for names, arn, said in [
        (["Nonsense"], source, r"the pipeline has no steps \['Nonsense'\]"),
        (["Prepare", "Evaluate"], source, r"the steps \['Train'\] are on a path between selected steps"),
        (["Prepare", "Deploy"], source, r"\['Train', 'Evaluate', 'Gate'\] are on a path"),
        (
            ["Train"],
            None,
            r"Invalid SourcePipelineExecutionArn: null. The selected steps \['Train'\] have dependencies",
        ),
        (["Train"], f"{source}x", "It is no execution of pipeline"),
    ]:
        with pytest.raises(AwsError, match=said) as error:
            select(app, arn, *names)
        assert error.value.code == "ValidationException"
    app.pipeline([processing("Prepare"), fail("Stop", "x")], name="other")
    with pytest.raises(AwsError, match="It is no execution of pipeline"):
        app.begin("other", SelectiveExecutionConfig={
            "SelectedSteps": [{"StepName": "Stop"}], "SourcePipelineExecutionArn": source})  # fmt: skip
    executions = len(app.store.list("PipelineExecution"))
    app.jobs.held.add("Prepare")
    running = app.begin()
    with pytest.raises(AwsError, match="It is Executing, and must be one of: Succeeded, Failed, Stopped"):
        select(app, running, "Train")
    app.call("StopPipelineExecution", {"PipelineExecutionArn": running, "ClientRequestToken": "t" * 32})
    app.ended(running)
    with pytest.raises(AwsError, match=r"depend on \['Prepare'\], which did not succeed"):
        select(app, running, "Train")
    assert len(app.store.list("PipelineExecution")) == executions + 1


def test_a_killed_selective_execution_goes_on(app: Laptop) -> None:
    source = first(app)
    app.jobs.held.add("Train")
    config = {"SelectedSteps": [{"StepName": "Train"}], "SourcePipelineExecutionArn": source}
    arn = app.begin(SelectiveExecutionConfig=config)
    app.step_is(arn, "Train", "Executing")
    app.restart()
    app.jobs.resume()
    app.workflow.resume()
    assert app.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert set(app.steps(arn)) == {"Prepare", "Train"}
