"""Builds in their sandbox: phases, variables, logs, and how builds end before their end."""

from __future__ import annotations

import gzip
import json
import os
import time

import pytest
from botocore.exceptions import ClientError

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codebuild.engine import Builder

pytestmark = pytest.mark.namespaces
BUCKET = "built"

SHELL = """\
version: 0.2
env:
  shell: bash
  variables: {FROM: buildspec, OVERRIDDEN: buildspec, LITERAL: "$PATH x"}
  parameter-store: {TOKEN: /team/token}
  secrets-manager: {PASSWORD: "db:password"}
  exported-variables: [OUT, UNSET, FROM]
phases:
  install:
    runtime-versions: {python: 3.13}
    commands:
      - cd / && LASTING=yes && export OUT="two words"
      - python -c 'import sys, sagelocal' || echo "no sagelocal"
      - python -c 'import pandas; print("pandas", pandas.__version__ > "")'
  pre_build:
    commands:
      - 'echo "here $PWD $LASTING, $FROM, $OVERRIDDEN, $LITERAL, $STAGE"'
      - 'echo "token $TOKEN and $PASSWORD, ${#TOKEN} characters"'
      - echo "git $(git --version | cut -c1-3) at $CODEBUILD_BUILD_NUMBER in $CODEBUILD_SRC_DIR by $CODEBUILD_INITIATOR"
      - test "$HOME" = /root && cd "$CODEBUILD_SRC_DIR"
  build:
    commands:
      - |
        for each in 1 2; do
          printf "loop$each "
        done
      - echo "succeeding $CODEBUILD_BUILD_SUCCEEDING"; exit 3
      - echo never
    finally:
      - echo finally
  post_build:
    commands:
      - echo "succeeding $CODEBUILD_BUILD_SUCCEEDING"
"""


def test_a_build_that_fails_says_how_and_runs_what_it_should(laptop, phases):
    laptop.app.settings.client("ssm").put_parameter(Name="/team/token", Value="t0ken", Type="SecureString")
    secret = json.dumps({"password": "hush!"})
    laptop.app.settings.client("secretsmanager").create_secret(Name="db", SecretString=secret)
    laptop.project("shell", SHELL)
    staged = [{"name": "STAGE", "value": "prod"}, {"name": "OVERRIDDEN", "value": "call"}]
    build = laptop.build("shell", environmentVariablesOverride=staged)
    said = laptop.log(build)

    assert build["buildStatus"] == "FAILED"
    assert phases(build) == {
        "SUBMITTED": "SUCCEEDED",
        "QUEUED": "SUCCEEDED",
        "PROVISIONING": "SUCCEEDED",
        "DOWNLOAD_SOURCE": "SUCCEEDED",
        "INSTALL": "SUCCEEDED",
        "PRE_BUILD": "SUCCEEDED",
        "BUILD": "FAILED",
        "POST_BUILD": "SUCCEEDED",
        "UPLOAD_ARTIFACTS": "SUCCEEDED",
        "FINALIZING": "SUCCEEDED",
        "COMPLETED": "",
    }
    command = 'echo "succeeding $CODEBUILD_BUILD_SUCCEEDING"; exit 3'
    (failed,) = (phase for phase in build["phases"] if phase.get("phaseStatus") == "FAILED")
    assert failed["contexts"] == [
        {
            "statusCode": "COMMAND_EXECUTION_ERROR",
            "message": f"Error while executing command: {command}. Reason: exit status 3",
        }
    ]
    assert build["exportedEnvironmentVariables"] == [
        {"name": "OUT", "value": "two words"},
        {"name": "FROM", "value": "buildspec"},
    ]
    assert "no sagelocal" in said, "the clone that sagelocal runs from is not there"
    assert "pandas True" in said, "the packages beside it are"
    assert "here / yes, buildspec, call, $PATH x, prod" in said
    assert "token *** and ***, 5 characters" in said
    assert "git git at 1 in /codebuild/output/src" in said
    assert "loop1 loop2 \n[Container] " in said
    assert "succeeding 1\n" in said and "succeeding 0\n" in said
    assert "\nfinally\n" in said and "\nnever\n" not in said
    assert f"Command did not exit successfully {command} exit status 3" in said
    assert "Phase complete: BUILD State: FAILED" in said
    events = laptop.app.logs.get_log_events(
        logGroupName="/aws/codebuild/shell", logStreamName=build["id"].split(":")[1], startFromHead=True
    )["events"]
    assert "Waiting for agent ping" in events[0]["message"]


