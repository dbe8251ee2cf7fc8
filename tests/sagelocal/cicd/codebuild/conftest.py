"""A sagelocal in this process, and builds of a buildspec in it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagelocal import baseline, config
from sagelocal.app import SageLocal
from sagelocal.cicd.codebuild import operations
from sagelocal.ministack import MiniStack

Document = dict[str, Any]
IMAGE = "aws/codebuild/amazonlinux2023-x86_64-standard:5.0"
BUCKET = "built"


@dataclasses.dataclass(frozen=True)
class Laptop:
    """CodeBuild's operations without the wire; S3 is MiniStack's."""

    app: SageLocal

    def call(self, operation: str, **request: Any) -> Document:
        return operations.call(self.app, operation, request)

    def project(self, name: str, buildspec: str = "", **more: Any) -> Document:
        request = {
            "source": {"type": "NO_SOURCE", "buildspec": buildspec},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {"type": "LINUX_CONTAINER", "image": IMAGE, "computeType": "BUILD_GENERAL1_SMALL"},
            "serviceRole": self.app.settings.role_arn,
        }
        made: Document = self.call("CreateProject", **{"name": name, **request, **more})["project"]
        return made

    def build(self, project: str, **request: Any) -> Document:
        started = self.call("StartBuild", projectName=project, **request)["build"]
        return self.ended(started["id"])

    def ended(self, identifier: str) -> Document:
        self.app.store.wait("CodeBuildBuild", identifier, lambda build: build["buildComplete"], 60)
        found: Document = self.call("BatchGetBuilds", ids=[identifier])["builds"][0]
        return found

    def log(self, build: Document) -> str:
        return self.app.codebuild.log_file(build["id"]).read_text()

    def files(self, key: str) -> dict[str, str]:
        """Of a zip in S3."""
        content = self.app.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageLocal]:
    settings = config.load(tmp_path_factory.mktemp("state"))
    with contextlib.ExitStack() as stack:
        ministack = MiniStack(settings)
        stack.callback(ministack.stop)
        ministack.wait()
        baseline.put_back(settings)
        sagelocal = SageLocal(settings)
        stack.callback(sagelocal.close)
        sagelocal.s3.create_bucket(Bucket=BUCKET)
        yield sagelocal


@pytest.fixture
def laptop(app: SageLocal) -> Laptop:
    return Laptop(app)


@pytest.fixture
def phases() -> Callable[[Document], dict[str, str]]:
    """Phase -> its status."""
    return lambda build: {each["phaseType"]: each.get("phaseStatus", "") for each in build["phases"]}
