"""What a build does after its tests, with pipelines of a step each on a running sagelocal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from deploy import lineage
from mlops import changed, cicd_build, run
from mlops.changed import Changes
from mlops.errors import Failure
from mlops.targets import HERE, Target
from sagelocal.config import Settings

HEAD = changed.find("0" * 40).head  # a first push: nothing is read
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
SPECIFICATION = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://a-bucket/model.tar.gz"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}
REGISTER = {
    "Name": "Register",
    "Type": "RegisterModel",
    "Arguments": {
        "ModelPackageGroupName": "churn",
        "InferenceSpecification": SPECIFICATION,
        "MetadataProperties": {"CommitId": HEAD},
    },
}
REFUSE = {"Name": "GateFailed", "Type": "Fail", "Arguments": {"ErrorMessage": "Accuracy 0.5; at least 0.8 is needed."}}


@pytest.fixture(scope="module")
def target(laptop: Settings) -> Target:
    class Session:
        def client(self, service: str, config: Any) -> Any:
            return laptop.client(service)

    return Target(HERE, laptop.account, laptop.region, cast(Any, Session()))


@pytest.fixture
def touched(target: Target, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes use cases touched whose pipelines are one step each."""

    def start(_: Target, use_case: str, parameters: dict[str, str], selection: Any, **named: str) -> str:
        sagemaker = target.client("sagemaker")
        definition = json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [steps[use_case]]})
        role = "arn:aws:iam::000000000000:role/sagelocal-execution"
        sagemaker.create_pipeline(
            PipelineName=f"{use_case}-{os.urandom(4).hex()}", PipelineDefinition=definition, RoleArn=role,
            ClientRequestToken=os.urandom(16).hex(),
        )  # fmt: skip
        made = sagemaker.list_pipelines(SortBy="CreationTime", SortOrder="Descending")["PipelineSummaries"][0]
        return str(
            sagemaker.start_pipeline_execution(PipelineName=made["PipelineName"], **named)["PipelineExecutionArn"]
        )

    steps: dict[str, Any] = {}

    def touch(**chosen: Any) -> None:
        steps.update(chosen)
        found = Changes(HEAD, HEAD, files=("a.py",), touched=dict.fromkeys(chosen, (("a.py",),)))
        monkeypatch.setattr(cicd_build, "find", lambda *_, **__: found)

    monkeypatch.setattr(run, "start", start)
    return touch


def exported(out: Path) -> dict[str, str]:
    """What a shell has after it has sourced the file."""
    shell = ["bash", "-c", f". {out / cicd_build.EXPORTS}; env -0"]
    lines = subprocess.run(shell, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", 1) for line in lines.split("\0") if line)
    return {name: found[name] for name in ("EXECUTIONS", "MODEL_PACKAGES")}


def test_versions_are_exported_and_their_commit_is_in_the_lineage(
    target: Target, touched: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker = target.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="churn")
    touched(churn=REGISTER)
    cicd_build.build(target, None, tmp_path)
    found = exported(tmp_path)
    package = sagemaker.describe_model_package(ModelPackageName=found["MODEL_PACKAGES"])
    assert package["MetadataProperties"] == {"CommitId": HEAD, "GeneratedBy": found["EXECUTIONS"]}
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=found["EXECUTIONS"])
    assert execution["PipelineExecutionDisplayName"] == f"commit-{HEAD[:12]}"
    assert HEAD in execution["PipelineExecutionDescription"]
    kept = json.loads((tmp_path / "churn" / "execution.json").read_text())
    assert (kept["status"], kept["model_packages"]) == ("Succeeded", [package["ModelPackageArn"]])
    assert "churn: Register" in capsys.readouterr().out

    commit = sagemaker.list_artifacts(ArtifactType=lineage.COMMIT)["ArtifactSummaries"][0]
    assert HEAD in commit["Source"]["SourceUri"]
    made_of_it = sagemaker.query_lineage(StartArns=[commit["ArtifactArn"]], Direction="Descendants")["Vertices"]
    assert lineage.artifact(sagemaker, package["ModelPackageArn"]) in {each["Arn"] for each in made_of_it}


def test_a_failed_gate_fails_the_build_in_its_own_words(target: Target, touched: Any, tmp_path: Path) -> None:
    touched(census=REFUSE)
    with pytest.raises(Failure) as failed:
        cicd_build.build(target, None, tmp_path)
    found = exported(tmp_path)
    name = found["EXECUTIONS"].rsplit("/", 1)[1]
    assert str(failed.value) == f"census: execution {name} Failed. GateFailed: Accuracy 0.5; at least 0.8 is needed."
    assert found["MODEL_PACKAGES"] == ""


def test_nothing_touched_runs_nothing(target: Target, touched: Any, tmp_path: Path) -> None:
    touched()
    cicd_build.build(target, None, tmp_path)
    assert exported(tmp_path) == {"EXECUTIONS": "", "MODEL_PACKAGES": ""}
