"""CreateTrainingJob and StopTrainingJob; Describe and List come from the resource table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import not_implemented, validation
from sagelocal.containers import family
from sagelocal.jobs import checks, metrics
from sagelocal.jobs.instances import instance
from sagelocal.jobs.transitions import moved

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_NOT_HERE = (
    *("DebugHookConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig", "ProfilerRuleConfigurations"),
    *("ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig", "SessionChainingConfig"),
    *("ExperimentConfig", "RetryStrategy"),
)
_NOT_HERE_RESOURCES = ("InstanceGroups", "TrainingPlanArn", "InstancePlacementConfig", "InstancePreferences")
_NOT_HERE_SOURCE = ("AttributeNames", "InstanceGroupNames", "ModelAccessConfig", "HubAccessConfig")
_RESERVED = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code")


def create_training_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    _check(request)
    now = app.now()
    document = {key: value for key, value in request.items() if key != "Tags"}
    algorithm = document["AlgorithmSpecification"]
    if own := family(algorithm["TrainingImage"]).metric_definitions:
        document["AlgorithmSpecification"] = {**algorithm, "MetricDefinitions": own}
    document["TrainingJobStatus"] = "InProgress"
    document.setdefault("StoppingCondition", {})
    document["StoppingCondition"].setdefault("MaxRuntimeInSeconds", 86400)  # API reference: one day
    moved(document, "Starting", now)
    created = app.create("TrainingJob", document, tags=request.get("Tags"))
    app.jobs.start("TrainingJob", request["TrainingJobName"])
    return {"TrainingJobArn": created["TrainingJobArn"]}


def stop_training_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    name = app.find("TrainingJob", request["TrainingJobName"])["TrainingJobName"]

    def stopping(document: dict[str, Any]) -> None:
        checks.terminal(document["TrainingJobStatus"], name, "training")
        if document["TrainingJobStatus"] != "Stopping":
            document["TrainingJobStatus"] = "Stopping"
            moved(document, "Stopping", app.now())

    app.store.update("TrainingJob", name, edit=stopping)
    app.jobs.stop("TrainingJob", name)
    return {}


def delete_training_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    with app.store.transaction():
        job = app.find("TrainingJob", request["TrainingJobName"])
        checks.deletable(job["TrainingJobStatus"], job["TrainingJobArn"])
        app.store.delete("TrainingJob", job["_name"])
    return {}


OPERATIONS = {
    "CreateTrainingJob": create_training_job,
    "StopTrainingJob": stop_training_job,
    "DeleteTrainingJob": delete_training_job,
}


def _check(request: dict[str, Any]) -> None:
    checks.refuse(request, _NOT_HERE)
    if not (request.get("ProfilerConfig") or {}).get("DisableProfiler", True):
        raise not_implemented("The field ProfilerConfig", "Set DisableProfiler.")
    if (request.get("RemoteDebugConfig") or {}).get("EnableRemoteDebug"):
        raise not_implemented("The field RemoteDebugConfig.EnableRemoteDebug")
    _check_algorithm(request)
    _check_resources(request)
    for channel in request.get("InputDataConfig") or []:
        _check_channel(channel, request["AlgorithmSpecification"]["TrainingInputMode"])
    checks.unique([each["ChannelName"] for each in request.get("InputDataConfig") or []], "ChannelName")
    checks.s3_uri(request["OutputDataConfig"]["S3OutputPath"])
    checkpoints = request.get("CheckpointConfig")
    if checkpoints:
        checks.s3_uri(checkpoints["S3Uri"])
        _check_checkpoint_path(checkpoints.get("LocalPath", "/opt/ml/checkpoints"))


def _check_algorithm(request: dict[str, Any]) -> None:
    algorithm = request.get("AlgorithmSpecification") or {}
    checks.refuse(algorithm, ("AlgorithmName", "TrainingImageConfig"), "AlgorithmSpecification.")
    if not algorithm.get("TrainingImage"):
        raise validation("AlgorithmSpecification.TrainingImage must be given.")
    known = family(algorithm["TrainingImage"])
    metrics.compiled(algorithm.get("MetricDefinitions") or [])
    if known.metric_definitions and algorithm.get("MetricDefinitions"):
        raise validation(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request "
            "without specifying metric definitions."
        )
    has_program = (request.get("HyperParameters") or {}).get("sagemaker_program") or (
        request.get("Environment") or {}
    ).get("SAGEMAKER_PROGRAM")
    if algorithm.get("ContainerEntrypoint") or has_program:
        return
    if algorithm.get("ContainerArguments"):
        raise not_implemented("AlgorithmSpecification.ContainerArguments without ContainerEntrypoint")
    if known.name == "xgboost":
        raise not_implemented("XGBoost in algorithm mode (a training job without a script)", "Give an entry point.")
    raise validation(
        f"The {known.name} image runs a script: give AlgorithmSpecification.ContainerEntrypoint, or the "
        "hyperparameters sagemaker_program and sagemaker_submit_directory."
    )


def _check_resources(request: dict[str, Any]) -> None:
    resources = request.get("ResourceConfig") or {}
    checks.refuse(resources, _NOT_HERE_RESOURCES, "ResourceConfig.")
    if not resources.get("InstanceType") or not resources.get("InstanceCount"):
        raise validation("ResourceConfig must have InstanceType and InstanceCount.")
    instance(resources["InstanceType"])
    stopping = request.get("StoppingCondition") or {}
    if request.get("EnableManagedSpotTraining"):
        wait, runtime = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86400)
        if wait is None or wait < runtime:
            raise validation(
                f"MaxWaitTimeInSeconds ({wait}) must be given with EnableManagedSpotTraining, and be at least "
                f"MaxRuntimeInSeconds ({runtime})."
            )


def _check_channel(channel: dict[str, Any], mode: str) -> None:
    where = f"InputDataConfig[{channel['ChannelName']}]."
    checks.refuse(channel, ("ShuffleConfig",), where)
    checks.refuse(channel["DataSource"], ("FileSystemDataSource", "DatasetSource"), f"{where}DataSource.")
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise validation(f"{where}DataSource.S3DataSource must be given.")
    checks.refuse(source, _NOT_HERE_SOURCE, f"{where}DataSource.S3DataSource.")
    checks.s3_uri(source["S3Uri"])
    if (channel.get("InputMode") or mode) == "Pipe":
        raise not_implemented(f"{where}InputMode Pipe", "Use File or FastFile.")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise not_implemented(f"{where}DataSource.S3DataSource.S3DataType {source['S3DataType']}")
    if channel.get("CompressionType", "None") != "None":
        raise validation(f"{where}CompressionType Gzip is only possible with InputMode Pipe.")
    if channel.get("RecordWrapperType", "None") != "None":
        raise not_implemented(f"{where}RecordWrapperType {channel['RecordWrapperType']}")


def _check_checkpoint_path(path: str) -> None:
    normal = os.path.normpath(path)
    if not normal.startswith("/") or normal == "/" or normal == "/opt/ml" or normal.startswith(_RESERVED):
        raise validation(f"CheckpointConfig.LocalPath {path} must be an absolute path outside {', '.join(_RESERVED)}.")
    if not normal.startswith("/opt/ml/"):
        raise not_implemented(f"CheckpointConfig.LocalPath {path} outside /opt/ml", "Use /opt/ml/checkpoints.")
