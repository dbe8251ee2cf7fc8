"""What jobs, model packages and endpoints record of themselves, as the developer guide lists it ("SageMaker-Created
Tracking Entities"). The guide does not say which way each association points, nor what entities are called; here
everything points from data to endpoint, so that an endpoint's ascendants are all that went into it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sagelocal.experiments import components
from sagelocal.lineage import graph

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_APPROVAL = {"PendingManualApproval": "InProgress", "Approved": "Completed", "Rejected": "Failed"}


def of_job_start(app: SageLocal, kind: str, job: Document, component: str) -> None:
    """Image and inputs contributed to the job; `component` is the ARN of its trial component."""
    algorithm, program = job.get("AlgorithmSpecification") or {}, job.get("AppSpecification") or {}
    image = algorithm.get("TrainingImage") or program.get("ImageUri")
    if image:
        graph.associate(app, graph.artifact(app, image, "Image"), component, "ContributedTo")
    for name, given in components.inputs(kind, job).items():
        if name != "SageMaker.ImageUri":
            data = graph.artifact(app, given["Value"], "DataSet")
            graph.associate(app, data, component, "ContributedTo")


def of_job_end(app: SageLocal, kind: str, job: Document, component: str) -> None:
    """A job that completed produced its outputs; a training job a model, and checkpoints where it was to keep some."""
    for name, made in components.outputs(kind, job).items():
        type_ = "Model" if name == "SageMaker.ModelArtifact" else "DataSet"
        graph.associate(app, component, graph.artifact(app, made["Value"], type_), "Produced")
    if checkpoints := (job.get("CheckpointConfig") or {}).get("S3Uri"):
        graph.associate(app, component, graph.artifact(app, checkpoints, "Checkpoint"), "Produced")


def of_package(app: SageLocal, package: Document) -> None:
    """Artifacts for the package, its images and its models; a context for its group; an action for its approval."""
    arn = package["ModelPackageArn"]
    itself = graph.artifact(app, arn, "Model")
    for container in (package.get("InferenceSpecification") or {}).get("Containers") or []:
        for part in _parts(app, container):
            graph.associate(app, part, itself, "ContributedTo")
    group = package.get("ModelPackageGroupName")
    if group:
        # The SDK's ModelPackageGroup reads the execution from the context's properties.
        made_by = (package.get("MetadataProperties") or {}).get("GeneratedBy", "")
        more = {"Properties": {"PipelineExecutionArn": made_by}} if "/execution/" in made_by else {}
        context = graph.named(
            app, "Context", f"{group}-aws-model-package-group", "ModelPackageGroup",
            app.arn(f"model-package-group/{group.lower()}"), **more,
        )  # fmt: skip
        graph.associate(app, itself, context, "AssociatedWith")
    if "ModelApprovalStatus" in package:
        graph.associate(app, itself, _approval(app, package), "ContributedTo")


def _approval(app: SageLocal, package: Document) -> str:
    state = package["ModelApprovalStatus"]
    return graph.named(
        app,
        "Action",
        _approval_name(package["ModelPackageArn"]),
        "Approval",
        package["ModelPackageArn"],
        Status=_APPROVAL[state],
        Properties={"ModelApprovalStatus": state},
    )


def of_approval(app: SageLocal, package: Document) -> None:
    """The approval action shows what was decided."""
    if "ModelApprovalStatus" in package:
        _approval(app, package)


def _approval_name(arn: str) -> str:
    return f"{arn.split('/', 1)[1].replace('/', '-')}-aws-model-package"


def of_endpoint(app: SageLocal, endpoint: Document) -> None:
    """A context for the endpoint and an action for each deployment to it, to which the models deployed contributed."""
    config = app.store.find("EndpointConfig", endpoint["EndpointConfigName"])
    if config is None:
        return
    arn, name = endpoint["EndpointArn"], endpoint["EndpointName"]
    which = hashlib.sha256(f"{config['EndpointConfigArn']} {config['CreationTime']}".encode()).hexdigest()[:8]
    deployment = graph.named(
        app, "Action", f"{name}-{which}-aws-endpoint", "ModelDeployment", arn, Status="Completed",
        Properties={"EndpointConfigName": config["EndpointConfigName"]},
    )  # fmt: skip
    for variant in config.get("ProductionVariants") or []:
        model = app.store.find("Model", variant.get("ModelName", ""))
        for container in _containers(model or {}):
            for part in _parts(app, container):
                graph.associate(app, part, deployment, "ContributedTo")
            _approve(app, container, deployment)
    context = graph.named(app, "Context", f"{name}-aws-endpoint", "Endpoint", arn)
    graph.associate(app, deployment, context, "AssociatedWith")


def _approve(app: SageLocal, container: Document, deployment: str) -> None:
    """A package's approval is associated with the deployments of it."""
    if arn := _package_arn(app, container):
        found = app.store.find("Action", _approval_name(arn).lower())
        if found:
            graph.associate(app, found["ActionArn"], deployment, "AssociatedWith")


def _containers(model: Document) -> list[Document]:
    containers: list[Document] = model.get("Containers") or []
    return containers or ([model["PrimaryContainer"]] if "PrimaryContainer" in model else [])


def _parts(app: SageLocal, container: Document) -> list[str]:
    """ARNs of the artifacts that a container definition names: package, image, model data."""
    found = []
    if package := _package_arn(app, container):
        found.append(graph.artifact(app, package, "Model"))
    if "Image" in container:
        found.append(graph.artifact(app, container["Image"], "Image"))
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    if data := container.get("ModelDataUrl") or source.get("S3Uri"):
        found.append(graph.artifact(app, data, "Model"))
    return found


def _package_arn(app: SageLocal, container: Document) -> str:
    name: str = container.get("ModelPackageName", "")
    return name if not name or name.startswith("arn:") else app.arn(f"model-package/{name.lower()}")
