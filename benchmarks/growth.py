"""What a full store costs: 1,000 executions and 10,000 packages, and a pipeline of 500 steps against one of 20.

    python benchmarks/growth.py [--executions 1000] [--packages 10000] [--steps 500]

Starts two sagelocals of their own in temporary folders, an empty one and a full one, and asks both the same through
boto3, alternately. The last line is JSON: the slowest operation's 99th percentile in ms.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from step_overhead import definition

from sagelocal import config, server
from sagelocal.app import SageLocal
from sagelocal.config import Settings

SMALL = 20  # steps
_STEPS = 8  # of each execution in the full store
_CALLS = 200
_WARM_UP = 20  # calls that are not counted: connections, caches, the daemon's own start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=1_000)
    parser.add_argument("--packages", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    with running(2, 2) as empty, running(arguments.executions, arguments.packages) as full:
        slowest = ask(empty, full)
        # Each pipeline's own cost: both run in the full store.
        small = run_seconds(full, SMALL)
        large = run_seconds(full, arguments.steps)
    ratio = large / small
    print(f"{SMALL} steps {small:.1f} s, {arguments.steps} steps {large:.1f} s: {ratio:.1f} times")
    note = (
        f"slowest operation ({slowest[0]}) with {arguments.executions} executions of {_STEPS} steps and "
        f"{arguments.packages} packages, {_CALLS} calls; a pipeline of {arguments.steps} no-op steps costs {ratio:.1f} "
        f"times one of {SMALL} ({arguments.steps / SMALL:g} times the steps)"
    )
    peers = {"the same with 2 of each": round(slowest[2], 1)}
    print(json.dumps({"name": "growth", "unit": "ms", "ours": round(slowest[1], 1), "peers": peers, "note": note}))


@contextmanager
def running(executions: int, packages: int) -> Iterator[Settings]:
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder) / "state")
        fill(settings, executions, packages)
        server.up(settings)
        try:
            yield settings
        finally:
            server.down(settings)


def fill(settings: Settings, executions: int, packages: int) -> None:
    """Documents as the operations and the engine write them, straight into the store: nothing runs for them."""
    logging.disable()  # MiniStack is not up yet, and gets no metrics of these
    app = SageLocal(settings)
    try:
        token = "f" * 40
        text = json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": definition(settings, 8)})
        request = {"PipelineName": "full", "RoleArn": settings.role_arn, "ClientRequestToken": token}
        app.call("CreatePipeline", request | {"PipelineDefinition": text})
        app.call("CreateModelPackageGroup", {"ModelPackageGroupName": "full"})
        with app.store.transaction():
            for number in range(executions):
                add_execution(app, number)
            for number in range(packages):
                app.call("CreateModelPackage", package(settings, number))
        # As if they had been delivered when they happened: a queue of thousands is not what is measured.
        while pending := app.store.pending_events(1000):
            app.store.delivered(number for number, _ in pending)
    finally:
        app.close()
        logging.disable(logging.NOTSET)


def add_execution(app: SageLocal, number: int) -> None:
    pipeline = app.store.get("Pipeline", "full")
    arn = f"{pipeline['PipelineArn']}/execution/{number:012}"
    now = app.now()
    execution = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": arn,
        "PipelineExecutionDisplayName": f"execution-{number}",
        "PipelineExecutionStatus": "Succeeded",
        "CreationTime": now,
        "LastModifiedTime": now,
        "_id": f"{number:012}",
        "_pipeline": "full",
        "_version": f"{pipeline['PipelineArn']}/version/1",
        "_token": f"{number:032}",
        "_parameters": {},
    }
    app.store.create("PipelineExecution", arn, execution, parent="full", arn=arn)
    for step in range(_STEPS):
        name = f"{arn}/Step{step}"
        record = {"StepName": f"Step{step}", "StepStatus": "Succeeded", "StartTime": now, "EndTime": now, "_name": name}
        app.store.create("PipelineExecutionStep", name, record | {"_type": "Processing", "Metadata": {}}, parent=arn)


def package(settings: Settings, number: int) -> dict[str, Any]:
    """About what the churn pipeline registers."""

    def file(name: str) -> dict[str, str]:
        return {"ContentType": "application/json", "S3Uri": f"s3://{settings.bucket}/full/{number}/{name}.json"}

    image = f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-xgboost:1.7-1"
    container = {"Image": image, "ModelDataUrl": f"s3://{settings.bucket}/full/{number}/model.tar.gz"}
    return {
        "ModelPackageGroupName": "full",
        "ModelApprovalStatus": "Approved" if number % 100 == 0 else "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": file("evaluation"), "Constraints": file("constraints")}},
        "CustomerMetadataProperties": {"commit": f"{number:040x}", "data": f"{number:064x}"},
    }


def ask(empty: Settings, full: Settings) -> tuple[str, float, float]:
    """The slowest operation's name, and its 99th percentiles in ms, full and empty. Prints all."""
    slowest = ("", 0.0, 0.0)
    asked = {"full": questions(full), "empty": questions(empty)}
    for question in _WARM_UP * [*asked["full"].values(), *asked["empty"].values()]:
        question()
    pairs = zip(asked["full"].items(), asked["empty"].items(), strict=True)
    for (name, in_full), (_, in_empty) in pairs:
        taken: dict[str, list[float]] = {"full": [], "empty": []}
        for _ in range(_CALLS):
            for which, question in (("full", in_full), ("empty", in_empty)):
                start = time.perf_counter()
                question()
                taken[which].append(1000 * (time.perf_counter() - start))
        p99 = {which: statistics.quantiles(times, n=100)[98] for which, times in taken.items()}
        print(f"{name:45} p99 {p99['full']:6.1f} ms, with 2 of each {p99['empty']:6.1f} ms")
        slowest = max(slowest, (name, p99["full"], p99["empty"]), key=lambda one: one[1])
    return slowest


