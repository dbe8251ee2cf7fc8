"""Projects, report groups and what is refused, over the wire by boto3."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from sagelocal import config, server

ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "computeType": "BUILD_GENERAL1_SMALL",
    "environmentVariables": [{"name": "STAGE", "value": "staging"}],
}
PROJECT = {
    "name": "one",
    "description": "A build",
    "source": {"type": "CODEPIPELINE", "buildspec": "deploy/buildspecs/test.yml"},
    "artifacts": {"type": "CODEPIPELINE"},
    "environment": ENVIRONMENT,
    "serviceRole": "arn:aws:iam::000000000000:role/build",
    "tags": [{"key": "a", "value": "b"}],
}


@pytest.fixture(scope="module")
def codebuild(tmp_path_factory):
    settings = config.load(tmp_path_factory.mktemp("state"))
    server.up(settings)
    yield settings.client("codebuild")
    server.down(settings)


@pytest.fixture(autouse=True)
def _clean(codebuild):
    yield
    for name in codebuild.list_projects()["projects"]:
        codebuild.delete_project(name=name)


def test_a_project_from_its_creation_to_its_end(codebuild):
    made = codebuild.create_project(**PROJECT)["project"]
    assert made["arn"] == "arn:aws:codebuild:us-east-1:000000000000:project/one"
    assert (made["timeoutInMinutes"], made["queuedTimeoutInMinutes"]) == (60, 480)
    assert made["environment"]["environmentVariables"] == [{"name": "STAGE", "value": "staging", "type": "PLAINTEXT"}]
    with pytest.raises(codebuild.exceptions.ResourceAlreadyExistsException, match="Project already exists: arn"):
        codebuild.create_project(**PROJECT)

    codebuild.update_project(name="one", timeoutInMinutes=5)
    answer = codebuild.batch_get_projects(names=["one", made["arn"], "two"])
    assert [project["timeoutInMinutes"] for project in answer["projects"]] == [5, 5]
    assert answer["projects"][0]["description"] == "A build", "what is not given stays"
    assert answer["projectsNotFound"] == ["two"]

    codebuild.delete_project(name="one")
    codebuild.delete_project(name="one")
    assert codebuild.list_projects()["projects"] == []
    for call in (
        lambda: codebuild.update_project(name="one", timeoutInMinutes=5),
        lambda: codebuild.start_build(projectName="one"),
    ):
        with pytest.raises(codebuild.exceptions.ResourceNotFoundException, match="Project cannot be found: arn:aws"):
            call()


def test_projects_are_listed_in_pages(codebuild):
    for name in ("b-1", "a-1", "c-1"):
        codebuild.create_project(**{**PROJECT, "name": name})
    assert codebuild.list_projects(sortBy="NAME", sortOrder="DESCENDING")["projects"] == ["c-1", "b-1", "a-1"]
    pages = list(codebuild.get_paginator("list_projects").paginate())
    assert [name for page in pages for name in page["projects"]] == ["a-1", "b-1", "c-1"]
    with pytest.raises(ClientError, match="Invalid next token"):
        codebuild.list_projects(nextToken="x")


def test_answers_have_what_motos_have(codebuild, monkeypatch):
    """moto knows projects: every member that it answers is answered here, with the same value where one is fixed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    source = {"type": "S3", "location": "bucket/key.zip"}
    role = "arn:aws:iam::123456789012:role/build"
    request = {**PROJECT, "source": source, "artifacts": {"type": "NO_ARTIFACTS"}, "serviceRole": role}
    with mock_aws():
        theirs = boto3.client("codebuild", region_name="us-east-1").create_project(**request)["project"]
    ours = codebuild.create_project(**request)["project"]
    assert set(theirs) <= set(ours)
    for member in ("name", "source", "artifacts", "cache", "serviceRole", "badge", "tags"):
        assert ours[member] == theirs[member], member


def variable(name, value):
    return {"environment": {**ENVIRONMENT, "environmentVariables": [{"name": name, "value": value}]}}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"environment": {**ENVIRONMENT, "image": "python:3.12"}}, "python:3.12 does not run on sagelocal"),
        ({"environment": {**ENVIRONMENT, "type": "WINDOWS_CONTAINER"}}, "WINDOWS_CONTAINER does not run"),
        ({"environment": {**ENVIRONMENT, "computeType": "HUGE"}}, "environment.computeType.*enum value set"),
        ({"environment": {**ENVIRONMENT, "fleet": {"fleetArn": "x"}}}, "environment.fleet is not implemented"),
        ({"artifacts": {"type": "NO_ARTIFACTS"}}, "both have the type CODEPIPELINE"),
        ({"source": {"type": "S3"}, "artifacts": {"type": "NO_ARTIFACTS"}}, "location is required for the type S3"),
        ({"source": {"type": "NO_SOURCE"}, "artifacts": {"type": "NO_ARTIFACTS"}}, "needs a buildspec"),
        ({"secondarySources": [{"type": "CODEPIPELINE"}]}, "sourceIdentifier"),
        ({"secondarySources": [{"type": "CODEPIPELINE", "sourceIdentifier": "../x"}]}, "sourceIdentifier"),
        ({"logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": "../x"}}}, "Invalid logsConfig"),
        ({"cache": {"type": "S3"}}, "Invalid cache"),
        (variable("A=B", ""), "'A=B' is no name of an environment variable"),
        (variable("A", "\0"), "the value of A is no text"),
        ({"name": "_one"}, "'name' failed to satisfy constraint"),
        ({"buildBatchConfig": {"serviceRole": "x"}}, "buildBatchConfig is not implemented"),
    ],
)
def test_what_a_project_may_not_be(codebuild, changes, complaint):
    with pytest.raises(ClientError, match=complaint):
        codebuild.create_project(**{**PROJECT, **changes})


def test_operations_that_are_not_there_are_named(codebuild):
    with pytest.raises(ClientError, match="The operation CreateWebhook is not implemented by sagelocal"):
        codebuild.create_webhook(projectName="one")
    with pytest.raises(ClientError, match="The operation StartBuildBatch is not implemented"):
        codebuild.start_build_batch(projectName="one")


def test_a_pipelines_project_is_not_built_by_hand(codebuild):
    codebuild.create_project(**PROJECT)
    with pytest.raises(ClientError, match="its builds are started by a pipeline"):
        codebuild.start_build(projectName="one")


def test_report_groups(codebuild):
    export = {"exportConfigType": "S3", "s3Destination": {"bucket": "b", "path": "p"}}
    made = codebuild.create_report_group(name="group", type="TEST", exportConfig=export)["reportGroup"]
    assert made["arn"] == "arn:aws:codebuild:us-east-1:000000000000:report-group/group"
    with pytest.raises(codebuild.exceptions.ResourceAlreadyExistsException):
        codebuild.create_report_group(name="group", type="TEST", exportConfig=export)
    codebuild.update_report_group(arn=made["arn"], exportConfig={"exportConfigType": "NO_EXPORT"})
    answer = codebuild.batch_get_report_groups(reportGroupArns=[made["arn"], "arn:x"])
    assert answer["reportGroups"][0]["exportConfig"] == {"exportConfigType": "NO_EXPORT"}
    assert answer["reportGroupsNotFound"] == ["arn:x"]
    assert codebuild.list_report_groups()["reportGroups"] == [made["arn"]]
    assert codebuild.list_reports_for_report_group(reportGroupArn=made["arn"])["reports"] == []
    codebuild.delete_report_group(arn=made["arn"])
    assert codebuild.list_report_groups()["reportGroups"] == []
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException, match="Report cannot be found"):
        codebuild.describe_test_cases(reportArn="arn:x")
