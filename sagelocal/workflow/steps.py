"""What each step type does: one function a type, each safe to call again after a kill.

A function finds what an earlier call of the same attempt has created (by the name or token that was in the store before
the call) instead of creating it twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.store import Missing
from sagelocal.workflow.conditions import holds
from sagelocal.workflow.expressions import Scope, resolve

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_NAME_LENGTH = 63  # of jobs, models, endpoint configs and endpoints
_MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


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
    request: Document  # Arguments, resolved for the types in RESOURCES
    scope: Scope
    started: float  # epoch seconds; what is newer and has our name is ours
    executing: Callable[[Document], None]  # records StepStatus Executing with this Metadata
    stop_asked: Callable[[], bool]
    closing: Callable[[], bool]
    stopping: Callable[[], None]  # records StepStatus Stopping


@dataclass(frozen=True)
class Result:
    """A success: the step's Metadata, and what its properties are (a Describe response)."""

    metadata: Document
    properties: Document


def job_name(prefix: str, execution_id: str, step: str, suffix: str) -> str:
    """`pipelines-<execution id>-<step name, cut>-<suffix>`, valid for every resource that a step names."""
    start, end = f"{prefix}-{execution_id}", f"-{suffix}"
    middle = "-" + step.replace("_", "-").strip("-")
    return start[: _NAME_LENGTH - len(end)] + middle[: max(0, _NAME_LENGTH - len(start) - len(end))].rstrip("-") + end


def custom_prefix(kind: str, arguments: Mapping[str, Any]) -> str:
    """The prefix that the SDK's `use_custom_job_prefix` leaves in place of a name; AWS's own is `pipelines`."""
    given = arguments.get(RESOURCES[kind].name_field) if kind in ("Processing", "Training", "Model") else None
    return given if isinstance(given, str) else "pipelines"


def run_job(kind: str, attempt: Attempt) -> Result:
    app, store = attempt.app, attempt.app.store
    if store.find(kind, attempt.name) is None:
        _invoke(app, f"Create{kind}", attempt.request | {f"{kind}Name": attempt.name})
    job = store.get(kind, attempt.name)
    metadata = {kind: {"Arn": job[f"{kind}Arn"]}}
    attempt.executing(metadata)
    job = store.wait(
        kind, attempt.name, lambda document: _ended(kind, document) or attempt.closing() or attempt.stop_asked()
    )
    if not _ended(kind, job) and not attempt.closing():
        attempt.stopping()
        _stop(app, kind, attempt.name)
        job = store.wait(kind, attempt.name, lambda document: _ended(kind, document) or attempt.closing())
    if not _ended(kind, job):
        raise Closing
    # A training job that ran out of time is Stopped with a FailureReason: nobody stopped it, so its step failed.
    if job[f"{kind}Status"] == "Stopped" and "FailureReason" not in job:
        raise StepStopped
    if job[f"{kind}Status"] != "Completed":
        reason = job.get("FailureReason", "The job failed without a reason.")
        raise StepFailed(f"ClientError: {reason}", _job_error(reason), metadata)
    return Result(metadata, app.call(f"Describe{kind}", {f"{kind}Name": attempt.name}))


def _ended(kind: str, job: Document) -> bool:
    return job[f"{kind}Status"] in ("Completed", "Failed", "Stopped")


def _stop(app: SageLocal, kind: str, name: str) -> None:
    with contextlib.suppress(AwsError):  # it ended, or is being stopped, in this very moment
        app.call(f"Stop{kind}", {f"{kind}Name": name})


def run_processing(attempt: Attempt) -> Result:
    return run_job("ProcessingJob", attempt)


def run_training(attempt: Attempt) -> Result:
    return run_job("TrainingJob", attempt)


def create_model(attempt: Attempt) -> Result:
    app, name = attempt.app, attempt.name
    if app.store.find("Model", name) is None:
        _invoke(app, "CreateModel", attempt.request | {"ModelName": name})
    model = app.call("DescribeModel", {"ModelName": name})
    return Result({"Model": {"Arn": model["ModelArn"]}}, model)


def register_model(attempt: Attempt) -> Result:
    """A missing package group is created, as AWS's own project template relies on; GeneratedBy names the execution."""
    app, request = attempt.app, attempt.request
    if group := request.get("ModelPackageGroupName"):
        try:
            app.find("ModelPackageGroup", group)
        except AwsError:
            _invoke(app, "CreateModelPackageGroup", {"ModelPackageGroupName": group})
    metadata_properties = request.get("MetadataProperties", {}) | {"GeneratedBy": attempt.arn}
    made = request | {"MetadataProperties": metadata_properties, "ClientToken": attempt.token}
    arn = _invoke(app, "CreateModelPackage", made)["ModelPackageArn"]
    package = app.call("DescribeModelPackage", {"ModelPackageName": arn})
    return Result({"RegisterModel": {"Arn": arn}}, package)


def create_endpoint_config(attempt: Attempt) -> Result:
    app = attempt.app
    name = attempt.request.get("EndpointConfigName", attempt.name)
    found = app.store.find("EndpointConfig", name)
    if found is None or found["CreationTime"] < attempt.started:
        _invoke(app, "CreateEndpointConfig", attempt.request | {"EndpointConfigName": name})
    config = app.call("DescribeEndpointConfig", {"EndpointConfigName": name})
    return Result({"EndpointConfig": {"Arn": config["EndpointConfigArn"]}}, config)


def deploy_endpoint(attempt: Attempt) -> Result:
    """Creates the endpoint or, where there is one of that name, updates it; waits until it is in service."""
    app, store = attempt.app, attempt.app.store
    name = attempt.request.get("EndpointName", attempt.name)
    config = attempt.request.get("EndpointConfigName", "")
    found = store.find("Endpoint", name)
    if found is None:
        _invoke(app, "CreateEndpoint", attempt.request | {"EndpointName": name})
    elif not _is_deploying(found, config, attempt.started):
        kept = {
            key: value for key, value in attempt.request.items() if key in ("EndpointConfigName", "DeploymentConfig")
        }
        _invoke(app, "UpdateEndpoint", kept | {"EndpointName": name})
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


def decide(attempt: Attempt) -> Result:
    """All conditions together; the first false one settles it."""

    def value(operand: Any) -> Any:
        return resolve(operand, attempt.scope)

    outcome = "True" if all(holds(one, value) for one in attempt.request["Conditions"]) else "False"
    return Result({"Condition": {"Outcome": outcome}}, {"Outcome": outcome})


def fail(attempt: Attempt) -> Result:
    message = str(resolve(attempt.request["ErrorMessage"], attempt.scope))
    raise StepFailed(message, metadata={"Fail": {"ErrorMessage": message[:3072]}})


RUN: dict[str, Callable[[Attempt], Result]] = {
    "Processing": run_processing,
    "Training": run_training,
    "Model": create_model,
    "RegisterModel": register_model,
    "EndpointConfig": create_endpoint_config,
    "Endpoint": deploy_endpoint,
    "Condition": decide,
    "Fail": fail,
}


def _invoke(app: SageLocal, operation: str, request: Document) -> Document:
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


def _job_error(reason: str) -> str:
    """The same of a failed job; AWS starts such a FailureReason with the error's name."""
    starts = {"InternalServerError": "SageMaker.JOB_INTERNAL_ERROR", "CapacityError": "SageMaker.CAPACITY_ERROR"}
    return next((error for start, error in starts.items() if reason.startswith(start)), "")
