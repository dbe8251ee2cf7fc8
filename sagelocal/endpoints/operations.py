"""The operations of models, endpoint configs and endpoints that do more than keep a document."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.endpoints import asynchronous_config, deployment, models, plans, progress, serverless
from sagelocal.endpoints.alarms import Alarms
from sagelocal.scaling import targets as scalable

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

_SETTLED = ("InService", "UpdateRollbackFailed")  # nothing is in progress


def create_endpoint(app: SageLocal, request: Document) -> Document:
    plan = plans.make(app, request["EndpointConfigName"])
    deployment.check(request.get("DeploymentConfig"), plan["Variants"])
    asynchronous_config.test_topics(app, plan)
    document = {
        "EndpointName": request["EndpointName"],
        "EndpointConfigName": plan["EndpointConfigName"],
        "EndpointStatus": "Creating",
        "LastDeploymentConfig": request.get("DeploymentConfig"),
        "PendingDeploymentSummary": progress.launching(plan, app.now()),
        "_pending": plan,
    }
    created = app.create("Endpoint", document, tags=request.get("Tags"))
    app.endpoints.deploy(request["EndpointName"])
    return created


def update_endpoint(app: SageLocal, request: Document) -> Document:
    """The new fleet comes up beside the old one and takes its traffic as the DeploymentConfig says."""
    endpoint = _settled(app, request["EndpointName"], _SETTLED)
    config = _deployment_config(endpoint, request)
    plan = plans.make(app, request["EndpointConfigName"])
    running = endpoint["_running"]
    serverless.check_update(running, plan)
    asynchronous_config.check_update(running, plan)
    scalable.check_update(app, endpoint["EndpointName"], running, plan)
    asynchronous_config.test_topics(app, plan)
    plans.retain(plan, running, request)
    if config:
        _check_deployment(app, config, running["Variants"], plan["Variants"])
    began = app.now()
    changes: Document = {"_pending": plan, "PendingDeploymentSummary": progress.launching(plan, began)}
    steps = deployment.steps(config, running["Variants"], plan["Variants"])
    changes["_rollout"] = {"Began": began, "Step": 0, "Steps": steps, "Deployment": config}
    if config:
        changes["LastDeploymentConfig"] = config
    _begin(app, endpoint, changes)
    app.endpoints.deploy(endpoint["EndpointName"])
    return endpoint


def _deployment_config(endpoint: Document, request: Document) -> Document | None:
    given: Document | None = request.get("DeploymentConfig")
    if not request.get("RetainDeploymentConfig"):
        return given
    if given:
        raise validation("Specify one of DeploymentConfig and RetainDeploymentConfig, not both.")
    return endpoint.get("LastDeploymentConfig")


def _check_deployment(app: SageLocal, config: Document, old: list[Document], new: list[Document]) -> None:
    """Raises AwsError. That the variant names stay is of the guide's page on exclusions."""
    names = [sorted(deployment.counts(variants)) for variants in (old, new)]
    if names[0] != names[1]:
        raise validation(
            "With a DeploymentConfig the new endpoint config must have the variant names of the old one: "
            f"{', '.join(names[0])}, and not {', '.join(names[1])}."
        )
    deployment.check(config, new)
    if missing := Alarms(app.cloudwatch, deployment.alarms(config)).missing():
        raise validation(f"The alarm(s) of AutoRollbackConfiguration do not exist in CloudWatch: {', '.join(missing)}.")


def update_endpoint_weights_and_capacities(app: SageLocal, request: Document) -> Document:
    endpoint = _settled(app, request["EndpointName"])
    running = endpoint["_running"]
    plan = copy.deepcopy(running)
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
    # The plan has the same Id: the fleet that runs is adjusted, not replaced.
    _begin(app, endpoint, {"_pending": plan, "ProductionVariants": progress.adjusting(running, plan, app.now())})
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
        if endpoint["EndpointStatus"] not in (*_SETTLED, "Failed", "Deleting"):
            raise _in_progress(endpoint)
        app.store.update("Endpoint", endpoint["_name"], {"EndpointStatus": "Deleting"})
    app.endpoints.delete(endpoint["EndpointName"])
    return {}


def _settled(app: SageLocal, name: str, statuses: Sequence[str] = ("InService",)) -> Document:
    endpoint = app.find("Endpoint", name)
    if endpoint["EndpointStatus"] == "Failed":
        raise validation(f'Cannot update failed endpoint "{endpoint["EndpointArn"]}": it can only be deleted.')
    if endpoint["EndpointStatus"] not in statuses:
        raise _in_progress(endpoint)
    return endpoint


def _begin(app: SageLocal, endpoint: Document, changes: Document) -> None:
    """From a settled status to Updating; of two updates at once one wins."""

    def edit(document: Document) -> None:
        if document["EndpointStatus"] not in _SETTLED or document["_running"] != endpoint["_running"]:
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
