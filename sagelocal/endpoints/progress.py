"""DescribeEndpoint's PendingDeploymentSummary: what a deployment under way shows of itself, in AWS's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagelocal.endpoints import plans
from sagelocal.endpoints.deployment import Counts, Step, counts

Document = dict[str, Any]


def launching(plan: Document, began: float) -> Document:
    """A deployment that has just begun, at `began` (epoch seconds)."""
    return _summary(plan, began, began, "Creating", lambda count: f"Launching {count} instance(s).", None)


def growing(plan: Document, step: Step, began: float, now: float) -> Document:
    return _summary(plan, began, now, "Updating", lambda count: f"Launching {count} instance(s).", step.new)


def activating(plan: Document, step: Step, began: float, now: float) -> Document:
    def said(count: int) -> str:
        return f"Activating traffic on {step.capacity} of {count} instance(s)."

    return _summary(plan, began, now, "ActivatingTraffic", said, _serving(plan, step))


def baking(plan: Document, step: Step, began: float, now: float) -> Document:
    def said(count: int) -> str:
        wait = f"{step.bake} seconds ({step.setting})"
        return f"Baking for {wait} with traffic enabled on {step.capacity} of {count} instance(s)."

    return _summary(plan, began, now, "Baking", said, _serving(plan, step))


def deleting(plan: Document, began: float, now: float) -> Document:
    return _summary(plan, began, now, "Deleting", lambda count: f"Terminating {count} instance(s).", None)


def adjusting(running: Document, plan: Document, now: float) -> list[Document]:
    """The ProductionVariants of an endpoint that goes from the plan `running` to another of the same fleet."""
    old = {variant["VariantName"]: variant for variant in running["Variants"]}

    def variant(planned: Document) -> Document:
        before = old[planned["VariantName"]]
        shown = plans.summary(before, now) | {"DesiredWeight": planned["Weight"]}
        if planned["InstanceCount"] == before["InstanceCount"]:
            return shown
        way = "out" if planned["InstanceCount"] > before["InstanceCount"] else "in"
        said = f"Scaling {way} desired instance count to {planned['InstanceCount']}."
        state = {"Status": "Updating", "StatusMessage": said, "StartTime": now}
        return shown | {"DesiredInstanceCount": planned["InstanceCount"], "VariantStatus": [state]}

    return [variant(planned) for planned in plan["Variants"]]


def shrunk(running: Document, instances: Counts, now: float) -> list[Document]:
    """The ProductionVariants of an endpoint whose old fleet is down to so many instances."""
    return [
        plans.summary(variant, now) | {"CurrentInstanceCount": instances[variant["VariantName"]]}
        for variant in running["Variants"]
    ]


def _summary(
    plan: Document, began: float, now: float, status: str, said: Callable[[int], str], current: Counts | None
) -> Document:
    desired = counts(plan["Variants"])

    def variant(planned: Document) -> Document:
        name = planned["VariantName"]
        count = desired[name] if current is None else current[name]
        state = {"Status": status, "StartTime": now}
        if not planned.get("Serverless"):
            state["StatusMessage"] = said(count)
        shown = plans.summary(planned, began) | {"VariantStatus": [state]}
        shown |= {"InstanceType": planned["InstanceType"]} if planned.get("InstanceType") else {}
        return shown | ({"CurrentInstanceCount": count if current else 0} if "CurrentInstanceCount" in shown else {})

    found = {"ProductionVariants": [variant(one) for one in plan["Variants"]]}
    if plan["Shadows"]:
        found["ShadowProductionVariants"] = [plans.summary(one, began) for one in plan["Shadows"]]
    return {"EndpointConfigName": plan["EndpointConfigName"], "StartTime": began, **found}


def _serving(plan: Document, step: Step) -> Counts:
    """The instances that have traffic; a share of one instance shows as one."""
    desired = counts(plan["Variants"])
    if step.new != desired:  # a batch of instances
        return step.new
    return {name: max(1, round(count * step.share)) for name, count in desired.items()}
