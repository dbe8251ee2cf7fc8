"""kill -9 while pipelines run: nothing acknowledged is lost, what ran goes on, endpoints serve again.

python tests/robustness/kill.py [--kills 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import tarfile
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from sagelocal import config, server
from sagelocal.config import Settings

JOBS = {"First", "Second", "Beside-0", "Beside-1"}  # of each execution
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


def step(settings: Settings, name: str, uri: Any, after: str | None = None) -> dict[str, Any]:
    """A Processing step that writes a file with an id of its own run to `uri`; it reads the earlier step's file."""

    def source(input_name: str, at: Any) -> dict[str, Any]:
        return {
            "InputName": input_name,
            "S3Input": {
                "S3Uri": at,
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
                            "S3Uri": uri,
                            "LocalPath": "/opt/ml/processing/output",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
        },
    }


def definition(settings: Settings) -> str:
    """First, then Second; beside them a ForEach step with two iterations, Beside-0 and Beside-1."""

    def uri(*name: Any) -> dict[str, Any]:
        folder = {
            "Std:Join": {
                "On": "/",
                "Values": [f"s3://{settings.bucket}/crash", {"Get": "Execution.PipelineExecutionId"}, ""],
            }
        }
        return {"Std:Join": {"On": "", "Values": [folder, *name]}}

    body = step(settings, "Beside", uri("Beside-", {"Get": "ForEach.CurrentItem"}))
    each = {
        "Name": "Each",
        "Type": "ForEach",
        "Arguments": {"IterableItems": ["0", "1"], "MaxConcurrency": 2, "ForEachBody": [body]},
    }
    steps = [step(settings, "First", uri("First")), step(settings, "Second", uri("Second"), "First"), each]
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
    succeeded = {step["StepName"] for step in listed["PipelineExecutionSteps"] if step["StepStatus"] == "Succeeded"}
    return succeeded & JOBS


def kill_and_look(settings: Settings, kills: int, chance: random.Random) -> int:
    """Kills the daemon at random moments of running pipelines. Number of finished steps that kills came after.

    Raises AssertionError when something acknowledged is gone, a finished step ran again, or an execution doesn't end.
    """
    prepare(settings)
    acknowledged: dict[str, dict[str, str]] = {}
    for number in range(kills):
        arn = kill_once(settings, number, chance.uniform(0.0, 1.2), acknowledged)
        still_there(settings, number, arn)
    for arn, before in acknowledged.items():
        ended(settings, arn, before)
    jobs = settings.client("sagemaker").get_paginator("list_processing_jobs").paginate()
    started = sum(len(page["ProcessingJobSummaries"]) for page in jobs)
    expected = len(JOBS) * kills
    assert started == expected, f"{started} jobs for {expected} steps: a restarted engine started a second one"
    return sum(len(before) for before in acknowledged.values())


def prepare(settings: Settings) -> None:
    settings.client("s3").put_object(Bucket=settings.bucket, Key="crash/step.py", Body=SCRIPT)
    serve_something(settings)
    settings.client("sagemaker").create_pipeline(
        PipelineName="crash",
        PipelineDefinition=definition(settings),
        ClientRequestToken="c" * 32,
        RoleArn=settings.role_arn,
    )


def kill_once(settings: Settings, number: int, after: float, acknowledged: dict[str, dict[str, str]]) -> str:
    """Starts an execution and kills the daemon `after` seconds; notes what had finished by then."""
    sagemaker = settings.client("sagemaker")
    execution = sagemaker.start_pipeline_execution(PipelineName="crash", ClientRequestToken=f"{number:032}")
    arn = str(execution["PipelineExecutionArn"])
    sagemaker.create_model_package_group(ModelPackageGroupName=f"group-{number}")
    time.sleep(after)
    done = finished(settings, arn)
    acknowledged[arn] = {name: run for name, run in run_ids(settings, arn).items() if name in done}
    assert done == set(acknowledged[arn]), "a step is Succeeded and its output is not there"
    os.kill(server.status(settings)["pid"], signal.SIGKILL)
    server.up(settings)
    return arn


def still_there(settings: Settings, number: int, arn: str) -> None:
    sagemaker = settings.client("sagemaker")
    assert sagemaker.describe_model_package_group(ModelPackageGroupName=f"group-{number}")
    assert sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    wait_for(lambda: sagemaker.describe_endpoint(EndpointName="e"), "EndpointStatus", "InService")
    runtime = settings.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="e", ContentType="text/csv", Body="1")
    assert answer["Body"].read() == b"42"


def ended(settings: Settings, arn: str, before: dict[str, str]) -> None:
    describe = partial(settings.client("sagemaker").describe_pipeline_execution, PipelineExecutionArn=arn)
    wait_for(describe, "PipelineExecutionStatus", "Succeeded", seconds=300)
    after = run_ids(settings, arn)
    assert set(after) == JOBS
    assert {name: after[name] for name in before} == before, "a finished step ran again"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder) / "state")
        server.up(settings)
        try:
            started = time.monotonic()
            survived = kill_and_look(settings, arguments.kills, random.Random(arguments.seed))
        finally:
            server.down(settings)
    seconds = time.monotonic() - started
    print(f"{arguments.kills} kills in {seconds:.0f} s, {survived} steps had finished before one, and nothing was lost")


if __name__ == "__main__":
    main()
