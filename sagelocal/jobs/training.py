"""CreateTrainingJob and StopTrainingJob; Describe and List come from the resource table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import not_implemented, validation
from sagelocal.api.refused import Paths, paths, refuse
from sagelocal.containers import family, notebooks
from sagelocal.jobs import checks, distribution, metrics, training_channels
from sagelocal.jobs.instances import cluster, instance
from sagelocal.jobs.transitions import moved

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_RESERVED = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code")
_SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")


def create_training_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    return create(app, request)


def create(app: SageLocal, request: dict[str, Any], **members: Any) -> dict[str, Any]:
    """CreateTrainingJob; `members` of its description that no request can have, a trial's TuningJobArn say."""
    check(request)
    now = app.now()
    document = {key: value for key, value in request.items() if key != "Tags"}
    algorithm = document["AlgorithmSpecification"]
    if own := family(algorithm["TrainingImage"]).metric_definitions:
        document["AlgorithmSpecification"] = {**algorithm, "MetricDefinitions": own}
    # SDK v2's Estimator.attach reads the key, which AWS describes as "" where there is none.
    document["OutputDataConfig"] = {"KmsKeyId": "", **document["OutputDataConfig"]}
    document["TrainingJobStatus"] = "InProgress"
    document.setdefault("StoppingCondition", {})
    document["StoppingCondition"].setdefault("MaxRuntimeInSeconds", 86400)  # API reference: one day
    document |= _unused(document, now)
    moved(document, "Starting", now)
    created = app.create("TrainingJob", document | members, tags=request.get("Tags"))
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


def update_training_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    """The profiler's settings, which are kept and have no effect here. Raises AwsError."""
    job = app.find("TrainingJob", request["TrainingJobName"])
    if request.get("ResourceConfig"):
        pool = (job.get("WarmPoolStatus") or {}).get("Status", "none")
        raise validation(
            f"KeepAlivePeriodInSeconds can be updated only while the warm pool is Available, and that of "
            f"{job['TrainingJobName']} is {pool}: sagelocal keeps no instances."
        )
    checks.terminal(job["TrainingJobStatus"], job["TrainingJobName"], "training")
    changes = {name: request[name] for name in ("ProfilerConfig", "ProfilerRuleConfigurations") if name in request}
    document = job | changes
    app.store.update("TrainingJob", job["_name"], changes | _unused(document, app.now()))
    return {"TrainingJobArn": job["TrainingJobArn"]}


def delete_training_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    with app.store.transaction():
        job = app.find("TrainingJob", request["TrainingJobName"])
        checks.deletable(job["TrainingJobStatus"], job["TrainingJobArn"])
        app.store.delete("TrainingJob", job["_name"])
    return {}


OPERATIONS = {
    "CreateTrainingJob": create_training_job,
    "StopTrainingJob": stop_training_job,
    "UpdateTrainingJob": update_training_job,
    "DeleteTrainingJob": delete_training_job,
}