ON_FAILURE = """\
version: 0.2
phases:
  install:
    on-failure: CONTINUE
    commands: [no-such-command]
  pre_build:
    on-failure: RETRY-3-exit status 7
    commands:
      - echo x >> tries; test $(wc -l < tries) = 3 || exit 7
  build:
    on-failure: ABORT
    commands:
      - sh -c "exit 9"
  post_build:
    commands: [echo never]
"""


def test_on_failure(laptop, phases):
    laptop.project("on-failure", ON_FAILURE)
    build = laptop.build("on-failure")
    found = phases(build)
    assert (found["INSTALL"], found["PRE_BUILD"], found["BUILD"]) == ("FAILED", "SUCCEEDED", "FAILED")
    assert "POST_BUILD" not in found and found["UPLOAD_ARTIFACTS"] == "SUCCEEDED"
    assert "no-such-command: not found" in laptop.log(build)
    assert laptop.log(build).count("Retrying phase PRE_BUILD") == 2
    went_on = ON_FAILURE.partition("  build:")[0]
    build = laptop.build("on-failure", buildspecOverride=went_on)
    assert phases(build)["BUILD"] == phases(build)["UPLOAD_ARTIFACTS"] == "SUCCEEDED"
    assert build["buildStatus"] == "FAILED", "CONTINUE goes on, with a build that has failed"


def test_a_command_that_ends_the_container(laptop, phases):
    laptop.project("killed", "version: 0.2\nphases:\n  build: {commands: [echo before, kill -9 $PPID]}\n")
    build = laptop.build("killed")
    assert (build["buildStatus"], phases(build)["BUILD"]) == ("FAILED", "FAILED")
    (context,) = next(phase for phase in build["phases"] if phase["phaseType"] == "BUILD")["contexts"]
    assert context["message"].startswith("The build container ended by itself")


def test_version_1_runs_each_command_by_itself(laptop):
    laptop.project(
        "first", "version: 0.1\nphases:\n  build:\n    commands:\n      - cd /; A=1\n      - echo $PWD:$A.\n"
    )
    assert "/src:.\n" in laptop.log(laptop.build("first"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandboxes have other users")
def test_a_phase_of_another_user(laptop):
    spec = "version: 0.2\nphases:\n  build: {run-as: nobody, commands: [A=$(id -un), 'echo is $A']}\n"
    laptop.project("user", spec + "  post_build: {commands: ['echo $A and $(id -un)']}\n")
    said = laptop.log(laptop.build("user"))
    assert "\nis nobody\n" in said and "\nnobody and root\n" in said


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ("version: 0.2\nphases:\n  build: {commands: [a, {b: c}]}\n", "YAML_FILE_ERROR", "Expected Commands[1]"),
        (
            "version: 0.2\nphases:\n  install: {runtime-versions: {python: 3.5}}\n",
            "YAML_FILE_ERROR",
            "Unknown runtime version named '3.5' of python",
        ),
        ("version: 0.2\nphases:\n  install: {runtime-versions: {ruby: 3}}\n", "YAML_FILE_ERROR", "named 'ruby'"),
        ("version: 0.2\nrun-as: nobody-here\nphases:\n  build: {commands: [a]}\n", "YAML_FILE_ERROR", "run-as: "),
        (
            "version: 0.2\nenv: {parameter-store: {A: /no/such}}\nphases:\n  build: {commands: [a]}\n",
            "Decrypted Variables Error",
            "parameter does not exist: /no/such",
        ),
    ],
)
def test_what_is_wrong_before_the_first_command(laptop, phases, spec, code, message):
    name = f"wrong-{abs(hash(spec))}"
    laptop.project(name, spec)
    build = laptop.build(name)
    assert list(phases(build))[-3:] == ["DOWNLOAD_SOURCE", "FINALIZING", "COMPLETED"]
    (context,) = build["phases"][3]["contexts"]
    assert context["statusCode"] == code and message in context["message"]


SLOW = (
    "version: 0.2\nphases:\n  build:\n    commands: [echo started, sleep 60]\n  post_build: {commands: [echo never]}\n"
)


def _until_said(laptop, identifier, text):
    file = laptop.app.codebuild.log_file(identifier)
    deadline = time.monotonic() + 30
    while not file.exists() or text not in file.read_text():
        assert time.monotonic() < deadline, f"{text!r} is not in the log"
        time.sleep(0.02)


