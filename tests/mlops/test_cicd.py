"""`mlops cicd` on a laptop: up, push, status, approve, stop, down, with pipelines of one approval."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from mlops import cicd, cicd_control, cicd_pipelines
from mlops.cicd import Source
from mlops.errors import Failure
from mlops.targets import Target
from sagelocal.config import Settings

BASELINE = """
Parameters: { ProjectName: { Type: String }, ConnectionArn: { Type: String, Default: "" } }
Resources:
  Artifacts:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: { BucketName: !Sub "${ProjectName}-artifacts" }
Outputs: { ArtifactBucket: { Value: !Ref Artifacts } }
"""
MONITORING = "Resources: { Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: alarms } } }"
CICD = """
Parameters:
  ProjectName: { Type: String }
  ConnectionArn: { Type: String }
  FullRepositoryId: { Type: String }
  BranchName: { Type: String, Default: main }
  ArtifactBucket: { Type: String }
Resources:
  Deploy:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: !Sub "${ProjectName}-deploy"
      PipelineType: V2
      ExecutionMode: QUEUED
      RoleArn: !Sub "arn:aws:iam::${AWS::AccountId}:role/any"
      ArtifactStore: { Type: S3, Location: !Ref ArtifactBucket }
      Variables: [{ Name: Version, DefaultValue: none }]
      Stages:
        - Name: Source
          Actions:
            - Name: Source
              ActionTypeId: { Category: Source, Owner: AWS, Provider: CodeStarSourceConnection, Version: "1" }
              Configuration:
                ConnectionArn: !Ref ConnectionArn
                FullRepositoryId: !Ref FullRepositoryId
                BranchName: !Ref BranchName
                OutputArtifactFormat: CODEBUILD_CLONE_REF
              OutputArtifacts: [{ Name: Source }]
        - Name: Approve
          Actions:
            - Name: Approve
              ActionTypeId: { Category: Approval, Owner: AWS, Provider: Manual, Version: "1" }
              Configuration:
                CustomData: "version #{variables.Version}: 15 tests passed"
                ExternalEntityLink: https://example.com/comparison
"""


def git(clone: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=True).stdout


def settled(target: Target) -> None:
    """Returns when what runs has ended or waits for an approval."""
    with contextlib.suppress(LookupError, Failure):
        cicd_control.watch(target, "mlops", None)


@pytest.fixture(scope="module")
def target(laptop: Settings) -> Target:
    session = boto3.Session(laptop.access_key, laptop.secret_key, region_name=laptop.region)

    class Laptop(Target):
        def client(self, service: str) -> Any:  # type: ignore[override]
            return laptop.client(service)

    return Laptop("laptop", laptop.account, laptop.region, session, laptop)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone with one commit, whose templates are the small ones above."""
    folder = tmp_path_factory.mktemp("clone")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / "README.md").write_text("# A project\n")
    git(folder, "add", "README.md")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "The first commit")
    templates = folder / "templates"
    templates.mkdir()
    (templates / "baseline.yml").write_text(BASELINE)
    (templates / "cicd.yml").write_text(CICD)
    (templates / "monitoring.yml").write_text(MONITORING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cicd, "ROOT", folder)
        patch.setattr(cicd, "TEMPLATES", templates)
        yield folder


@pytest.fixture(scope="module")
def up(target: Target, clone: Path) -> None:
    cicd.up(target, "mlops", Source())


def test_up_adds_a_remote_and_says_what_to_do(
    target: Target, clone: Path, up: None, capsys: pytest.CaptureFixture[str]
) -> None:
    cicd.up(target, "mlops", Source())  # once more
    said = capsys.readouterr()
    assert said.out == "git push local main\n"
    assert "The stack mlops-cicd is as it was" in said.err
    assert target.settings
    assert git(clone, "remote", "get-url", "local").strip() == str(target.settings.state / "git" / "mlops.git")
    git(clone, "checkout", "--quiet", "-b", "topic")
    cicd.up(target, "mlops", Source())
    assert capsys.readouterr().out == "git push local topic:main\n"
    git(clone, "checkout", "--quiet", "main")


