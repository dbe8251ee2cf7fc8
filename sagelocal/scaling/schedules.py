"""Scheduled actions: at given times a target's smallest and largest capacity change."""

from __future__ import annotations

import math
import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from botocore.utils import parse_timestamp

from sagelocal import ministack_triggers
from sagelocal.api.errors import AwsError, validation
from sagelocal.scaling import targets

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_MOST = 200  # a scalable target, of AWS's quotas
_AT = re.compile(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)")


def put(app: SageLocal, request: Document) -> None:
    """Creates or changes an action; times that are not given are forgotten. Raises AwsError."""
    target = targets.find(app, request)
    name = f"{target['_name']} {request['ScheduledActionName']}"
    before = app.store.find("ScheduledAction", name)
    if before is None and len(app.store.list("ScheduledAction", parent=target["_name"])) >= _MOST:
        raise AwsError("LimitExceededException", f"{request['ResourceId']} has {_MOST} scheduled actions already.")
    action = before or _new(app, request, name)
    for member in ("Schedule", "Timezone", "ScalableTargetAction"):
        if request.get(member):
            action[member] = request[member]
    for member in ("StartTime", "EndTime"):
        action[member] = _epoch(request[member]) if request.get(member) is not None else None
    _check(action)
    action |= {"_changed": app.now(), "_fired": None}
    if before is None:
        app.store.create("ScheduledAction", name, action, parent=target["_name"], arn=action["ScheduledActionARN"])
    else:
        app.store.update("ScheduledAction", name, action)
    app.scaler.wake()


def _new(app: SageLocal, request: Document, name: str) -> Document:
    settings = app.settings
    return {
        "ScheduledActionName": request["ScheduledActionName"],
        "ScheduledActionARN": f"arn:aws:autoscaling:{settings.region}:{settings.account}:scheduledAction:"
        f"{uuid.uuid4()}:resource/sagemaker/{request['ResourceId']}:"
        f"scheduledActionName/{request['ScheduledActionName']}",
        "ServiceNamespace": "sagemaker",
        "ResourceId": request["ResourceId"],
        "ScalableDimension": request["ScalableDimension"],
        "CreationTime": app.now(),
        "_name": name,
    }


def _epoch(value: Any) -> float:
    return float(parse_timestamp(value).timestamp())


def _check(action: Document) -> None:
    if not action.get("Schedule"):
        raise validation("A new scheduled action needs a Schedule: at(...), rate(...) or cron(...).")
    change = action.get("ScalableTargetAction") or {}
    if not {"MinCapacity", "MaxCapacity"} & change.keys():
        raise validation("At least one of minimum capacity and maximum capacity should be provided")
    if change.get("MinCapacity", 0) > change.get("MaxCapacity", math.inf):
        raise validation("Maximum capacity cannot be less than minimum capacity")
    try:
        ZoneInfo(action.get("Timezone") or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise validation(f"{action['Timezone']} is no time zone: use an IANA name such as Europe/Berlin.") from error
    if not _is_schedule(action["Schedule"]):
        raise validation(
            f"The schedule {action['Schedule']} is none: at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(six fields)."
        )


def _is_schedule(text: str) -> bool:
    from ministack.services import eventbridge

    if _AT.fullmatch(text):
        try:
            datetime.fromisoformat(text[3:-1])
        except ValueError:
            return False
        return True
    rate = eventbridge._parse_rate_seconds(text)
    return bool(rate) or eventbridge._parse_cron_fields(text) is not None


def delete(app: SageLocal, request: Document) -> None:
    """Raises AwsError."""
    targets.find(app, request)
    name = f"{targets.key(request)} {request['ScheduledActionName']}"
    if app.store.find("ScheduledAction", name) is None:
        raise targets.missing(
            f"No scheduled action found for resource ID: {request['ResourceId']}, scalable dimension: "
            f"{request['ScalableDimension']}, scheduled action name: {request['ScheduledActionName']}"
        )
    app.store.delete("ScheduledAction", name)


def due(action: Document, now: float) -> float | None:
    """The moment for which the action is to happen now, None when it is not. What was missed happens once."""
    schedule = {
        "State": "ENABLED",
        "ScheduleExpression": action["Schedule"],
        "ScheduleExpressionTimezone": action.get("Timezone"),
        "LastModificationDate": action["_changed"],
        "StartDate": action.get("StartTime"),
        "EndDate": action.get("EndTime"),
    }
    return ministack_triggers.due(schedule, action.get("_fired"), now)
