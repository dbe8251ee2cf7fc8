"""MiniStack in its process: who may speak to it, what it keeps, that it dies; and each private call into it."""

from __future__ import annotations

import inspect
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from sagelocal import baseline, config, events, ministack
from sagelocal.config import Settings
from sagelocal.ministack_gate import HEALTH, TOKEN_HEADER

ENVELOPE = {
    "version": "0",
    "id": "0e5f1c2a-7f4c-4d6e-9d3a-000000000001",
    "detail-type": "SageMaker Model Package State Change",
    "source": "aws.sagemaker",
    "time": "2026-03-02T11:30:00Z",
    "resources": ["arn:aws:sagemaker:us-east-1:000000000000:model-package/churn/4"],
    "detail": {"ModelApprovalStatus": "Approved", "ModelPackageVersion": 4},
}
PATTERN = json.dumps({"source": ["aws.sagemaker"], "detail": {"ModelApprovalStatus": ["Approved"]}})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Settings, ministack.MiniStack]]:
    settings = config.load(tmp_path / "state")
    child = ministack.MiniStack(settings)
    try:
        child.wait()
        yield settings, child
    finally:
        child.stop()


@pytest.fixture
def settings(running: tuple[Settings, ministack.MiniStack]) -> Settings:
    return running[0]


def envelope(settings: Settings) -> dict[str, Any]:
    return {**ENVELOPE, "account": settings.account, "region": settings.region}


