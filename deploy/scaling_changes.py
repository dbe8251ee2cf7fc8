"""The changes of scalable targets, their policies, scheduled actions and wake-up alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deploy import view
from deploy.changes import Call, Change
from deploy.scaling import policy_arn
from deploy.state import State
from deploy.wanted import Request, Wanted

_SERVICE = "application-autoscaling"
_KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
Described = Mapping[str, Any]


def before(wanted: Wanted, state: State) -> list[Change]:
    """What isn't wanted goes, and all of a variant that gets other instances: AWS refuses to update a scaled variant's
    type ("Update endpoints that use auto scaling").
    """

    def stale(found: Sequence[Described], member: str, requests: Sequence[Request]) -> list[Described]:
        names = {(each[member], *_key(each)) for each in requests}
        return [each for each in found if (each[member], *_key(each)) not in names or _is_rebuilt(each, wanted, state)]

    return removed(
        stale(state.schedules, "ScheduledActionName", wanted.schedules),
        stale(state.policies, "PolicyName", wanted.policies),
        stale(state.targets, "ResourceId", wanted.targets),
    )


def after(wanted: Wanted, state: State) -> list[Change]:
    """What is missing or differs is put."""

    def put(kind: str, operation: str, member: str, requests: Sequence[Request], found: Sequence[Described]) -> None:
        existing = {(each[member], *_key(each)): each for each in found if not _is_rebuilt(each, wanted, state)}
        for each in requests:
            call = Call(_SERVICE, operation, each)
            known = existing.get((each[member], *_key(each)))
            if known is None:
                changes.append(Change("+", kind, each[member], (call,), view.scaling(each)))
            elif differs := view.differences(each, known):
                changes.append(Change("~", kind, each[member], (call,), differs))

    changes: list[Change] = []
    put("scalable target", "register_scalable_target", "ResourceId", wanted.targets, state.targets)
    put("scaling policy", "put_scaling_policy", "PolicyName", wanted.policies, state.policies)
    put("scheduled action", "put_scheduled_action", "ScheduledActionName", wanted.schedules, state.schedules)
    put_policies = {each.name for each in changes if each.kind == "scaling policy"}
    return changes + _wake_alarms(wanted, state, put_policies)


def _wake_alarms(wanted: Wanted, state: State, put_policies: set[str]) -> list[Change]:
    """An alarm names its policy's ARN: the existing policy's, or the one that PutScalingPolicy will answer."""
    arns = {policy_arn(each["PolicyName"]): each["PolicyARN"] for each in state.policies}
    existing = {each["AlarmName"]: each for each in state.alarms}
    changes = []
    for each in wanted.wake_alarms:
        name = each["AlarmName"]  # its policy's, too
        if name not in put_policies:
            each = each | {"AlarmActions": [arns.get(action, action) for action in each["AlarmActions"]]}
        call, known = Call("cloudwatch", "put_metric_alarm", each), existing.get(name)
        if known is None:
            changes.append(Change("+", "alarm", name, (call,), (view.alarm(each),)))
        elif differs := view.differences(each, known):
            changes.append(Change("~", "alarm", name, (call,), differs))
    return changes


def removed(
    schedules: Sequence[Described], policies: Sequence[Described], targets: Sequence[Described]
) -> list[Change]:
    kinds = [
        ("scheduled action", "delete_scheduled_action", "ScheduledActionName", schedules),
        ("scaling policy", "delete_scaling_policy", "PolicyName", policies),
    ]
    changes = []
    for kind, operation, member, found in kinds:
        for each in found:
            request = {**dict(zip(_KEY, _key(each), strict=True)), member: each[member]}
            changes.append(Change("-", kind, each[member], (Call(_SERVICE, operation, request),)))
    for each in targets:
        request = dict(zip(_KEY, _key(each), strict=True))
        call = Call(_SERVICE, "deregister_scalable_target", request)
        changes.append(Change("-", "scalable target", each["ResourceId"], (call,)))
    return changes


def stays_scaled(wanted: Wanted, state: State) -> bool:
    """Whether a variant is scaled before and after, with other instances perhaps."""
    keys = {_key(each) for each in wanted.targets}
    return any(_key(each) in keys for each in state.targets)


def scaled_variants(wanted: Wanted) -> set[str]:
    return {_variant(each) for each in wanted.targets}


def _variant(described: Described) -> str:
    return str(described["ResourceId"]).rsplit("/", 1)[1]


def _key(described: Described) -> tuple[str, str, str]:
    return described["ServiceNamespace"], described["ResourceId"], described["ScalableDimension"]


def _is_rebuilt(described: Described, wanted: Wanted, state: State) -> bool:
    """Whether its variant goes, or gets other instances."""
    old, new = (view.variants(config or {}).get(_variant(described)) for config in (state.config, wanted.config))
    return old is not None and (new is None or old.get("InstanceType") != new.get("InstanceType"))
