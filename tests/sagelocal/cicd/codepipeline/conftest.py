"""A sagelocal without servers: the real store, pipelines and repositories; builds, S3 and SNS answer as a test says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal import config
from sagelocal.app import SageLocal
from sagelocal.cicd import remote
from sagelocal.cicd.codebuild.engine import Order
from sagelocal.cicd.codepipeline import operations, triggers
from sagelocal.cicd.codepipeline.engine import Delivery
from sagelocal.cicd.codepipeline.records import ACTION, EXECUTION
from sagelocal.config import Settings
from tests.sagelocal.dying_store import DyingStore

Document = dict[str, Any]
BUILD = "CodeBuildBuild"
ROLE = "arn:aws:iam::000000000000:role/x"


class Objects:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: Any, **more: Any) -> Document:
        self.content[f"s3://{Bucket}/{Key}"] = Body if isinstance(Body, bytes) else Body.read()
        return {}


class Topics:
    def __init__(self) -> None:
        self.told: list[Document] = []

    def publish(self, TopicArn: str, Subject: str, Message: str) -> None:
        self.told.append({"topic": TopicArn, "subject": Subject, **json.loads(Message)})


class Builds:
    """Builds that end at once as `outcomes` says by project, or wait in `held` until `finish`."""

    def __init__(self, app: Laptop) -> None:
        self.app = app
        self.outcomes: dict[str, Document] = {}
        self.held: set[str] = set()
        self.orders: list[Order] = []
        self.log = ""

    def start(self, order: Order) -> str:
        found = self.app.store.page(BUILD, where=[("_token", "=", order.token)])
        if found:
            return str(found[0]["id"])
        build = f"{order.project}:{len(self.app.store.list(BUILD))}"
        document = {"id": build, "buildStatus": "IN_PROGRESS", "_token": order.token, "_project": order.project}
        self.app.store.create(BUILD, build, document)
        self.orders.append(order)
        if order.project not in self.held:
            self.finish(build)
        return build

    def resume(self) -> None:
        for build in self.app.store.page(BUILD, where=[("buildStatus", "=", "IN_PROGRESS")]):
            self.finish(build["id"])

    def finish(self, build: str, **changes: Any) -> None:
        project = self.app.store.get(BUILD, build)["_project"]
        self.app.store.update(BUILD, build, {"buildStatus": "SUCCEEDED", **self.outcomes.get(project, {}), **changes})

    def log_file(self, build: str) -> Path:
        file = self.app.settings.state / "build.log"
        file.write_text(self.log)
        return file


class Laptop(SageLocal):
    """`restart` is what a kill and a new start are."""

    store: DyingStore

    def __init__(self, state: Path) -> None:
        self.settings = config.load(state)
        self.s3: Any = Objects()
        self.topics = Topics()
        self.builds: Builds
        self.open()

    def open(self) -> None:
        self.store = DyingStore(self.settings.state / "sagelocal.db", on_change=self._changed)
        self.builds = Builds(self)
        self.codebuild: Any = self.builds
        self.codepipeline = Delivery(self)

    def _changed(self, kind: str, before: Document | None, after: Document | None) -> list[Document]:
        return [] if kind == BUILD else super()._changed(kind, before, after)  # these builds are no whole ones

    def restart(self) -> None:
        self.stop()
        self.open()
        self.builds.resume()
        self.codepipeline.resume()

    def stop(self) -> None:
        self.store.writes_left = None
        self.codepipeline.close()
        self.store.close()

    # What a test does with it.

    def ask(self, operation: str, **request: Any) -> Document:
        return operations.call(self, operation, request)

    def pipeline(self, *stages: Document, **declaration: Any) -> None:
        pipeline = {
            "name": "p",
            "roleArn": ROLE,
            "artifactStore": {"type": "S3", "location": "artifacts"},
            "stages": [stage("Source", source()), *stages],
            **declaration,
        }
        self.ask("CreatePipeline", pipeline=pipeline)

    def begin(self, **request: Any) -> str:
        return str(self.ask("StartPipelineExecution", name="p", **request)["pipelineExecutionId"])

    def status(self, execution: str) -> str:
        found = self.ask("GetPipelineExecution", pipelineName="p", pipelineExecutionId=execution)
        return str(found["pipelineExecution"]["status"])

    def becomes(self, execution: str, status: str) -> None:
        self.store.wait(EXECUTION, execution, lambda one: one["status"] == status, timeout=10)

    def action(self, execution: str, name: str, status: str = "InProgress") -> Document:
        """The newest run of an action, once it has that status."""

        def newest() -> Document | None:
            runs = [one for one in self.store.list(ACTION, parent=execution) if one["actionName"] == name]
            return runs[-1] if runs and runs[-1]["status"] == status else None

        self.until(lambda: newest() is not None)
        found = newest()
        assert found
        return found

    def details(self, execution: str, name: str) -> Document:
        answer = self.ask("ListActionExecutions", pipelineName="p", filter={"pipelineExecutionId": execution})
        return next(one for one in answer["actionExecutionDetails"] if one["actionName"] == name)

    def built(self, execution: str, action: str) -> str:
        """The build that an action waits for, once it is there."""
        run = self.action(execution, action)["actionExecutionId"]
        return str(self.store.wait(ACTION, run, lambda one: "_external" in one, timeout=10)["_external"])

    def answer(self, execution: str, status: str = "Approved", action: str = "Approve", **request: Any) -> None:
        run = self.action(execution, action)
        given = {"pipelineName": "p", "stageName": run["stageName"], "actionName": action, "token": run["_token"]}
        self.ask("PutApprovalResult", result={"status": status, "summary": "seen"}, **{**given, **request})

    def until(self, true: Callable[[], bool]) -> None:
        """Waits for something that a commit makes true."""
        while True:
            version = self.store.version
            if true():
                return
            assert self.store.changed_since(version, 10), "it did not get there within 10 s"

    def look(self) -> None:
        triggers.look(self)


def stage(name: str, *actions: Document, **more: Any) -> Document:
    return {"name": name, "actions": list(actions), **more}


def source(**configuration: str) -> Document:
    given = {"ConnectionArn": "arn:aws:codeconnections:us-east-1:000000000000:connection/x", "BranchName": "main"}
    return {
        "name": "Source",
        "namespace": "Src",
        "actionTypeId": {
            "category": "Source",
            "owner": "AWS",
            "provider": "CodeStarSourceConnection",
            "version": "1",
        },
        "configuration": {**given, "FullRepositoryId": "local/r", "DetectChanges": "false", **configuration},
        "outputArtifacts": [{"name": "Code"}],
    }


def build(name: str = "Build", **more: Any) -> Document:
    configuration = {"ProjectName": name.lower(), **more.pop("configuration", {})}
    return {
        "name": name,
        "namespace": name,
        "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"},
        "configuration": configuration,
        "inputArtifacts": [{"name": "Code"}],
        **more,
    }


def approval(name: str = "Approve", configuration: dict[str, str] | None = None, **more: Any) -> Document:
    return {
        "name": name,
        "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"},
        "configuration": configuration or {},
        **more,
    }


class Clone:
    """A user's clone of the repository `r`."""

    def __init__(self, folder: Path, bare: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet")
        self.git("symbolic-ref", "HEAD", "refs/heads/main")
        self.git("remote", "add", "local", str(bare))

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        who = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
        return subprocess.run(
            ["git", *who, *arguments],
            cwd=self.folder,
            env={**remote.environment(), "HOME": str(self.folder.parent)},
            capture_output=True,
            text=True,
            check=check,
        )

    def commit(self, path: str = "a.py", text: str = "1", message: str = "change") -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *references: str) -> str:
        """What the pushing terminal shows."""
        return self.git("push", "local", *(references or ("main",))).stderr


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path / "state")
    monkeypatch.setattr(Settings, "client", lambda settings, service: laptop.topics)
    monkeypatch.setattr(triggers, "created", lambda app, declared: None)  # what a test starts is all that runs
    bare = remote.create(laptop.settings, "r")
    (bare / "hooks" / "post-receive").unlink()  # a test looks itself
    yield laptop
    laptop.stop()


@pytest.fixture
def clone(app: Laptop, tmp_path: Path) -> Clone:
    """With one commit on main, pushed."""
    made = Clone(tmp_path / "clone", remote.repository(app.settings, "local/r"))
    made.commit()
    made.push()
    return made
