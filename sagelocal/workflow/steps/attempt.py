"""One attempt at a step: what it is given, how it talks back to the execution, and how it can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.workflow.expressions import Scope
from sagelocal.workflow.graph import Graph, Node, Progress

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


class StepFailed(Exception):
    """A step ended in failure. `error` is its exception type as RetryPolicies name it, "" where no policy can apply."""

    def __init__(self, reason: str, error: str = "", metadata: Document | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.metadata = metadata


class StepStopped(Exception):
    """A step ended because it, or its job, was stopped."""


class Closing(Exception):
    """The engine is going down: leave everything as it is."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step, and its ways to talk back to the execution."""

    app: SageLocal
    arn: str  # the execution's
    name: str  # for a resource that the definition doesn't name
    token: str  # for the one operation that knows none: CreateModelPackage
    step: Document  # as the definition has it: Type, and the siblings of Arguments that some types have
    request: Document  # Arguments, resolved for the types in RESOURCES
    scope: Scope
    started: float  # epoch seconds; what is newer and has our name is ours
    executing: Callable[[Document], object]  # records StepStatus Executing with this Metadata
    stop_asked: Callable[[], bool]
    closing: Callable[[], bool]
    stopping: Callable[[], object]  # records StepStatus Stopping
    # Runs a step that this one makes, to its end: its node, all steps made, and parameters that only it sees.
    run_step: Callable[[Node, Graph, Document], Progress]


@dataclass(frozen=True)
class Result:
    """A success: the step's Metadata, and what its properties are (a Describe response)."""

    metadata: Document
    properties: Document


def invoke(app: SageLocal, operation: str, request: Document) -> Document:
    try:
        return app.call(operation, request)
    except AwsError as error:
        reason = f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error.message}"
        raise StepFailed(reason, _call_error(error)) from error


def _call_error(error: AwsError) -> str:
    """The exception type, as RetryPolicies name them, of an error that an API call answered."""
    if error.code == "ResourceLimitExceeded":
        return "SageMaker.RESOURCE_LIMIT"
    if "Throttling" in error.code:
        return "Step.THROTTLING"
    return "Step.SERVICE_FAULT" if error.status >= 500 else ""
