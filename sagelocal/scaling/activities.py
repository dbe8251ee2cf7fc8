"""Scaling activities: what was done to a target, why, and how it went."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_KEPT_SECONDS = 42 * 24 * 3600.0  # six weeks, as on AWS
_WHAT = {
    "sagemaker:variant:DesiredInstanceCount": "desired instance count",
    "sagemaker:variant:DesiredProvisionedConcurrency": "desired provisioned concurrency",
}


def begin(app: SageLocal, target: Document, wanted: int, cause: str, **more: Any) -> Document:
    """Before the capacity is changed, so that a kill leaves no change without its activity."""
    return _add(app, target, f"Setting {_what(target, wanted)}.", cause, "Pending", _wanted=wanted, **more)


def asked(app: SageLocal, target: Document, activity: Document) -> None:
    """SageMaker took the change."""
    said = f"Successfully set {_what(target, activity['_wanted'])}. Waiting for change to be fulfilled by sagemaker."
    changes = {"StatusCode": "InProgress", "StatusMessage": said}
    app.store.update("ScalingActivity", activity["ActivityId"], changes)


def finish(app: SageLocal, target: Document, activity: Document, failure: str = "") -> None:
    wanted = _what(target, activity["_wanted"])
    changes = {
        "EndTime": app.now(),
        "StatusCode": "Failed" if failure else "Successful",
        "StatusMessage": f"Failed to set {wanted}. Reason: {failure}"
        if failure
        else f"Successfully set {wanted}. Change successfully fulfilled by sagemaker.",
    }
    app.store.update("ScalingActivity", activity["ActivityId"], changes)


def limits_set(app: SageLocal, target: Document, action: Document) -> None:
    """A scheduled action's own activity; the change of capacity that follows is another one."""
    change = action["ScalableTargetAction"]
    said = " and ".join(
        f"{word} capacity to {change[member]}"
        for word, member in (("min", "MinCapacity"), ("max", "MaxCapacity"))
        if member in change
    )
    cause = f"scheduled action name {action['ScheduledActionName']} was triggered"
    message = f"Successfully set {said}"
    _add(app, target, f"Setting {said}", cause, "Successful", EndTime=app.now(), StatusMessage=message)


def not_scaled(app: SageLocal, target: Document, cause: str, code: str, current: int) -> None:
    """Once in a row for the same reason; only who asks for such activities sees it."""
    limit = "MaxCapacity" if code == "AlreadyAtMaxCapacity" else "MinCapacity"
    reasons = [{"Code": code, limit: target[limit], "CurrentCapacity": current}]
    newest = app.store.page("ScalingActivity", parent=target["_name"], descending=True, limit=1)
    if not newest or (newest[0]["Cause"], newest[0].get("NotScaledReasons")) != (cause, reasons):
        description = "Attempting to scale due to alarm triggered"
        _add(app, target, description, cause, "Failed", EndTime=app.now(), NotScaledReasons=reasons)


def unfinished(app: SageLocal, target: Document) -> list[Document]:
    """Activities that a change of capacity is still under way for, or that a kill interrupted."""
    found = app.store.page("ScalingActivity", parent=target["_name"], where=[("EndTime", "present", 0)])
    return [activity for activity in found if "_wanted" in activity]


def _add(app: SageLocal, target: Document, description: str, cause: str, status: str, **more: Any) -> Document:
    activity = {
        "ActivityId": str(uuid.uuid4()),
        "ServiceNamespace": "sagemaker",
        "ResourceId": target["ResourceId"],
        "ScalableDimension": target["ScalableDimension"],
        "Description": description,
        "Cause": cause,
        "StartTime": app.now(),
        "StatusCode": status,
        **more,
    }
    with app.store.transaction():
        app.store.create("ScalingActivity", activity["ActivityId"], activity, parent=target["_name"])
        long_ago = [("StartTime", "<", app.now() - _KEPT_SECONDS)]
        for old in app.store.page("ScalingActivity", parent=target["_name"], where=long_ago):
            app.store.delete("ScalingActivity", old["ActivityId"])
    return activity


def _what(target: Document, wanted: int) -> str:
    return f"{_WHAT[target['ScalableDimension']]} to {wanted}"
