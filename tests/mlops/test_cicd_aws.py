"""Delivery's stacks on AWS: its CloudFormation is played by MiniStack's (moto's change sets have no outputs)."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mlops import cicd, cicd_retained
from mlops.cicd import Source
from mlops.cicd_stacks import Change, Stacks
from mlops.errors import Failure
from mlops.targets import AWS, Target
from sagelocal.config import Settings

CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/0c4f3d5e"
BASELINE = """
Parameters: { ProjectName: { Type: String } }
Resources: { Artifacts: { Type: "AWS::S3::Bucket", Properties: { BucketName: !Sub "${ProjectName}-artifacts" } } }
Outputs: { ArtifactBucket: { Value: !Ref Artifacts } }
"""
MONITORING = "Resources: { Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: alarms } } }"
CICD = """
Parameters:
  ProjectName: { Type: String }
  SourceProvider: { Type: String, Default: CodeConnections }
  ConnectionArn: { Type: String, Default: "" }
  FullRepositoryId: { Type: String }
  BranchName: { Type: String, Default: main }
  ArtifactBucket: { Type: String }
  FirstBuild: { Type: String, Default: churn }
Resources:
  Topic: { Type: "AWS::SNS::Topic", Properties: { TopicName: !Sub "${ProjectName}-${BranchName}" } }
  First: { Type: "AWS::SSM::Parameter", Properties: { Type: String, Value: !Sub "runs ${FirstBuild}" } }
