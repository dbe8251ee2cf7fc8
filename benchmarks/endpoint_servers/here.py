"""The churn model behind an endpoint of sagelocal; what only it is asked: the API's share, the cost of idling."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import socket
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from endpoint_servers.bench import LOAD_CORE, SERVER_CORE, Bench, Target, cpu_seconds

from sagelocal import config, server
from sagelocal.config import Settings

ENDPOINT = "churn"
_ASKED = 1000  # requests of each way to the model
_IDLE_SECONDS, _SETTLE_SECONDS = 30.0, 10.0


@contextmanager
def here(captured: bool, bench: Bench) -> Iterator[Target]:
    """One endpoint, with data capture of every request or without."""
    with sagelocal(bench) as settings:
        deploy(bench, settings, captured)
        yield target(settings, "here, captured" if captured else "here")


@contextmanager
def sagelocal(bench: Bench) -> Iterator[Settings]:
    """One of its own on the server's core, the model uploaded."""
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder) / "state")
        os.sched_setaffinity(0, {SERVER_CORE})  # what it starts inherits that
        server.up(settings)
        os.sched_setaffinity(0, {LOAD_CORE})
        try:
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as archive:
                archive.add(bench.folder / "model", ".")
            settings.client("s3").put_object(Bucket=settings.bucket, Key="bench/model.tar.gz", Body=packed.getvalue())
            yield settings
        finally:
            server.down(settings)


def deploy(bench: Bench, settings: Settings, captured: bool) -> None:
    sagemaker = settings.client("sagemaker")
    sagemaker.create_model(
        ModelName=ENDPOINT,
        ExecutionRoleArn=settings.role_arn,
        PrimaryContainer={
            "Image": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-xgboost:3.2-0",
            "ModelDataUrl": f"s3://{settings.bucket}/bench/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_MODEL_SERVER_WORKERS": str(bench.workers),
            },
        },
    )
    capture = {
        "EnableCapture": captured,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{settings.bucket}/bench/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    variant = {"VariantName": "v", "ModelName": ENDPOINT, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=ENDPOINT, ProductionVariants=[variant], DataCaptureConfig=capture
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1})


def target(settings: Settings, name: str) -> Target:
    """A request as botocore sends it. Whose key signed is looked at, the signature is not: any will do."""
    signed = f"Credential={settings.access_key}/20261121/{settings.region}/sagemaker/aws4_request"
    headers = {
        "Host": f"127.0.0.1:{settings.port}",
        "Content-Type": "text/csv",
        "Accept": "text/csv",
        "User-Agent": "Boto3/1.43.106 md/Botocore#1.43.106 ua/2.1 os/linux lang/python#3.11",
        "X-Amz-Date": "20261121T120000Z",
        "Authorization": f"AWS4-HMAC-SHA256 {signed}, SignedHeaders=content-type;host;x-amz-date, Signature={'0' * 64}",
        "amz-sdk-invocation-id": "7a8b1d0e-5a60-4a53-a3f5-0d6f4d2b8a11",
        "amz-sdk-request": "attempt=1",
    }
    pid = server.status(settings)["pid"]
    path = f"/endpoints/{ENDPOINT}/invocations"
    return Target(name, settings.port, path, pid, headers, wrap=str, written=str)


def beside(bench: Bench) -> dict[str, float]:
    """`layer`, the ms that the API adds at the median, and `idle`, the percentage of a core of one idle endpoint."""
    with sagelocal(bench) as settings:
        deploy(bench, settings, captured=False)
        endpoint = target(settings, "here")
        time.sleep(_SETTLE_SECONDS)
        before = cpu_seconds(endpoint.processes())
        time.sleep(_IDLE_SECONDS)
        idle = (cpu_seconds(endpoint.processes()) - before) / _IDLE_SECONDS * 100
        return {"layer": layer(endpoint, _model_socket(settings), bench.body(1).encode()), "idle": idle}


def layer(endpoint: Target, model: str, body: bytes) -> float:
    """Median ms of a request through the API less that of the same one to the model server's own socket, in turns."""
    api = http.client.HTTPConnection("127.0.0.1", endpoint.port)
    direct = http.client.HTTPConnection("model")
    direct.sock = socket.socket(socket.AF_UNIX)
    direct.sock.connect(model)
    bare = {"Content-Type": "text/csv", "Accept": "text/csv"}
    ways = [(api, endpoint.path, dict(endpoint.headers)), (direct, "/invocations", bare)]
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ASKED):
        for (connection, path, headers), times in zip(ways, taken, strict=True):
            start = time.perf_counter()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            times.append(time.perf_counter() - start)
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}")
    return (statistics.median(taken[0]) - statistics.median(taken[1])) * 1e3


def _model_socket(settings: Settings) -> str:
    """Of the only endpoint's only model server, in the folder that sagelocal keeps such sockets in."""
    own = f"sagelocal-{os.geteuid()}-{hashlib.sha256(str(settings.state).encode()).hexdigest()[:10]}"
    roots = {os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"} - {""}
    found = [path for root in roots for path in Path(root, own).glob("*/*") if path.is_socket()]
    if len(found) != 1:
        raise SystemExit(f"expected the socket of one model server in {own} of {roots}, found {found}")
    return str(found[0])