def _unused(document: dict[str, Any], now: float) -> dict[str, Any]:
    """What Describe says of requests that are kept and have no effect here.

    No profiler runs and no rule of it is evaluated (SDK v2 asks for both by default), and no instance stays warm: a
    job starts at once anyway.
    """
    told: dict[str, Any] = {}
    if "ProfilerConfig" in document:
        told["ProfilingStatus"] = "Disabled"
    if rules := document.get("ProfilerRuleConfigurations"):
        told["ProfilerRuleEvaluationStatuses"] = [
            {
                "RuleConfigurationName": rule["RuleConfigurationName"],
                "RuleEvaluationStatus": "Stopped",
                "StatusDetails": "sagelocal has no profiler: the rule is not evaluated.",
                "LastModifiedTime": now,
            }
            for rule in rules
        ]
    if document["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        told["WarmPoolStatus"] = {"Status": "InUse"}
    return told


def check(request: dict[str, Any]) -> None:
    """What AWS, or sagelocal, refuses of a request beyond its shape. Raises AwsError."""
    refuse(request, REFUSED["CreateTrainingJob"])  # a tuning job's trials come here without the wire
    _check_algorithm(request)
    _check_resources(request)
    training_channels.check(request)
    checks.s3_uri(request["OutputDataConfig"]["S3OutputPath"])
    checkpoints = request.get("CheckpointConfig")
    if checkpoints:
        checks.s3_uri(checkpoints["S3Uri"])
        _check_checkpoint_path(checkpoints.get("LocalPath", "/opt/ml/checkpoints"))
    distribution.check(request.get("HyperParameters") or {})


def _check_algorithm(request: dict[str, Any]) -> None:
    algorithm = request.get("AlgorithmSpecification") or {}
    if not algorithm.get("TrainingImage"):
        raise validation("AlgorithmSpecification.TrainingImage must be given.")
    known = family(algorithm["TrainingImage"])
    metrics.compiled(algorithm.get("MetricDefinitions") or [])
    if known.metric_definitions and algorithm.get("MetricDefinitions"):
        raise validation(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request "
            "without specifying metric definitions."
        )
    program = (request.get("HyperParameters") or {}).get("sagemaker_program", "")
    built_in = known.algorithm(request.get("Environment") or {}, program)
    if algorithm.get("ContainerEntrypoint"):
        if not known.runs_scripts:
            raise not_implemented(f"AlgorithmSpecification.ContainerEntrypoint with the {known.repository} image")
        notebooks.check(algorithm["ContainerEntrypoint"])
        return
    if algorithm.get("ContainerArguments"):
        raise not_implemented("AlgorithmSpecification.ContainerArguments without ContainerEntrypoint")
    if built_in:
        known.check_libraries()
    elif not known.custom and not program and "SAGEMAKER_PROGRAM" not in (request.get("Environment") or {}):
        raise validation(
            f"The {known.name} image runs a script: give AlgorithmSpecification.ContainerEntrypoint, or the "
            "hyperparameters sagemaker_program and sagemaker_submit_directory."
        )


def _check_resources(request: dict[str, Any]) -> None:
    resources = request.get("ResourceConfig") or {}
    groups = resources.get("InstanceGroups") or []
    if not groups and not (resources.get("InstanceType") and resources.get("InstanceCount")):
        raise validation("ResourceConfig must have InstanceType and InstanceCount.")
    if groups and (resources.get("InstanceType") or resources.get("InstanceCount")):
        raise validation("InstanceType or InstanceCount cannot be specified with InstanceGroups")
    checks.unique([group["InstanceGroupName"] for group in groups], "InstanceGroupName")
    for _host, instance_type, _group in cluster(resources):
        instance(instance_type)
    if resources.get("KeepAlivePeriodInSeconds") and request.get("EnableManagedSpotTraining"):
        raise validation("KeepAlivePeriodInSeconds (a warm pool) can't be used with EnableManagedSpotTraining.")
    if resources.get("KeepAlivePeriodInSeconds") and groups:
        raise validation("KeepAlivePeriodInSeconds (a warm pool) can't be used with InstanceGroups.")
    stopping = request.get("StoppingCondition") or {}
    if request.get("EnableManagedSpotTraining"):
        wait, runtime = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86400)
        if wait is None or wait < runtime:
            raise validation(
                f"MaxWaitTimeInSeconds ({wait}) must be given with EnableManagedSpotTraining, and be at least "
                f"MaxRuntimeInSeconds ({runtime})."
            )


def _check_checkpoint_path(path: str) -> None:
    normal = os.path.normpath(path)
    taken = [folder for folder in (*_RESERVED, *_SYSTEM) if normal == folder or normal.startswith(f"{folder}/")]
    if not normal.startswith("/") or normal in ("/", "/opt", "/opt/ml") or taken:
        raise validation(
            f"CheckpointConfig.LocalPath {path} must be an absolute path outside {', '.join((*_RESERVED, *_SYSTEM))}."
        )


REFUSED: dict[str, Paths] = {
    "CreateTrainingJob": {
        **paths("DebugRuleConfigurations", "TensorBoardOutputConfig", "RemoteDebugConfig.EnableRemoteDebug"),
        **paths("ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig", "SessionChainingConfig"),
        **paths("AlgorithmSpecification.AlgorithmName", "AlgorithmSpecification.TrainingImageConfig"),
        **paths("ResourceConfig.TrainingPlanArn", "ResourceConfig.InstancePlacementConfig"),
        **paths("ResourceConfig.InstancePreferences"),
        **training_channels.REFUSED,
    },
    "UpdateTrainingJob": paths("RemoteDebugConfig.EnableRemoteDebug"),
}
