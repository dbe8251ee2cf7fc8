"""RetryPolicies of a step: which errors they cover, and when to try again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagelocal.workflow.step_types import STEP_ERRORS, STEP_TYPES

_MEMBERS = ("ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin")
_LONGEST = 43200  # seconds
_LIMITS = {"IntervalSeconds": (0, _LONGEST), "BackoffRate": (0, math.inf), "MaxAttempts": (0, 20)}
_LIMITS |= {"ExpireAfterMin": (0, 14400)}
_MAX_ATTEMPTS = 5  # where a policy has no limit of its own
_DEFAULT: Mapping[str, Any] = {"ExceptionType": STEP_ERRORS}  # AWS retries these without a policy


def problems(step: str, kind: str, policy: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with one policy of a step. The limits are the developer guide's (pipelines-retry-policy)."""
    allowed = STEP_TYPES[kind].retries
    where = f"RetryPolicies of {kind} step '{step}'"
    for member in policy:
        if member not in _MEMBERS:
            yield f"{where}: unknown property '{member}', must be one of: {', '.join(_MEMBERS)}"
    for error in _errors(policy) or (None,):
        if error not in allowed:
            yield f"{where}: ExceptionType '{error}' must be one of: {', '.join(allowed)}"
    if "MaxAttempts" in policy and "ExpireAfterMin" in policy:
        yield f"{where}: give only one of MaxAttempts and ExpireAfterMin"
    for member, (low, high) in _LIMITS.items():
        value = policy.get(member, low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            yield f"{where}: {member} {value!r} must be a number from {low} to {high}"


def pause(policies: Sequence[Mapping[str, Any]], failures: Sequence[str], elapsed: float) -> float | None:
    """Seconds to wait before the next attempt, None when there is none.

    `failures` are the errors of all attempts so far, the latest last; `elapsed` the seconds since the step's start. A
    policy counts the errors that it covers, and MaxAttempts are retries.
    """
    policy = next((one for one in (*policies, _DEFAULT) if failures[-1] in _errors(one)), None)
    if policy is None:
        return None
    count = sum(error in _errors(policy) for error in failures)
    delay = float(policy.get("IntervalSeconds", 1))
    for _ in range(count - 1):  # the rate has no upper limit, so the product gets one: the longest interval
        delay = min(delay * float(policy.get("BackoffRate", 2.0)), _LONGEST)
    if "ExpireAfterMin" in policy:
        return delay if elapsed + delay <= policy["ExpireAfterMin"] * 60 else None
    return delay if count <= policy.get("MaxAttempts", _MAX_ATTEMPTS) else None


def _errors(policy: Mapping[str, Any]) -> Sequence[str]:
    """A list from the SDK; the published JSON schema has a single string."""
    named = policy.get("ExceptionType") or ()
    return (named,) if isinstance(named, str) else tuple(named)
