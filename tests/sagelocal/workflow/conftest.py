"""A sagelocal without servers: the real store and operations; jobs, endpoints and S3 answer as a test says."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal import config
from sagelocal.app import SageLocal
from sagelocal.workflow.engine import Engine
from tests.sagelocal.dying_store import DyingStore

Document = dict[str, Any]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ROLE = "arn:aws:iam::000000000000:role/x"
CONTAINER = {"Image": IMAGE, "ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}}
SCORE = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.report"}, "Path": "metrics[0].auc"}}
FILES = [{"PropertyFileName": "report", "OutputName": "out", "FilePath": "evaluation.json"}]


class Objects:
    """S3, as far as the workflow reads it."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def get_object(self, Bucket: str, Key: str, **more: str) -> Document:
        try:
            body = self.content[f"s3://{Bucket}/{Key}"]
        except KeyError:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject") from None
        return {"Body": io.BytesIO(body), "ContentLength": len(body)}

    def head_object(self, Bucket: str, Key: str) -> Document:
        return {}


class Jobs:
    """Jobs that end at once as `outcomes` says by step name, or wait in `held` until `finish`."""

    def __init__(self, app: SageLocal) -> None:
        self.app = app
        self.outcomes: dict[str, Document] = {}
        self.held: set[str] = set()
        self.started: list[str] = []
        self.stopped: list[str] = []

    def start(self, kind: str, name: str) -> None:
        self.started.append(name)
        step = name.split("-")[2]
        if step not in self.held:
            self.finish(kind, name, self.outcomes.get(step))

    def finish(self, kind: str, name: str, changes: Document | None = None) -> None:
        done: Document = {f"{kind}Status": "Completed"}
        if kind == "TrainingJob":
            done["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://bucket/{name}/model.tar.gz"}
        self.app.store.update(kind, name, {**done, **(changes or {})})

    def stop(self, kind: str, name: str) -> None:
        self.stopped.append(name)
        self.app.store.update(kind, name, {f"{kind}Status": "Stopped"})

    def resume(self) -> None:
        for kind in ("ProcessingJob", "TrainingJob"):
            for job in self.app.store.list(kind):
                if job[f"{kind}Status"] == "InProgress":
                    self.finish(kind, job[f"{kind}Name"])


class Endpoints:
    def __init__(self, app: SageLocal) -> None:
        self.app = app

    def deploy(self, name: str) -> None:
        plan = self.app.store.get("Endpoint", name)["_pending"]
        serving = {"EndpointConfigName": plan["EndpointConfigName"], "_running": plan, "_pending": None}
        self.app.store.update("Endpoint", name, {"EndpointStatus": "InService", **serving})

    def resume(self) -> None:
        for endpoint in self.app.store.list("Endpoint"):
            if endpoint["EndpointStatus"] != "InService":
                self.deploy(endpoint["EndpointName"])