def test_a_build_is_stopped_and_retried(laptop, phases):
    laptop.project("slow", SLOW, concurrentBuildLimit=1)
    started = laptop.call("StartBuild", projectName="slow", idempotencyToken="t")["build"]["id"]
    assert laptop.call("StartBuild", projectName="slow", idempotencyToken="t")["build"]["id"] == started
    with pytest.raises(AwsError, match="different parameters"):
        laptop.call("StartBuild", projectName="slow", idempotencyToken="t", sourceVersion="x")
    with pytest.raises(AwsError, match="more than 1 builds in progress"):
        laptop.call("StartBuild", projectName="slow")
    with pytest.raises(AwsError, match="in progress: only"):
        laptop.call("RetryBuild", id=started)
    _until_said(laptop, started, "started")
    laptop.call("StopBuild", id=started)
    build = laptop.ended(started)
    assert build["buildStatus"] == "STOPPED"
    assert list(phases(build).items())[-2:] == [("BUILD", "STOPPED"), ("COMPLETED", "")]

    quick = {"buildspecOverride": SLOW.replace("sleep 60", "true")}
    first = laptop.build("slow", **quick)
    retried = laptop.ended(laptop.call("RetryBuild", id=first["id"])["build"]["id"])
    assert retried["id"] != first["id"] and retried["buildStatus"] == "SUCCEEDED"
    assert laptop.call("ListBuildsForProject", projectName="slow")["ids"] == [retried["id"], first["id"], started]
    deleted = laptop.call("BatchDeleteBuilds", ids=[started])
    assert deleted["buildsDeleted"] == [build["arn"]]
    assert laptop.call("BatchGetBuilds", ids=[started])["buildsNotFound"] == [started]


def test_a_build_has_its_time(laptop, phases):
    laptop.project("timed", SLOW)
    started = laptop.call("StartBuild", projectName="timed")["build"]["id"]
    _until_said(laptop, started, "started")
    laptop.app.codebuild._guards[started].limit(0.05, lambda: laptop.app.codebuild._guards[started].end("timed out"))
    build = laptop.ended(started)
    assert (build["buildStatus"], phases(build)["BUILD"]) == ("TIMED_OUT", "TIMED_OUT")
    assert build["phases"][-2]["contexts"][0]["statusCode"] == "BUILD_TIMED_OUT"


def test_builds_beyond_what_runs_at_once_wait_in_the_queue(laptop, phases):
    laptop.project("queued", SLOW)
    at_once = max(2, laptop.app.settings.cpus // 2)
    running = [laptop.call("StartBuild", projectName="queued")["build"]["id"] for _ in range(at_once)]
    waiting = laptop.call("StartBuild", projectName="queued")["build"]
    for each in running:
        _until_said(laptop, each, "started")
    found = laptop.call("BatchGetBuilds", ids=[waiting["id"]])["builds"][0]
    assert (found["currentPhase"], found["buildStatus"]) == ("QUEUED", "IN_PROGRESS")
    laptop.call("StopBuild", id=waiting["id"])
    stopped = laptop.ended(waiting["id"])
    assert phases(stopped) == {"SUBMITTED": "SUCCEEDED", "QUEUED": "STOPPED", "COMPLETED": ""}
    for each in running:
        laptop.call("StopBuild", id=each)
        laptop.ended(each)


def test_a_build_that_was_interrupted_runs_again(laptop):
    laptop.project("again", SLOW)
    started = laptop.call("StartBuild", projectName="again")["build"]["id"]
    _until_said(laptop, started, "started")
    app = laptop.app
    app.codebuild.close()
    kept = app.store.get("CodeBuildBuild", started)
    assert kept["buildStatus"] == "IN_PROGRESS" and kept["currentPhase"] == "BUILD"
    app.store.update(
        "CodeBuildBuild", started, {"source": {**kept["source"], "buildspec": SLOW.replace("sleep 60", "true")}}
    )
    app.codebuild = Builder(app)
    app.codebuild.resume()
    build = laptop.ended(started)
    assert build["buildStatus"] == "SUCCEEDED"
    assert len(build["phases"]) == 11, "the phases of the attempt that was interrupted are gone"
    assert "the build runs again from its beginning" in laptop.log(build)


def test_the_log_goes_where_the_project_says(laptop):
    logs = {
        "cloudWatchLogs": {"status": "DISABLED"},
        "s3Logs": {"status": "ENABLED", "location": f"{BUCKET}/logs"},
    }
    app = laptop.app
    laptop.project("logged", "version: 0.2\nphases:\n  build:\n    commands: [echo here]\n", logsConfig=logs)
    build = laptop.build("logged")
    assert "groupName" not in build["logs"]
    key = f"logs/{build['id'].split(':')[1]}.gz"
    assert build["logs"]["s3LogsArn"] == f"arn:aws:s3:::{BUCKET}/{key}"
    body = app.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert b"\nhere\n" in gzip.decompress(body)
    with pytest.raises(ClientError):
        app.logs.get_log_events(logGroupName="/aws/codebuild/logged", logStreamName="x")
