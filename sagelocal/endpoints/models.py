"""CreateModel, and what a container definition comes down to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelocal.api.errors import AwsError, not_implemented, validation
from sagelocal.api.refused import Paths, others
from sagelocal.containers import family
from sagelocal.jobs.checks import s3_uri

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

_SOURCE_KINDS = {("S3Prefix", "None"), ("S3Object", "None"), ("S3Object", "Gzip")}
_PACKAGED = ("ContainerHostname", "Image", "ModelDataUrl", "ModelDataSource", "Environment")
_MOST_CONTAINERS = 15
_ENVIRONMENT_BYTES = 32 * 1024  # of all containers' variables together
_LABEL = "com.amazonaws.sagemaker.capabilities"
_FIRST_PORT, _PORTS = 14000, 100  # where the containers of an instance listen; AWS says no numbers


def create_model(app: SageLocal, request: Document) -> Document:
    """Stores the model with the containers that an endpoint will run. Raises AwsError, naming what is wrong in them."""
    definitions = request.get("Containers") or []
    if ("PrimaryContainer" in request) == bool(definitions):
        raise validation("Specify exactly one of PrimaryContainer and Containers.")
    direct = (request.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct"
    containers = _containers(app, definitions or [request["PrimaryContainer"]], direct)
    document = {name: value for name, value in request.items() if name != "Tags"}
    document.setdefault("EnableNetworkIsolation", False)
    # The package may be gone or rejected later: the model keeps what it was made of, as on AWS.
    return app.create("Model", document | {"_containers": containers}, tags=request.get("Tags"))


def _containers(app: SageLocal, definitions: list[Document], direct: bool) -> list[Document]:
    """`{Image, Source, Environment, Hostname?, Mode?, Prefix?, Cache?}` of each container that will run."""
    whole = [one for definition in definitions for one in _unpacked(app, definition)]
    if len(whole) > _MOST_CONTAINERS:
        raise validation(f"A model has at most {_MOST_CONTAINERS} containers, this one has {len(whole)}.")
    if direct and len(whole) < 2:
        raise validation("InferenceExecutionConfig.Mode Direct needs Containers with more than one container.")
    multi_model = [one for one in whole if one.get("Mode") == "MultiModel"]
    if direct and multi_model:
        raise not_implemented("InferenceExecutionConfig.Mode Direct with a container in MultiModel mode")
    if len(multi_model) > 1:
        raise validation("More than one container in MultiModel mode is not supported with inference pipeline.")
    size = sum(len(f"{name}{value}".encode()) for one in whole for name, value in one.get("Environment", {}).items())
    if size > _ENVIRONMENT_BYTES:
        raise validation(f"The Environment maps hold {size} bytes, and all together may hold {_ENVIRONMENT_BYTES}.")
    containers = [_container(app, one) for one in whole]
    return _side_by_side(whole, containers, direct) if len(containers) > 1 else containers


def _side_by_side(whole: list[Document], containers: list[Document], direct: bool) -> list[Document]:
    """With the names and the ports of containers that share an instance."""
    given = [one["ContainerHostname"] for one in whole if one.get("ContainerHostname")]
    if given and len(given) < len(whole):
        raise validation("Specify a ContainerHostname for every container, or for none of them.")
    if len(set(given)) < len(given):
        raise validation(f"The ContainerHostnames of a model must be unique: {', '.join(given)}")
    if direct and not given:
        raise validation("InferenceExecutionConfig.Mode Direct needs a ContainerHostname for every container.")
    for number, container in enumerate(containers):
        if not family(container["Image"]).accepts_port:
            raise _unlabelled(container["Image"], "accept-bind-to-port")
        port = _FIRST_PORT + number * _PORTS
        container["Hostname"] = given[number] if given else f"container-{number + 1}"  # AWS's own names
        container["Environment"] |= {
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{port + 1}-{port + _PORTS - 1}",
        }
    return containers


def _unlabelled(image: str, label: str) -> AwsError:
    return validation(f"Your Ecr Image {image} does not contain required {_LABEL}.{label}=true Docker label(s).")


def _unpacked(app: SageLocal, definition: Document) -> list[Document]:
    """A container definition with what its model package says, one for each container of that."""
    own = {name: value for name, value in definition.items() if name != "Environment"}
    if "ModelPackageName" not in definition:
        return [{**own, "Environment": definition.get("Environment", {})}]
    packaged = _packaged(app, definition)
    if len(packaged) > 1 and "ContainerHostname" in own:
        raise validation(
            f"{definition['ModelPackageName']} has {len(packaged)} containers: their ContainerHostnames are the "
            "package's to say."
        )
    return [
        {**one, **own, "Environment": {**one.get("Environment", {}), **definition.get("Environment", {})}}
        for one in packaged
    ]


def _container(app: SageLocal, whole: Document) -> Document:
    if "Image" not in whole:
        raise validation("A container definition needs an Image or a ModelPackageName.")
    known = family(whole["Image"])
    container = {"Image": whole["Image"], "Environment": dict(whole["Environment"])}
    if whole.get("Mode") != "MultiModel":
        if whole.get("MultiModelConfig"):
            raise validation("MultiModelConfig needs the container's Mode to be MultiModel.")
        return container | {"Source": _source(app, whole)}
    if not known.multi_models or _is_gpu(whole["Image"]):
        raise _unlabelled(whole["Image"], "multi-models")
    if "ModelDataUrl" not in whole or "ModelDataSource" in whole:
        raise validation("A container in MultiModel mode needs ModelDataUrl, the S3 prefix that its models lie under.")
    _require(app, {"S3Uri": whole["ModelDataUrl"], "S3DataType": "S3Prefix"})
    cache = (whole.get("MultiModelConfig") or {}).get("ModelCacheSetting", "Enabled")
    container["Environment"]["SAGEMAKER_MULTI_MODEL"] = "true"
    return container | {"Source": None, "Mode": "MultiModel", "Prefix": whole["ModelDataUrl"], "Cache": cache}


def _is_gpu(image: str) -> bool:
    """AWS's framework images for GPUs carry no label for multi-model mode."""
    return "-gpu" in image.rpartition("/")[2]


def _packaged(app: SageLocal, definition: Document) -> list[Document]:
    """The containers of an approved model package: of its (named) inference specification."""
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
    return [{name: one[name] for name in _PACKAGED if name in one} for one in specification["Containers"]]


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
    *("ModelPackageName", "InferenceSpecificationName", "MultiModelConfig"),
)


def _refused_of_container(where: str) -> Paths:
    source = f"{where}.ModelDataSource.S3DataSource"
    return {
        **others("CreateModel", where, _CONTAINER),
        **others("CreateModel", source, ("S3Uri", "S3DataType", "CompressionType")),
    }


REFUSED: dict[str, Paths] = {
    "CreateModel": {
        **_refused_of_container("PrimaryContainer"),
        **_refused_of_container("Containers[]"),
    }
}
