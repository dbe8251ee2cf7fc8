"""Autoscaling of an endpoint's variants: limits, policies, scheduled actions, and what was done and why."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import account, look
from dashboard.endpoints import described
from dashboard.endpoints.described import Found
from deploy import names, view

_SERVICE = "sagemaker"
_ACTIVITIES = 20
_DOING = ("policies", "schedules")
Read = dict[str, list[dict[str, Any]]]


def show(found: Found) -> None:
    variants = tuple(each.name for each in described.variants(found) if not each.shadow)
    read_ = read(found.name, variants)
    if not read_["targets"]:
        owner = described.use_case(found)
        st.caption(
            "No variant scales: each keeps its instances."
            + (" `autoscaling` in deploy/stages.yml declares it." if owner else "")
        )
    for each in read_["targets"]:
        _target(each, read_)
    _activities(read_["activities"])


def _target(target: dict[str, Any], found: Read) -> None:
    resource, dimension = target["ResourceId"], target["ScalableDimension"].rsplit(":", 1)[1]
    with st.container(border=True):
        what = "instances" if dimension == "DesiredInstanceCount" else dimension
        st.markdown(
            f"**{look.plain(resource.rsplit('/', 1)[1])}**: {target['MinCapacity']} to {target['MaxCapacity']} {what}"
        )
        if suspended := [name for name, on in target.get("SuspendedState", {}).items() if on]:
            st.markdown(f":orange[:material/pause_circle: {', '.join(suspended)}]")
        policies, schedules = ([one for one in found[of] if one["ResourceId"] == resource] for of in _DOING)
        said = [(each["PolicyName"], ", ".join(view.scaling(each)) + _cooldowns(each)) for each in policies]
        said += [(each["ScheduledActionName"], _scheduled(each)) for each in schedules]
        for name, words in said:
            st.markdown(f"- {look.plain(name)}: {look.plain(words)}")


def _cooldowns(policy: dict[str, Any]) -> str:
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
    if not {"ScaleOutCooldown", "ScaleInCooldown"} <= set(tracking):
        return ""
    return f", pauses {tracking['ScaleOutCooldown']} s after more and {tracking['ScaleInCooldown']} s after fewer"


def _scheduled(action: dict[str, Any]) -> str:
    limits = action.get("ScalableTargetAction", {})
    words = {"at least": limits.get("MinCapacity"), "at most": limits.get("MaxCapacity")}
    said = " and ".join(f"{word} {count}" for word, count in words.items() if count is not None)
    return f"{said}, {action['Schedule']} {action.get('Timezone', 'UTC')}"


def _activities(activities: list[dict[str, Any]]) -> None:
    if not activities:
        st.caption("Nothing was scaled in the last six weeks, which is how long Application Auto Scaling remembers.")
        return
    st.dataframe(
        [
            {
                "at": look.moment(each["StartTime"]),
                "variant": each["ResourceId"].rsplit("/", 1)[1],
                "status": [each["StatusCode"]],
                "what": each["Description"],
                "why": each["Cause"],
                "said": each.get("StatusMessage", ""),
            }
            for each in activities
        ],
        hide_index=True,
        width="stretch",
        column_config={"status": look.status_column("status", [each["StatusCode"] for each in activities])},
        alt="Scaling activities, the newest first",
    )


@account.kept
def read(endpoint: str, variants: tuple[str, ...]) -> Read:
    scaling = account.client("application-autoscaling")
    resources = [names.resource_id(endpoint, each) for each in variants]
    if not resources:
        return {"targets": [], "policies": [], "schedules": [], "activities": []}

    def pages(operation: str, member: str, **query: Any) -> list[dict[str, Any]]:
        found = scaling.get_paginator(operation).paginate(ServiceNamespace=_SERVICE, **query)
        return [each for page in found for each in page[member]]

    activities = [
        each
        for resource in resources
        for each in scaling.describe_scaling_activities(
            ServiceNamespace=_SERVICE, ResourceId=resource, MaxResults=_ACTIVITIES
        )["ScalingActivities"]
    ]
    return {
        "targets": pages("describe_scalable_targets", "ScalableTargets", ResourceIds=resources),
        "policies": [e for r in resources for e in pages("describe_scaling_policies", "ScalingPolicies", ResourceId=r)],
        "schedules": [
            e for r in resources for e in pages("describe_scheduled_actions", "ScheduledActions", ResourceId=r)
        ],
        "activities": sorted(activities, key=lambda each: each["StartTime"], reverse=True)[:_ACTIVITIES],
    }
