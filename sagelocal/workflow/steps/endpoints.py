"""Steps that configure and deploy an endpoint."""

from __future__ import annotations

from typing import Any

from sagelocal.store import Missing
from sagelocal.workflow.steps.attempt import Attempt, Closing, Result, StepFailed, StepStopped, invoke

Document = dict[str, Any]
_MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


def create_endpoint_config(attempt: Attempt) -> Result:
    app = attempt.app
    name = attempt.request.get("EndpointConfigName", attempt.name)
    found = app.store.find("EndpointConfig", name)
    if found is None or found["CreationTime"] < attempt.started:
        invoke(app, "CreateEndpointConfig", attempt.request | {"EndpointConfigName": name})
    config = app.call("DescribeEndpointConfig", {"EndpointConfigName": name})
    return Result({"EndpointConfig": {"Arn": config["EndpointConfigArn"]}}, config)


def deploy_endpoint(attempt: Attempt) -> Result:
    """Creates the endpoint or, where there is one of that name, updates it; waits until it is in service."""
    app, store = attempt.app, attempt.app.store
    name = attempt.request.get("EndpointName", attempt.name)
    config = attempt.request.get("EndpointConfigName", "")
    found = store.find("Endpoint", name)
    if found is None:
        invoke(app, "CreateEndpoint", attempt.request | {"EndpointName": name})
    elif not _is_deploying(found, config, attempt.started):
        kept = {
            key: value for key, value in attempt.request.items() if key in ("EndpointConfigName", "DeploymentConfig")
        }
        invoke(app, "UpdateEndpoint", kept | {"EndpointName": name})
    metadata = {"Endpoint": {"Arn": store.get("Endpoint", name)["EndpointArn"]}}
    attempt.executing(metadata)
    try:
        endpoint = store.wait("Endpoint", name, lambda one: _settled(one) or attempt.closing() or attempt.stop_asked())
    except Missing as error:
        raise StepFailed(
            f"ClientError: Endpoint {name} was deleted while it was being deployed.", metadata=metadata
        ) from error
    if not _settled(endpoint):
        raise Closing if attempt.closing() else StepStopped
    if endpoint["EndpointStatus"] != "InService" or endpoint["EndpointConfigName"] != config:
        reason = endpoint.get("FailureReason", f"it serves {endpoint['EndpointConfigName']} and not {config}")
        raise StepFailed(f"ClientError: Endpoint {name} is {endpoint['EndpointStatus']}: {reason}", metadata=metadata)
    return Result(metadata, app.call("DescribeEndpoint", {"EndpointName": name}))


def _settled(endpoint: Document) -> bool:
    return endpoint["EndpointStatus"] not in _MOVING


def _is_deploying(endpoint: Document, config: str, started: float) -> bool:
    """Whether an earlier run of this attempt has asked for the deployment already."""
    configs = ((endpoint.get("_pending") or {}).get("EndpointConfigName"), endpoint.get("EndpointConfigName"))
    return config in configs and endpoint["LastModifiedTime"] >= started
