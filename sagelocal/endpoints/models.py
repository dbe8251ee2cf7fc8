"""CreateModel, and what a container definition comes down to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelocal.api.errors import not_implemented, validation
from sagelocal.api.refused import Paths, others
from sagelocal.containers import family
from sagelocal.jobs.checks import s3_uri

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

_SOURCE_KINDS = {("S3Prefix", "None"), ("S3Object", "None"), ("S3Object", "Gzip")}


def create_model(app: SageLocal, request: Document) -> Document:
    """Stores the model with the container that an endpoint will run. Raises AwsError, naming what is wrong in it."""
    containers = request.get("Containers") or []
    if ("PrimaryContainer" in request) == bool(containers):
        raise validation("Specify exactly one of PrimaryContainer and Containers.")
    if len(containers) > 1:
        raise not_implemented("A serial inference pipeline (CreateModel's Containers with more than one member)")
    definition = containers[0] if containers else request["PrimaryContainer"]
    container = resolve(app, definition)
    document = {name: value for name, value in request.items() if name != "Tags"}
    document.setdefault("EnableNetworkIsolation", False)
    # The package may be gone or rejected later: the model keeps what it was made of, as on AWS.
    return app.create("Model", document | {"_containers": [container]}, tags=request.get("Tags"))


def resolve(app: SageLocal, definition: Document) -> Document:
    """`{Image, Source?, Environment}` of a container definition, from its model package where it names one."""
    merged = {**_packaged(app, definition), **{k: v for k, v in definition.items() if k != "Environment"}}
    if "Image" not in merged:
        raise validation("A container definition needs an Image or a ModelPackageName.")
    family(merged["Image"])
    environment = {**_packaged(app, definition).get("Environment", {}), **definition.get("Environment", {})}
    return {"Image": merged["Image"], "Source": _source(app, merged), "Environment": environment}


def _packaged(app: SageLocal, definition: Document) -> Document:
    """The container of an approved model package: the first of its (named) inference specification."""
    if "ModelPackageName" not in definition:
        return {}
    package = app.find("ModelPackage", definition["ModelPackageName"])
    status = package.get("ModelApprovalStatus", "Approved")  # an unversioned package has none
    if status != "Approved":
        raise validation(
            f"Cannot create a model from model package {package['ModelPackageArn']}: its ModelApprovalStatus is "
            f"{status}, not Approved. Approve the package first."
        )
    specification = package.get("InferenceSpecification")
    if name := definition.get("InferenceSpecificationName"):
        named = {one["Name"]: one for one in package.get("AdditionalInferenceSpecifications") or []}
        specification = named.get(name)
    if not specification:
        raise validation(f"Model package {package['ModelPackageArn']} has no such inference specification to run.")
    if len(specification["Containers"]) > 1:
        raise not_implemented(f"A serial inference pipeline ({package['ModelPackageArn']} has more than one container)")
    kept = ("Image", "ModelDataUrl", "ModelDataSource", "Environment")
    return {name: value for name, value in specification["Containers"][0].items() if name in kept}


def _source(app: SageLocal, container: Document) -> Document | None:
    """Where the model's files come from, as an S3DataSource; None for a model without any."""
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise validation("Specify ModelDataUrl or ModelDataSource, not both.")
    if url := container.get("ModelDataUrl"):
        source = {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}
    elif "ModelDataSource" in container:
        source = container["ModelDataSource"].get("S3DataSource")
        if not source:
            raise validation("ModelDataSource needs an S3DataSource.")
    else:
        return None
    if (source["S3DataType"], source["CompressionType"]) not in _SOURCE_KINDS:
        kind = f"S3DataType {source['S3DataType']} and CompressionType {source['CompressionType']}"
        raise not_implemented(f"S3ModelDataSource with {kind}")
    _require(app, source)
    return source


def _require(app: SageLocal, source: Document) -> None:
    bucket, key = s3_uri(source["S3Uri"])
    try:
        if source["S3DataType"] == "S3Object":
            app.s3.head_object(Bucket=bucket, Key=key)
        elif not app.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"):
            raise validation(f"Could not find model data at {source['S3Uri']}.")
    except ClientError as error:
        raise validation(f"Could not find model data at {source['S3Uri']}.") from error


# VpcConfig is kept and described, and means nothing on one machine.
_CONTAINER = (
    *("ContainerHostname", "Image", "Mode", "ModelDataUrl", "ModelDataSource", "Environment"),
    *("ModelPackageName", "InferenceSpecificationName"),
)


def _refused_of_container(where: str) -> Paths:
    source = f"{where}.ModelDataSource.S3DataSource"
    return {
        **others("CreateModel", where, _CONTAINER),
        f"{where}.Mode=MultiModel": "",
        **others("CreateModel", source, ("S3Uri", "S3DataType", "CompressionType")),
    }


REFUSED: dict[str, Paths] = {
    "CreateModel": {
        "InferenceExecutionConfig": "",
        **_refused_of_container("PrimaryContainer"),
        **_refused_of_container("Containers[]"),
    }
}
