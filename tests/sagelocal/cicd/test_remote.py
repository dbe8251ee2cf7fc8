"""Pushing with git to a real sagelocal: what the terminal shows, and what a rule on the bus starts."""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sagelocal import config, server
from sagelocal.cicd import remote
from sagelocal.config import Settings
from sagelocal.ministack_deliveries import Starts, parsed
from tests.sagelocal.cicd.codepipeline.conftest import Clone, approval, source, stage

DOCS = {"branches": {"includes": ["main"]}, "filePaths": {"excludes": ["docs/**"]}}


def declaration(settings: Settings, name: str, **more: Any) -> dict[str, Any]:
    texts = {"CustomData": "deploy #{Src.CommitId}?", "ExternalEntityLink": "http://example.com/report"}
    return {
        "name": name,
        "roleArn": settings.role_arn,
        "artifactStore": {"type": "S3", "location": "artifacts"},
        "stages": [stage("Source", source(DetectChanges="false")), stage("Approve", approval(configuration=texts))],
        **more,
    }


@pytest.fixture(scope="module")
def delivery(laptop: Settings) -> Settings:
    """With the repository r and a pipeline that its pushes start."""
    laptop.client("s3").create_bucket(Bucket="artifacts")
    git = {"sourceActionName": "Source", "push": [DOCS]}
    triggers = [{"providerType": "CodeStarSourceConnection", "gitConfiguration": git}]
    remote.create(laptop, "r")
    pipeline = declaration(laptop, "pushed", triggers=triggers, pipelineType="V2")
    laptop.client("codepipeline").create_pipeline(pipeline=pipeline)
    return laptop


@pytest.fixture
def clone(delivery: Settings, tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "clone", remote.repository(delivery, "local/r"))
    made.git("pull", "--quiet", "local", "main", check=False)  # what an earlier test pushed
    return made


def newest(settings: Settings, pipeline: str = "pushed") -> dict[str, Any]:
    found = settings.client("codepipeline").list_pipeline_executions(pipelineName=pipeline)
    return dict((found["pipelineExecutionSummaries"] or [{}])[0])


def approve(settings: Settings, pipeline: str = "pushed") -> str:
    """Approves what waits, and returns how the execution ended."""
    client = settings.client("codepipeline")
    while True:
        shown = client.get_pipeline_state(name=pipeline)["stageStates"][1]["actionStates"][0].get("latestExecution", {})
        if "token" in shown:
            break
        time.sleep(0.05)
    client.put_approval_result(
        pipelineName=pipeline,
        stageName="Approve",
        actionName="Approve",
        result={"status": "Approved", "summary": "fine"},
        token=shown["token"],
    )
    while newest(settings, pipeline)["status"] == "InProgress":
        time.sleep(0.05)
    return str(newest(settings, pipeline)["status"])


def test_the_terminal_sees_what_a_push_starts_until_it_waits(delivery: Settings, clone: Clone) -> None:
    head = clone.commit("a.py", str(time.time()))
    shown = clone.push()
    execution = newest(delivery)
    assert f"[pushed] execution {execution['pipelineExecutionId']} started" in shown
    assert "[pushed] Source/Source: succeeded" in shown
    assert f"    deploy {head}?" in shown
    assert "http://example.com/report" in shown
    assert "mlops cicd approve" in shown
    assert approve(delivery) == "Succeeded"


def test_a_push_that_starts_nothing_says_which_filter_it_did_not_pass(delivery: Settings, clone: Clone) -> None:
    clone.commit("a.py", str(time.time()))
    clone.push("-o", "nowait", "main")
    approve(delivery)
    before = newest(delivery)
    clone.commit("docs/a.md", str(time.time()))
    assert (
        "[pushed] not started: no changed path (docs/a.md) passes the filter filePaths: excludes docs/**"
        in clone.push()
    )
    assert newest(delivery) == before


