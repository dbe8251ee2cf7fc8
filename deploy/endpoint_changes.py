"""The changes of the endpoint itself: made, updated to another config, resized in place, removed."""

from __future__ import annotations

from typing import Any

from deploy import view
from deploy.changes import Call, Change
from deploy.scaling_changes import scaled_variants, stays_scaled
from deploy.state import State
from deploy.wanted import Request, Wanted


def deploy(wanted: Wanted, state: State) -> list[Change]:
    """Raises ValueError for what AWS can't change in an endpoint."""
    endpoint = state.endpoint
    if endpoint is None:
        return [_create(wanted)]
    if endpoint["EndpointStatus"] == "Failed":  # AWS: it can't be updated
        return [_delete(endpoint["EndpointName"]), _create(wanted)]
    if state.serves(wanted.config_name):
        return _resize(wanted, endpoint)
    if problem := conversion_problem(state.config or {}, wanted.config):
        raise ValueError(f"{wanted.endpoint} {problem}: take it down first (mlops undeploy), or choose another stage.")
    return [_update(wanted, state)]


def undeploy(state: State) -> list[Change]:
    return [_delete(state.endpoint["EndpointName"])] if state.endpoint else []


def _create(wanted: Wanted) -> Change:
    request = {"EndpointName": wanted.endpoint, "EndpointConfigName": wanted.config_name, "Tags": wanted.tags}
    details = tuple(f"{label}: {text}" for label, text in view.labels(wanted.config).items())
    return Change(
        "+", "endpoint", wanted.endpoint, (Call("sagemaker", "create_endpoint", request),), details, waits=True
    )


def _delete(name: str) -> Change:
    return Change("-", "endpoint", name, (Call("sagemaker", "delete_endpoint", {"EndpointName": name}),), waits=True)


def conversion_problem(before: Request, after: Request) -> str | None:
    """AWS: a serverless endpoint may become one with instances but not the reverse ("Serverless endpoint operations");
    UpdateEndpoint refuses to remove an AsyncInferenceConfig, and adding one is no more possible.
    """
    serverless = [any("ServerlessConfig" in each for each in view.variants(one).values()) for one in (before, after)]
    asynchronous = ["AsyncInferenceConfig" in one for one in (before, after)]
    if serverless == [False, True]:
        return "has instances, and AWS makes no serverless endpoint of it"
    if asynchronous[0] != asynchronous[1]:
        kinds = ["asynchronous" if each else "real-time" for each in asynchronous]
        return f"is {kinds[0]}, and AWS makes no {kinds[1]} endpoint of it"
    return None


def _update(wanted: Wanted, state: State) -> Change:
    request: Request = {"EndpointName": wanted.endpoint, "EndpointConfigName": wanted.config_name}
    how = wanted.how
    if set(view.variants(state.config or {})) != set(view.variants(wanted.config)):
        # AWS takes no DeploymentConfig then (the guide's page on exclusions).
        how = "all at once, as the variants are others; nothing takes it back"
    elif wanted.deployment_config:
        request["DeploymentConfig"] = wanted.deployment_config
    if stays_scaled(wanted, state):  # else the update would take back what scaling has added
        excluded = [{"VariantPropertyType": each} for each in ("DesiredWeight", "DataCaptureConfig")]
        request |= {"RetainAllVariantProperties": True, "ExcludeRetainedVariantProperties": excluded}
    before = view.labels(state.config or {}, state.endpoint)
    after = view.labels(wanted.config)
    scaled = {f"variant {name}: instances" for name in scaled_variants(wanted)}
    differs = tuple(view.changed(before, after, ignored=scaled))
    details = (*differs, f"how: {how}")
    return Change(
        "~", "endpoint", wanted.endpoint, (Call("sagemaker", "update_endpoint", request),), details, waits=True
    )


def _resize(wanted: Wanted, endpoint: dict[str, Any]) -> list[Change]:
    """Weights and counts change in place. A count that scaling takes care of is nobody else's business."""
    live = {each["VariantName"]: each for each in endpoint["ProductionVariants"]}
    desired, details = [], list[str]()
    for name, variant in view.variants(wanted.config).items():
        now, then = live.get(name, {}), {"DesiredWeight": variant["InitialVariantWeight"]}
        if "InitialInstanceCount" in variant and name not in scaled_variants(wanted):
            then["DesiredInstanceCount"] = variant["InitialInstanceCount"]
        then = {each: value for each, value in then.items() if each in now and not view.close(now[each], value)}
        if then:
            desired.append({"VariantName": name, **then})
            words = {"DesiredWeight": "weight", "DesiredInstanceCount": "instances"}
            details += [f"variant {name}: {words[each]} {now[each]:g} → {value:g}" for each, value in then.items()]
    if not desired:
        return []
    request = {"EndpointName": wanted.endpoint, "DesiredWeightsAndCapacities": desired}
    call = Call("sagemaker", "update_endpoint_weights_and_capacities", request)
    return [Change("~", "endpoint", wanted.endpoint, (call,), (*details, "how: in place"), waits=True)]
