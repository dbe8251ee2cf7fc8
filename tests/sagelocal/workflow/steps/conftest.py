"""Step types tried as their users do: the SDK builds a pipeline, a running sagelocal executes it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagelocal import config, server
from sagelocal.config import Settings

Document = dict[str, Any]


@pytest.fixture(scope="package")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One running sagelocal for all files here: each test names its pipelines, functions and prefixes."""
    settings = config.load(tmp_path_factory.mktemp("state"))
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.fixture
def session(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's session for pipelines, in a shell of this laptop."""
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    return PipelineSession(boto_session=boto3.Session(), default_bucket=laptop.bucket)


class Runs:
    """Pipelines of one test, by the SDK (`build`) or as plain definitions (`start`)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sagemaker = settings.client("sagemaker")

    def start(self, name: str, steps: list[Document], **definition: Any) -> str:
        text = json.dumps({"Version": "2020-12-01", "Steps": steps, **definition})
        self.sagemaker.create_pipeline(PipelineName=name, RoleArn=self.settings.role_arn, PipelineDefinition=text)
        return str(self.sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"])

    def build(self, session: Any, name: str, steps: list[Any], **more: Any) -> str:
        from sagemaker.mlops.workflow.pipeline import Pipeline

        pipeline = Pipeline(name=name, steps=steps, sagemaker_session=session, **more)
        pipeline.upsert(self.settings.role_arn)
        return str(pipeline.start().arn)

    def ended(self, arn: str) -> Document:
        return self.until(arn, lambda found: found["PipelineExecutionStatus"] not in ("Executing", "Stopping"))

    def until(self, arn: str, true: Callable[[Document], bool]) -> Document:
        for _ in range(1800):  # a step may install a whole SDK
            found: Document = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            if true(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{arn} is still {found['PipelineExecutionStatus']}: {self.steps(arn)}")

    def steps(self, arn: str) -> dict[str, Document]:
        answer = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}

    def reasons(self, arn: str) -> dict[str, str]:
        """What a failed test should say: the failed steps' reasons."""
        return {name: step["FailureReason"] for name, step in self.steps(arn).items() if "FailureReason" in step}

    def step_is(self, arn: str, name: str, status: str) -> Document:
        self.until(arn, lambda _: self.steps(arn).get(name, {}).get("StepStatus") == status)
        return self.steps(arn)[name]


@pytest.fixture
def runs(laptop: Settings) -> Runs:
    return Runs(laptop)


@pytest.fixture
def function(laptop: Settings) -> Callable[[str, str], str]:
    """Makes a function of a handler's source, or makes it again; its ARN."""
    client = laptop.client("lambda")

    def make(name: str, source: str) -> str:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as file:
            file.writestr("code.py", source)
        made = client.create_function(
            FunctionName=name, Runtime="python3.11", Role=laptop.role_arn, Handler="code.handler", Timeout=30,
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip
        return str(made["FunctionArn"])

    return make


@pytest.fixture
def helper(laptop: Settings, session: Any, tmp_path: Path) -> Callable[[str, str], Any]:
    """Makes the SDK's own Lambda helper for a handler's source; a LambdaStep creates the function."""
    from sagemaker.core.lambda_helper import Lambda

    def make(name: str, source: str) -> Any:
        script = tmp_path / f"{name}.py"
        script.write_text(source)
        return Lambda(
            function_name=name,
            execution_role_arn=laptop.role_arn,
            script=str(script),
            handler=f"{name}.handler",
            runtime="python3.11",
            session=session,
        )

    return make
