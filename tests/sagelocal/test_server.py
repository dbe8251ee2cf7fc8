"""up, down, status and the daemon: one a state folder, nothing left behind, back on the same ports after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from sagelocal import config, server
from sagelocal.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = config.load(tmp_path / "state")
    yield settings
    server.down(settings)


def eventually(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def daemon_and_children(settings: Settings) -> list[psutil.Process]:
    daemon = psutil.Process(server.status(settings)["pid"])
    return [daemon, *daemon.children(recursive=True)]


def test_up_twice_at_once_starts_one_and_status_tells_of_it(settings: Settings) -> None:
    assert server.status(settings)["running"] is False
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(server.up, [settings, settings]))
    first = server.status(settings)
    server.up(settings)
    assert server.status(settings)["pid"] == first["pid"]
    daemons = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if (process.info["cmdline"] or [])[1:] == ["-m", "sagelocal"]
        and (process.info["environ"] or {}).get("MLOPS_STATE") == str(settings.state)
    ]
    assert [process.pid for process in daemons if alive(process)] == [first["pid"]]
    assert (first["running"], first["ministack_running"]) == (True, True)
    assert (first["address"], first["ministack"]) == (settings.url, settings.ministack_url)
    assert first["state"] == str(settings.state)
    assert first["resources"] == {}

    settings.client("sagemaker").create_model_package_group(ModelPackageGroupName="churn")
    assert server.status(settings)["resources"] == {"ModelPackageGroup": {"Completed": 1}}


def test_down_ends_everything_and_keeps_the_state(settings: Settings) -> None:
    server.up(settings)
    settings.client("sagemaker").create_model_package_group(ModelPackageGroupName="churn")
    settings.client("sqs").create_queue(QueueName="mine")
    processes = daemon_and_children(settings)
    assert len(processes) == 2, "the daemon and MiniStack"
    server.down(settings)
    assert not [process for process in processes if alive(process)]
    assert server.status(settings)["running"] is False
    server.down(settings)  # nothing to do, no error

    server.up(settings)
    assert settings.client("sagemaker").describe_model_package_group(ModelPackageGroupName="churn")
    assert len(settings.client("sqs").list_queues()["QueueUrls"]) == 1


def test_after_a_kill_no_child_survives_and_it_comes_back_on_the_same_ports(settings: Settings) -> None:
    for round_number in range(3):
        server.up(settings)
        sagemaker, s3 = settings.client("sagemaker"), settings.client("s3")
        sagemaker.create_model_package_group(ModelPackageGroupName=f"group-{round_number}")
        s3.put_object(Bucket=settings.bucket, Key=str(round_number), Body=b"x")
        processes = daemon_and_children(settings)
        os.kill(processes[0].pid, signal.SIGKILL)
        if round_number == 0:
            eventually(lambda: not [process for process in processes if alive(process)])  # noqa: B023
        server.up(settings)
        assert server.status(settings)["address"] == settings.url
        groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        assert len(groups) == round_number + 1
        assert s3.list_objects_v2(Bucket=settings.bucket)["KeyCount"] == round_number + 1
        eventually(lambda: not [process for process in processes if alive(process)])  # noqa: B023


def test_only_loopback_sockets_are_open(settings: Settings) -> None:
    server.up(settings)
    settings.client("sagemaker").list_models()
    listening = [
        (connection.laddr.ip, connection.laddr.port)
        for process in daemon_and_children(settings)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or not connection.raddr
    ]
    assert sorted(listening) == sorted([("127.0.0.1", settings.port), ("127.0.0.1", settings.ministack_port)])


def test_a_failed_start_quotes_the_log(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.port))
        other.listen()
        with pytest.raises(RuntimeError, match=f"(?s)did not start.*Port {settings.port} is taken.*settings.json"):
            server.up(settings)
    server.up(settings)
    assert server.status(settings)["running"] is True


def test_the_users_own_aws_settings_do_not_matter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    server.up(settings)
    assert server.status(settings)["running"] is True


def test_a_change_made_by_the_api_reaches_a_rules_target(settings: Settings) -> None:
    server.up(settings)
    sqs, rules = settings.client("sqs"), settings.client("events")
    url = sqs.create_queue(QueueName="approvals")["QueueUrl"]
    pattern = {"source": ["aws.sagemaker"], "detail": {"ModelApprovalStatus": ["Approved"]}}
    rules.put_rule(Name="approved", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:{settings.region}:{settings.account}:approvals"
    rules.put_targets(Rule="approved", Targets=[{"Id": "1", "Arn": arn}])

    sagemaker = settings.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="churn")
    package = sagemaker.create_model_package(ModelPackageGroupName="churn")["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")

    [message] = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    event = json.loads(message["Body"])
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["detail"]["ModelPackageArn"] == package


def test_another_ministack_takes_over_and_what_is_declared_is_put_back(settings: Settings) -> None:
    server.up(settings)
    child = daemon_and_children(settings)[1]
    child.kill()
    eventually(lambda: not alive(child))
    eventually(lambda: server.status(settings)["ministack_running"])
    eventually(lambda: role(settings))
    assert server.status(settings)["running"] is True


def role(settings: Settings) -> Any:
    iam = settings.client("iam")
    try:
        return iam.get_role(RoleName="sagelocal-execution")
    except iam.exceptions.NoSuchEntityException:
        return None


def test_the_sdk_finds_bucket_role_and_no_telemetry(settings: Settings) -> None:
    """In a process of its own: the SDK reads its defaults file when it is imported, and takes two seconds for it."""
    server.up(settings)
    program = """
