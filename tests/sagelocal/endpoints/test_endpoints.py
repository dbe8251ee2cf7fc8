"""Endpoints over the wire with unmodified boto3: deploy, invoke, update in place, fail, capture, survive."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xgboost
from botocore.exceptions import ClientError

from sagelocal import server
from sagelocal.config import Settings

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
ECHO = """
import os, pathlib

def model_fn(model_dir):
    return pathlib.Path(model_dir, "word.txt").read_text()

def transform_fn(model, body, content_type, accept):
    if body == "raise":
        raise ValueError("cannot answer this")
    if body == "die":
        os._exit(3)
    if body == "look":
        seen = [os.path.exists(path) for path in (os.environ["STATE"], "/opt/ml/model/word.txt")]
        return f"{seen} {os.access('/opt/ml/model', os.W_OK)}"
    return f"{model} {body}", accept
"""


class Account:
    """The clients of one sagelocal, and short ways to make what the tests are about."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sagemaker = settings.client("sagemaker")
        self.runtime = settings.client("sagemaker-runtime")
        self.s3 = settings.client("s3")

    def artifact(self, key: str, **files: str | bytes) -> str:
        """A model.tar.gz on S3; a file's name has `__` for `/` and `_` for `.`."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                entry = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
                entry.size = len(data)
                packed.addfile(entry, io.BytesIO(data))
        self.s3.put_object(Bucket=self.settings.bucket, Key=key, Body=buffer.getvalue())
        return f"s3://{self.settings.bucket}/{key}"

    def echo(self, name: str, script: str = ECHO) -> str:
        """A model that answers its own name and the request."""
        return self.model(name, SKLEARN, self.artifact(f"{name}.tar.gz", code__inference_py=script, word_txt=name))

    def model(self, name: str, image: str, url: str, **more: Any) -> str:
        environment = {**ENVIRONMENT, "STATE": str(self.settings.state)}
        container = {"Image": image, "ModelDataUrl": url, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, **more)
        return name

    def config(self, name: str, *models: str, **more: Any) -> str:
        """A config with a variant a model, named like it, all of the same weight."""
        variants = [
            {"VariantName": model, "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
            for model in models
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **more)
        return name

    def deploy(self, name: str, config_name: str) -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config_name)
        return self.settled(name)

    def update(self, name: str, config_name: str, **more: Any) -> dict[str, Any]:
        self.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config_name, **more)
        return self.settled(name)

    def settled(self, name: str) -> dict[str, Any]:
        def look() -> Any:
            found = self.sagemaker.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] in ("InService", "Failed") else None

        return until(look)

    def ask(self, name: str, body: str | bytes, **more: Any) -> str:
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **{"ContentType": "text/csv", **more})
        return answer["Body"].read().decode()

    def captured(self, prefix: str) -> list[dict[str, Any]]:
        found = self.s3.list_objects_v2(Bucket=self.settings.bucket, Prefix=prefix).get("Contents", [])
        bodies = [self.s3.get_object(Bucket=self.settings.bucket, Key=one["Key"])["Body"].read() for one in found]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value that `look` gives."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def model_servers(daemon: psutil.Process) -> list[psutil.Process]:
    """The main processes: those with workers."""
    found = []
    for process in daemon.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # of a deployment that just ended
            if process.cmdline()[:3] == ["python", "-m", "model_server"]:
                found.append(process)
    parents = {process.ppid() for process in found if process.is_running()}
    return [process for process in found if process.pid in parents]


def failing(call: Callable[..., Any], **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**request)
    return raised.value.response


def capture_to(account: Account, prefix: str) -> dict[str, Any]:
    return {
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{account.settings.bucket}/{prefix}",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        }
    }


@pytest.fixture(scope="module")
def account(laptop: Settings) -> Account:
    return Account(laptop)


@pytest.mark.namespaces
def test_endpoints_serve_again_after_a_kill_and_no_captured_record_is_lost(account: Account) -> None:
    account.config("phoenix", account.echo("phoenix"), **capture_to(account, "kill-capture"))
    account.deploy("phoenix", "phoenix")
    for number in range(20):
        account.ask("phoenix", str(number))
    os.kill(server.status(account.settings)["pid"], signal.SIGKILL)
    server.up(account.settings)
    assert account.ask("phoenix", "back") == "phoenix back"

    def seen() -> set[str]:
        return {one["captureData"]["endpointInput"]["data"] for one in account.captured("kill-capture/")}

    until(lambda: {*map(str, range(20)), "back"} <= seen())


@pytest.mark.namespaces
def test_deploy_invoke_capture_delete(account: Account) -> None:
    account.config("first", account.echo("one"), **capture_to(account, "first-capture"))
    endpoint = account.deploy("first", "first")
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert endpoint["DataCaptureConfig"]["CaptureStatus"] == "Started"

    answer = account.runtime.invoke_endpoint(
        EndpointName="first",
        Body=b"1,2",
        ContentType="text/csv",
        Accept="text/csv",
        InferenceId="id-7",
        CustomAttributes="a=1",
    )
    assert answer["Body"].read() == b"one 1,2"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/csv; charset=utf-8", "one")
    assert account.ask("first", "look") == "[False, True] False", (
        "a model sees no state folder and can't change its files"
    )

    record = until(lambda: account.captured("first-capture/first/one/"))[0]
    assert record["captureData"]["endpointInput"]["data"] == "1,2"
    assert record["captureData"]["endpointOutput"]["data"] == "one 1,2"
    assert record["eventMetadata"]["inferenceId"] == "id-7"

    account.sagemaker.delete_endpoint(EndpointName="first")
    until(lambda: not account.sagemaker.list_endpoints(NameContains="first")["Endpoints"])
    gone = failing(account.runtime.invoke_endpoint, EndpointName="first", Body=b"1")["Error"]
    assert (gone["Code"], gone["Message"]) == ("ValidationError", "Endpoint first of account 000000000000 not found.")
    assert len(account.captured("first-capture/")) == 2
    assert not (account.settings.state / "endpoints" / "first").exists()


@pytest.mark.namespaces
def test_a_containers_error_is_a_model_error_and_a_dead_one_is_started_again(account: Account) -> None:
    account.deploy("errors", account.config("errors", account.echo("brittle")))
    response = failing(account.runtime.invoke_endpoint, EndpointName="errors", Body=b"raise", ContentType="text/csv")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["Error"]["Code"] == "ModelError"
    assert 'Received server error (500) from primary with message "' in response["Error"]["Message"]
    assert response["OriginalStatusCode"] == 500
    assert "cannot answer this" in response["OriginalMessage"]
    assert ":log-group:/aws/sagemaker/Endpoints/errors:log-stream:brittle/i-" in response["LogStreamArn"]

    assert (
        failing(account.runtime.invoke_endpoint, EndpointName="errors", Body=b"die", ContentType="text/csv")["Error"][
            "Code"
        ]
        == "ModelError"
    )
    assert account.ask("errors", "again") == "brittle again"

    def logged() -> bool:
        group = {"logGroupName": "/aws/sagemaker/Endpoints/errors"}
        logs = account.settings.client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=group["logGroupName"])["logGroups"]:
            return False  # lines leave a moment after they were written
        streams = logs.describe_log_streams(**group)["logStreams"]
        events = [logs.get_log_events(**group, logStreamName=one["logStreamName"])["events"] for one in streams]
        return any("cannot answer this" in event["message"] for several in events for event in several)

    until(logged)


@pytest.mark.namespaces
def test_requests_wait_for_a_model_server_that_died_as_a_whole(account: Account) -> None:
    account.deploy("reborn", account.config("reborn", account.echo("reborn")))
    daemon = psutil.Process(server.status(account.settings)["pid"])
    main = max(model_servers(daemon), key=psutil.Process.create_time)
    inside = main.children(recursive=True)
    main.kill()
    _, alive = psutil.wait_procs([main, *inside], timeout=30)  # one of them would read the request, and fail with it
    assert not alive
    assert account.ask("reborn", "again") == "reborn again"


@pytest.mark.namespaces
def test_an_update_loses_no_request(account: Account) -> None:
    account.deploy("moving", account.config("old", account.echo("old")))
    answers: list[str] = []
    done = threading.Event()

    def hammer() -> None:
        while not done.is_set():
            answers.append(account.ask("moving", "x"))

    hammering = threading.Thread(target=hammer)
    hammering.start()
    until(lambda: answers)
    endpoint = account.update("moving", account.config("new", account.echo("new")))
    account.sagemaker.delete_endpoint_config(EndpointConfigName="old")
    account.sagemaker.delete_model(ModelName="old")
    until(lambda: answers[-1] == "new x")
    done.set()
    hammering.join()
    assert endpoint["EndpointConfigName"] == "new"
    switch = answers.index("new x")
    assert set(answers[:switch]) == {"old x"}
    assert set(answers[switch:]) == {"new x"}


@pytest.mark.namespaces
def test_an_update_that_never_gets_healthy_leaves_the_old_serving(account: Account) -> None:
    account.deploy("steady", account.config("good", account.echo("good")))
    broken = account.echo("broken", "raise RuntimeError('weights are missing')")
    endpoint = account.update("steady", account.config("broken", broken))
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "good")
    assert "did not pass the ping health check" in endpoint["FailureReason"]
    assert "weights are missing" in endpoint["FailureReason"]
    assert account.ask("steady", "x") == "good x"
    endpoint = account.update("steady", account.config("better", account.echo("better")))
    assert "FailureReason" not in endpoint
    assert account.ask("steady", "x") == "better x"


@pytest.mark.namespaces
def test_a_creation_that_fails_says_why_and_can_only_be_deleted(account: Account) -> None:
    broken = account.echo("dead", "import nowhere_to_be_found")
    account.config("dead", broken)
    endpoint = account.deploy("dead", "dead")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "No module named 'nowhere_to_be_found'" in endpoint["FailureReason"]
    error = failing(account.sagemaker.update_endpoint, EndpointName="dead", EndpointConfigName="dead")["Error"]
    assert "Cannot update failed endpoint" in error["Message"]
    asked = failing(account.runtime.invoke_endpoint, EndpointName="dead", Body=b"1")["Error"]
    assert "not found. Its status is Failed" in asked["Message"]
    account.sagemaker.delete_endpoint(EndpointName="dead")
    until(lambda: not account.sagemaker.list_endpoints(NameContains="dead")["Endpoints"])


@pytest.mark.namespaces
def test_deletions_asked_for_again_and_again_leave_the_next_endpoint_of_that_name_alone(account: Account) -> None:
    account.deploy("again", account.config("again", account.echo("again")))
    created = threading.Event()

    def delete() -> None:
        client = account.settings.client("sagemaker")
        while not created.is_set():
            with contextlib.suppress(ClientError):  # gone, or being created
                client.delete_endpoint(EndpointName="again")

    threads = [threading.Thread(target=delete) for _ in range(4)]
    for thread in threads:
        thread.start()

    def create() -> bool:
        with contextlib.suppress(ClientError):  # not gone yet
            account.sagemaker.create_endpoint(EndpointName="again", EndpointConfigName="again")
            return True
        return False

    time.sleep(0.1)
    until(create)
    created.set()
    for thread in threads:
        thread.join()
    assert account.settled("again")["EndpointStatus"] == "InService"
    assert account.ask("again", "x") == "again x"


@pytest.mark.namespaces
def test_weights_and_target_variant(account: Account) -> None:
    account.deploy("pair", account.config("pair", account.echo("left"), account.echo("right")))
    assert {account.ask("pair", "x") for _ in range(60)} == {"left x", "right x"}
    assert {account.ask("pair", "x", TargetVariant="left") for _ in range(10)} == {"left x"}
    error = failing(account.runtime.invoke_endpoint, EndpointName="pair", Body=b"1", TargetVariant="middle")["Error"]
    assert (error["Code"], "middle" in error["Message"]) == ("ValidationError", True)

    change = account.sagemaker.update_endpoint_weights_and_capacities
    change(
        EndpointName="pair",
        DesiredWeightsAndCapacities=[
            {"VariantName": "left", "DesiredWeight": 0},
            {"VariantName": "right", "DesiredWeight": 3, "DesiredInstanceCount": 2},
        ],
    )
    left, right = account.settled("pair")["ProductionVariants"]
    assert (left["CurrentWeight"], right["CurrentWeight"], right["CurrentInstanceCount"]) == (0, 3, 2)
    assert {account.ask("pair", "x") for _ in range(30)} == {"right x"}
    unknown = [{"VariantName": "middle", "DesiredWeight": 1}]
    error = failing(change, EndpointName="pair", DesiredWeightsAndCapacities=unknown)["Error"]
    assert error["Message"] == 'The variant name(s) "middle" is/are not present within endpoint configuration "pair".'

    kept = account.update("pair", "pair", RetainAllVariantProperties=True)["ProductionVariants"]
    assert [variant["CurrentWeight"] for variant in kept] == [0, 3]
    fresh = account.update("pair", "pair")["ProductionVariants"]
    assert [variant["CurrentWeight"] for variant in fresh] == [1, 1]


@pytest.mark.namespaces
def test_a_real_xgboost_model_from_an_uncompressed_prefix(account: Account, tmp_path: Path) -> None:
    rows = np.array([[0.0, 1], [1, 0], [0, 0], [1, 1]] * 20)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=rows[:, 0]), 20)
    booster.save_model(tmp_path / "model.json")
    script = "import xgboost\ndef model_fn(d): return xgboost.Booster(model_file=f'{d}/model.json')\n"
    for key, data in {
        "model.json": (tmp_path / "model.json").read_bytes(),
        "code/inference.py": script.encode(),
    }.items():
        account.s3.put_object(Bucket=account.settings.bucket, Key=f"booster/{key}", Body=data)
    source = {"S3Uri": f"s3://{account.settings.bucket}/booster/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": XGBOOST, "ModelDataSource": {"S3DataSource": source}, "Environment": ENVIRONMENT}
    account.sagemaker.create_model(ModelName="booster", Containers=[container], EnableNetworkIsolation=True)
    account.deploy("booster", account.config("booster", "booster"))
    high, low = json.loads(account.ask("booster", "1,0\n0,1"))
    assert high > 0.5 > low
    response = failing(
        account.runtime.invoke_endpoint, EndpointName="booster", Body=b"[[1, 0]]", ContentType="application/json"
    )
    assert response["OriginalStatusCode"] == 500
    assert "Received server error (500)" in response["Error"]["Message"]


@pytest.mark.namespaces
def test_a_body_over_the_limit_is_refused(account: Account) -> None:
    account.deploy("big", account.config("big", account.echo("big")))
    assert len(account.ask("big", b"x" * 7_000_000)) > 7_000_000, "the API model still says 6 MB, AWS takes 25"
    error = failing(account.runtime.invoke_endpoint, EndpointName="big", Body=b"x" * (25 * 1024 * 1024 + 1))["Error"]
    assert error["Code"] == "ValidationError"
    assert "'body'" in error["Message"]
