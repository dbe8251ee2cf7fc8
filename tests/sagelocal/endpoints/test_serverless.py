"""Serverless endpoints: cold starts, idleness, MaxConcurrency, memory, and what AWS excludes."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagelocal.api.errors import AwsError
from sagelocal.config import Settings
from sagelocal.endpoints import serverless
from tests.sagelocal.endpoints.test_endpoints import Account, failing, until

SLOW = """
import time

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    if body.startswith("take"):
        held = bytearray(int(body.split()[1]) * 1024 * 1024)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(20)
    time.sleep(float(body) if body[0].isdigit() else 0)
    return body
"""


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    found = Account(laptop)
    found.echo("slow", SLOW)
    return found


def config(account: Account, name: str, **limits: int) -> str:
    account.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant(**{"MemorySizeInMB": 1024, "MaxConcurrency": 2, **limits})]
    )
    return name


def variant(**limits: int) -> dict[str, Any]:
    return {"VariantName": "slow", "ModelName": "slow", "ServerlessConfig": limits}


def running(account: Account, endpoint: str) -> int:
    """Model servers that have this endpoint's files."""
    files = f"{account.settings.state}/endpoints/{endpoint}/"
    found = 0
    for process in psutil.process_iter(["cmdline"]):
        found += any(files in argument for argument in process.info["cmdline"] or [])
    return found


def impatient(account: Account) -> Any:
    """A client that does not repeat what was throttled."""
    import boto3

    settings = account.settings
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=settings.url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def answered(account: Account, endpoint: str) -> bool:
    try:
        return account.ask(endpoint, "back") == "back"
    except ClientError:
        return False


@pytest.mark.namespaces
def test_nothing_runs_until_the_first_request(account: Account) -> None:
    endpoint = account.deploy("cold", config(account, "cold"))
    (summary,) = endpoint["ProductionVariants"]
    assert summary["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    until(lambda: not running(account, "cold"))
    assert account.ask("cold", "hello") == "hello"
    assert running(account, "cold")

    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="cold",
        DesiredWeightsAndCapacities=[
            {"VariantName": "slow", "ServerlessUpdateConfig": {"MaxConcurrency": 1, "ProvisionedConcurrency": 1}}
        ],
    )
    (summary,) = account.settled("cold")["ProductionVariants"]
    expected = {"MemorySizeInMB": 1024, "MaxConcurrency": 1, "ProvisionedConcurrency": 1}
    assert summary["CurrentServerlessConfig"] == summary["DesiredServerlessConfig"] == expected

    runtime = impatient(account)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(runtime.invoke_endpoint, EndpointName="cold", Body=b"2", ContentType="text/csv")
        time.sleep(0.5)
        second = failing(runtime.invoke_endpoint, EndpointName="cold", Body=b"0", ContentType="text/csv")
        assert first.result()["Body"].read() == b"2"
    assert second["Error"]["Code"] == "ThrottlingException"
    assert account.ask("cold", "again") == "again"

    large = failing(account.runtime.invoke_endpoint, EndpointName="cold", Body=b"x" * (4 * 1024 * 1024 + 1))
    assert (large["Error"]["Code"], "4194304" in large["Error"]["Message"]) == ("ValidationError", True)

    account.update("cold", account.config("warm", "slow"))
    assert (
        "serverless"
        in failing(account.sagemaker.update_endpoint, EndpointName="cold", EndpointConfigName="cold")["Error"][
            "Message"
        ]
    )


@pytest.mark.slow
@pytest.mark.namespaces
def test_an_instance_above_its_memory_is_killed(account: Account) -> None:
    account.deploy("hungry", config(account, "hungry"))
    killed = failing(
        impatient(account).invoke_endpoint, EndpointName="hungry", Body=b"take 1100", ContentType="text/csv"
    )
    assert killed["Error"]["Code"] == "ModelError"
    until(lambda: answered(account, "hungry"))
    logs = account.settings.client("logs")

    def told() -> bool:
        events = logs.filter_log_events(logGroupName="/aws/sagemaker/Endpoints/hungry")["events"]
        return any("MemorySizeInMB is 1024" in event["message"] for event in events)

    until(told)


@pytest.mark.namespaces
def test_what_aws_refuses(account: Account) -> None:
    def refused(*variants: dict[str, Any], **more: Any) -> str:
        create = account.sagemaker.create_endpoint_config
        response = failing(create, EndpointConfigName="no", ProductionVariants=[*variants], **more)
        assert response["Error"]["Code"] == "ValidationException"
        return str(response["Error"]["Message"])

    good = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert "1500" in refused(variant(**{**good, "MemorySizeInMB": 1500}))
    assert "200" in refused(variant(**{**good, "MaxConcurrency": 201}))
    assert "less than or equal to MaxConcurrency 5" in refused(variant(**good, ProvisionedConcurrency=6))
    assert "InstanceType" in refused(variant(**good) | {"InstanceType": "ml.m5.large"})
    assert "one production variant" in refused(variant(**good), variant(**good) | {"VariantName": "other"})
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://bucket/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    assert "captures no data" in refused(variant(**good), DataCaptureConfig=capture)
    asynchronous = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}
    assert "not both" in refused(variant(**good), AsyncInferenceConfig=asynchronous)
    url = account.artifact("isolated.tar.gz", code__inference_py=SLOW)
    account.model("isolated", "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3", url,
                  EnableNetworkIsolation=True)  # fmt: skip
    assert "EnableNetworkIsolation" in refused(variant(**good) | {"ModelName": "isolated"})


class Stub:
    """A variant of which only the number of instances counts."""

    def __init__(self) -> None:
        self.name = "v"
        self.instances: list[Any] = []
        self.recorded: list[str] = []
        self.meter = SimpleNamespace(record=lambda metric, *_: self.recorded.append(metric))

    def scale(self, instances: int) -> None:
        time.sleep(0.05)
        self.instances = [SimpleNamespace(servers=[], healthy=True)] * instances


def test_instances_come_with_requests_and_go_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serverless, "IDLE_SECONDS", 0.1)
    stub = Stub()
    app: Any = SimpleNamespace(settings=SimpleNamespace(cpus=2))
    limits = {"MemorySizeInMB": 1024, "MaxConcurrency": 3}
    capacity = serverless.Capacity(app, stub, limits, "group", tmp_path)  # type: ignore[arg-type]
    seen: list[int] = []

    async def request(seconds: float) -> None:
        async with capacity.admit():
            seen.append(len(stub.instances))
            await asyncio.sleep(seconds)

    async def run() -> None:
        await asyncio.gather(*(request(0.2) for _ in range(3)))
        assert (seen, len(stub.instances)) == ([1, 1, 1], 2), "the second came beside the first"
        answers = await asyncio.gather(*(request(0.05) for _ in range(4)), return_exceptions=True)
        assert [one.code for one in answers if isinstance(one, AwsError)] == ["ThrottlingException"]
        await asyncio.to_thread(until, lambda: not stub.instances)
        await request(0.0)

    capacity.prove()
    assert not stub.instances
    asyncio.run(run())
    assert stub.recorded.count("ModelSetupTime") == 3
