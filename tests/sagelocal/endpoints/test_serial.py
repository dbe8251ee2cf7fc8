"""Several containers in one model: in series, and called one by one."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.config import Settings
from tests.sagelocal.endpoints.test_endpoints import ENVIRONMENT, SKLEARN, Account, capture_to, failing, until

# Says what it was asked and how; `word.txt` tells one container from the other.
STAGE = """
import os

def model_fn(model_dir):
    return open(os.path.join(model_dir, "word.txt")).read()

def transform_fn(model, body, content_type, accept):
    text = body.decode() if isinstance(body, bytes) else body
    if text.split(">")[0] == model + "-fails":
        raise ValueError("cannot go on")
    if text == model + "-large":
        return "x" * (5 * 1024 * 1024 + 1), "text/csv"
    if text.endswith("ports"):
        names = ("SAGEMAKER_BIND_TO_PORT", "SAGEMAKER_SAFE_PORT_RANGE")
        return ",".join(os.environ[name] for name in names), "text/csv"
    return f"{text}>{model} of {content_type} as {accept}", "text/csv" if accept == "application/json" else accept
"""


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    return Account(laptop)


def containers(account: Account, *words: str, hostnames: bool = False) -> list[dict[str, Any]]:
    found = []
    for word in words:
        url = account.artifact(f"stage-{word}.tar.gz", code__inference_py=STAGE, word_txt=word)
        own = {"ContainerHostname": f"the-{word}"} if hostnames else {}
        found.append({"Image": SKLEARN, "ModelDataUrl": url, "Environment": ENVIRONMENT, **own})
    return found


@pytest.fixture(scope="module")
def series(account: Account) -> str:
    account.sagemaker.create_model(ModelName="series", Containers=containers(account, "first", "last"))
    account.config("series", "series", **capture_to(account, "series-capture"))
    described = account.deploy("series", "series")
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    assert len(described["ProductionVariants"][0]["DeployedImages"]) == 2
    return "series"


def ask(account: Account, endpoint: str, body: str, **more: Any) -> dict[str, Any]:
    answer = account.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **{"ContentType": "text/plain", **more})
    return answer | {"Text": answer["Body"].read().decode()}


@pytest.mark.namespaces
def test_each_answer_is_the_next_request_and_accept_is_the_last_ones(account: Account, series: str) -> None:
    answer = ask(account, series, "in", Accept="text/html")
    first = "in>first of text/plain as application/json"  # the image's default: Accept did not reach it
    assert answer["Text"] == f"{first}>last of text/csv; charset=utf-8 as text/html"
    assert answer["ContentType"].startswith("text/html")
    assert answer["InvokedProductionVariant"] == "series"
    record = until(lambda: account.captured("series-capture/series/series/"))[0]["captureData"]
    assert record["endpointInput"]["observedContentType"] == "text/plain"
    assert record["endpointOutput"]["observedContentType"].startswith("text/html")


@pytest.mark.namespaces
def test_an_error_names_its_container_and_its_log_stream(account: Account, series: str) -> None:
    for body, name in (("first-fails", "container-1"), ("last-fails", "container-2")):
        response = failing(account.runtime.invoke_endpoint, EndpointName=series, Body=body, ContentType="text/csv")
        assert f"Received server error (500) from {name} with message" in response["Error"]["Message"]
        assert response["LogStreamArn"].endswith(f"/{name}")
    large = failing(account.runtime.invoke_endpoint, EndpointName=series, Body="first-large", ContentType="text/csv")
    assert large["Error"]["Code"] == "ModelError"
    assert "payload from container-1 to container-2 is 5242881 bytes" in large["Error"]["Message"]
    logs = account.settings.client("logs")

    def streams() -> set[str]:
        found = logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/series")["logStreams"]
        return {stream["logStreamName"].rpartition("/")[2] for stream in found}

    until(lambda: streams() >= {"container-1", "container-2"})


@pytest.mark.namespaces
def test_the_last_containers_answer_is_streamed(account: Account, series: str) -> None:
    def stream(body: str) -> str:
        answer = account.runtime.invoke_endpoint_with_response_stream(
            EndpointName=series, Body=body, ContentType="text/plain", Accept="text/html"
        )
        return b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode()

    assert stream("in").endswith(">last of text/csv; charset=utf-8 as text/html")
    failed = failing(stream, body="first-fails")
    assert "from container-1 with message" in failed["Error"]["Message"]
    assert failed["OriginalStatusCode"] == 500


@pytest.mark.namespaces
def test_latency_of_each_container_is_a_metric(account: Account, series: str) -> None:
    ask(account, series, "in")

    def measured() -> set[str]:
        listed = account.settings.client("cloudwatch").list_metrics(MetricName="ContainerLatency")["Metrics"]
        where = [{one["Name"]: one["Value"] for one in metric["Dimensions"]} for metric in listed]
        return {one["ContainerName"] for one in where if one["EndpointName"] == series}

    until(lambda: measured() == {"container-1", "container-2"})


@pytest.mark.namespaces
def test_direct_invocation_reaches_one_container(account: Account, series: str) -> None:
    account.sagemaker.create_model(
        ModelName="direct",
        Containers=containers(account, "left", "right", hostnames=True),
        InferenceExecutionConfig={"Mode": "Direct"},
    )
    endpoint = account.deploy("direct", account.config("direct", "direct"))
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    assert ask(account, "direct", "in", TargetContainerHostname="the-left")["Text"].startswith("in>left of text/plain")
    assert ask(account, "direct", "in", TargetContainerHostname="the-right")["Text"].startswith("in>right of")
    ports = [
        ask(account, "direct", "ports", TargetContainerHostname=f"the-{side}")["Text"] for side in ("left", "right")
    ]
    assert ports == ["14000,14001-14099", "14100,14101-14199"]

    def refused(**request: Any) -> str:
        error = failing(account.runtime.invoke_endpoint, Body=b"1", **request)["Error"]
        assert error["Code"] == "ValidationError"
        return error["Message"]

    assert "needs a target container hostname" in refused(EndpointName="direct")
    assert "Container the-middle not found" in refused(EndpointName="direct", TargetContainerHostname="the-middle")
    said = refused(EndpointName=series, TargetContainerHostname="container-1")
    assert "not configured for direct invocation" in said
    said = refused(EndpointName=series, TargetModel="a.tar.gz")
    assert said == "Endpoint series is not a multi-model endpoint and does not support target model header."


@pytest.mark.namespaces
def test_a_container_that_does_not_start_is_named(account: Account) -> None:
    broken = containers(account, "fine", "broken")
    broken[1]["Environment"] = {**ENVIRONMENT, "SAGEMAKER_PROGRAM": "absent.py"}
    account.sagemaker.create_model(ModelName="broken", Containers=broken)
    reason = account.deploy("broken", account.config("broken", "broken"))["FailureReason"]
    assert reason.startswith("The container-2 for production variant broken did not pass the ping health check.")
    assert "absent.py" in reason


@pytest.mark.namespaces
def test_a_transform_job_runs_a_pipeline(account: Account, series: str) -> None:
    bucket = account.settings.bucket
    account.s3.put_object(Bucket=bucket, Key="series/in/a.txt", Body=b"one\ntwo\n")
    account.sagemaker.create_transform_job(
        TransformJobName="series",
        ModelName=series,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/series/in/"}},
            "ContentType": "text/plain",
            "SplitType": "Line",
        },
        TransformOutput={"S3OutputPath": f"s3://{bucket}/out", "AssembleWith": "Line", "Accept": "text/html"},
        BatchStrategy="SingleRecord",
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )

    def ended() -> Any:
        job = account.sagemaker.describe_transform_job(TransformJobName="series")
        return job if job["TransformJobStatus"] not in ("InProgress", "Stopping") else None

    assert until(ended)["TransformJobStatus"] == "Completed"
    made = account.s3.get_object(Bucket=bucket, Key="out/a.txt.out")["Body"].read().decode().splitlines()
    assert [line.partition(">")[0] for line in made] == ["one", "two"]
    assert made[0].endswith(">last of text/csv; charset=utf-8 as text/html")
    account.sagemaker.create_model(
        ModelName="direct-only",
        Containers=containers(account, "left", "right", hostnames=True),
        InferenceExecutionConfig={"Mode": "Direct"},
    )
    request = account.sagemaker.describe_transform_job(TransformJobName="series")
    wanted = ("TransformInput", "TransformOutput", "TransformResources")
    error = failing(
        account.sagemaker.create_transform_job,
        TransformJobName="direct",
        ModelName="direct-only",
        **{name: request[name] for name in wanted},
    )["Error"]
    assert "Direct: a transform job needs Serial" in error["Message"]
