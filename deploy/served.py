"""What an endpoint serves: its models' containers, and the registered version that they came from."""

from __future__ import annotations

from typing import Any

from deploy import registry, state


def package(sagemaker: Any, group: str, endpoint: str) -> dict[str, Any]:
    """DescribeModelPackage of the version that an endpoint serves.

    A pipeline's own deploy step makes its model from the artifact, so it is also looked for by that. Raises LookupError
    when the endpoint doesn't exist or serves no registered version.
    """
    artifact = ""
    for container in containers(sagemaker, endpoint):
        if name := container.get("ModelPackageName"):
            return dict(sagemaker.describe_model_package(ModelPackageName=name))
        artifact = container.get("ModelDataUrl", artifact)
    for each in registry.packages(sagemaker, group):
        found = sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"])
        if artifact and artifact in {c.get("ModelDataUrl") for c in found["InferenceSpecification"]["Containers"]}:
            return dict(found)
    raise LookupError(f"Endpoint {endpoint} serves no version that is registered in the group {group}.")


def containers(sagemaker: Any, endpoint: str) -> list[dict[str, Any]]:
    """The container definitions of all its variants' models. Raises LookupError when there is no such endpoint."""
    described = state.endpoint(sagemaker, endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    found: list[dict[str, Any]] = []
    for variant in config["ProductionVariants"]:
        model = sagemaker.describe_model(ModelName=variant["ModelName"])
        found += model.get("Containers") or [model["PrimaryContainer"]]
    return found
