"""A tuning job's training job definitions, and the CreateTrainingJob request that a trial is made with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagelocal.api.errors import validation
from sagelocal.containers import family
from sagelocal.jobs.tuning import ranges
from sagelocal.jobs.tuning.ranges import Range

Document = dict[str, Any]
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"  # tells a built-in algorithm what it is tuned for
_KEPT = (
    *("RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "StoppingCondition", "EnableNetworkIsolation"),
    *("EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "RetryStrategy", "Environment"),
)
_FLAGS = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
_RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")


@dataclass(frozen=True)
class Definition:
    """One of HyperParameterTrainingJobDefinition. `objective` is HyperParameterTuningJobObjective: Type, MetricName."""

    name: str | None
    objective: Document
    ranges: list[Range]
    training: Document

    @property
    def static(self) -> dict[str, str]:
        return dict(self.training.get("StaticHyperParameters") or {})


def completed(request: Mapping[str, Any]) -> Document:
    """A request's members as Describe shows them: what AWS fills in is there. Raises AwsError for a missing part."""
    config = dict(request["HyperParameterTuningJobConfig"])
    config.setdefault("TrainingJobEarlyStoppingType", "Off")
    shown: Document = {"HyperParameterTuningJobConfig": config}
    if "TrainingJobDefinition" in request:
        config["ParameterRanges"] = ranges.complete(config.get("ParameterRanges") or {})
        objective = config["HyperParameterTuningJobObjective"]
        shown["TrainingJobDefinition"] = _completed(request["TrainingJobDefinition"], objective)
    else:
        shown["TrainingJobDefinitions"] = [
            _completed(each, each["TuningObjective"])
            | {"HyperParameterRanges": ranges.complete(each["HyperParameterRanges"])}
            for each in request["TrainingJobDefinitions"]
        ]
    return shown


def _completed(definition: Document, objective: Document) -> Document:
    algorithm = definition["AlgorithmSpecification"]
    if own := family(algorithm.get("TrainingImage", "")).metric_definitions:
        algorithm = {**algorithm, "MetricDefinitions": own}
    static = {**(definition.get("StaticHyperParameters") or {}), OBJECTIVE_HYPERPARAMETER: objective["MetricName"]}
    return {
        **dict.fromkeys(_FLAGS, False),
        **definition,
        # SDK v2's attach reads both; of the instances it sends only HyperParameterTuningResourceConfig.
        "OutputDataConfig": {"KmsKeyId": "", **definition["OutputDataConfig"]},
        "ResourceConfig": dict(_resources(definition)),
        "AlgorithmSpecification": algorithm,
        "StaticHyperParameters": static,
    }


def definitions(job: Mapping[str, Any]) -> list[Definition]:
    """Of a tuning job, as stored or as requested."""
    config = job["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" in job:
        training = job["TrainingJobDefinition"]
        found = ranges.parse(config.get("ParameterRanges") or {})
        return [Definition(training.get("DefinitionName"), config["HyperParameterTuningJobObjective"], found, training)]
    return [
        Definition(each["DefinitionName"], each["TuningObjective"], ranges.parse(each["HyperParameterRanges"]), each)
        for each in job["TrainingJobDefinitions"]
    ]


def training_request(definition: Definition, name: str, values: Mapping[str, str]) -> Document:
    """CreateTrainingJob's request for a trial called `name`."""
    training = definition.training
    algorithm = {
        member: training["AlgorithmSpecification"][member]
        for member in ("TrainingImage", "AlgorithmName", "TrainingInputMode", "MetricDefinitions")
        if member in training["AlgorithmSpecification"]
    }
    if family(algorithm.get("TrainingImage", "")).metric_definitions:
        algorithm.pop("MetricDefinitions", None)  # CreateTrainingJob fills them in and takes no others
    request: Document = {
        "TrainingJobName": name,
        "AlgorithmSpecification": algorithm,
        "HyperParameters": {**definition.static, **values},
        "ResourceConfig": dict(_resources(training)),
        **{member: training[member] for member in _KEPT if member in training},
    }
    if checkpoints := training.get("CheckpointConfig"):
        # Each trial has a folder of its own: in one, parallel trials would resume from each other's checkpoints.
        request["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{name}"}
    return request


def _resources(training: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of several instance configurations the preferred one is taken: no machine is ever short of one here."""
    given = training.get("ResourceConfig")
    if given is None:
        given = training.get("HyperParameterTuningResourceConfig")
    if given is None:
        raise validation("A training job definition must have ResourceConfig or HyperParameterTuningResourceConfig.")
    preferred = (given.get("InstanceConfigs") or [{}])[0]
    # Whatever else ResourceConfig has is CreateTrainingJob's to take or refuse.
    yield from {
        name: each for name, each in given.items() if name not in ("InstanceConfigs", "AllocationStrategy")
    }.items()
    yield from ((name, preferred[name]) for name in _RESOURCES if name in preferred)