def eventually(look: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def queue(settings: Settings, name: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = settings.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def rule(settings: Settings, target_arn: str) -> None:
    client = settings.client("events")
    client.put_rule(Name="approved", EventPattern=PATTERN)
    client.put_targets(Rule="approved", Targets=[{"Id": "1", "Arn": target_arn}])


def messages(settings: Settings, url: str) -> list[dict[str, Any]]:
    received = settings.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]


def request(settings: Settings, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", settings.ministack_port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def signed(settings: Settings, service: str = "s3") -> str:
    return f"AWS4-HMAC-SHA256 Credential={settings.access_key}/20260302/us-east-1/{service}/aws4_request, Signature=0"


def test_the_whole_process_tree_listens_on_loopback_only(running: tuple[Settings, ministack.MiniStack]) -> None:
    settings, child = running
    settings.client("iot").list_things()  # the services with listeners of their own are loaded
    settings.client("transfer").create_server()
    settings.client("dsql").create_cluster()
    process = psutil.Process(child.pid)
    tree = [process, *process.children(recursive=True)]
    listening = [
        connection.laddr
        for one in tree
        for connection in one.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or not connection.raddr
    ]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", settings.ministack_port)]


def test_a_bind_to_the_outside_is_refused(tmp_path: Path) -> None:
    program = (
        "import socket, sys; from sagelocal.ministack_child import _loopback_only; sys.addaudithook(_loopback_only);"
        "socket.socket().bind(('127.0.0.1', 0)); print('inside');"
        "socket.socket().bind((sys.argv[1], 0)); print('outside')"
    )
    for address in ("0.0.0.0", ""):
        done = subprocess.run([sys.executable, "-c", program, address], capture_output=True, text=True)
        assert done.stdout == "inside\n"
        assert "sagelocal keeps MiniStack on the loopback address" in done.stderr


def test_a_collection_of_garbage_looks_at_what_is_new() -> None:
    program = (
        "import gc; from sagelocal import ministack_child; ministack_child.collect_what_is_new();"
        "print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1000);"
        "kept = [[] for _ in range(5000)]; gc.collect(); print(len(gc.get_objects()) < 1000);"
        "before = gc.get_freeze_count(); del kept; print(gc.get_freeze_count() < before - 4000)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 4, done.stderr


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("s3", "list_buckets"),
        ("sqs", "list_queues"),
        ("sns", "list_topics"),
        ("lambda", "list_functions"),
        ("logs", "describe_log_groups"),
        ("cloudwatch", "list_metrics"),
        ("iam", "list_roles"),
    ],
)
def test_another_key_gets_an_error_that_each_protocol_reads(settings: Settings, service: str, operation: str) -> None:
    client = boto3.client(
        service,
        endpoint_url=settings.ministack_url,
        region_name="us-east-1",
        aws_access_key_id=settings.account,  # MiniStack alone would take an account id for a key
        aws_secret_access_key="x",
    )
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    assert "mlops env" in caught.value.response["Error"]["Message"]


def test_browsers_foreign_hosts_and_unsigned_requests_are_refused(settings: Settings) -> None:
    key = signed(settings)
    assert request(settings, "GET", "/", Authorization=key)[0] == 200
    assert request(settings, "GET", "/", Authorization=key, Origin="https://example.com")[0] == 403
    assert request(settings, "OPTIONS", "/", Origin="https://example.com")[0] == 403
    assert request(settings, "GET", "/", Authorization=key, Host="rebound.example.com")[0] == 403
    assert request(settings, "GET", "/")[0] == 403


def test_presigned_urls_of_both_kinds_work_and_foreign_ones_do_not(settings: Settings) -> None:
    s3 = settings.client("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="a", Body=b"text")
    for version in ("s3", "s3v4"):
        client = boto3.client(
            "s3",
            endpoint_url=settings.ministack_url,
            region_name="us-east-1",
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            config=boto3.session.Config(signature_version=version),
        )
        url = client.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a"})
        path = url.removeprefix(settings.ministack_url)
        assert request(settings, "GET", path) == (200, b"text")
        assert request(settings, "GET", path.replace(settings.access_key, "AKIAFOREIGN"))[0] == 403


def test_encryption_by_kms_needs_no_key_id(settings: Settings) -> None:
    """S3 has a key of its own for it; SDK v2 uploads every archive so."""
    s3 = settings.client("s3")
    s3.create_bucket(Bucket="encrypted")
    s3.put_object(Bucket="encrypted", Key="a", Body=b"1", ServerSideEncryption="aws:kms")
    assert s3.get_object(Bucket="encrypted", Key="a")["ServerSideEncryption"] == "aws:kms"
    s3.put_object(Bucket="encrypted", Key="b", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/mine")
    assert s3.head_object(Bucket="encrypted", Key="b")["SSEKMSKeyId"] == "alias/mine"


def test_admin_paths_are_closed(settings: Settings) -> None:
    settings.client("s3").create_bucket(Bucket="still-here")
    for method, path in [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/health"),
        ("GET", "/_localstack/health"),
        ("GET", "/health"),
        ("GET", "/_ministack/sqs/messages"),
    ]:
        assert request(settings, method, path, Authorization=signed(settings))[0] == 403, path
        assert request(settings, method, path, **{TOKEN_HEADER: settings.internal_token})[0] == 403, path
    assert [bucket["Name"] for bucket in settings.client("s3").list_buckets()["Buckets"]] == ["still-here"]


def test_the_internal_routes_want_the_token(settings: Settings) -> None:
    token = {TOKEN_HEADER: settings.internal_token}
    assert request(settings, "GET", HEALTH, **token)[0] == 200
    assert request(settings, "GET", HEALTH, Authorization=signed(settings))[0] == 403
    assert request(settings, "GET", HEALTH, Origin="https://example.com", **token)[0] == 403
    assert request(settings, "POST", "/_sagelocal/events", **{TOKEN_HEADER: "guess"})[0] == 403
    with pytest.raises(OSError, match="403"):
        events.post([envelope(settings)], replace(settings, internal_token="guess"))


def test_the_key_is_the_execution_roles(settings: Settings) -> None:
    caller = settings.client("sts").get_caller_identity()
    assert caller["Account"] == settings.account
    # The SDKs' get_execution_role makes the role's ARN of this.
    assert caller["Arn"] == f"arn:aws:sts::{settings.account}:assumed-role/sagelocal-execution/laptop"


def test_athenas_results_lie_below_their_location(settings: Settings) -> None:
    baseline.put_back(settings)
    athena = settings.client("athena")
    configuration = athena.get_work_group(WorkGroup="primary")["WorkGroup"]["Configuration"]
    assert configuration["EnforceWorkGroupConfiguration"] is False
    for end in ("", "/"):
        where = {"OutputLocation": f"s3://{settings.bucket}/results{end}"}
        query = athena.start_query_execution(QueryString="select 1 as n", ResultConfiguration=where)["QueryExecutionId"]
        found = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["ResultConfiguration"]
        assert found["OutputLocation"] == f"s3://{settings.bucket}/results/{query}.csv"
        for _attempt in range(100):
            if athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"] == "SUCCEEDED":
                break
            time.sleep(0.05)
        body = settings.client("s3").get_object(Bucket=settings.bucket, Key=f"results/{query}.csv")["Body"].read()
        assert body.split()[-1] == b"1"


def test_log_events_are_filtered_by_the_streams_prefix(settings: Settings) -> None:
    logs = settings.client("logs")
    logs.create_log_group(logGroupName="jobs")
    for stream in ("a/algo-1", "a/algo-2", "ab/algo-1"):
        logs.create_log_stream(logGroupName="jobs", logStreamName=stream)
        event = {"timestamp": int(time.time() * 1000), "message": stream}
        logs.put_log_events(logGroupName="jobs", logStreamName=stream, logEvents=[event])

    def found(**names: Any) -> list[str]:
        return [each["message"] for each in logs.filter_log_events(logGroupName="jobs", **names)["events"]]

    assert sorted(found(logStreamNamePrefix="a/")) == ["a/algo-1", "a/algo-2"]
    assert found(logStreamNamePrefix="b") == []
    assert len(found()) == 3


def test_a_rule_brings_an_event_to_sqs_unchanged(settings: Settings) -> None:
    url, arn = queue(settings, "approvals")
    rule(settings, arn)
    rejected = envelope(settings) | {"detail": {"ModelApprovalStatus": "Rejected"}}
    events.post([rejected, envelope(settings)], settings)
    assert messages(settings, url) == [envelope(settings)]


def test_an_event_that_cannot_be_taken_is_named_and_holds_back_no_other(settings: Settings) -> None:
    url, arn = queue(settings, "approvals")
    rule(settings, arn)
    broken = envelope(settings) | {"id": "broken", "time": "yesterday"}
    assert events.post([broken, envelope(settings)], settings) == ["broken"]
    assert messages(settings, url) == [envelope(settings)]


def test_a_rule_brings_an_event_to_sns_and_on_to_sqs(settings: Settings) -> None:
    url, arn = queue(settings, "approvals")
    sns = settings.client("sns")
    topic = sns.create_topic(Name="approved")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    rule(settings, topic)
    events.post([envelope(settings)], settings)
    [notification] = eventually(lambda: messages(settings, url))
    assert json.loads(notification["Message"]) == envelope(settings)


def test_a_rule_starts_a_lambda_function_that_can_use_s3(settings: Settings) -> None:
    code = (
        "import boto3, json, os\n"
        "def handler(event, context):\n"
        "    boto3.client('s3').put_object(Bucket='results', Key=event['id'], Body=json.dumps(event))\n"
    )
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", code)
    settings.client("s3").create_bucket(Bucket="results")
    function = settings.client("lambda").create_function(
        FunctionName="react",
        Runtime="python3.11",
        Role=settings.role_arn,
        Handler="index.handler",
        Timeout=30,
        Code={"ZipFile": package.getvalue()},
    )
    rule(settings, function["FunctionArn"])
    events.post([envelope(settings)], settings)

    def result() -> Any:
        listed = settings.client("s3").list_objects_v2(Bucket="results").get("Contents", [])
        return [settings.client("s3").get_object(Bucket="results", Key=found["Key"])["Body"].read() for found in listed]

    assert [json.loads(body) for body in eventually(result)] == [envelope(settings)]


def test_a_burst_of_events_reaches_its_lambda_function_and_a_failed_one_is_tried_again(settings: Settings) -> None:
    """Twelve cold starts side by side took each other's time away; the first attempt at every event fails here."""
    code = (
        "import os, time\n"
        "import boto3\n"
        "def handler(event, context):\n"
        '    first = f\'/tmp/{os.environ["AWS_ACCESS_KEY_ID"]}-{event["id"]}\'\n'
        "    if not os.path.exists(first):\n"
        "        open(first, 'w').close()\n"
        "        raise RuntimeError('not yet')\n"
        "    os.remove(first)\n"
        "    boto3.client('s3').put_object(Bucket='burst', Key=event['id'], Body=b'')\n"
    )
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", code)
    s3 = settings.client("s3")
    s3.create_bucket(Bucket="burst")
    function = settings.client("lambda").create_function(
        FunctionName="burst",
        Runtime="python3.11",
        Role=settings.role_arn,
        Handler="index.handler",
        Timeout=30,
        Code={"ZipFile": package.getvalue()},
    )
    rule(settings, function["FunctionArn"])
    sent = [envelope(settings) | {"id": f"event-{number}"} for number in range(12)]
    events.post(sent, settings)

    def all_there() -> Any:
        found = [one["Key"] for one in s3.list_objects_v2(Bucket="burst").get("Contents", [])]
        return len(found) == len(sent) and found

    assert sorted(eventually(all_there)) == sorted(event["id"] for event in sent)


def test_put_events_refuses_the_source_that_only_the_internal_route_may_use(settings: Settings) -> None:
    entry = {"Source": "aws.sagemaker", "DetailType": "x", "Detail": "{}"}
    assert settings.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 1


def test_objects_and_empty_buckets_survive_a_kill_and_another_process_takes_over(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    again: list[int] = []
    child = ministack.MiniStack(settings, after_restart=lambda: again.append(child.pid))
    child.wait()
    try:
        s3 = settings.client("s3")
        s3.create_bucket(Bucket="empty")
        s3.create_bucket(Bucket="full")
        for number in range(20):
            s3.put_object(Bucket="full", Key=f"some/key {number}", Body=b"x" * number, Metadata={"n": str(number)})
        first = child.pid
        os.kill(first, signal.SIGKILL)
        eventually(lambda: again)
        assert again == [child.pid]
        assert child.pid != first
        assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"empty", "full"}
        for number in range(20):
            found = s3.get_object(Bucket="full", Key=f"some/key {number}")
            assert (found["Body"].read(), found["Metadata"]) == (b"x" * number, {"n": str(number)})
    finally:
        child.stop()
    assert not psutil.pid_exists(child.pid)


def test_a_clean_stop_keeps_the_other_services_too(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    for round_number in range(2):
        child = ministack.MiniStack(settings)
        child.wait()
        try:
            if round_number == 0:
                queue(settings, "kept")
                rule(settings, "arn:aws:sqs:us-east-1:000000000000:kept")
            assert len(settings.client("sqs").list_queues()["QueueUrls"]) == 1
            assert [found["Name"] for found in settings.client("events").list_rules()["Rules"]] == ["approved"]
        finally:
            child.stop()


def test_what_is_declared_is_put_back(settings: Settings) -> None:
    baseline.put_back(settings)
    settings.client("iam").detach_role_policy(RoleName="sagelocal-execution", PolicyArn=baseline._POLICY)
    settings.client("s3").delete_bucket(Bucket=settings.bucket)
    baseline.put_back(settings)
    role = settings.client("iam").get_role(RoleName="sagelocal-execution")["Role"]
    assert role["Arn"] == settings.role_arn
    trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    assert trusted == "sagemaker.amazonaws.com"
    attached = settings.client("iam").list_attached_role_policies(RoleName="sagelocal-execution")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [baseline._POLICY]
    # What SDK v3 asks before it uploads a job's code.
    simulated = settings.client("iam").simulate_principal_policy(
        PolicySourceArn=settings.role_arn,
        ActionNames=["s3:PutObject"],
        ResourceArns=[f"arn:aws:s3:::{settings.bucket}/*"],
    )
    assert [each["EvalDecision"] for each in simulated["EvaluationResults"]] == ["allowed"]
    settings.client("s3").head_bucket(Bucket=settings.bucket)


def test_it_dies_with_its_supervisor_and_takes_lambda_workers_along(tmp_path: Path) -> None:
    program = """
import io, sys, threading, zipfile
from pathlib import Path
from sagelocal import config, ministack
settings = config.load(Path(sys.argv[1]))
child = ministack.MiniStack(settings)
child.wait()
package = io.BytesIO()
with zipfile.ZipFile(package, "w") as archive:
    archive.writestr("index.py", "def handler(event, context): return 1")
functions = settings.client("lambda")
functions.create_function(FunctionName="f", Runtime="python3.11", Role=settings.role_arn, Handler="index.handler",
                          Code={"ZipFile": package.getvalue()})
assert functions.invoke(FunctionName="f")["Payload"].read() == b"1"
print("up", flush=True)
threading.Event().wait()
"""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "up\n"
        children = psutil.Process(supervisor.pid).children(recursive=True)
        assert len(children) == 2, "MiniStack and a warm Lambda worker"
    finally:
        supervisor.kill()
        supervisor.communicate()
    eventually(lambda: not [child for child in children if child.is_running() and child.status() != "zombie"])
    settings = config.load(tmp_path / "state")
    successor = ministack.MiniStack(settings)
    successor.wait()
    successor.stop()


def test_a_taken_port_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = config.load(tmp_path / "state")
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.ministack_port))
        other.listen()
        child = ministack.MiniStack(settings)
        with pytest.raises(RuntimeError, match=f"port {settings.ministack_port} is taken.*settings.json"):
            child.wait()
        child.stop()


def test_the_private_calls_are_as_the_gate_uses_them() -> None:
    """What MiniStack promises nobody: names and parameters; their behaviour is seen in the tests above."""
    from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, router
    from ministack.services import athena, cloudwatch_logs, eventbridge, lambda_svc, s3

    def parameters(function: Callable[..., Any]) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(eventbridge._pattern_event_view) == ["event"]
    assert parameters(eventbridge._dispatch_event) == ["event", "view"]
    assert parameters(eventbridge._archive_event) == ["event", "view"]
    assert parameters(eventbridge._dispatch_to_lambda) == ["arn", "payload"]
    assert parameters(lambda_svc._get_func_record_for_ref) == ["function_ref"]
    assert parameters(lambda_svc._execution_record_for_config) == ["func", "config"]
    assert parameters(lambda_svc._execute_function_with_config_scope) == ["func", "event"]
    assert parameters(responses.set_request_account_id) == ["access_key_id"]
    assert parameters(responses.set_request_region) == ["region"]
    assert parameters(router.extract_access_key_id) == ["headers", "query_params"]
    assert parameters(router.detect_service) == ["method", "path", "headers", "query_params"]
    assert parameters(iam_actions.access_denied_response)[:4] == ["service", "action", "principal_arn", "request_id"]
    assert {"error_code", "message", "headers"} <= set(parameters(iam_actions.access_denied_response))
    assert parameters(lambda_runtime.execution_credentials) == ["config"]
    assert lambda_svc.execution_credentials is lambda_runtime.execution_credentials
    assert parameters(iam_evaluator.resolve_caller_identity) == ["access_key_id"]
    assert parameters(cloudwatch_logs._filter_log_events) == parameters(cloudwatch_logs._resolve_log_group_name)
    assert parameters(athena._start_query_execution) == ["data"]
    assert parameters(athena._save_query_results) == ["query_id"]
    assert s3._ENCODED_KEYS_DIR == ".ministack-keys"