def test_a_push_while_sagelocal_is_down_is_kept_and_starts_at_the_next_start(delivery: Settings, clone: Clone) -> None:
    holder = json.loads((delivery.state / "lock").read_text())
    os.kill(holder["pid"], signal.SIGKILL)
    head = clone.commit("a.py", str(time.time()))
    shown = clone.push()
    assert "The push is kept, but sagelocal does not answer" in shown
    assert "`mlops up` starts it" in shown
    server.up(delivery)
    while newest(delivery).get("sourceRevisions", [{}])[0].get("revisionId") != head:
        time.sleep(0.05)
    assert newest(delivery)["trigger"]["triggerType"] == "WebhookV2"
    assert approve(delivery) == "Succeeded"


def test_a_rule_starts_a_pipeline_with_variables_of_its_event_once(delivery: Settings, clone: Clone) -> None:
    clone.commit("docs/b.md", str(time.time()))
    clone.push()
    variables = [{"name": "ModelPackageArn"}]
    pipeline = declaration(delivery, "ruled", variables=variables, pipelineType="V2", executionMode="QUEUED")
    delivery.client("codepipeline").create_pipeline(pipeline=pipeline)
    events = delivery.client("events")
    rule = events.put_rule(Name="approved", EventPattern=json.dumps({"source": ["mine"]}))["RuleArn"]
    template = '{"variables": [{"name": "ModelPackageArn", "value": <package>}]}'
    target = {
        "Id": "1",
        "Arn": f"arn:aws:codepipeline:{delivery.region}:{delivery.account}:ruled",
        "RoleArn": delivery.role_arn,
        "InputTransformer": {"InputPathsMap": {"package": "$.detail.arn"}, "InputTemplate": template},
    }
    events.put_targets(Rule="approved", Targets=[target])
    events.put_events(Entries=[{"Source": "mine", "DetailType": "x", "Detail": json.dumps({"arn": "arn:package/1"})}])
    while not newest(delivery, "ruled"):
        time.sleep(0.05)
    assert newest(delivery, "ruled")["trigger"] == {"triggerType": "CloudWatchEvent", "triggerDetail": rule}
    assert approve(delivery, "ruled") == "Succeeded"
    execution = delivery.client("codepipeline").get_pipeline_execution(
        pipelineName="ruled", pipelineExecutionId=newest(delivery, "ruled")["pipelineExecutionId"]
    )["pipelineExecution"]
    assert execution["variables"] == [{"name": "ModelPackageArn", "resolvedValue": "arn:package/1"}]


FUNCTION = """
import boto3
def handler(event, context):
    job = event["CodePipeline.job"]
    given = job["data"]["actionConfiguration"]["configuration"]["UserParameters"]
    if given == "break":
        raise ValueError("no")
    boto3.client("codepipeline").put_job_success_result(jobId=job["id"], outputVariables={"SAID": given.upper()})
"""


def test_a_lambda_function_is_an_action(delivery: Settings, clone: Clone) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", FUNCTION)
    delivery.client("lambda").create_function(
        FunctionName="say",
        Runtime="python3.12",
        Handler="app.handler",
        Role=delivery.role_arn,
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
    )
    clone.commit("docs/c.md", str(time.time()))
    clone.push()

    def invoke(name: str, given: str) -> dict[str, Any]:
        kind = {"category": "Invoke", "owner": "AWS", "provider": "Lambda", "version": "1"}
        configuration = {"FunctionName": "say", "UserParameters": given}
        return {"name": name, "namespace": name, "actionTypeId": kind, "configuration": configuration}

    stages = [
        stage("Source", source()),
        stage("Say", invoke("Say", "hello")),
        stage("Break", invoke("Break", "break")),
    ]
    client = delivery.client("codepipeline")
    client.create_pipeline(pipeline=declaration(delivery, "invoking", stages=stages))
    while newest(delivery, "invoking").get("status") in (None, "InProgress"):
        time.sleep(0.05)
    broken, said, _ = client.list_action_executions(pipelineName="invoking")["actionExecutionDetails"]
    assert said["output"]["outputVariables"] == {"SAID": "HELLO"}
    assert '"errorMessage": "no"' in broken["output"]["executionResult"]["errorDetails"]["message"]
    with pytest.raises(client.exceptions.InvalidJobStateException):
        client.put_job_success_result(jobId=said["actionExecutionId"])


