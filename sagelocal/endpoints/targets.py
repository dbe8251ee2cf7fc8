"""What a request may choose besides its variant: TargetContainerHostname and TargetModel."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sagelocal.api.errors import AwsError

_MODEL = "x-amzn-sagemaker-target-model"
_CONTAINER = "x-amzn-sagemaker-target-container-hostname"


def of(endpoint: str, plan: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The model and the container that a request to a planned variant asks for. Raises AwsError where it must not.

    AWS's own sentences about TargetModel; about TargetContainerHostname its guide only says when there is an error.
    """
    model, container = headers.get(_MODEL), headers.get(_CONTAINER)
    if not model and not container and len(plan["Containers"]) == 1 and "Mode" not in plan["Containers"][0]:
        return None, None
    multi_model = any(one.get("Mode") == "MultiModel" for one in plan["Containers"])
    if model and not multi_model:
        raise _refused(f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header.")
    if multi_model and not model:
        raise _refused(f"Request {uuid.uuid4()} is missing a target model header.")
    direct = plan["Execution"] == "Direct"
    if container and not direct:
        raise _refused(
            f"Endpoint {endpoint} is not configured for direct invocation and does not support target container "
            "hostname header."
        )
    names = [one.get("Hostname") for one in plan["Containers"]]
    if direct and not container:
        known = ", ".join(str(name) for name in names)
        raise _refused(f"Endpoint {endpoint} needs a target container hostname header, one of {known}.")
    if container and container not in names:
        known = ", ".join(str(name) for name in names)
        raise _refused(f"Container {container} not found for endpoint {endpoint}. It has {known}.")
    return model, container


def _refused(message: str) -> AwsError:
    return AwsError("ValidationError", message)
