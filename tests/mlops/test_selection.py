"""`mlops run --steps`: what is lent, what is given, and what the pipeline is afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlops import cli, selection
from mlops.selection import Selection
from tests.mlops.test_caching import Client
from tests.sagelocal.workflow.conftest import (
    FILES,
    SCORE,
    Laptop,
    app,  # noqa: F401  a fixture
    at_least,
    condition,
    output,
    processing,
    training,
)

STEPS = [
    processing("Prepare"),
    processing("Evaluate", inputs=[output("Prepare")], PropertyFiles=FILES),
    condition("Gate", [at_least(SCORE, 0.5)], [training("Fit", {"data": output("Prepare")})], []),
]


def start(laptop: Laptop, chosen: Selection) -> tuple[dict[str, Any], list[str]]:
    client = Client(laptop)
    version = selection.version_with(client, "p", chosen.given)
    source = selection.find_source(client, "p", chosen)
    more: dict[str, Any] = {"PipelineVersionId": version} if version else {}
    laptop.jobs.started.clear()
    execution = laptop.run(SelectiveExecutionConfig=selection.request(chosen, source), **more)
    return execution, [name.split("-")[2] for name in laptop.jobs.started]


def test_given_results_need_no_earlier_execution(app: Laptop) -> None:  # noqa: F811
    app.pipeline(STEPS)
    app.put("s3://mine/report/evaluation.json", {"metrics": [{"auc": 0.9}]})
    given = {"Prepare.out": "s3://mine/data", "Evaluate.out": "s3://mine/report"}
    execution, ran = start(app, Selection(["Gate", "Fit"], given=given))
    assert (execution["PipelineExecutionStatus"], ran) == ("Succeeded", ["Fit"])
    assert app.store.get("TrainingJob", app.jobs.started[0])["HyperParameters"] == {"data": "s3://mine/data"}
    assert execution["PipelineVersionId"] == 2
    newest = app.call("DescribePipeline", {"PipelineName": "p"})["PipelineDefinition"]
    assert json.loads(newest)["Steps"] == STEPS


def test_others_are_lent_by_the_newest_execution_that_ended(app: Laptop) -> None:  # noqa: F811
    app.pipeline(STEPS)
    source = app.run()["PipelineExecutionArn"]  # there is no report, so the gate failed
    client = Client(app)
    assert selection.find_source(client, "p", Selection(["Evaluate"])) == source
    assert selection.find_source(client, "p", Selection(["Evaluate"], source.rsplit("/", 1)[1])) == source
    execution, ran = start(app, Selection(["Evaluate"]))
    assert (execution["PipelineExecutionStatus"], ran) == ("Succeeded", ["Evaluate"])
    assert execution["SelectiveExecutionConfig"]["SourcePipelineExecutionArn"] == source


def test_parameters_are_the_sources_as_far_as_the_pipeline_has_them(app: Laptop) -> None:  # noqa: F811
    declared = [{"Name": name, "Type": "Integer", "DefaultValue": 1} for name in ("Kept", "Dropped")]
    app.pipeline([processing("Prepare")], Parameters=declared)
    source = app.run(PipelineParameters=[{"Name": "Kept", "Value": "7"}])["PipelineExecutionArn"]
    assert selection.parameters(Client(app), source, ["Kept", "New"]) == {"Kept": "7"}
    assert selection.parameters(Client(app), None, ["Kept"]) == {}


def test_what_no_step_refers_to_is_refused(app: Laptop) -> None:  # noqa: F811
    app.pipeline(STEPS)
    refers = (
        r"No step refers to Prepare.nothing. What steps refer to: Evaluate.PropertyFiles.report, Prepare.Processing"
    )
    with pytest.raises(LookupError, match=refers):
        selection.version_with(Client(app), "p", {"Prepare.nothing": "s3://mine"})
    assert app.call("DescribePipeline", {"PipelineName": "p"})["PipelineDefinition"]


def test_a_property_is_given_by_its_path() -> None:
    definition = {"Steps": [{"Name": "B", "Arguments": {"x": {"Get": "Steps.A.ModelArtifacts.S3ModelArtifacts"}}}]}
    changed = selection.put_in(definition, {"A.ModelArtifacts.S3ModelArtifacts": "s3://m"})
    assert changed == {"Steps": [{"Name": "B", "Arguments": {"x": "s3://m"}}]}


def test_the_options_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        (["--from", "abc"], "--from and --given belong to --steps"),
        (["--steps", "Train", "--given", "x"], "--given x: write it as Name=value"),
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["run", "churn", *options])
        assert stopped.value.code == 1
        assert said in capsys.readouterr().err
