"""CreateTransformJob and StopTransformJob; Describe and List come from the resource table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.jobs import checks
from sagelocal.jobs.transform_join import CSV, FORMATS, Processing, plain
from sagelocal.jobs.transform_paths import Path, PathError

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
MAX_MB = 100  # API reference: of MaxPayloadInMB, and of MaxConcurrentTransforms * MaxPayloadInMB


def create_transform_job(app: SageLocal, request: Document) -> Document:
    """The job keeps a copy of its model's containers: deleting the model meanwhile harms no job."""
    _check(request)
    model = app.find("Model", request["ModelName"])
    document = {name: value for name, value in request.items() if name != "Tags"}
    document["TransformInput"] = {"CompressionType": "None", "SplitType": "None", **request["TransformInput"]}
    document["TransformOutput"] = {"AssembleWith": "None", **request["TransformOutput"]}
    document["DataProcessing"] = {
        "InputFilter": "$",
        "OutputFilter": "$",
        "JoinSource": "None",
        **(request.get("DataProcessing") or {}),
    }
    document["TransformJobStatus"] = "InProgress"
    document["_containers"] = _containers(model)
    document["_isolated"] = bool(model.get("EnableNetworkIsolation"))
    created = app.create("TransformJob", document, tags=request.get("Tags"))
    app.jobs.start("TransformJob", request["TransformJobName"])
    return {"TransformJobArn": created["TransformJobArn"]}


def _containers(model: Document) -> list[Document]:
    """One, or an inference pipeline. Raises AwsError for what a transform job could not ask for: it names no target."""
    name, containers = model["ModelName"], model["_containers"]
    if any(one.get("Mode") == "MultiModel" for one in containers):
        raise validation(f"Model {name} is a multi-model one: a transform job cannot choose among its models.")
    if (model.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct":
        raise validation(f"Model {name} has InferenceExecutionConfig.Mode Direct: a transform job needs Serial.")
    return list(containers)


def stop_transform_job(app: SageLocal, request: Document) -> Document:
    name = app.find("TransformJob", request["TransformJobName"])["_name"]

    def stopping(document: Document) -> None:
        checks.terminal(document["TransformJobStatus"], name, "transform")
        document["TransformJobStatus"] = "Stopping"

    app.store.update("TransformJob", name, edit=stopping)
    app.jobs.stop("TransformJob", name)
    return {}


OPERATIONS = {"CreateTransformJob": create_transform_job, "StopTransformJob": stop_transform_job}


def _check(request: Document) -> None:
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise validation(
            f"TransformInput.DataSource.S3DataSource.S3DataType is {source['S3DataType']}: a transform job takes "
            "S3Prefix and ManifestFile."
        )
    checks.s3_uri(source["S3Uri"])
    checks.s3_uri(request["TransformOutput"]["S3OutputPath"])
    if capture := request.get("DataCaptureConfig"):
        checks.s3_uri(capture["DestinationS3Uri"])
    payload, concurrent = request.get("MaxPayloadInMB", 6), request.get("MaxConcurrentTransforms") or 1
    if payload > MAX_MB or payload * concurrent > MAX_MB:
        raise validation(
            f"MaxPayloadInMB is {payload} and MaxConcurrentTransforms {concurrent}: neither MaxPayloadInMB nor "
            f"MaxConcurrentTransforms * MaxPayloadInMB can exceed {MAX_MB} MB."
        )
    _check_processing(request)


def _check_processing(request: Document) -> None:
    """The developer guide's rules for joins and filters, so that a job does not begin which cannot end well."""
    try:
        processing = Processing.of(request, stamp="now")
    except PathError as error:
        raise validation(f"DataProcessing: {error}") from error
    if processing.identity:
        return
    source, target = request["TransformInput"], request["TransformOutput"]
    split, assemble = source.get("SplitType", "None"), target.get("AssembleWith", "None")
    content_type, accept = plain(source.get("ContentType", "")), plain(target.get("Accept", ""))
    reads_input = processing.join or not processing.input_filter.is_root
    if reads_input:
        _one_of_formats("TransformInput.ContentType", content_type)
    if processing.changes_output:
        _one_of_formats("TransformOutput.Accept", accept or (content_type if processing.stamp else ""))
    if processing.join and content_type != accept:
        raise validation(
            f"JoinSource Input needs the same format on both sides: TransformInput.ContentType is {content_type} and "
            f"TransformOutput.Accept {accept}."
        )
    if processing.join and split != assemble:
        raise validation(
            f"JoinSource Input needs the same record delimiter on both sides: TransformInput.SplitType is {split} and "
            f"TransformOutput.AssembleWith {assemble}."
        )
    csv_in, csv_out = reads_input and content_type == CSV, processing.changes_output and processing.accept == CSV
    if (csv_in and split != "Line") or (csv_out and assemble != "Line"):
        raise validation(
            "DataProcessing and GenerateInferenceId of CSV need TransformInput.SplitType and "
            f"TransformOutput.AssembleWith Line; they are {split} and {assemble}."
        )
    if split in ("RecordIO", "TFRecord"):
        raise validation(f"DataProcessing needs records of text, and TransformInput.SplitType is {split}.")
    if request.get("MaxPayloadInMB") == 0 and request.get("BatchStrategy") != "SingleRecord":
        raise validation("MaxPayloadInMB 0 streams objects as they are: it takes no DataProcessing or inference ids.")
    for path, content in ((processing.input_filter, csv_in), (processing.output_filter, csv_out)):
        _check_path(path, content)


def _one_of_formats(member: str, value: str) -> None:
    if value not in FORMATS:
        raise validation(
            f"DataProcessing and GenerateInferenceId need {member} to be one of {', '.join(FORMATS)}; it is "
            f"{value or 'missing'}."
        )


def _check_path(path: Path, rows: bool) -> None:
    if rows and not path.indexes_only:
        raise validation(
            f"The JSONPath {path.text} cannot select from CSV, whose rows are arrays: use indexes, such as $[0] or "
            "$[1:]."
        )
