"""Asynchronous endpoints with unmodified boto3 and SDK: results, failures, notifications, no instance, kill -9."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from sagelocal import server
from sagelocal.config import Settings
from sagelocal.endpoints import asynchronous_config
from sagelocal.endpoints.asynchronous_queue import KIND, Queue, Waiting
from sagelocal.endpoints.instance import Call
from sagelocal.endpoints.server import UnansweredError
from sagelocal.store import Store
from tests.sagelocal.endpoints.test_endpoints import Account, failing, until

WORK = """
import time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    if body == "raise":
        raise ValueError("cannot answer this")
    if body.startswith("wait"):
        time.sleep(float(body.split()[1]))
    return f"{len(body)} {body[:20]}", accept
"""


def asynchronous(account: Account, name: str, **notification: Any) -> str:
    output = {"S3OutputPath": f"s3://{account.settings.bucket}/{name}/out"}
    output |= {"S3FailurePath": f"s3://{account.settings.bucket}/{name}/failed"}
    if notification:
        output |= {"NotificationConfig": notification}  # type: ignore[dict-item]
    return account.config(name, "worker", AsyncInferenceConfig={"OutputConfig": output})


def put(account: Account, key: str, body: bytes) -> str:
    account.s3.put_object(Bucket=account.settings.bucket, Key=key, Body=body)
    return f"s3://{account.settings.bucket}/{key}"


def read(account: Account, location: str) -> dict[str, Any] | None:
    bucket, key = location.removeprefix("s3://").split("/", 1)
    try:
        found = account.s3.get_object(Bucket=bucket, Key=key)
    except account.s3.exceptions.NoSuchKey:
        return None
    return {"Body": found["Body"].read().decode(), "ContentType": found["ContentType"]}


def queue(account: Account, topic: str) -> str:
    sqs, sns = account.settings.client("sqs"), account.settings.client("sns")
    url: str = sqs.create_queue(QueueName=topic)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=sns.create_topic(Name=topic)["TopicArn"], Protocol="sqs", Endpoint=arn)
    return url


def messages(account: Account, url: str) -> Iterator[dict[str, Any]]:
    found = account.settings.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    for message in found.get("Messages", []):
        yield json.loads(json.loads(message["Body"])["Message"])


def results(account: Account, url: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        found.extend(one for one in messages(account, url) if one["eventName"] == "InferenceResult")
        return len(found) >= count

    until(enough)
    return found


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    found = Account(laptop)
    found.echo("worker", WORK)
    found.deploy("plain", asynchronous(found, "plain"))
    return found


@pytest.mark.namespaces
def test_what_was_acknowledged_survives_a_kill(account: Account) -> None:
    account.deploy("durable", asynchronous(account, "durable"))
    ask = account.runtime.invoke_endpoint_async
    asked = [ask(EndpointName="durable", Body=f"wait 0.2 {n}".encode(), ContentType="text/csv") for n in range(12)]
    until(lambda: read(account, asked[0]["OutputLocation"]))
    os.kill(server.status(account.settings)["pid"], signal.SIGKILL)
    with sqlite3.connect(account.settings.state / "sagelocal.db") as database:
        (waiting,) = database.execute("SELECT count(*) FROM resource WHERE kind = 'AsyncInvocation'").fetchone()
    assert waiting > 1
    server.up(account.settings)
    answers = until(lambda: all(found := read_all(account, asked)) and found)
    assert [one["Body"].split()[-1] for one in answers] == [str(n) for n in range(12)]


@pytest.mark.namespaces
def test_results_failures_and_notifications(account: Account) -> None:
    succeeded, failed = queue(account, "succeeded"), queue(account, "failed")
    topics = {
        "SuccessTopic": f"arn:aws:sns:{account.settings.region}:{account.settings.account}:succeeded",
        "ErrorTopic": f"arn:aws:sns:{account.settings.region}:{account.settings.account}:failed",
        "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
    }
    endpoint = account.deploy("told", asynchronous(account, "told", **topics))
    assert endpoint["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"] == topics
    assert until(lambda: list(messages(account, succeeded)))[0] == {
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "TestNotification",
    }

    location = put(account, "in/large", b"x" * 9_000_000)  # goes by a file
    accepted = account.runtime.invoke_endpoint_async(
        EndpointName="told", InputLocation=location, ContentType="text/csv", Accept="text/csv", InferenceId="mine"
    )
    assert (accepted["ResponseMetadata"]["HTTPStatusCode"], accepted["InferenceId"]) == (202, "mine")
    answer = until(lambda: read(account, accepted["OutputLocation"]))
    assert answer == {"Body": "9000000 xxxxxxxxxxxxxxxxxxxx", "ContentType": "text/csv; charset=utf-8"}
    (said,) = results(account, succeeded, 1)
    assert base64.b64decode(said.pop("responseBody")["content"]).decode() == answer["Body"]
    assert said.pop("eventTime") > said.pop("receivedTime")
    assert said == {
        "awsRegion": account.settings.region,
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "text/csv",
            "contentType": "text/csv",
            "endpointName": "told",
            "inputLocation": location,
        },
        "responseParameters": {
            "contentType": "text/csv; charset=utf-8",
            "outputLocation": accepted["OutputLocation"],
        },
        "inferenceId": "mine",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }

    ask = account.runtime.invoke_endpoint_async
    bad = ask(EndpointName="told", Body=b"raise", ContentType="text/csv")
    gone = ask(EndpointName="told", InputLocation=f"s3://{account.settings.bucket}/in/nothing")
    assert "cannot answer this" in until(lambda: read(account, bad["FailureLocation"]))["Body"]
    reasons = {one["inferenceId"]: one["failureReason"] for one in results(account, failed, 2)}
    assert reasons[bad["InferenceId"]].startswith("ClientError: Received server error (500) from model.")
    assert "could not be read" in reasons[gone["InferenceId"]]
    assert read(account, bad["OutputLocation"]) is None


@pytest.mark.namespaces
def test_where_results_go(account: Account) -> None:
    ask = account.runtime.invoke_endpoint_async
    named = ask(
        EndpointName="plain",
        Body=b"1",
        ContentType="text/csv",
        S3OutputPathExtension="day/one",
        Filename="answer.txt",
    )
    root = f"s3://{account.settings.bucket}/plain"
    assert named["OutputLocation"] == f"{root}/out/day/one/answer.txt"
    assert named["FailureLocation"] == f"{root}/failed/answer-error.out"
    until(lambda: read(account, named["OutputLocation"]))
    other = {"OutputConfig": {"S3OutputPath": "s3://b/o/"}}
    assert asynchronous_config.locations(other, "id") == ("s3://b/o/id.out", None)


@pytest.mark.namespaces
def test_what_aws_refuses(account: Account) -> None:
    def said(call: Any, **request: Any) -> str:
        response = failing(call, EndpointName="plain", **request)
        assert response["Error"]["Code"] in ("ValidationError", "ValidationException")
        return str(response["Error"]["Message"])

    ask = account.runtime.invoke_endpoint_async
    assert "InvokeEndpointAsync" in said(account.runtime.invoke_endpoint, Body=b"1")
    assert "InvokeEndpointAsync" in said(account.runtime.invoke_endpoint_with_response_stream, Body=b"1")
    assert "exactly one" in said(ask)
    assert "exactly one" in said(ask, Body=b"1", InputLocation="s3://bucket/key")
    assert "128000" in said(ask, Body=b"x" * 128_001)
    assert "21600" in said(ask, Body=b"1", RequestTTLSeconds=30_000)
    unknown = failing(ask, EndpointName="nobody", Body=b"1")["Error"]
    assert (unknown["Code"], unknown["Message"]) == (
        "ValidationError",
        "Endpoint nobody of account 000000000000 not found.",
    )
    missing = {"SuccessTopic": f"arn:aws:sns:{account.settings.region}:{account.settings.account}:missing"}
    asynchronous(account, "missing", **missing)
    create = account.sagemaker.create_endpoint
    assert "SuccessTopic" in failing(create, EndpointName="m", EndpointConfigName="missing")["Error"]["Message"]
    nowhere = failing(
        account.sagemaker.create_endpoint_config,
        EndpointConfigName="nowhere",
        ProductionVariants=[
            {"VariantName": "v", "ModelName": "worker", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        ],
        AsyncInferenceConfig={"OutputConfig": {}},
    )
    assert "S3OutputPath" in nowhere["Error"]["Message"]
    account.config("real-time", "worker")
    assert (
        "AsyncInferenceConfig"
        in failing(account.sagemaker.update_endpoint, EndpointName="plain", EndpointConfigName="real-time")["Error"][
            "Message"
        ]
    )


@pytest.mark.namespaces
def test_without_instances_the_queue_waits(account: Account) -> None:
    account.deploy("sleeper", asynchronous(account, "sleeper"))
    scale = account.sagemaker.update_endpoint_weights_and_capacities
    none, one = ([{"VariantName": "worker", "DesiredInstanceCount": count}] for count in (0, 1))
    scale(EndpointName="sleeper", DesiredWeightsAndCapacities=none)
    assert account.settled("sleeper")["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    waiting = account.runtime.invoke_endpoint_async(EndpointName="sleeper", Body=b"later", ContentType="text/csv")

    def figure(metric: str) -> float:
        found = account.settings.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": "EndpointName", "Value": "sleeper"}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=600,
            Statistics=["Maximum"],
        )["Datapoints"]
        return max((float(one["Maximum"]) for one in found), default=0.0)

    until(lambda: figure("HasBacklogWithoutCapacity") == 1.0)
    assert figure("ApproximateBacklogSize") == figure("ApproximateBacklogSizePerInstance") == 1.0
    assert read(account, waiting["OutputLocation"]) is None

    scale(EndpointName="sleeper", DesiredWeightsAndCapacities=one)
    assert until(lambda: read(account, waiting["OutputLocation"]))["Body"] == "5 later"
    account.sagemaker.delete_endpoint(EndpointName="sleeper")


class Alone:
    """A queue without a sagelocal around it: a real store, and S3 in a dict."""

    def __init__(self, folder: Path) -> None:
        self.objects: dict[str, bytes] = {}
        self.app: Any = SimpleNamespace(
            store=Store(folder / "store.db"),
            settings=SimpleNamespace(state=folder, cpus=2, region="us-east-1"),
            s3=SimpleNamespace(put_object=lambda Key, Body, **_: self.objects.update({Key: Body})),
            metering=SimpleNamespace(record=lambda *_, **__: None),
            logs=MagicMock(),
        )
        self.app.logs.exceptions.ResourceAlreadyExistsException = RuntimeError

    def accepted(self, name: str, age: float = 0.0) -> Waiting:
        document: dict[str, Any] = {
            "Name": name,
            "EndpointName": "e",
            "InferenceId": name,
            "InputLocation": None,
            "Body": base64.b64encode(name.encode()).decode(),
            "Headers": {},
            "OutputLocation": f"s3://bucket/{name}.out",
            "FailureLocation": f"s3://bucket/{name}-error.out",
            "Notification": {},
            "ReceivedTime": time.time() - age,
            "RequestTTLSeconds": 60,
            "InvocationTimeoutSeconds": 900,
        }
        self.app.store.create(KIND, name, document, parent="e")
        return Waiting.of(document)

    async def empty(self) -> None:
        await asyncio.to_thread(until, lambda: not self.app.store.list(KIND))


def test_a_request_that_waited_too_long_is_a_failure(tmp_path: Path) -> None:
    alone = Alone(tmp_path)

    async def run() -> None:
        queue_of = Queue(alone.app, "e", {})
        queue_of.put(alone.accepted("one", age=61))
        await alone.empty()
        await queue_of.close()

    asyncio.run(run())
    alone.app.store.close()
    assert b"RequestTTLSeconds (60)" in alone.objects["one-error.out"]


def test_how_many_at_once_in_order_and_again_when_their_server_was_taken_away(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    asked: list[str] = []
    released = asyncio.Event()
    up: Any = SimpleNamespace(done=lambda: True)

    async def request(call: Call) -> tuple[None, Any]:
        assert isinstance(call.body, bytes)
        asked.append(call.body.decode())
        await released.wait()
        if len(asked) == 5 and not gone:
            gone.append(True)
            variant.instances.pop()
            raise UnansweredError("stopped")
        return None, SimpleNamespace(status=200, headers={}, body=call.body)

    gone: list[bool] = []
    meter = SimpleNamespace(record=lambda *_, **__: None)
    instances = [SimpleNamespace(healthy=True, name=f"v/{number}") for number in range(2)]
    variant = MagicMock(request=request, instances=instances, recorder=None, meter=meter)  # which can be counted by
    plan = {"Async": {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2}}}
    fleet = SimpleNamespace(up=up, plan=plan, pick=lambda: variant, busy=nullcontext, running={"v": 2})
    traffic: Any = SimpleNamespace(pick=lambda: fleet, fleets=[fleet])

    async def run() -> None:
        queue_of = Queue(alone.app, "e", {"e": traffic})
        for number in range(6):
            queue_of.put(alone.accepted(str(number)))
        await asyncio.to_thread(until, lambda: len(asked) == 4)
        await asyncio.sleep(0.05)
        assert sorted(asked) == ["0", "1", "2", "3"], "two an instance, first come first"
        released.set()
        await alone.empty()
        await queue_of.close()

    asyncio.run(run())
    alone.app.store.close()
    assert sorted(alone.objects) == [f"{number}.out" for number in range(6)]
    assert len(asked) == 7, "one was asked again"


@pytest.mark.namespaces
def test_what_fails_each_time_keeps_nobody_waiting(account: Account) -> None:
    """As many as are answered at once, and one behind them."""
    account.deploy("impossible", asynchronous(account, "impossible"))
    ask = account.runtime.invoke_endpoint_async
    bad = ["s3://no bucket!/key", f"s3://{account.settings.bucket}/", "https://example.com/key", "s3://no-such/key"]
    failures = [ask(EndpointName="impossible", InputLocation=location)["FailureLocation"] for location in bad]
    good = ask(EndpointName="impossible", Body=b"fine", ContentType="text/csv")["OutputLocation"]
    assert until(lambda: read(account, good))["Body"] == "4 fine"
    said = until(lambda: (found := [read(account, failure) for failure in failures]) and all(found) and found)
    assert all("could not be read" in failure["Body"] for failure in said)


@pytest.mark.namespaces
def test_an_update_interrupts_nothing(account: Account) -> None:
    """The old fleet finishes what it has; what waits goes to the new one."""
    account.deploy("changing", asynchronous(account, "changing"))
    ask = account.runtime.invoke_endpoint_async
    asked = [ask(EndpointName="changing", Body=b"wait 1.5", ContentType="text/csv") for _ in range(4)]
    assert account.update("changing", asynchronous(account, "changing-2"))["EndpointConfigName"] == "changing-2"
    answers = until(lambda: all(found := read_all(account, asked)) and found)
    assert [one["Body"] for one in answers] == ["8 wait 1.5"] * 4


@pytest.mark.namespaces
def test_the_sdks_predictor(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    session_of = pytest.importorskip("sagemaker.core.helper.session_helper")
    for name, value in account.settings.shell_environment().items():
        monkeypatch.setenv(name, value)
    from sagemaker.core.resources import Endpoint

    session = session_of.Session(default_bucket=account.settings.bucket)
    location = put(account, "in/sdk", b"from the sdk")
    found = Endpoint.get("plain", session=session.boto_session, region=account.settings.region)
    accepted = found.invoke_async(input_location=location, content_type="text/csv", accept="text/csv")
    answer = until(lambda: read(account, accepted.output_location))
    assert answer["Body"] == "12 from the sdk"


def read_all(account: Account, accepted: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    return [read(account, one["OutputLocation"]) for one in accepted]
