"""The operations of models, endpoint configs and endpoints that do more than keep a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.endpoints import asynchronous_config, models, plans, serverless

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def create_endpoint(app: SageLocal, request: Document) -> Document:
    plans.routing_waits(request.get("DeploymentConfig"))
    plan = plans.make(app, request["EndpointConfigName"])
    asynchronous_config.test_topics(app, plan)
    document = {
        "EndpointName": request["EndpointName"],
        "EndpointConfigName": plan["EndpointConfigName"],
        "EndpointStatus": "Creating",
        "LastDeploymentConfig": request.get("DeploymentConfig"),
        "_pending": plan,
    }
    created = app.create("Endpoint", document, tags=request.get("Tags"))
    app.endpoints.deploy(request["EndpointName"])
    return created


def update_endpoint(app: SageLocal, request: Document) -> Document:
    """In place: the new fleet comes up beside the old one, which serves until then."""
    endpoint = _settled(app, request["EndpointName"])
    deployment = request.get("DeploymentConfig")
    if request.get("RetainDeploymentConfig"):
        deployment = endpoint.get("LastDeploymentConfig")
    plan = plans.make(app, request["EndpointConfigName"])
    serverless.check_update(endpoint["_running"], plan)
    asynchronous_config.test_topics(app, plan)
    plans.retain(plan, endpoint["_running"], request)
    plan["KeepOldSeconds"] = plans.routing_waits(deployment)
    _begin(app, endpoint, {"_pending": plan, "LastDeploymentConfig": deployment})
    app.endpoints.deploy(endpoint["EndpointName"])
    return endpoint


def update_endpoint_weights_and_capacities(app: SageLocal, request: Document) -> Document:
    endpoint = _settled(app, request["EndpointName"])
    plan = endpoint["_running"]
    variants = {variant["VariantName"]: variant for variant in [*plan["Variants"], *plan["Shadows"]]}
    desired = request["DesiredWeightsAndCapacities"]
    if unknown := [one["VariantName"] for one in desired if one["VariantName"] not in variants]:
        raise validation(
            f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint configuration '
            f'"{plan["EndpointConfigName"]}".'
        )
    for one in desired:
        variant = variants[one["VariantName"]]
        variant["Weight"] = one.get("DesiredWeight", variant["Weight"])
        _scale(plan, variant, one)
    if not any(variant["Weight"] for variant in plan["Variants"]):
        raise validation("At least one production variant needs a DesiredWeight above 0.")
    asynchronous_config.test_topics(app, plan)
    _begin(app, endpoint, {"_pending": plan})  # the same Id: the fleet that runs is adjusted, not replaced
    app.endpoints.deploy(endpoint["EndpointName"])
    return endpoint


def _scale(plan: Document, variant: Document, desired: Document) -> None:
    """DesiredInstanceCount or ServerlessUpdateConfig. Raises AwsError for what the variant can't have."""
    name, update = variant["VariantName"], desired.get("ServerlessUpdateConfig")
    if update and "Serverless" not in variant:
        raise validation(f"Variant {name} runs on instances: ServerlessUpdateConfig is for serverless variants.")
    if update:
        variant["Serverless"] = variant["Serverless"] | update
        serverless.check_concurrency(variant["Serverless"])
    if "DesiredInstanceCount" not in desired:
        return
    if "Serverless" in variant:
        raise validation(f"Variant {name} is serverless and has no instances: use ServerlessUpdateConfig.")
    if desired["DesiredInstanceCount"] == 0 and not plan.get("Async"):
        raise validation(f"Variant {name} needs at least one instance: only asynchronous endpoints scale to zero.")
    variant["InstanceCount"] = desired["DesiredInstanceCount"]


def delete_endpoint(app: SageLocal, request: Document) -> Document:
    """Refused while a deployment is in progress, as on AWS."""
    with app.store.transaction():
        endpoint = app.find("Endpoint", request["EndpointName"])
        if endpoint["EndpointStatus"] not in ("InService", "Failed", "Deleting"):
            raise _in_progress(endpoint)
        app.store.update("Endpoint", endpoint["_name"], {"EndpointStatus": "Deleting"})
    app.endpoints.delete(endpoint["EndpointName"])
    return {}


def _settled(app: SageLocal, name: str) -> Document:
    endpoint = app.find("Endpoint", name)
    if endpoint["EndpointStatus"] == "Failed":
        raise validation(f'Cannot update failed endpoint "{endpoint["EndpointArn"]}": it can only be deleted.')
    if endpoint["EndpointStatus"] != "InService":
        raise _in_progress(endpoint)
    return endpoint


def _begin(app: SageLocal, endpoint: Document, changes: Document) -> None:
    """InService to Updating; of two updates at once one wins."""

    def edit(document: Document) -> None:
        if document["EndpointStatus"] != "InService":
            raise _in_progress(document)
        document |= changes | {"EndpointStatus": "Updating"}
        document.pop("FailureReason", None)

    app.store.update("Endpoint", endpoint["_name"], edit=edit)


def _in_progress(endpoint: Document) -> Exception:
    return validation(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')


OPERATIONS = {
    "CreateModel": models.create_model,
    "CreateEndpointConfig": plans.create_endpoint_config,
    "CreateEndpoint": create_endpoint,
    "UpdateEndpoint": update_endpoint,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights_and_capacities,
    "DeleteEndpoint": delete_endpoint,
}
REFUSED = {**models.REFUSED, **plans.REFUSED}
