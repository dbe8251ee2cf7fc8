"""How the traffic of an endpoint goes over to a new fleet: AWS's deployment guardrails, one class a way.

A size is a share of the fleet's capacity, `"10%"`, or a number of instances, `1`. Waits are seconds. Limits are those
of the API's DeploymentConfig and of its documentation's page on deployment guardrails. They are limits on the share
("50% of the variant's total instance count"): one instance of one is too many, while for a percentage of a single
instance AWS publishes neither a refusal nor what is turned on then, so it passes here and in sagelocal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Size: TypeAlias = int | str
_WAIT = (0, 3600)  # seconds
_TIMEOUT = (600, 28800)


@dataclass(frozen=True)
class AllAtOnce:
    """The new fleet takes all traffic at once; the old one stays for `termination_wait`, to go back to."""

    termination_wait: int = 0
    maximum_execution_timeout: int = 1800


@dataclass(frozen=True)
class Canary:
    """A part of the traffic first, and after `wait_interval` without an alarm the rest."""

    size: Size = "10%"
    wait_interval: int = 300
    termination_wait: int = 120
    maximum_execution_timeout: int = 3600


@dataclass(frozen=True)
class Linear:
    """Steps of one size, with `wait_interval` after each."""

    size: Size = "25%"
    wait_interval: int = 180
    termination_wait: int = 120
    maximum_execution_timeout: int = 3600


@dataclass(frozen=True)
class Rolling:
    """Batches of instances replace the old ones: no second fleet, so it takes the least capacity."""

    size: Size = "25%"
    wait_interval: int = 180
    rollback_size: Size | None = None  # of a batch on the way back; all at once if not given
    maximum_execution_timeout: int = 3600


Strategy: TypeAlias = AllAtOnce | Canary | Linear | Rolling
STRATEGIES: dict[str, type[Strategy]] = {
    "all-at-once": AllAtOnce,
    "canary": Canary,
    "linear": Linear,
    "rolling": Rolling,
}
_LIMITS = {Canary: (1, 50), Linear: (10, 50), Rolling: (5, 50)}  # per cent of the fleet


def name(strategy: Strategy) -> str:
    return next(name for name, kind in STRATEGIES.items() if kind is type(strategy))


def deployment_config(strategy: Strategy, alarms: Sequence[str]) -> dict[str, Any] | None:
    """UpdateEndpoint's DeploymentConfig; None for what the API does without one.

    `alarms`: names of the CloudWatch alarms that roll the update back.
    """
    if strategy == AllAtOnce() and not alarms:
        return None
    rollback = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": each} for each in alarms]}} if alarms else {}
    timeout = {"MaximumExecutionTimeoutInSeconds": strategy.maximum_execution_timeout}
    if isinstance(strategy, Rolling):
        policy = {
            "MaximumBatchSize": capacity(strategy.size),
            "WaitIntervalInSeconds": strategy.wait_interval,
            **({"RollbackMaximumBatchSize": capacity(strategy.rollback_size)} if strategy.rollback_size else {}),
        }
        return {"RollingUpdatePolicy": policy | timeout, **rollback}
    policy = {"TrafficRoutingConfiguration": _routing(strategy), "TerminationWaitInSeconds": strategy.termination_wait}
    return {"BlueGreenUpdatePolicy": policy | timeout, **rollback}


def _routing(strategy: AllAtOnce | Canary | Linear) -> dict[str, Any]:
    if isinstance(strategy, AllAtOnce):
        return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    kind, member = ("CANARY", "CanarySize") if isinstance(strategy, Canary) else ("LINEAR", "LinearStepSize")
    return {"Type": kind, "WaitIntervalInSeconds": strategy.wait_interval, member: capacity(strategy.size)}


def capacity(size: Size) -> dict[str, Any]:
    """AWS's CapacitySize. Raises ValueError for what is neither `"10%"` nor a number of instances."""
    if isinstance(size, int):
        return {"Type": "INSTANCE_COUNT", "Value": size}
    number, percent, rest = size.partition("%")
    if not percent or rest or not number.strip().isdecimal():
        raise ValueError(f'The size {size!r} is neither a share of the capacity, such as "10%", nor a whole number.')
    return {"Type": "CAPACITY_PERCENT", "Value": int(number)}


def problems(strategy: Strategy, instances: Sequence[int]) -> Iterator[str]:
    """What AWS would refuse, a sentence each; `instances`: of each variant."""
    kind = name(strategy)
    for member in ("wait_interval", "termination_wait"):
        yield from _outside(kind, member, getattr(strategy, member, 0), _WAIT)
    yield from _outside(kind, "maximum_execution_timeout", strategy.maximum_execution_timeout, _TIMEOUT)
    if isinstance(strategy, AllAtOnce):
        return
    least = min(instances, default=1)
    sizes = list(_size_problems(kind, "size", strategy.size, _LIMITS[type(strategy)], least))
    yield from sizes
    if isinstance(strategy, Rolling):
        if len(instances) > 1:
            yield f"rolling is for endpoints of one variant, and here are {len(instances)}"
        if strategy.rollback_size:
            yield from _size_problems(kind, "rollback_size", strategy.rollback_size, (1, 100), least)
    if not sizes and (waits := _waits(strategy, least)) >= strategy.maximum_execution_timeout:
        yield (
            f"{kind} waits {waits} s in all, and its maximum_execution_timeout must be more than that, not "
            f"{strategy.maximum_execution_timeout}"
        )


def _waits(strategy: Canary | Linear | Rolling, instances: int) -> int:
    """Seconds of all its waits together."""
    if isinstance(strategy, Canary):
        return strategy.wait_interval + strategy.termination_wait
    steps = math.ceil(round(100 / _percent(strategy.size, instances), 3))
    if isinstance(strategy, Linear):
        return (steps - 1) * strategy.wait_interval + strategy.termination_wait
    return steps * strategy.wait_interval


def _percent(size: Size, instances: int) -> float:
    parsed = capacity(size)
    return float(parsed["Value"] if parsed["Type"] == "CAPACITY_PERCENT" else 100 * parsed["Value"] / instances)


def _outside(kind: str, member: str, value: int, limits: tuple[int, int]) -> Iterator[str]:
    if not limits[0] <= value <= limits[1]:
        yield f"{kind} has {member}={value}, and it must be {limits[0]} to {limits[1]} seconds"


def _size_problems(kind: str, member: str, size: Size, limits: tuple[int, int], instances: int) -> Iterator[str]:
    if not limits[0] <= _percent(size, instances) <= limits[1]:
        of, remedy = ("", "") if isinstance(size, str) else (f" of {instances}", ": have more of them, or give a share")
        low, high = limits
        yield f"{kind} has {member}={size!r}{of}, and it must be {low} to {high} % of a variant's instances{remedy}"


def described(strategy: Strategy) -> str:
    """In a few words, for the diff."""
    if isinstance(strategy, AllAtOnce):
        kept = f", the old fleet stays {strategy.termination_wait} s" if strategy.termination_wait else ""
        return f"all at once{kept}"
    share = strategy.size if isinstance(strategy.size, str) else f"{strategy.size} instances"
    if isinstance(strategy, Canary):
        return f"canary: {share} of the traffic for {strategy.wait_interval} s, then the rest"
    if isinstance(strategy, Linear):
        return f"linear: {share} more of the traffic every {strategy.wait_interval} s"
    return f"rolling: {share} of the instances at a time, {strategy.wait_interval} s between"
