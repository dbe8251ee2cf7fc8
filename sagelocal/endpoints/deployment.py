"""What a DeploymentConfig asks for: its limits, and the steps an update takes. Nothing here waits or serves.

Limits and meaning are those of the API's DeploymentConfig and of the developer guide's pages on deployment guardrails.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sagelocal.api.errors import validation

Document = dict[str, Any]
Counts = Mapping[str, int]  # instances, by variant

_CANARY, _LINEAR, _ROLLING, _BACK = (1, 50), (10, 50), (5, 50), (1, 100)  # per cent of a variant's instances
_SLACK = 0.05  # of a step: three of 33 % are all of the traffic, as AWS's guide draws it
_EXCLUDED = "ml.inf1."  # instance types whose endpoints fall back to all at once without baking


@dataclass(frozen=True)
class Step:
    """One shift of traffic: the new fleet's instances, its share of the requests, and the wait that watches alarms."""

    share: float
    new: Counts
    bake: int  # seconds
    setting: str  # the member that gave `bake`
    capacity: str = "full capacity"  # as messages call what has traffic
    old: Counts | None = None  # instances the old fleet keeps after the wait; None for all of them


def steps(deployment: Document | None, old: Sequence[Document], new: Sequence[Document]) -> list[Document]:
    """The steps of an update from the planned variants `old` to `new`, as stored JSON; see `load`."""
    deployment = deployment or {}
    if any((variant["InstanceType"] or "").startswith(_EXCLUDED) for variant in new):
        deployment = {}
    rolling = deployment.get("RollingUpdatePolicy")
    if rolling and all(counts(new).values()):  # an asynchronous endpoint scaled to zero has no instances to trade
        return [asdict(step) for step in _rolling(rolling, _only(counts(old)), *_only_variant(new))]
    policy = deployment.get("BlueGreenUpdatePolicy") or {}
    routing = policy.get("TrafficRoutingConfiguration") or {"Type": "ALL_AT_ONCE"}
    full = counts(new)
    wait = routing.get("WaitIntervalInSeconds", 0)
    part = "canary capacity" if routing["Type"] == "CANARY" else "capacity"
    first = [Step(share, full, wait, "WaitIntervalInSeconds", part) for share in _shares(routing, new)]
    last = Step(1.0, full, policy.get("TerminationWaitInSeconds", 0), "TerminationWaitInSeconds")
    return [asdict(step) for step in [*first, last]]


def load(stored: Sequence[Document]) -> list[Step]:
    return [Step(**step) for step in stored]


def counts(variants: Sequence[Document]) -> Counts:
    """Of planned variants; a serverless one has none."""
    return {variant["VariantName"]: variant["InstanceCount"] for variant in variants}


def way_back(deployment: Document | None, now: Counts, full: Counts) -> list[Counts]:
    """The old fleet's instances at each step of a rollback, from those that run `now`."""
    if now == full:
        return []
    size = ((deployment or {}).get("RollingUpdatePolicy") or {}).get("RollbackMaximumBatchSize")
    name, total = next(iter(full.items()))
    batch = _instances(size, total) if size else total
    return [{name: min(total, count)} for count in range(now[name] + batch, total + batch, batch)]


def _shares(routing: Document, variants: Sequence[Document]) -> Iterator[float]:
    """The new fleet's share at each step before the last. A percentage is the share, whatever the instances are.

    AWS turns on whole instances, so that there 10 % of three instances are one instance and a third of the requests.
    """
    if routing["Type"] == "ALL_AT_ONCE":
        return
    size = routing["CanarySize"] if routing["Type"] == "CANARY" else routing["LinearStepSize"]
    share = _share(size, variants)
    if routing["Type"] == "CANARY":
        yield share
        return
    yield from (number * share for number in range(1, math.ceil(1 / share - _SLACK)))


def _share(size: Document, variants: Sequence[Document]) -> float:
    if size["Type"] == "CAPACITY_PERCENT":
        return float(size["Value"]) / 100
    weights = {variant["VariantName"]: float(variant["Weight"]) for variant in variants}
    parts = [weights[name] * size["Value"] / count for name, count in counts(variants).items()]
    return min(1.0, sum(parts) / sum(weights.values()))


def _rolling(policy: Document, old: int, name: str, new: int) -> Iterator[Step]:
    batch, wait = _instances(policy["MaximumBatchSize"], new), policy["WaitIntervalInSeconds"]
    for up in range(batch, new + batch, batch):
        running = min(up, new)
        left = {name: math.ceil(old * (1 - running / new))} if running < new else None
        part = "capacity" if running < new else "full capacity"
        yield Step(running / new, {name: running}, wait, "WaitIntervalInSeconds", part, left)