def test_another_remote_of_that_name_is_not_overwritten(target: Target, clone: Path, up: None) -> None:
    git(clone, "remote", "add", "origin", "https://example.com/project.git")
    with pytest.raises(ValueError, match=r"origin leads to https://example\.com/project\.git: name another"):
        cicd.up(target, "mlops", Source(), remote="origin")


def test_a_repository_elsewhere_is_for_aws(target: Target, clone: Path, up: None) -> None:
    with pytest.raises(ValueError, match="for --target aws"):
        cicd.up(target, "mlops", Source(repository="owner/name"))


def test_a_push_waits_for_an_approval_that_is_shown_and_answered(
    target: Target, clone: Path, up: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LookupError, match="Nothing waits"):
        cicd_control.answer(target, "mlops", None, "", approve=True)
    git(clone, "push", "--quiet", "local", "main")
    settled(target)
    cicd_control.status(target, "mlops")
    said = capsys.readouterr().out
    assert "mlops-deploy: InProgress" in said
    assert "The first commit" in said
    assert "version none: 15 tests passed" in said
    assert "https://example.com/comparison" in said
    cicd_control.answer(target, "mlops", "deploy", "well done", approve=True)
    assert "15 tests passed" in capsys.readouterr().out
    settled(target)
    newest = cicd_pipelines.newest(target.client("codepipeline"), "mlops-deploy")[0]
    assert newest["status"] == "Succeeded"
    actions = cicd_pipelines.actions(target.client("codepipeline"), "mlops-deploy", newest["pipelineExecutionId"])
    assert [(each.stage, each.status, each.summary) for each in actions][1] == ("Approve", "Succeeded", "well done")


def test_start_reject_and_retry(target: Target, clone: Path, up: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LookupError, match="No stage"):
        cicd_control.retry(target, "mlops", None, everything=False)
    cicd_control.start(target, "mlops", "deploy", {"Version": "7"})
    settled(target)
    cicd_control.answer(target, "mlops", None, "too slow", approve=False)
    settled(target)
    capsys.readouterr()
    cicd_control.status(target, "mlops")
    said = capsys.readouterr().out
    assert "mlops-deploy: Failed" in said
    assert "too slow" in said
    cicd_control.retry(target, "mlops", "deploy", everything=False)
    settled(target)
    assert "version 7: 15 tests passed" in capsys.readouterr().out
    cicd_control.stop(target, "mlops", None, "enough", abandon=True)
    settled(target)
    assert cicd_pipelines.newest(target.client("codepipeline"), "mlops-deploy")[0]["status"] == "Stopped"


def test_what_is_not_there_is_named(target: Target, clone: Path, up: None) -> None:
    with pytest.raises(LookupError, match="no stack other-cicd: mlops cicd up"):
        cicd_control.status(target, "other")
    with pytest.raises(LookupError, match="biuld is no pipeline of mlops: mlops-deploy"):
        cicd_control.logs(target, "mlops", "biuld", None, follow=False)
    with pytest.raises(LookupError, match="has built nothing in Test yet"):
        cicd_control.logs(target, "mlops", "deploy", "Test", follow=False)


def test_down_keeps_the_baseline_unless_everything_is_to_go(
    target: Target, clone: Path, up: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert target.settings
    cicd.down(target, "mlops")
    assert "local" not in git(clone, "remote")
    assert target.client("codepipeline").list_pipelines()["pipelines"] == []
    target.client("s3").put_object(Bucket="mlops-artifacts", Key="a", Body=b"1")
    cicd.down(target, "mlops", everything=True, yes=True)
    assert "mlops-artifacts is gone with its" in capsys.readouterr().out
    assert "mlops-artifacts" not in [each["Name"] for each in target.client("s3").list_buckets()["Buckets"]]
    cicd.up(target, "mlops", Source())  # nothing that is left keeps it from being made again