def test_an_object_in_s3_is_a_source(delivery: Settings) -> None:
    s3, client = delivery.client("s3"), delivery.client("codepipeline")
    for key in ("a.zip", "b.zip"):
        s3.put_object(Bucket="artifacts", Key=f"in/{key}", Body=key.encode())
    kind = {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"}
    configuration = {"S3Bucket": "artifacts", "S3ObjectKey": "in/a.zip", "PollForSourceChanges": "false"}
    given = {**source(), "actionTypeId": kind, "configuration": configuration}
    stages = [stage("Source", given), stage("Approve", approval(configuration={"CustomData": "#{Src.ETag}"}))]
    with pytest.raises(client.exceptions.ClientError, match="Set its PollForSourceChanges to false"):
        polled = {**given, "configuration": {"S3Bucket": "artifacts", "S3ObjectKey": "in/a.zip"}}
        client.create_pipeline(pipeline=declaration(delivery, "polled", stages=[stage("Source", polled), stages[1]]))
    configuration["AllowOverrideForS3ObjectKey"] = "true"
    client.create_pipeline(pipeline=declaration(delivery, "objects", stages=stages))
    assert approve(delivery, "objects") == "Succeeded"
    revision = {"actionName": "Source", "revisionType": "S3_OBJECT_KEY", "revisionValue": "in/b.zip"}
    execution = client.start_pipeline_execution(name="objects", sourceRevisions=[revision])["pipelineExecutionId"]
    assert approve(delivery, "objects") == "Succeeded"
    found = client.list_action_executions(pipelineName="objects", filter={"pipelineExecutionId": execution})
    output = found["actionExecutionDetails"][-1]["output"]
    where = output["outputArtifacts"][0]["s3location"]
    assert s3.get_object(Bucket=where["bucket"], Key=where["key"])["Body"].read() == b"b.zip"
    assert output["outputVariables"]["ObjectKey"] == "in/b.zip"


def test_a_target_s_input_gives_variables_and_revisions_alone() -> None:
    given = {"variables": [{"name": "X", "value": "1"}], "detail": {}}
    assert parsed(json.dumps(given)) == {"variables": given["variables"]}
    assert parsed("") == {}
    for wrong in ("[]", "{"):
        with pytest.raises(ValueError, match="its input is no"):
            parsed(wrong)


def test_a_start_that_found_no_sagelocal_is_made_at_the_next_start(tmp_path: Path) -> None:
    tried: queue.SimpleQueue[tuple[dict[str, Any], str]] = queue.SimpleQueue()
    there = threading.Event()

    def start(request: dict[str, Any], rule: str) -> bool:
        tried.put((request, rule))
        return there.is_set()

    asked = ({"name": "p", "clientRequestToken": "t"}, "arn:rule")
    Starts(tmp_path / "starts", start).begin(*asked)
    assert tried.get(timeout=5) == asked
    there.set()
    Starts(tmp_path / "starts", start).resume()
    assert tried.get(timeout=5) == asked
    while list((tmp_path / "starts").iterdir()):
        time.sleep(0.01)
    Starts(tmp_path / "starts", start).resume()
    assert tried.empty()


def test_a_repository_is_made_once_and_its_hook_is_written_anew(tmp_path: Path) -> None:
    settings = config.load(tmp_path)
    bare = remote.create(settings, "churn")
    hook = bare / "hooks" / "post-receive"
    hook.write_text("old")
    assert remote.create(settings, "churn") == bare == remote.repository(settings, "local/churn")
    assert f"MLOPS_STATE={tmp_path}" in hook.read_text()
    assert os.access(hook, os.X_OK)
    assert remote.git(bare, "symbolic-ref", "HEAD").strip() == "refs/heads/main"
    with pytest.raises(remote.NoRepository, match="there are: local/churn"):
        remote.repository(settings, "local/fraud")
    with pytest.raises(remote.NoRepository):
        remote.repository(settings, "someone/churn")
    for name in ("../x", "a b", "x.git", ""):
        with pytest.raises(ValueError, match="cannot be a repository's name"):
            remote.create(settings, name)


def test_variables_of_a_hook_s_git_do_not_reach_other_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_QUARANTINE_PATH", "x")
    bare = remote.create(config.load(tmp_path), "r")
    assert remote.references(bare) == {}
    assert not (tmp_path / "elsewhere").exists()
