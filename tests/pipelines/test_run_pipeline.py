"""The entry points of AWS's templates, against an account in memory."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import get_pipeline_definition, run_pipeline

ROOT = Path(run_pipeline.__file__).parent.parent


@pytest.fixture(autouse=True)
def _logging_again() -> Iterator[None]:
    """The entry points silence the SDK for their whole process, which here is everybody's."""
    yield
    logging.disable(logging.NOTSET)


def test_upsert_makes_the_group_first_and_updates_afterwards(project: Any) -> None:
    sagemaker = project.session.sagemaker_client
    pipeline = run_pipeline.load("pipelines.churn", project)
    arn = run_pipeline.upsert(pipeline, project, [{"Key": "team", "Value": "crm"}])
    assert arn == run_pipeline.upsert(pipeline, project)
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == ["churn"]
    described = sagemaker.describe_pipeline(PipelineName="churn")
    assert described["RoleArn"] == project.role
    assert json.loads(described["PipelineDefinition"])["Version"] == "2020-12-01"
    execution = run_pipeline.start(sagemaker, "churn", {"DeployTo": "staging", "MaxDepth": 4})
    parameters = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)["PipelineParameters"]
    assert {each["Name"]: each["Value"] for each in parameters} == {"DeployTo": "staging", "MaxDepth": "4"}


def test_run_pipeline_reports_what_it_made(project: Any, capsys: pytest.CaptureFixture) -> None:
    assert run_pipeline.main(["--module-name", "churn", "--kwargs", '{"MaxDepth": 4}', "--no-wait"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Pipeline arn:aws:sagemaker:us-east-1:123456789012:pipeline/churn")
    assert lines[1].startswith("Execution arn:aws:sagemaker:us-east-1:123456789012:pipeline/churn/execution/")


def test_get_pipeline_definition_writes_json(project: Any, tmp_path: Path, churn: Any) -> None:
    where = tmp_path / "definition.json"
    assert get_pipeline_definition.main(["--module-name", "pipelines.churn", "--file-name", str(where)]) == 0
    assert json.loads(where.read_text()) == churn


@pytest.mark.parametrize(
    ("module", "message"),
    [("absent", "no module pipelines.absent"), ("pipelines.source", "pipelines.source has no `bu")],
)
def test_a_module_without_a_pipeline_is_named(
    module: str, message: str, project: Any, capsys: pytest.CaptureFixture
) -> None:
    assert run_pipeline.main(["--module-name", module]) == 1
    assert message in capsys.readouterr().err


def test_a_failed_execution_is_a_failed_run() -> None:
    statuses = ["Executing", "Stopping", "Failed"]

    class SageMaker:
        def describe_pipeline_execution(self, PipelineExecutionArn: str) -> dict:
            return {"PipelineExecutionStatus": statuses.pop(0)}

    assert run_pipeline.wait(SageMaker(), "arn", poll=0) == "Failed"


@pytest.mark.parametrize("module", ["pipelines.run_pipeline", "pipelines.get_pipeline_definition"])
def test_help_needs_no_sdk(module: str) -> None:
    code = f"import sys, {module}; sys.exit('sagemaker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    shown = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--module-name" in shown.stdout


def test_groups_are_found_in_branches_and_bodies_and_only_where_they_are_named() -> None:
    def register(group: Any) -> dict[str, Any]:
        return {"Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": group}}

    branch = {"Type": "Condition", "Arguments": {"IfSteps": [register("a")], "ElseSteps": [register("b")]}}
    body = {"Type": "ForEach", "Arguments": {"ForEachBody": [register("c")]}}
    rest = [{"Type": "Callback", "Arguments": None}, register({"Get": "Parameters.Group"})]
    assert run_pipeline.groups([branch, body, *rest]) == {"a", "b", "c"}
