"""What an endpoint is to run: a copy of its config and models, so that deleting those harms no endpoint."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.api.refused import Paths, others
from sagelocal.endpoints import asynchronous_config, serverless, shadow
from sagelocal.jobs.checks import s3_uri

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

_STARTUP_SECONDS = 240  # the documented time to become healthy, where the variant does not say


def create_endpoint_config(app: SageLocal, request: Document) -> Document:
    variants = [_variant(app, variant) for variant in request["ProductionVariants"]]
    shadows = [_variant(app, variant) for variant in request.get("ShadowProductionVariants") or []]
    names = [variant["VariantName"] for variant in [*variants, *shadows]]
    if len(set(names)) < len(names):
        raise validation(f"The VariantNames of an endpoint config must be unique: {', '.join(names)}")
    if not any(variant["InitialVariantWeight"] for variant in variants):
        raise validation("At least one production variant needs an InitialVariantWeight above 0.")
    if capture := request.get("DataCaptureConfig"):
        s3_uri(capture["DestinationS3Uri"])
    serverless.check_config(app, request)
    asynchronous_config.check(request)
    if request.get("AsyncInferenceConfig"):
        _check_targets(app, variants)
    shadow.check_config(request)
    document = {name: value for name, value in request.items() if name != "Tags"} | {"ProductionVariants": variants}
    if shadows:
        document["ShadowProductionVariants"] = shadows
    return app.create("EndpointConfig", document, tags=request.get("Tags"))


def _variant(app: SageLocal, variant: Document) -> Document:
    needed = ("ModelName",) if "ServerlessConfig" in variant else ("ModelName", "InstanceType", "InitialInstanceCount")
    for member in needed:
        if member not in variant:
            raise validation(f"Production variant {variant['VariantName']} needs {member}.")
    app.find("Model", variant["ModelName"])
    return {"InitialVariantWeight": 1.0, **variant}


def _check_targets(app: SageLocal, variants: list[Document]) -> None:
    """InvokeEndpointAsync has neither TargetModel nor TargetContainerHostname."""
    for model in (app.find("Model", variant["ModelName"]) for variant in variants):
        direct = (model.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct"
        if direct or any(one.get("Mode") == "MultiModel" for one in model["_containers"]):
            which = "several containers to invoke directly" if direct else "a multi-model container"
            raise validation(f"Model {model['ModelName']} has {which}: an asynchronous endpoint can't choose.")


def make(app: SageLocal, config_name: str) -> Document:
    """A deployment plan of an endpoint config, with an id of its own. Raises AwsError for a missing config or model."""
    config = app.find("EndpointConfig", config_name)
    asynchronous = config.get("AsyncInferenceConfig")
    seconds = asynchronous_config.ANSWER_SECONDS if asynchronous else None
    return {
        "Id": uuid.uuid4().hex[:12],
        "EndpointConfigName": config["EndpointConfigName"],
        "Variants": [_planned(app, variant, seconds) for variant in config["ProductionVariants"]],
        "Shadows": [_planned(app, variant, seconds) for variant in config.get("ShadowProductionVariants", [])],
        "DataCapture": config.get("DataCaptureConfig"),
        "Async": asynchronous,
    }


def _planned(app: SageLocal, variant: Document, answer_seconds: float | None) -> Document:
    model = app.find("Model", variant["ModelName"])
    planned = {
        "VariantName": variant["VariantName"],
        "ModelName": variant["ModelName"],
        "Weight": variant["InitialVariantWeight"],
        "InstanceCount": variant.get("InitialInstanceCount", 0),
        "InstanceType": variant.get("InstanceType"),
        "StartupSeconds": variant.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_SECONDS),
        "Containers": model["_containers"],
        "Execution": (model.get("InferenceExecutionConfig") or {}).get("Mode", "Serial"),
        "Isolated": bool(model.get("EnableNetworkIsolation")),
    }
    if answer_seconds:
        planned["AnswerSeconds"] = answer_seconds
    if config := variant.get("ServerlessConfig"):
        planned |= {"Serverless": config, "StartupSeconds": serverless.STARTUP_SECONDS}
    return planned


def retain(plan: Document, running: Document, request: Document) -> None:
    """UpdateEndpoint's RetainAllVariantProperties: what runs now wins over the new config, except what is excluded."""
    if not request.get("RetainAllVariantProperties"):
        return
    excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties") or []}
    current = {variant["VariantName"]: variant for variant in running["Variants"]}
    for variant in plan["Variants"]:
        old = current.get(variant["VariantName"], variant)
        if "DesiredWeight" not in excluded:
            variant["Weight"] = old["Weight"]
        if "DesiredInstanceCount" not in excluded:
            variant["InstanceCount"] = old["InstanceCount"]
    if "DataCaptureConfig" not in excluded:
        plan["DataCapture"] = running["DataCapture"]


def described(plan: Document, now: float) -> Document:
    """The members of DescribeEndpoint that follow from a plan that runs."""
    capture = plan["DataCapture"]
    return {
        "EndpointConfigName": plan["EndpointConfigName"],
        "ProductionVariants": [summary(variant, now) for variant in plan["Variants"]],
        "ShadowProductionVariants": [summary(variant, now) for variant in plan["Shadows"]] or None,
        "AsyncInferenceConfig": plan.get("Async"),
        "DataCaptureConfig": capture
        and {
            "EnableCapture": bool(capture.get("EnableCapture")),
            "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        },
    }


def summary(variant: Document, now: float) -> Document:
    """A ProductionVariantSummary of a planned variant that runs as planned."""
    images = [container["Image"] for container in variant["Containers"]]
    found = {
        "VariantName": variant["VariantName"],
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": now} for image in images
        ],
        "CurrentWeight": variant["Weight"],
        "DesiredWeight": variant["Weight"],
        "CurrentInstanceCount": variant["InstanceCount"],
        "DesiredInstanceCount": variant["InstanceCount"],
    }
    if config := variant.get("Serverless"):  # its instances are not the caller's to count
        found |= {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    return found


_VARIANT = (
    *("VariantName", "ModelName", "InitialInstanceCount", "InstanceType", "InitialVariantWeight", "ServerlessConfig"),
    *("VolumeSizeInGB", "ModelDataDownloadTimeoutInSeconds", "ContainerStartupHealthCheckTimeoutInSeconds"),
)
REFUSED: dict[str, Paths] = {
    "CreateEndpointConfig": {
        **others(
            "CreateEndpointConfig",
            "",
            (
                *("EndpointConfigName", "ProductionVariants", "DataCaptureConfig", "Tags", "KmsKeyId"),
                *("AsyncInferenceConfig", "ShadowProductionVariants"),
            ),
        ),
        **others("CreateEndpointConfig", "ProductionVariants[]", _VARIANT),
        **others("CreateEndpointConfig", "ShadowProductionVariants[]", _VARIANT),
    },
}
