from __future__ import annotations

from typing import Any

import pytest

from sagelocal.workflow import retries

POLICY = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 10, "BackoffRate": 2.0, "MaxAttempts": 3}


def pauses(policies: list[dict[str, Any]], *errors: str, elapsed: float = 0) -> float | None:
    return retries.pause(policies, errors, elapsed)


def test_the_pause_grows_until_the_attempts_are_used_up() -> None:
    error = "SageMaker.CAPACITY_ERROR"
    assert [pauses([POLICY], *[error] * attempts) for attempts in (1, 2, 3, 4)] == [10, 20, 40, None]


def test_a_policy_by_time() -> None:
    error = "SageMaker.RESOURCE_LIMIT"
    policy = {"ExceptionType": [error], "IntervalSeconds": 30, "BackoffRate": 1, "ExpireAfterMin": 1}
    assert pauses([policy], error, elapsed=30) == 30
    assert pauses([policy], error, error, elapsed=31) is None
    assert pauses([policy | {"ExpireAfterMin": 0}], error) is None


def test_only_named_errors_are_retried_and_step_errors_always() -> None:
    assert pauses([POLICY], "") is None
    assert pauses([POLICY], "SageMaker.JOB_INTERNAL_ERROR") is None
    assert pauses([], "Step.THROTTLING") == 1
    override = POLICY | {"ExceptionType": ["Step.THROTTLING"]}
    assert pauses([override], "Step.THROTTLING") == 10


def test_a_policy_counts_its_own_errors_and_has_five_retries_by_default() -> None:
    one = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "MaxAttempts": 1}
    other = {"ExceptionType": "SageMaker.RESOURCE_LIMIT"}
    assert pauses([one, other], "SageMaker.RESOURCE_LIMIT", "SageMaker.CAPACITY_ERROR") == 1
    assert pauses([one, other], "SageMaker.CAPACITY_ERROR", "SageMaker.CAPACITY_ERROR") is None
    assert pauses([one, other], *["SageMaker.RESOURCE_LIMIT"] * 5) == 16
    assert pauses([one, other], *["SageMaker.RESOURCE_LIMIT"] * 6) is None
    assert pauses([one | {"MaxAttempts": 0}], "SageMaker.CAPACITY_ERROR") is None


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("Training", {"ExceptionType": ["SageMaker.OTHER"]}, "ExceptionType 'SageMaker.OTHER' must be one of"),
        ("Training", {"ExceptionType": []}, "ExceptionType 'None' must be one of"),
        ("Model", {}, "ExceptionType 'SageMaker.CAPACITY_ERROR' must be one of: Step.SERVICE_FAULT, Step.THROTTLING"),
        ("Training", {"ExpireAfterMin": 5}, "only one of MaxAttempts and ExpireAfterMin"),
        ("Training", {"MaxAttempts": 21}, "MaxAttempts 21 must be a number from 0 to 20"),
        ("Training", {"IntervalSeconds": 43201}, "IntervalSeconds 43201 must be a number from 0 to 43200"),
        ("Training", {"MaxAttempts": "3"}, "MaxAttempts '3' must be a number"),
        ("Training", {"BackoffRate": -1}, "BackoffRate -1 must be a number from 0"),
        ("Training", {"Jitter": 1}, "unknown property 'Jitter'"),
    ],
)
def test_wrong_policies(kind: str, change: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in retries.problems("S", kind, POLICY | change))
    assert list(retries.problems("S", "Training", POLICY)) == []


def test_a_pause_never_grows_beyond_the_longest_interval() -> None:
    policy = {"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 1, "BackoffRate": 1e300, "MaxAttempts": 20}
    assert retries.pause([policy], ["Step.THROTTLING"], 0) == 1
    assert retries.pause([policy], ["Step.THROTTLING"] * 15, 0) == 43200