class Metrics:
    """CloudWatch, as far as it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Document]] = []

    def put(self, namespace: str, data: list[Document]) -> None:
        self.told += [(namespace, datum) for datum in data]


class Laptop(SageLocal):
    """`restart` is what a kill and a new start are."""

    store: DyingStore

    def __init__(self, state: Path) -> None:
        self.settings = config.load(state)
        self.s3 = Objects()
        self.open()

    def open(self) -> None:
        self.store = DyingStore(self.settings.state / "sagelocal.db", on_change=self._changed)
        self.metrics: Any = Metrics()
        self.jobs: Any = Jobs(self)
        self.endpoints: Any = Endpoints(self)
        self.workflow = Engine(self)

    def restart(self) -> None:
        self.workflow.close()
        self.store.close()
        self.open()

    # What a test does with it.

    def put(self, uri: str, content: Any) -> None:
        self.s3.content[uri] = json.dumps(content).encode()

    def pipeline(self, steps: list[Document], name: str = "p", **definition: Any) -> Document:
        text = json.dumps({"Version": "2020-12-01", "Steps": steps, **definition})
        token = f"{name}-{threading.get_ident()}-{'x' * 32}"
        return self.call(
            "CreatePipeline",
            {"PipelineName": name, "RoleArn": ROLE, "PipelineDefinition": text, "ClientRequestToken": token},
        )

    def begin(self, name: str = "p", **request: Any) -> str:
        tokens = len(self.store.list("PipelineExecution"))
        request.setdefault("ClientRequestToken", f"{tokens:032}")
        return str(self.call("StartPipelineExecution", {"PipelineName": name, **request})["PipelineExecutionArn"])

    def ended(self, arn: str) -> Document:
        running = ("Executing", "Stopping")
        self.store.wait("PipelineExecution", arn, lambda one: one["PipelineExecutionStatus"] not in running, timeout=30)
        return self.call("DescribePipelineExecution", {"PipelineExecutionArn": arn})

    def run(self, name: str = "p", **request: Any) -> Document:
        return self.ended(self.begin(name, **request))

    def steps(self, arn: str) -> dict[str, Document]:
        answer = self.call("ListPipelineExecutionSteps", {"PipelineExecutionArn": arn, "SortOrder": "Ascending"})
        return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}

    def step_is(self, arn: str, step: str, status: str) -> Document:
        name = f"{arn}/{step}"
        self.until(lambda: self.store.find("PipelineExecutionStep", name) is not None)
        return self.store.wait("PipelineExecutionStep", name, lambda one: one["StepStatus"] == status, timeout=30)

    def until(self, true: Callable[[], bool]) -> None:
        """Waits for something that a commit makes true."""
        while True:
            version = self.store.version
            if true():
                return
            assert self.store.changed_since(version, 30), "it did not get there within 30 s"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path)
    yield laptop
    laptop.workflow.close()
    laptop.store.close()


def processing(name: str, **more: Any) -> Document:
    """A step with an output `out` at s3://bucket/<execution id>/<step>; `inputs` are URIs."""
    inputs = more.pop("inputs", [])
    uri = {"Std:Join": {"On": "/", "Values": ["s3://bucket", {"Get": "Execution.PipelineExecutionId"}, name]}}
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "script.py"]},
        "RoleArn": ROLE,
        "ProcessingInputs": [
            {
                "InputName": f"in{number}",
                "S3Input": {"S3Uri": one, "LocalPath": f"/opt/ml/processing/in{number}", "S3DataType": "S3Prefix"},
            }
            for number, one in enumerate(inputs)
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {"S3Uri": uri, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"},
                }
            ]
        },
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments | more.pop("arguments", {}), **more}


def training(name: str, hyperparameters: Document, **more: Any) -> Document:
    arguments = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "train.py"],
        },
        "HyperParameters": hyperparameters,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return {"Name": name, "Type": "Training", "Arguments": arguments | more.pop("arguments", {}), **more}


def output(step: str) -> Document:
    return {"Get": f"Steps.{step}.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}


def fail(name: str, message: Any, **more: Any) -> Document:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def condition(
    name: str, conditions: list[Document], then: list[Document], otherwise: list[Document], **more: Any
) -> Document:
    arguments = {"Conditions": conditions, "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def at_least(left: Any, right: Any) -> Document:
    return {"Type": "GreaterThanOrEqualTo", "LeftValue": left, "RightValue": right}


def deploying() -> list[Document]:
    """Train, Evaluate, Gate on the parameter Floor, then Register and an endpoint `live`; else Fail."""
    config_name = {"Std:Join": {"On": "-", "Values": ["live", {"Get": "Execution.PipelineExecutionId"}]}}
    variant = {
        "VariantName": "v", "ModelName": {"Get": "Steps.Create.ModelName"}, "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }  # fmt: skip
    register = {
        "ModelPackageGroupName": "group",
        "CustomerMetadataProperties": {"auc": SCORE},
        "InferenceSpecification": {
            "Containers": [CONTAINER],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    model = {"ExecutionRoleArn": ROLE, "PrimaryContainer": CONTAINER}
    endpoint = {"EndpointName": "live", "EndpointConfigName": {"Get": "Steps.Config.EndpointConfigName"}}
    config = {"EndpointConfigName": config_name, "ProductionVariants": [variant]}
    then = [
        {"Name": "Register", "Type": "RegisterModel", "Arguments": register},
        {"Name": "Create", "Type": "Model", "Arguments": model},
        {"Name": "Config", "Type": "EndpointConfig", "Arguments": config},
        {"Name": "Deploy", "Type": "Endpoint", "Arguments": endpoint},
    ]
    otherwise = [fail("TooLow", {"Std:Join": {"On": " ", "Values": ["AUC", SCORE, "<", {"Get": "Parameters.Floor"}]}})]
    return [
        training("Train", {}),
        processing("Evaluate", inputs=[{"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}], PropertyFiles=FILES),
        condition("Gate", [at_least(SCORE, {"Get": "Parameters.Floor"})], then, otherwise),
    ]