def questions(settings: Settings) -> dict[str, Callable[[], Any]]:
    sagemaker = settings.client("sagemaker")
    execution = sagemaker.list_pipeline_executions(PipelineName="full")["PipelineExecutionSummaries"][-1]
    arn = execution["PipelineExecutionArn"]
    version = sagemaker.list_model_packages(ModelPackageGroupName="full")["ModelPackageSummaryList"][-1]
    name, group = version["ModelPackageArn"], {"ModelPackageGroupName": "full"}
    return {
        "ListPipelineExecutions": lambda: sagemaker.list_pipeline_executions(PipelineName="full"),
        "DescribePipelineExecution": lambda: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn),
        "ListPipelineExecutionSteps": lambda: sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn),
        "DescribePipeline": lambda: sagemaker.describe_pipeline(PipelineName="full"),
        "ListModelPackages": lambda: sagemaker.list_model_packages(**group),
        "ListModelPackages, Approved": lambda: sagemaker.list_model_packages(ModelApprovalStatus="Approved", **group),
        "ListModelPackages, newest first": lambda: sagemaker.list_model_packages(
            SortBy="CreationTime", SortOrder="Descending", MaxResults=1, **group
        ),
        "DescribeModelPackage": lambda: sagemaker.describe_model_package(ModelPackageName=name),
        "ListModelPackageGroups": lambda: sagemaker.list_model_package_groups(),
        "CreateModelPackage": lambda: sagemaker.create_model_package(**package(settings, 1)),
    }


def run_seconds(settings: Settings, steps: int) -> float:
    """From StartPipelineExecution to the end of so many no-op Processing steps in a row."""
    settings.client("s3").put_object(
        Bucket=settings.bucket,
        Key="bench/noop.py",
        Body="open('/opt/ml/processing/output/done', 'w').write('done')\n",
    )
    sagemaker = settings.client("sagemaker")
    name = f"steps-{steps}"
    document = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": definition(settings, steps)}
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(document),
        ClientRequestToken=f"{name:b<40}",
        RoleArn=settings.role_arn,
    )
    start = time.perf_counter()
    arn = sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken="s" * 40)["PipelineExecutionArn"]
    while (status := sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]) == (
        "Executing"
    ):
        time.sleep(0.05)
    if status != "Succeeded":
        raise SystemExit(f"the pipeline of {steps} steps ended {status}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
