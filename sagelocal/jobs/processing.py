"""CreateProcessingJob and StopProcessingJob; Describe and List come from the resource table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.api.refused import Paths, paths
from sagelocal.containers import analyzers, family
from sagelocal.jobs import checks
from sagelocal.jobs.instances import instance

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_LOCAL = "/opt/ml/processing"


def create_processing_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    _check(request)
    document = {key: value for key, value in request.items() if key != "Tags"}
    document["ProcessingJobStatus"] = "InProgress"
    document.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": 86400})  # API reference: one day
    created = app.create("ProcessingJob", document, tags=request.get("Tags"))
    app.jobs.start("ProcessingJob", request["ProcessingJobName"])
    return {"ProcessingJobArn": created["ProcessingJobArn"]}


def stop_processing_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    name = app.find("ProcessingJob", request["ProcessingJobName"])["ProcessingJobName"]

    def stopping(document: dict[str, Any]) -> None:
        checks.terminal(document["ProcessingJobStatus"], name, "processing")
        document["ProcessingJobStatus"] = "Stopping"

    app.store.update("ProcessingJob", name, edit=stopping)
    app.jobs.stop("ProcessingJob", name)
    return {}


def delete_processing_job(app: SageLocal, request: dict[str, Any]) -> dict[str, Any]:
    with app.store.transaction():
        job = app.find("ProcessingJob", request["ProcessingJobName"])
        checks.deletable(job["ProcessingJobStatus"], job["ProcessingJobArn"])
        app.store.delete("ProcessingJob", job["_name"])
    return {}


OPERATIONS = {
    "CreateProcessingJob": create_processing_job,
    "StopProcessingJob": stop_processing_job,
    "DeleteProcessingJob": delete_processing_job,
}

REFUSED: dict[str, Paths] = {
    "CreateProcessingJob": {
        **paths("ProcessingInputs[].DatasetDefinition", "ProcessingOutputConfig.Outputs[].FeatureStoreOutput"),
        "ProcessingInputs[].S3Input.S3InputMode=Pipe": "AWS does not document its pipes' names: use File.",
        "ProcessingResources.ClusterConfig.InstancePreferences": "",
    }
}


def _check(request: dict[str, Any]) -> None:
    known = family(request["AppSpecification"]["ImageUri"])
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        analyzer = analyzers.find(request["AppSpecification"]["ImageUri"])
        if analyzer is None:
            raise validation(
                f"The {known.name} image has no entrypoint for processing: give AppSpecification.ContainerEntrypoint."
            )
        if request["AppSpecification"].get("ContainerArguments"):
            raise validation(f"The {known.name} image takes no AppSpecification.ContainerArguments.")
        analyzer.check(request)
    cluster = request["ProcessingResources"].get("ClusterConfig") or {}
    if not cluster.get("InstanceType") or not cluster.get("InstanceCount"):
        raise validation("ProcessingResources.ClusterConfig must have InstanceType and InstanceCount.")
    instance(cluster["InstanceType"])
    inputs = request.get("ProcessingInputs") or []
    outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    checks.unique([each["InputName"] for each in inputs], "InputName of ProcessingInputs")
    checks.unique([each["OutputName"] for each in outputs], "OutputName of ProcessingOutputConfig.Outputs")
    for each in inputs:
        _check_input(each)
    for each in outputs:
        _check_output(each)


def _check_input(given: dict[str, Any]) -> None:
    where = f"ProcessingInputs[{given['InputName']}]."
    source = given.get("S3Input")
    if source is None:
        raise validation(f"{where}S3Input must be given.")
    checks.s3_uri(source["S3Uri"])
    if given.get("AppManaged"):
        return
    checks.below(source.get("LocalPath"), _LOCAL, f"{where}S3Input.LocalPath")
    if source.get("S3CompressionType", "None") != "None":
        raise validation(f"{where}S3Input.S3CompressionType Gzip is only possible with S3InputMode Pipe.")


def _check_output(given: dict[str, Any]) -> None:
    where = f"ProcessingOutputConfig.Outputs[{given['OutputName']}]."
    target = given.get("S3Output")
    if target is None:
        raise validation(f"{where}S3Output must be given.")
    checks.s3_uri(target["S3Uri"])
    if not given.get("AppManaged"):
        checks.below(target.get("LocalPath"), _LOCAL, f"{where}S3Output.LocalPath")