import json
from sagemaker.core.common_utils import get_config_value
from sagemaker.core.config import config_schema as schema
from sagemaker.core.helper.session_helper import Session
session = Session()
def at(path): return get_config_value(path, session.sagemaker_config)
paths = [schema.PIPELINE_ROLE_ARN_PATH, schema.PROCESSING_JOB_ROLE_ARN_PATH, schema.TRAINING_JOB_ROLE_ARN_PATH,
         schema.MODEL_EXECUTION_ROLE_ARN_PATH, schema.MONITORING_JOB_ROLE_ARN_PATH]
print(json.dumps([session.default_bucket(), at(schema.TELEMETRY_OPT_OUT_PATH), *map(at, paths)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings.shell_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [settings.bucket, True, *[settings.role_arn] * 5]


@pytest.mark.namespaces
def test_a_running_job_dies_with_a_kill_and_goes_on_after_up_and_after_down(settings: Settings) -> None:
    server.up(settings)
    sagemaker = settings.client("sagemaker")
    sagemaker.create_processing_job(
        ProcessingJobName="waits",
        RoleArn=settings.role_arn,
        AppSpecification={
            "ImageUri": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3",
            "ContainerEntrypoint": ["sleep", "600"],
        },
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.t3.medium", "VolumeSizeInGB": 1}
        },
    )

    def job_processes() -> list[psutil.Process]:
        found = []
        for process in daemon_and_children(settings):
            with contextlib.suppress(psutil.NoSuchProcess):  # others come and go
                found += [process] if process.cmdline() == ["sleep", "600"] else []
        return found

    for end in (lambda: os.kill(server.status(settings)["pid"], signal.SIGKILL), lambda: server.down(settings)):
        eventually(job_processes)
        processes = daemon_and_children(settings)
        end()
        eventually(lambda: not [process for process in processes if alive(process)])  # noqa: B023
        server.up(settings)
        assert sagemaker.describe_processing_job(ProcessingJobName="waits")["ProcessingJobStatus"] == "InProgress"
        assert server.status(settings)["resources"] == {"ProcessingJob": {"InProgress": 1}}
    eventually(job_processes)
    sagemaker.stop_processing_job(ProcessingJobName="waits")
    stopped = {"ProcessingJob": {"Stopped": 1}}
    eventually(lambda: server.status(settings)["resources"] == stopped)
