"""The step types that make one resource of the API, and how the engine names those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME_LENGTH = 63  # of jobs, models, endpoint configs and endpoints


@dataclass(frozen=True)
class Resource:
    """What a step type makes: the resource's kind, and the member of a step's Metadata that shows its ARN."""

    kind: str
    metadata: str

    @property
    def create(self) -> str:
        return f"Create{self.kind}"

    @property
    def describe(self) -> str:
        return f"Describe{self.kind}"

    @property
    def name_field(self) -> str:
        return f"{self.kind}Name"


RESOURCES = {
    "Processing": Resource("ProcessingJob", "ProcessingJob"),
    "Training": Resource("TrainingJob", "TrainingJob"),
    "Model": Resource("Model", "Model"),
    "RegisterModel": Resource("ModelPackage", "RegisterModel"),
    "EndpointConfig": Resource("EndpointConfig", "EndpointConfig"),
    "Endpoint": Resource("Endpoint", "Endpoint"),
}


def job_name(prefix: str, execution_id: str, step: str, suffix: str) -> str:
    """`pipelines-<execution id>-<step name, cut>-<suffix>`, valid for every resource that a step names."""
    start, end = f"{prefix}-{execution_id}", f"-{suffix}"
    middle = "-" + step.replace("_", "-").strip("-")
    return start[: _NAME_LENGTH - len(end)] + middle[: max(0, _NAME_LENGTH - len(start) - len(end))].rstrip("-") + end


def custom_prefix(kind: str, arguments: Mapping[str, Any]) -> str:
    """The prefix that the SDK's `use_custom_job_prefix` leaves in place of a name; AWS's own is `pipelines`."""
    given = arguments.get(RESOURCES[kind].name_field) if kind in ("Processing", "Training", "Model") else None
    return given if isinstance(given, str) else "pipelines"
