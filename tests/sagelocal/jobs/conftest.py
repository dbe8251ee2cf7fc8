"""A sagelocal in this process: its MiniStack, its store and its job runner."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagelocal import baseline, config
from sagelocal.app import SageLocal
from sagelocal.ministack import MiniStack

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
IMAGES = {
    "scikit-learn": SKLEARN,
    "xgboost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
    "pytorch": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SageLocal]:
    """With 1 GiB of memory as far as jobs are concerned: their limit is half of it."""
    settings = dataclasses.replace(config.load(tmp_path_factory.mktemp("state")), memory=2**30, cpus=2)
    with contextlib.ExitStack() as stack:
        ministack = MiniStack(settings)
        stack.callback(ministack.stop)
        ministack.wait()
        baseline.put_back(settings)
        sagelocal = SageLocal(settings)
        stack.callback(sagelocal.close)
        sagelocal.jobs.stop_grace = 2.0
        yield sagelocal


@pytest.fixture
def put(app: SageLocal) -> Callable[[str, str | bytes], str]:
    """Puts an object into the default bucket and returns its URI."""

    def put_object(key: str, body: str | bytes) -> str:
        app.s3.put_object(Bucket=app.settings.bucket, Key=key, Body=body)
        return f"s3://{app.settings.bucket}/{key}"

    return put_object


@pytest.fixture
def got(app: SageLocal) -> Callable[[str], dict[str, bytes]]:
    """All objects under a prefix of the default bucket, by the rest of their key."""

    def objects(prefix: str) -> dict[str, bytes]:
        bucket = app.settings.bucket
        keys = [item["Key"] for item in app.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
        return {key[len(prefix) :]: app.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    return objects


@pytest.fixture
def process(app: SageLocal, put: Callable[[str, str | bytes], str]) -> Callable[..., dict[str, Any]]:
    """Runs a script as a Processing job and returns the description of its end (or, with wait=False, at once)."""

    def run(name: str, script: str, wait: bool = True, instances: int = 1, **request: Any) -> dict[str, Any]:
        inputs = request.pop("ProcessingInputs", [])
        code = source("code", put(f"{name}/code/script.py", script))
        app.call(
            "CreateProcessingJob",
            {
                "ProcessingJobName": name,
                "RoleArn": app.settings.role_arn,
                "AppSpecification": {
                    "ImageUri": SKLEARN,
                    "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
                },
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": instances,
                        "InstanceType": "ml.m5.large",
                        "VolumeSizeInGB": 5,
                    }
                },
                "ProcessingInputs": [code, *inputs],
                **request,
            },
        )
        if wait:
            ended(app, "ProcessingJob", name)
        return app.call("DescribeProcessingJob", {"ProcessingJobName": name})

    return run


@pytest.fixture
def train(app: SageLocal, put: Callable[[str, str | bytes], str]) -> Callable[..., dict[str, Any]]:
    """Runs a script by the toolkit's hyperparameters and returns the description of the job's end."""

    def run(
        name: str,
        script: str,
        hyperparameters: dict[str, str] | None = None,
        image: str = "scikit-learn",
        wait: bool = True,
        algorithm: dict[str, Any] | None = None,
        instances: int = 1,
        **request: Any,
    ) -> dict[str, Any]:
        code = put(f"{name}/source/sourcedir.tar.gz", _archive({"train.py": script}))
        own = {"sagemaker_program": json.dumps("train.py"), "sagemaker_submit_directory": json.dumps(code)}
        app.call(
            "CreateTrainingJob",
            {
                "TrainingJobName": name,
                "RoleArn": app.settings.role_arn,
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGES[image],
                    "TrainingInputMode": "File",
                    **(algorithm or {}),
                },
                "HyperParameters": {
                    **({} if algorithm and "ContainerEntrypoint" in algorithm else own),
                    **(hyperparameters or {}),
                },
                "OutputDataConfig": {"S3OutputPath": f"s3://{app.settings.bucket}/models"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": instances, "VolumeSizeInGB": 5},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                **request,
            },
        )
        if wait:
            ended(app, "TrainingJob", name)
        return app.call("DescribeTrainingJob", {"TrainingJobName": name})

    return run


def _archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = len(text), 1234, 1234
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def ended(app: SageLocal, kind: str, name: str) -> dict[str, Any]:
    return app.store.wait(kind, name, lambda job: job[f"{kind}Status"] not in ("InProgress", "Stopping"), timeout=60)


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def source(name: str, uri: str, **more: Any) -> dict[str, Any]:
    local = {"LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {"S3Uri": uri, **local, **more}}
