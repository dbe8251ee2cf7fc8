"""The step types that make one resource of the API, and how the engine names those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME_LENGTH = 63  # of jobs, models, endpoint configs and endpoints
_PREFIX = "pipelines"


@dataclass(frozen=True)
class Resource:
    """What a step type makes: the resource's kind, and the member of a step's Metadata that shows its ARN."""

    kind: str
    metadata: str
    name_length: int = _NAME_LENGTH

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
    "Tuning": Resource("HyperParameterTuningJob", "TuningJob", name_length=32),
    "AutoML": Resource("AutoMLJob", "AutoMLJob", name_length=32),
    "Transform": Resource("TransformJob", "TransformJob"),
    "QualityCheck": Resource("ProcessingJob", "QualityCheck"),
    "ClarifyCheck": Resource("ProcessingJob", "ClarifyCheck"),
    "Model": Resource("Model", "Model"),
    "RegisterModel": Resource("ModelPackage", "RegisterModel"),
    "EndpointConfig": Resource("EndpointConfig", "EndpointConfig"),
    "Endpoint": Resource("Endpoint", "Endpoint"),
}

_PREFIXED = ("Processing", "Training", "Transform", "QualityCheck", "ClarifyCheck", "Model")


def resource_name(kind: str, arguments: Mapping[str, Any], execution_id: str, step: str, suffix: str) -> str:
    """`pipelines-<execution id>-<step name, cut>-<suffix>`, valid for every resource that a step names.

    The SDK's `use_custom_job_prefix` leaves a prefix in place of a name. A tuning job's 32 characters have no room for
    one: there AWS leaves it out.
    """
    length = RESOURCES[kind].name_length if kind in RESOURCES else _NAME_LENGTH
    if length < _NAME_LENGTH:
        return _cut(execution_id, step, suffix, length)
    given = arguments.get(RESOURCES[kind].name_field) if kind in _PREFIXED else None
    return _cut(f"{given if isinstance(given, str) else _PREFIX}-{execution_id}", step, suffix, length)


def _cut(start: str, step: str, suffix: str, length: int) -> str:
    end = f"-{suffix}"
    middle = "-" + step.replace("_", "-").strip("-")
    return start[: length - len(end)] + middle[: max(0, length - len(start) - len(end))].rstrip("-") + end
