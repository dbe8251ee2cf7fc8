"""Small pipelines on the laptop: one whose build fails, one of approvals alone, which cost next to nothing."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from sagelocal.config import Settings

Document = dict[str, Any]
BUCKET = "sources"
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/churn/5"
EXECUTION = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/churn/execution/nt9knpwb9gf7"
BUILDSPEC = f"""
version: 0.2
env: {{ shell: bash, exported-variables: [EXECUTIONS, MODEL_PACKAGES] }}
phases:
  build:
    commands:
      - export EXECUTIONS={EXECUTION} MODEL_PACKAGES={PACKAGE}
      - printf '\\033[1;32mall\\033[0m is *well*\\n'
      - >-
        echo '<testsuite name="unit"><testcase classname="tests.a" name="good" time="0.5"/><testcase classname="tests.a"
        name="bad" time="1.5"><failure message="assert 1 == 2">trace</failure></testcase></testsuite>' > unit.xml
      - >-
        echo '<coverage><class filename="mine.py"><lines><line number="1" hits="1"/><line number="2"
        hits="0"/></lines></class></coverage>' > coverage.xml
      - 'false'
reports:
  unit: {{ files: [unit.xml], file-format: JUNITXML }}
  coverage: {{ files: [coverage.xml], file-format: COBERTURAXML }}
"""


def action(name: str, category: str, provider: str, **more: Any) -> Document:
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "actionTypeId": kind, **more}


def approval(name: str, **configuration: str) -> Document:
    return {"name": name, "actions": [action(name, "Approval", "Manual", configuration=configuration)]}


SOURCE = action(
    "Source",
    "Source",
    "S3",
    configuration={"S3Bucket": BUCKET, "S3ObjectKey": "code.zip", "PollForSourceChanges": "false"},
    outputArtifacts=[{"name": "Code"}],
)


class Delivery:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.codepipeline, self.codebuild = settings.client("codepipeline"), settings.client("codebuild")

    def pipeline(self, name: str, *stages: Document, **more: Any) -> None:
        declared = {
            "name": name,
            "pipelineType": "V2",
            "roleArn": self.settings.role_arn,
            "artifactStore": {"type": "S3", "location": BUCKET},
            "stages": [{"name": "Source", "actions": [SOURCE]}, *stages],
            **more,
        }
        self.codepipeline.create_pipeline(pipeline=declared)

    def start(self, name: str, **variables: str) -> str:
        given = [{"name": each, "value": value} for each, value in variables.items()]
        begun = self.codepipeline.start_pipeline_execution(name=name, **({"variables": given} if given else {}))
        return str(begun["pipelineExecutionId"])

    def state(self, name: str, stage: str) -> Document:
        found = self.codepipeline.get_pipeline_state(name=name)["stageStates"]
        return next(each for each in found if each["stageName"] == stage)

    def waits(self, name: str, stage: str) -> str:
        """The token of the stage's approval, once it waits."""

        def token() -> str:
            return str(self.state(name, stage)["actionStates"][0].get("latestExecution", {}).get("token", ""))

        return str(until(token))

    def newest(self, name: str) -> str:
        found = self.codepipeline.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
        return str(found[0]["pipelineExecutionId"])

    def answer(self, name: str, stage: str, status: str, summary: str, token: str) -> None:
        self.codepipeline.put_approval_result(
            pipelineName=name,
            stageName=stage,
            actionName=stage,
            token=token,
            result={"status": status, "summary": summary},
        )

    def ended(self, name: str, execution: str) -> str:
        """Its status, once it runs no more."""
        until(lambda: self.status(name, execution) not in ("InProgress", "Stopping"))
        return self.status(name, execution)

    def status(self, name: str, execution: str) -> str:
        found = self.codepipeline.get_pipeline_execution(pipelineName=name, pipelineExecutionId=execution)
        return str(found["pipelineExecution"]["status"])


def until(found: Callable[[], Any], seconds: float = 10) -> Any:
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.05)
    return value


def make(settings: Settings) -> Delivery:
    """`mlops-deploy`: Source, Approve, Production (an approval, too); `mlops-build`: Source, Build (which fails)."""
    made = Delivery(settings)
    s3 = settings.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("README.md", "code")
    s3.put_object(Bucket=BUCKET, Key="code.zip", Body=packed.getvalue())
    made.codebuild.create_project(
        name="mlops-build",
        source={"type": "CODEPIPELINE", "buildspec": BUILDSPEC},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=settings.role_arn,
    )
    build = action(
        "Build",
        "Build",
        "CodeBuild",
        configuration={"ProjectName": "mlops-build"},
        inputArtifacts=[{"name": "Code"}],
    )
    made.pipeline("mlops-build", {"name": "Build", "actions": [build]})
    made.pipeline(
        "mlops-deploy",
        approval("Approve", CustomData="version *5*: 15 tests passed", ExternalEntityLink="https://example.com/report"),
        approval("Production"),
        executionMode="QUEUED",
        variables=[{"name": "ModelPackageArn"}],
    )
    return made


@pytest.fixture(scope="session")
def delivery(laptop: Settings) -> Delivery:
    return make(laptop)
