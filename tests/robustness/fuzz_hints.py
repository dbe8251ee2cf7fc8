"""Values that mean something to SageMaker, where a random text of the right form would not get far."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from fuzz_shapes import Pick

from sagelocal.config import Settings

TRUE = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
_NAMES = [f"fuzz-{number}" for number in range(6)]
_BAD_STEPS: tuple[dict[str, Any], ...] = (
    {"Name": "Group", "Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": "fuzz-1"}},
    {"Name": "Loop", "Type": "Fail", "DependsOn": ["Loop"], "Arguments": {"ErrorMessage": "x"}},
    {"Name": "Wrong", "Type": "Nothing", "Arguments": {}},
    {"Name": "Refers", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.Absent"}}},
)


def hints(settings: Settings) -> dict[str, Pick]:
    """Shape or member name -> how to choose its value. Names come from a few, so that requests meet each other's."""
    repositories = ("sagemaker-scikit-learn:1.4-2-cpu-py3", "sagemaker-xgboost:1.7-1", "nothing:latest")
    images = [f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/{one}" for one in repositories]
    uris = [f"s3://{settings.bucket}/fuzz/{key}" for key in ("a", "b/", "../c", "x" * 500)] + ["s3://no-such-bucket/a"]
    arn = f"arn:aws:sagemaker:{settings.region}:{settings.account}:"
    definition = _definitions(settings)
    name, uri, image = _choice(_NAMES), _choice(uris), _choice(images)
    named = (
        *("ProcessingJobName", "TrainingJobName", "PipelineName", "ModelPackageGroupName", "ModelName"),
        *("EndpointConfigName", "EndpointName", "PipelineNameOrArn", "EntityName", "HyperParameterTuningJobName"),
        *("TransformJobName", "ExperimentName", "TrialName", "TrialComponentName", "ExperimentEntityName"),
    )
    return {
        **dict.fromkeys(named, name),
        "ModelPackageArn": lambda chance: f"{arn}model-package/{chance.choice(_NAMES)}/{chance.randint(1, 3)}",
        "PipelineExecutionArn": lambda chance: f"{arn}pipeline/{chance.choice(_NAMES)}/execution/{'a' * 12}",
        "ModelPackageName": lambda chance: f"{arn}model-package/{chance.choice(_NAMES)}/{chance.randint(1, 3)}",
        "PipelineArn": lambda chance: f"{arn}pipeline/{chance.choice(_NAMES)}",
        "ResourceArn": lambda chance: arn + chance.choice(("model/", "pipeline/", "endpoint/")) + chance.choice(_NAMES),
        "PipelineDefinition": definition,
        "RoleArn": lambda chance: settings.role_arn,
        "ExecutionRoleArn": lambda chance: settings.role_arn,
        **dict.fromkeys(("S3Uri", "S3OutputPath", "ModelDataUrl", "Url", "DestinationS3Uri"), uri),
        **dict.fromkeys(("ImageUri", "TrainingImage", "Image", "ContainerImage"), image),
        "ContainerEntrypoint": _choice([["true"], ["false"], ["sleep", "0.1"], ["no-such-program"]]),
        "TrainingContainerEntrypoint": _choice([["true"], ["false"], ["sleep", "0.1"]]),
        "LocalPath": _choice(
            ["/opt/ml/processing/a", "/opt/ml/processing/b", "/opt/ml/processing/../../../etc", "/tmp"]
        ),
        "InstanceCount": _choice([1, 1, 1, 2]),
        "InstanceType": _choice(["ml.m5.large", "ml.t3.medium", "ml.m5.xlarge"]),
        "InitialInstanceCount": _choice([1, 1, 2]),
        "MaxRuntimeInSeconds": _choice([1, 5, 60]),
        "MaxResults": _choice([1, 2, 50, 100]),
        "NextToken": _choice(["", "bm9uc2Vuc2U=", "b2Zmc2V0PTE="]),
        "ClientRequestToken": lambda chance: f"{chance.choice(_NAMES):a<40}",
        "ClientToken": lambda chance: f"{chance.choice(_NAMES):a<40}",
    }


def templates(settings: Settings) -> dict[str, Callable[[random.Random], dict[str, Any]]]:
    """Operation -> a request that AWS would take, given what it refers to exists."""
    definition = _definitions(settings)

    def pick(request: dict[str, Any]) -> Callable[[random.Random], dict[str, Any]]:
        return lambda chance: _filled(request, chance, definition)

    return {operation: pick(request) for operation, request in _requests(settings).items()}


def _requests(settings: Settings) -> dict[str, dict[str, Any]]:
    """As `templates`, with empty texts where a name, token or definition belongs."""
    image = f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
    uri, role = f"s3://{settings.bucket}/fuzz", settings.role_arn
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    algorithm = {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["true"],
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    }
    training = {
        "AlgorithmSpecification": algorithm,
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": uri},
        "ResourceConfig": cluster,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    ranges = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
    return {
        "CreateProcessingJob": {
            "ProcessingJobName": "",
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {"ImageUri": image, "ContainerEntrypoint": ["true"]},
            "RoleArn": role,
        },
        "CreateTrainingJob": {"TrainingJobName": "", **training},
        "CreateHyperParameterTuningJob": {
            "HyperParameterTuningJobName": "",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
                "ParameterRanges": ranges,
            },
            "TrainingJobDefinition": {
                **training,
                "AlgorithmSpecification": {
                    name: algorithm[name] for name in algorithm if name != "ContainerEntrypoint"
                },
                "StaticHyperParameters": {"sagemaker_program": "train.py", "sagemaker_submit_directory": uri},
            },
        },
        "CreateTransformJob": {
            "TransformJobName": "",
            "ModelName": "",
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}},
            "TransformOutput": {"S3OutputPath": uri},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
        "CreateModel": {"ModelName": "", "ExecutionRoleArn": role, "PrimaryContainer": {"Image": image}},
        "CreateModelPackageGroup": {"ModelPackageGroupName": ""},
        "CreateModelPackage": {"ModelPackageGroupName": "", "ModelPackageDescription": "a version"},
        "CreateEndpointConfig": {
            "EndpointConfigName": "",
            "ProductionVariants": [
                {"VariantName": "v", "ModelName": "", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
            ],
        },
        "CreateEndpoint": {"EndpointName": "", "EndpointConfigName": ""},
        "CreatePipeline": {"PipelineName": "", "RoleArn": role, "ClientRequestToken": "", "PipelineDefinition": ""},
        "UpdatePipeline": {"PipelineName": "", "PipelineDefinition": ""},
        "StartPipelineExecution": {"PipelineName": "", "ClientRequestToken": ""},
        "CreateExperiment": {"ExperimentName": ""},
        "CreateTrial": {"TrialName": "", "ExperimentName": ""},
        "CreateTrialComponent": {"TrialComponentName": ""},
        "AssociateTrialComponent": {"TrialName": "", "TrialComponentName": ""},
        "Search": {"Resource": "TrainingJob"},
    }


def _filled(value: Any, chance: random.Random, definition: Pick, member: str = "") -> Any:
    """Empty texts become a name of the few, a token or a definition."""
    if isinstance(value, dict):
        return {name: _filled(inner, chance, definition, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, chance, definition) for inner in value]
    if value != "":
        return value
    if member == "PipelineDefinition":
        return definition(chance)
    return uuid.UUID(int=chance.getrandbits(128)).hex if member.endswith("Token") else chance.choice(_NAMES)


def _choice(values: list[Any]) -> Pick:
    return lambda chance: chance.choice(values)


def _definitions(settings: Settings) -> Pick:
    """A definition, or a part of one; most could run."""
    queue = settings.client("sqs").create_queue(QueueName="fuzz")["QueueUrl"]
    requests = _requests(settings)
    nap: dict[str, Any] = {"Name": "Nap", "Type": "Processing", "Arguments": requests["CreateProcessingJob"]}
    body: dict[str, Any] = {**nap, "Name": "Body"}
    loop: dict[str, Any] = {"IterableItems": [1, 2], "MaxConcurrency": 2, "ForEachBody": [body]}
    good: list[dict[str, Any]] = [
        {"Name": "Gate", "Type": "Condition", "Arguments": {"Conditions": [TRUE], "IfSteps": [], "ElseSteps": []}},
        {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "on purpose"}},
        nap,
        {"Name": "Ask", "Type": "Callback", "SqsQueueUrl": queue, "Arguments": {"a": "1"}, "OutputParameters": []},
        {"Name": "Each", "Type": "ForEach", "Arguments": loop},
        {"Name": "Tune", "Type": "Tuning", "Arguments": requests["CreateHyperParameterTuningJob"]},
    ]
    for step in (nap, body, good[-1]):
        step["Arguments"] = {name: value for name, value in step["Arguments"].items() if value != ""}

    def definition(chance: random.Random) -> str:
        steps = chance.sample(good if chance.random() < 0.8 else [*good, *_BAD_STEPS], chance.randint(1, 2))
        text = json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": steps})
        return text if chance.random() < 0.8 else text[: chance.randint(0, len(text))]

    return definition