"""


@pytest.fixture
def target(laptop: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Target:
    """An account as far as `mlops` can tell: no settings of a laptop."""
    (tmp_path / "baseline.yml").write_text(BASELINE)
    (tmp_path / "cicd.yml").write_text(CICD)
    (tmp_path / "monitoring.yml").write_text(MONITORING)
    monkeypatch.setattr(cicd, "TEMPLATES", tmp_path)
    monkeypatch.setattr(Target, "client", lambda self, service: laptop.client(service))
    monkeypatch.setattr(Target, "poll", 0.05)
    return Target(AWS, laptop.account, laptop.region, boto3.Session())


@pytest.fixture
def stacks(target: Target) -> Stacks:
    return Stacks(target.client("cloudformation"), target.poll)


def test_up_names_the_options_that_a_first_call_lacks(target: Target, stacks: Stacks) -> None:
    with pytest.raises(ValueError, match=r"needs --repository owner/name and --connection ARN"):
        cicd.up(target, "mlops", Source())
    with pytest.raises(ValueError, match=r"needs --repository"):
        cicd.up(target, "mlops", Source(codecommit=True))
    assert stacks.status("mlops-baseline") is None


def test_changes_are_shown_and_a_no_changes_nothing(
    target: Target, stacks: Stacks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", lambda question: "n")
    with pytest.raises(Failure, match="Nothing was changed"):
        cicd.up(target, "mlops", Source(CONNECTION, "owner/name"))
    assert "AWS::S3::Bucket" in capsys.readouterr().out
    assert stacks.status("mlops-baseline") is None


def test_up_makes_two_stacks_and_later_calls_keep_their_parameters(
    target: Target, stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    cicd.up(target, "mlops", Source(CONNECTION, "owner/name"))
    assert "A push to main of owner/name builds, tests and deploys it." in capsys.readouterr().out
    cicd.up(target, "mlops", Source(branch="release"), first_build=["iris", "census"], yes=True)
    parameters = stacks.parameters("mlops-cicd")
    assert parameters["FirstBuild"] == "iris,census"
    assert parameters["BranchName"] == "release"
    assert (parameters["ConnectionArn"], parameters["FullRepositoryId"]) == (CONNECTION, "owner/name")
    assert parameters["ArtifactBucket"] == "mlops-artifacts"
    assert "mlops-release" in {name.rpartition(":")[2] for _, _, name in stacks.resources("mlops-cicd")}
    cicd.up(target, "mlops", Source())
    assert "The stack mlops-cicd is as it was" in capsys.readouterr().err
    with pytest.raises(LookupError, match="There is no use case 'irs'. Did you mean iris"):
        cicd.up(target, "mlops", Source(), first_build=["irs"])
    cicd.up(target, "mlops", Source(), first_build=["all"])
    assert stacks.parameters("mlops-cicd")["FirstBuild"] == ""


def test_a_stack_that_cannot_be_made_says_why_and_can_be_made_later(target: Target, stacks: Stacks) -> None:
    lacking = "Resources: { Rule: { Type: 'AWS::SNS::TopicPolicy', Properties: { Topics: [no], Colour: red } } }"
    with pytest.raises(Failure, match=r"mlops-x is ROLLBACK_COMPLETE:\nRule \(AWS::SNS::TopicPolicy\)"):
        stacks.deploy("mlops-x", lacking, {}, lambda stack, changes: None)
    assert stacks.deploy("mlops-x", MONITORING.replace("alarms", "others"), {}, lambda stack, changes: None)
    stacks.delete("mlops-x")


def test_down_removes_all(target: Target, stacks: Stacks, capsys: pytest.CaptureFixture[str]) -> None:
    cicd.down(target, "mlops", everything=True)
    assert "The stack mlops-baseline is gone." in capsys.readouterr().out
    assert stacks.status("mlops-cicd") is None
    cicd.down(target, "mlops", everything=True)
    assert "There is no stack of mlops." in capsys.readouterr().out


@mock_aws
def test_what_stacks_would_leave_goes_with_all_versions(capsys: pytest.CaptureFixture[str]) -> None:
    account = Target(AWS, "123456789012", "us-east-1", boto3.Session("testing", "testing", region_name="us-east-1"))
    s3, kms = account.client("s3"), account.client("kms")
    s3.create_bucket(Bucket="mlops-artifacts")
    s3.put_bucket_versioning(Bucket="mlops-artifacts", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="mlops-artifacts", Key="a", Body=body)
    s3.delete_object(Bucket="mlops-artifacts", Key="a")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    group = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/churn"
    buckets = [("AWS::S3::Bucket", "mlops-artifacts"), ("AWS::S3::Bucket", "mlops-artifacts")]
    cicd_retained.remove(account, [*buckets, ("AWS::KMS::Key", key), ("AWS::SageMaker::ModelPackageGroup", group)])
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert not s3.list_buckets()["Buckets"]
    said = capsys.readouterr().out
    assert "mlops-artifacts is gone with its 2 objects" in said
    assert "mlops-artifacts was gone already" in said
    assert "The model package group churn stays" in said


class Scripted:
    """CloudFormation, answering what AWS does where moto never fails."""

    def __init__(self, *statuses: str) -> None:
        self.statuses, self.deleted, self.events = list(statuses), False, [self.event("0", "x", "CREATE_COMPLETE", "")]

    @staticmethod
    def event(identity: str, name: str, status: str, reason: str) -> dict[str, str]:
        return {
            "EventId": identity,
            "LogicalResourceId": name,
            "ResourceType": "AWS::SNS::Topic",
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        status = self.statuses[0] if len(self.statuses) == 1 else self.statuses.pop(0)
        return {"Stacks": [{"StackName": StackName, "StackId": "id", "StackStatus": status}]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        return {"StackEvents": self.events}

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: [getattr(self, operation)(**request)])

    def delete_stack(self, StackName: str) -> None:
        self.events = [self.event("1", "Topic", "DELETE_FAILED", "it has subscribers"), *self.events]
        self.deleted = True


def test_a_failure_is_told_by_its_new_events_alone() -> None:
    client = Scripted("CREATE_COMPLETE", "CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED")
    client.events = [client.event("0", "Old", "CREATE_FAILED", "of last year")]
    with pytest.raises(Failure, match=r"id is DELETE_FAILED:\nTopic \(AWS::SNS::Topic\): it has subscribers") as one:
        Stacks(client, 0).delete("mlops-cicd")
    assert "last year" not in str(one.value)


def test_changes_have_signs() -> None:
    from mlops.cicd_stacks import _change

    found = {"LogicalResourceId": "A", "ResourceType": "T", "PhysicalResourceId": "a"}
    assert _change({**found, "Action": "Modify", "Replacement": "True"}) == Change("!", "A", "T", "a")
    assert [_change({**found, "Action": each}).sign for each in ("Add", "Import", "Remove", "Modify")] == [*"++-~"]
