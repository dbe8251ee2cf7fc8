"""Scalable targets: which variant may have how many instances, and how many it has."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError, not_implemented, validation

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_ROLE = (
    "arn:aws:iam::{}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


def check(request: Document) -> None:
    """Of any request: namespace, dimension and resource as sagelocal has them. Raises AwsError."""
    if request.get("ServiceNamespace", "sagemaker") != "sagemaker":
        raise not_implemented(
            f"The ServiceNamespace {request['ServiceNamespace']}", "Only variants of SageMaker endpoints scale here."
        )
    dimension = request.get("ScalableDimension")
    if dimension == "sagemaker:inference-component:DesiredCopyCount":
        raise not_implemented(f"The ScalableDimension {dimension}")
    if dimension not in (None, INSTANCES, CONCURRENCY):
        raise validation(f"Unsupported service namespace, resource type or scalable dimension: sagemaker, {dimension}")
    for resource in [request.get("ResourceId"), *request.get("ResourceIds", [])]:
        if resource and not _RESOURCE.fullmatch(resource):
            raise validation(f"Unsupported ResourceId {resource}: it must be endpoint/<name>/variant/<name>")


def key(request: Document) -> str:
    """The store's name of a target; what has to do with it has it as its parent."""
    return f"{request['ScalableDimension']} {request['ResourceId']}"


def names(target: Document) -> tuple[str, str]:
    """(EndpointName, VariantName)."""
    found = _RESOURCE.fullmatch(target["ResourceId"])
    assert found
    return found[1], found[2]


def find(app: SageLocal, request: Document) -> Document:
    """Raises AwsError."""
    found = app.store.find("ScalableTarget", key(request))
    if found is None:
        raise missing(
            "No scalable target registered for namespace: sagemaker, resource ID: "
            f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}"
        )
    return found


def missing(message: str) -> AwsError:
    return AwsError("ObjectNotFoundException", message)


def register(app: SageLocal, request: Document) -> Document:
    """Creates or changes a target, and has its variant's capacity brought into the range."""
    request = {name: value for name, value in request.items() if value is not None}
    with app.store.transaction():
        before = app.store.find("ScalableTarget", key(request))
        after = _changed(app, before or _new(app, request), request)
        _check_range(app, after)
        if before is None:
            app.store.create("ScalableTarget", after["_name"], after, arn=after["ScalableTargetARN"])
            app.store.set_tags(after["ScalableTargetARN"], request.get("Tags") or {})
        else:
            if request.get("Tags"):
                raise validation("Tags are for a new scalable target: use TagResource for one that exists.")
            app.store.update("ScalableTarget", after["_name"], after)
    app.scaler.wake()
    return after


def _new(app: SageLocal, request: Document) -> Document:
    if absent := [name for name in ("MinCapacity", "MaxCapacity") if name not in request]:
        raise validation(f"{' and '.join(absent)} must be given for a new scalable target.")
    settings = app.settings
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": request["ResourceId"],
        "ScalableDimension": request["ScalableDimension"],
        "RoleARN": request.get("RoleARN") or _ROLE.format(settings.account),
        "CreationTime": app.now(),
        "SuspendedState": {},
        "ScalableTargetARN": f"arn:aws:application-autoscaling:{settings.region}:{settings.account}:scalable-target/"
        f"{secrets.token_hex(18)}",
        "_name": key(request),
    }


def _changed(app: SageLocal, target: Document, request: Document) -> Document:
    suspended = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
    )
    limits = {name: request[name] for name in ("MinCapacity", "MaxCapacity", "RoleARN") if name in request}
    state = suspended | target["SuspendedState"] | request.get("SuspendedState", {})
    return target | limits | {"SuspendedState": state, "_bring": True}


def _check_range(app: SageLocal, target: Document) -> None:
    low, high = target["MinCapacity"], target["MaxCapacity"]
    if low < 0 or high < 0:
        raise validation("Minimum and maximum capacity must not be negative.")
    if low > high:
        raise validation(f"Maximum capacity {high} cannot be less than minimum capacity {low}")
    endpoint, variant = names(target)
    document = app.store.find("Endpoint", endpoint)
    planned = planned_variant(document, variant)
    if document is None or planned is None:
        raise validation(f"There is no variant {variant} of an endpoint {endpoint}.")
    if ("Serverless" in planned) != (target["ScalableDimension"] == CONCURRENCY):
        whose = "a serverless variant" if "Serverless" in planned else "a variant on instances"
        raise validation(f"{variant} of {endpoint} is {whose}: it has no {target['ScalableDimension']}.")
    if low == 0 and not _plan(document).get("Async"):
        raise validation(f"MinCapacity 0 is for asynchronous endpoints, which {endpoint} is not: set 1 or more.")


def planned_variant(endpoint: Document | None, variant: str) -> Document | None:
    """The variant of the deployment that runs, or of the first one while that comes up."""
    return next((one for one in _plan(endpoint).get("Variants", []) if one["VariantName"] == variant), None)


def _plan(endpoint: Document | None) -> Document:
    endpoint = endpoint or {}
    return endpoint.get("_running") or endpoint.get("_pending") or {}


def check_update(app: SageLocal, endpoint: str, running: Document, plan: Document) -> None:
    """A variant that scales keeps its instance type (Developer Guide: update endpoints that use auto scaling)."""
    before = {one["VariantName"]: one for one in running["Variants"]}
    for variant in plan["Variants"]:
        name = variant["VariantName"]
        request = {"ResourceId": f"endpoint/{endpoint}/variant/{name}", "ScalableDimension": INSTANCES}
        was, now = before.get(name, variant).get("InstanceType"), variant.get("InstanceType")
        if was != now and app.store.find("ScalableTarget", key(request)):
            raise validation(
                f"Variant {name} of {endpoint} is a scalable target: its instance type can't change from {was} to "
                f"{now}. Deregister it from Application Auto Scaling first."
            )


def capacity(app: SageLocal, target: Document) -> int | None:
    """How many instances the variant has, or how much concurrency; None while its endpoint is being changed."""
    endpoint, variant = names(target)
    document = app.store.find("Endpoint", endpoint)
    planned = planned_variant(document, variant)
    if document is None or planned is None or document["EndpointStatus"] != "InService":
        return None
    if target["ScalableDimension"] == CONCURRENCY:
        return int((planned.get("Serverless") or {}).get("ProvisionedConcurrency") or 0)
    return int(planned["InstanceCount"])


def counts_invocations(app: SageLocal, target: Document) -> bool:
    """Whether its variant has AWS's metrics of invocations: those of asynchronous endpoints are others."""
    return not _plan(app.store.find("Endpoint", names(target)[0])).get("Async")


def set_capacity(app: SageLocal, target: Document, wanted: int) -> None:
    """As a caller of SageMaker would. Raises AwsError."""
    endpoint, variant = names(target)
    desired: Document = {"VariantName": variant}
    if target["ScalableDimension"] == CONCURRENCY:
        desired["ServerlessUpdateConfig"] = {"ProvisionedConcurrency": wanted}
    else:
        desired["DesiredInstanceCount"] = wanted
    app.call("UpdateEndpointWeightsAndCapacities", {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [desired]})


def remove(app: SageLocal, target: Document) -> None:
    """Deletes a target with its policies and scheduled actions."""
    with app.store.transaction():
        for kind in ("ScalingPolicy", "ScheduledAction"):
            for one in app.store.list(kind, parent=target["_name"]):
                app.store.delete(kind, one["_name"])
        app.store.delete("ScalableTarget", target["_name"])
