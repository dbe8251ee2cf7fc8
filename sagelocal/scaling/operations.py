"""Application Auto Scaling's operations: JSON 1.1 with the target AnyScaleFrontendService, on sagelocal's port."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import AwsError, not_implemented
from sagelocal.api.model import operation_model, operation_names
from sagelocal.api.projection import project
from sagelocal.api.refused import Paths, refuse
from sagelocal.api.validation import validate
from sagelocal.scaling import policies, schedules, targets

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
SERVICE = "application-autoscaling"
_MOST_TAGS = 50
# botocore's model has no bounds for MaxResults; the API reference says 1 to 50, and 1 to 10 for policies.
_PAGE, _PAGE_OF_POLICIES = 50, 10


def call(app: SageLocal, operation: str, request: Document) -> Document:
    """Validates, runs and projects one operation. Raises AwsError."""
    if operation not in operation_names(SERVICE):
        raise AwsError("UnknownOperationException", f"Application Auto Scaling has no operation {operation}.", 404)
    validate(SERVICE, operation, request)
    targets.check(request)
    handler = OPERATIONS.get(operation)
    if handler is None:
        raise not_implemented(f"The operation {operation}", "AWS has predictive scaling for ECS services only.")
    refuse(request, REFUSED.get(operation, {}))
    return project(operation_model(SERVICE, operation).output_shape, handler(app, request)) or {}


def deregister(app: SageLocal, request: Document) -> Document:
    policies.deregister(app, targets.find(app, request))
    return {}


def describe_targets(app: SageLocal, request: Document) -> Document:
    wanted = request.get("ResourceIds")
    found = [one for one in app.store.list("ScalableTarget") if not wanted or one["ResourceId"] in wanted]
    return _page(request, _of_dimension(found, request), "ScalableTargets")


def describe_policies(app: SageLocal, request: Document) -> Document:
    wanted = request.get("PolicyNames")
    found = [one for one in app.store.list("ScalingPolicy") if not wanted or one["PolicyName"] in wanted]
    return _page(request, _of_resource(found, request), "ScalingPolicies", _PAGE_OF_POLICIES)


def describe_actions(app: SageLocal, request: Document) -> Document:
    wanted = request.get("ScheduledActionNames")
    found = [one for one in app.store.list("ScheduledAction") if not wanted or one["ScheduledActionName"] in wanted]
    return _page(request, _of_resource(found, request), "ScheduledActions")


def describe_activities(app: SageLocal, request: Document) -> Document:
    found = app.store.list("ScalingActivity")[::-1]  # the newest first
    if not request.get("IncludeNotScaledActivities"):
        found = [one for one in found if not one.get("NotScaledReasons")]
    return _page(request, _of_resource(found, request), "ScalingActivities")


def _of_resource(found: list[Document], request: Document) -> list[Document]:
    wanted = request.get("ResourceId")
    return _of_dimension([one for one in found if wanted in (None, one["ResourceId"])], request)


def _of_dimension(found: list[Document], request: Document) -> list[Document]:
    wanted = request.get("ScalableDimension")
    return [one for one in found if wanted in (None, one["ScalableDimension"])]


def _page(request: Document, found: list[Document], member: str, most: int = _PAGE) -> Document:
    size = request.get("MaxResults")
    if size is not None and not 1 <= size <= most:
        raise AwsError("ValidationException", f"MaxResults {size} must be between 1 and {most}.")
    try:
        return listing.page(request, found, member, default=most)
    except AwsError as error:
        raise AwsError("InvalidNextTokenException", error.message) from error


def tag(app: SageLocal, request: Document) -> Document:
    arn = _tagged(app, request)
    after = app.store.tags(arn) | request["Tags"]
    if len(after) > _MOST_TAGS:
        raise AwsError("TooManyTagsException", f"{arn} would have {len(after)} tags, {_MOST_TAGS} are the most.")
    app.store.set_tags(arn, request["Tags"])
    return {}


def untag(app: SageLocal, request: Document) -> Document:
    app.store.drop_tags(_tagged(app, request), request["TagKeys"])
    return {}


def list_tags(app: SageLocal, request: Document) -> Document:
    return {"Tags": app.store.tags(_tagged(app, request))}


def _tagged(app: SageLocal, request: Document) -> str:
    arn = str(request["ResourceARN"])
    found = app.store.by_arn(arn)
    if found is None or found[0] != "ScalableTarget":
        raise AwsError("ResourceNotFoundException", f"There is no scalable target {arn}.", ResourceName=arn)
    return arn


def _nothing(run: Callable[[SageLocal, Document], None]) -> Callable[[SageLocal, Document], Document]:
    def answer(app: SageLocal, request: Document) -> Document:
        run(app, request)
        return {}

    return answer


OPERATIONS: dict[str, Callable[[SageLocal, Document], Document]] = {
    "RegisterScalableTarget": targets.register,
    "DeregisterScalableTarget": deregister,
    "DescribeScalableTargets": describe_targets,
    "PutScalingPolicy": policies.put,
    "DeleteScalingPolicy": _nothing(policies.delete),
    "DescribeScalingPolicies": describe_policies,
    "PutScheduledAction": _nothing(schedules.put),
    "DeleteScheduledAction": _nothing(schedules.delete),
    "DescribeScheduledActions": describe_actions,
    "DescribeScalingActivities": describe_activities,
    "TagResource": tag,
    "UntagResource": untag,
    "ListTagsForResource": list_tags,
}
REFUSED: dict[str, Paths] = {
    "PutScalingPolicy": {
        "PolicyType=PredictiveScaling": "AWS has it for ECS services only.",
        "PredictiveScalingPolicyConfiguration": "AWS has it for ECS services only.",
    }
}
