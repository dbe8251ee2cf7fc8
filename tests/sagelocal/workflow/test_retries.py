from __future__ import annotations

from typing import Any

import pytest

from sagelocal.workflow import retries

POLICY = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 10, "BackoffRate": 2.0, "MaxAttempts": 3}


def test_the_pause_grows_until_the_attempts_are_used_up() -> None:
    pauses = [retries.pause([POLICY], "SageMaker.CAPACITY_ERROR", attempt, 0) for attempt in (1, 2, 3, 4)]
    assert pauses == [10, 20, 40, None]


def test_a_policy_by_time() -> None:
    policy = {
        "ExceptionType": ["SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 30,
        "BackoffRate": 1,
        "ExpireAfterMin": 1,
    }
    assert retries.pause([policy], "SageMaker.RESOURCE_LIMIT", 1, 30) == 30
    assert retries.pause([policy], "SageMaker.RESOURCE_LIMIT", 2, 31) is None


def test_only_named_errors_are_retried_and_step_errors_always() -> None:
    assert retries.pause([POLICY], "", 1, 0) is None
    assert retries.pause([POLICY], "SageMaker.JOB_INTERNAL_ERROR", 1, 0) is None
    assert retries.pause([], "Step.THROTTLING", 1, 0) == 1
    override = POLICY | {"ExceptionType": ["Step.THROTTLING"]}
    assert retries.pause([override], "Step.THROTTLING", 1, 0) == 10


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("Training", {"ExceptionType": ["SageMaker.OTHER"]}, "ExceptionType 'SageMaker.OTHER' must be one of"),
        ("Training", {"ExceptionType": []}, "ExceptionType 'None' must be one of"),
        ("Model", {}, "ExceptionType 'SageMaker.CAPACITY_ERROR' must be one of: Step.SERVICE_FAULT, Step.THROTTLING"),
        ("Training", {"ExpireAfterMin": 5}, "exactly one of MaxAttempts and ExpireAfterMin"),
        ("Training", {"MaxAttempts": 21}, "MaxAttempts 21 must be from 1 to 20"),
        ("Training", {"IntervalSeconds": 43201}, "IntervalSeconds 43201 must be from 0 to 43200"),
        ("Training", {"Jitter": 1}, "unknown property 'Jitter'"),
    ],
)
def test_wrong_policies(kind: str, change: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in retries.problems("S", kind, POLICY | change))
    assert list(retries.problems("S", "Training", POLICY)) == []
