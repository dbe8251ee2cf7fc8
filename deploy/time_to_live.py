"""The end of an endpoint that isn't to stay, without anything of ours that runs: as AWS resources,

    one-time schedule (EventBridge Scheduler)  →  DeleteEndpoint

Each deployment sets the time anew. The schedule is gone once it has fired; what else was made for the endpoint costs
next to nothing and stays until `mlops undeploy`. One role, which the schedule takes, may delete this endpoint alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy import names, retraining, roles
from deploy.resources import ROLE, SCHEDULE, Key, Request, Resource
from deploy.wanted import Place

_LONGEST = 64  # characters of a role's or a schedule's name
_AT = "at(%Y-%m-%dT%H:%M:%S)"


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that it is made of, in the order in which it is made."""
    return [(ROLE, roles.name(names.expiry(endpoint), place)), (SCHEDULE, names.expiry(endpoint))]


def resources(
    lasts: str, endpoint: str, tags: list[dict[str, str]], place: Place, now: datetime | None = None
) -> list[Resource]:
    """`lasts`: an ISO 8601 duration such as P1D, counted from now; nothing for none. ValueError for any other text."""
    if not lasts:
        return []
    if too_long := [name for _, name in keys(endpoint, place) if len(name) > _LONGEST]:
        raise ValueError(f"{too_long[0]} would have {len(too_long[0])} characters, and {_LONGEST} are allowed.")
    end = (now or datetime.now(UTC)) + timedelta(seconds=retraining.seconds(lasts))
    account = {"StringEquals": {"aws:SourceAccount": place.account}}
    arn = f"arn:{place.partition}:sagemaker:{place.region}:{place.account}:endpoint/{endpoint.lower()}"
    may = roles.allow("sagemaker:DeleteEndpoint", arn)
    name = names.expiry(endpoint)
    request: Request = {
        "Name": name,
        "Description": f"{names.MADE}deletes the endpoint {endpoint}",
        "ScheduleExpression": end.astimezone(UTC).strftime(_AT),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "State": "ENABLED",
        "Target": {
            "Arn": f"arn:{place.partition}:scheduler:::aws-sdk:sagemaker:deleteEndpoint",
            "RoleArn": roles.arn(name, place),
            "Input": json.dumps({"EndpointName": endpoint}),
        },
    }
    return [
        roles.role(name, "scheduler", f"what deletes {endpoint} in the end", [may], tags, place, account),
        Resource(SCHEDULE, name, request, (f"deletes the endpoint {lasts} from now, unless it is deployed again",)),
    ]


def ends(schedule: Mapping[str, Any], time_scale: float = 1.0) -> datetime:
    """When a schedule, as GetSchedule describes it, deletes its endpoint; waits are shorter by the time scale."""
    end = datetime.strptime(schedule["ScheduleExpression"], _AT).replace(tzinfo=UTC)
    if time_scale == 1 or "LastModificationDate" not in schedule:
        return end
    made = schedule["LastModificationDate"].astimezone(UTC)
    return made + (end - made) / time_scale
