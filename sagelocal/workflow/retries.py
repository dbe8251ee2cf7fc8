"""RetryPolicies of a step: which errors they cover, and when to try again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagelocal.workflow.step_types import STEP_ERRORS, STEP_TYPES

_MEMBERS = ("ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin")
_LIMITS = {"IntervalSeconds": (0, 43200), "MaxAttempts": (1, 20), "ExpireAfterMin": (0, 14400)}
# AWS retries these without a policy, how often isn't documented.
_DEFAULT = {"ExceptionType": list(STEP_ERRORS), "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 3}


def problems(step: str, kind: str, policy: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with one policy of a step."""
    allowed = STEP_TYPES[kind].retries
    where = f"RetryPolicies of {kind} step '{step}'"
    for member in policy:
        if member not in _MEMBERS:
            yield f"{where}: unknown property '{member}', must be one of: {', '.join(_MEMBERS)}"
    for error in policy.get("ExceptionType") or [None]:
        if error not in allowed:
            yield f"{where}: ExceptionType '{error}' must be one of: {', '.join(allowed)}"
    if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
        yield f"{where}: give exactly one of MaxAttempts and ExpireAfterMin"
    for member, (low, high) in _LIMITS.items():
        if member in policy and not low <= policy[member] <= high:
            yield f"{where}: {member} {policy[member]} must be from {low} to {high}"


def pause(policies: Sequence[Mapping[str, Any]], error: str, attempt: int, elapsed: float) -> float | None:
    """Seconds to wait before the next attempt, None when there is none.

    `attempt` counts the attempts made, `elapsed` are the seconds since the step's start. MaxAttempts are retries.
    """
    for policy in [*policies, _DEFAULT]:
        if error in policy["ExceptionType"]:
            delay = float(policy.get("IntervalSeconds", 1)) * float(policy.get("BackoffRate", 2.0)) ** (attempt - 1)
            if "MaxAttempts" in policy:
                return delay if attempt <= policy["MaxAttempts"] else None
            return delay if elapsed + delay <= policy["ExpireAfterMin"] * 60 else None
    return None