def _instances(size: Document, total: int) -> int:
    if size["Type"] == "INSTANCE_COUNT":
        return int(size["Value"])
    return max(1, round(total * size["Value"] / 100))


def _only_variant(variants: Sequence[Document]) -> tuple[str, int]:
    (found,) = counts(variants).items()
    return found


def _only(of_variants: Counts) -> int:
    (count,) = of_variants.values()
    return count


def alarms(deployment: Document | None) -> list[str]:
    rollback = (deployment or {}).get("AutoRollbackConfiguration") or {}
    return [alarm["AlarmName"] for alarm in rollback.get("Alarms") or [] if "AlarmName" in alarm]


def timeout(deployment: Document | None) -> float:
    """Seconds that an update may take; without a limit of its own infinite."""
    found = (deployment or {}).get("BlueGreenUpdatePolicy") or (deployment or {}).get("RollingUpdatePolicy") or {}
    return float(found.get("MaximumExecutionTimeoutInSeconds", math.inf))


def check(deployment: Document | None, variants: Sequence[Document]) -> None:
    """Raises AwsError for what the planned variants can't be updated by."""
    if not deployment:
        return
    blue_green, rolling = deployment.get("BlueGreenUpdatePolicy"), deployment.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise validation("Specify one of BlueGreenUpdatePolicy and RollingUpdatePolicy in DeploymentConfig, not both.")
    serverless = [variant["VariantName"] for variant in variants if variant.get("Serverless")]
    if rolling:
        _check_rolling(rolling, variants, serverless)
    if blue_green:
        _check_routing(blue_green["TrafficRoutingConfiguration"], variants, serverless)
    _check_timeout(deployment, variants)


def _check_rolling(policy: Document, variants: Sequence[Document], serverless: list[str]) -> None:
    if serverless or len(variants) > 1:
        why = "serverless" if serverless else "multi-variant"
        raise validation(f"RollingUpdatePolicy is not supported for {why} endpoints: use BlueGreenUpdatePolicy.")
    _check_size("MaximumBatchSize", policy["MaximumBatchSize"], _ROLLING, variants)
    if back := policy.get("RollbackMaximumBatchSize"):
        _check_size("RollbackMaximumBatchSize", back, _BACK, variants)


def _check_routing(routing: Document, variants: Sequence[Document], serverless: list[str]) -> None:
    kind = routing["Type"]
    if serverless and kind != "ALL_AT_ONCE":
        raise validation(
            f"TrafficRoutingConfiguration.Type {kind} is not supported for the serverless variant {serverless[0]}: use "
            "ALL_AT_ONCE."
        )
    for member, its_kind, limits in (("CanarySize", "CANARY", _CANARY), ("LinearStepSize", "LINEAR", _LINEAR)):
        if (member in routing) != (kind == its_kind):
            said = "is required" if kind == its_kind else "can't be specified"
            raise validation(f"{member} {said} when TrafficRoutingConfiguration.Type is {kind}.")
        if member in routing:
            _check_size(member, routing[member], limits, variants)


def _check_size(member: str, size: Document, limits: tuple[int, int], variants: Sequence[Document]) -> None:
    """The published limits are on the share of a variant's instances. So one instance of one is too many, while AWS
    publishes no refusal of a percentage of a single instance.
    """
    low, high = limits
    for name, count in counts(variants).items():
        is_percent = size["Type"] == "CAPACITY_PERCENT"
        percent = size["Value"] if is_percent else 100 * size["Value"] / max(1, count)
        if not low <= percent <= high:
            of = "" if is_percent else f", {percent:.0f} % of its {count} instance(s)"
            raise validation(
                f"{member} must be between {low}% and {high}% of the total instance count of variant {name}: it is "
                f"{size['Value']} ({size['Type']}{of})."
            )


def _check_timeout(deployment: Document, variants: Sequence[Document]) -> None:
    """The documentation wants the limit to be larger than all waits."""
    limit, waits = timeout(deployment), sum(step["bake"] for step in steps(deployment, variants, variants))
    if limit <= waits:
        raise validation(
            f"MaximumExecutionTimeoutInSeconds ({limit:.0f}) must be larger than the deployment's waits, {waits} "
            "seconds in all."
        )
