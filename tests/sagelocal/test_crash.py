"""kill -9 at a dozen points: nothing acknowledged is lost, what was running goes on, endpoints serve again."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
from functools import partial
from typing import Any

import pytest

from sagelocal import server
from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces

SCRIPT = """
import os, time, uuid
time.sleep(0.2)
for name in os.listdir("/opt/ml/processing/input"):
    if name != "code":
        assert os.listdir(f"/opt/ml/processing/input/{name}") == ["run.txt"]
open("/opt/ml/processing/output/run.txt", "w").write(str(uuid.uuid4()))
"""
HANDLER = """
def model_fn(model_dir): return open(f"{model_dir}/weights").read()
def input_fn(body, content_type): return body
def predict_fn(data, model): return model
def output_fn(prediction, accept): return prediction, "text/csv"
"""


def image(settings: Settings) -> str:
    return f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


def step(settings: Settings, name: str, execution_uri: Any, after: str | None = None) -> dict[str, Any]:
    """A Processing step that writes a file with an id of its own run; it reads the earlier step's file."""

    def source(input_name: str, uri: Any) -> dict[str, Any]:
        return {
            "InputName": input_name,
            "S3Input": {
                "S3Uri": uri,
                "LocalPath": f"/opt/ml/processing/input/{input_name}",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }

    inputs = [source("code", f"s3://{settings.bucket}/crash/step.py")]
    if after:
        output = f"Steps.{after}.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"
        inputs.append(source("before", {"Get": output}))
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.t3.medium", "VolumeSizeInGB": 1}
            },
            "AppSpecification": {
                "ImageUri": image(settings),
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/step.py"],
            },
            "RoleArn": settings.role_arn,
            "ProcessingInputs": inputs,
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "out",
                        "S3Output": {
                            "S3Uri": {"Std:Join": {"On": "/", "Values": [execution_uri, name]}},
                            "LocalPath": "/opt/ml/processing/output",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
        },
    }


def definition(settings: Settings) -> str:
    uri = {
        "Std:Join": {"On": "/", "Values": [f"s3://{settings.bucket}/crash", {"Get": "Execution.PipelineExecutionId"}]}
    }
    steps = [step(settings, "First", uri), step(settings, "Second", uri, "First"), step(settings, "Beside", uri)]
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": steps})


def serve_something(settings: Settings) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in (("weights", "42"), ("code/inference.py", HANDLER)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    settings.client("s3").put_object(Bucket=settings.bucket, Key="crash/model.tar.gz", Body=archive.getvalue())
    sagemaker = settings.client("sagemaker")
    sagemaker.create_model(
        ModelName="m",
        ExecutionRoleArn=settings.role_arn,
        PrimaryContainer={
            "Image": image(settings),
            "ModelDataUrl": f"s3://{settings.bucket}/crash/model.tar.gz",
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
        },
    )
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    wait_for(lambda: sagemaker.describe_endpoint(EndpointName="e"), "EndpointStatus", "InService")


def wait_for(describe: Any, member: str, wanted: str, seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (answer := describe())[member] != wanted:
        assert time.monotonic() < deadline, answer
        assert answer[member] not in ("Failed", "Stopped"), answer
        time.sleep(0.05)
    return dict(answer)


def run_ids(settings: Settings, execution: str) -> dict[str, str]:
    s3 = settings.client("s3")
    prefix = f"crash/{execution.rsplit('/', 1)[1]}/"
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=settings.bucket, Prefix=prefix).get("Contents", [])]
    return {key.split("/")[2]: s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read().decode() for key in keys}


def finished(settings: Settings, execution: str) -> set[str]:
    listed = settings.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=execution)
    return {step["StepName"] for step in listed["PipelineExecutionSteps"] if step["StepStatus"] == "Succeeded"}


def test_a_dozen_kills_lose_nothing(laptop: Settings) -> None:
    sagemaker = laptop.client("sagemaker")
    runtime = laptop.client("sagemaker-runtime")
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="crash/step.py", Body=SCRIPT)
    serve_something(laptop)
    sagemaker.create_pipeline(
        PipelineName="crash",
        PipelineDefinition=definition(laptop),
        ClientRequestToken="c" * 32,
        RoleArn=laptop.role_arn,
    )
    acknowledged: dict[str, dict[str, str]] = {}
    for point in range(12):
        execution = sagemaker.start_pipeline_execution(PipelineName="crash", ClientRequestToken=f"{point:032}")
        arn = execution["PipelineExecutionArn"]
        sagemaker.create_model_package_group(ModelPackageGroupName=f"group-{point}")
        time.sleep(point * 0.09)
        done = finished(laptop, arn)
        acknowledged[arn] = {name: run for name, run in run_ids(laptop, arn).items() if name in done}
        assert done == set(acknowledged[arn])

        pid = server.status(laptop)["pid"]
        os.kill(pid, signal.SIGKILL)
        server.up(laptop)

        assert sagemaker.describe_model_package_group(ModelPackageGroupName=f"group-{point}")
        wait_for(lambda: sagemaker.describe_endpoint(EndpointName="e"), "EndpointStatus", "InService")
        answer = runtime.invoke_endpoint(EndpointName="e", ContentType="text/csv", Body="1")
        assert answer["Body"].read() == b"42"

    for arn, before in acknowledged.items():
        wait_for(
            partial(sagemaker.describe_pipeline_execution, PipelineExecutionArn=arn),
            "PipelineExecutionStatus",
            "Succeeded",
        )
        after = run_ids(laptop, arn)
        assert set(after) == {"First", "Second", "Beside"}
        assert {name: after[name] for name in before} == before, "a finished step ran again"
    listed = sagemaker.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    assert len(listed) == 3 * 12, "a restarted engine started a second job for a step"
    assert any(acknowledged.values()), "no kill came after a finished step: the test would show nothing"
