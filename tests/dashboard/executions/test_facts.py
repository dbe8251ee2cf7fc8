"""What is said of an execution: parameters off their defaults, and why it failed."""

from __future__ import annotations

from datetime import UTC, datetime

from dashboard.executions import execution, facts
from mlops.executions import Step

DEFINITION = {
    "Parameters": [
        {"Name": "Floor", "Type": "Float", "DefaultValue": 0.6},
        {"Name": "Check", "Type": "Boolean", "DefaultValue": True},
        {"Name": "Url", "Type": "String"},
    ]
}


def test_another_spelling_of_a_default_is_no_change() -> None:
    defaults = facts.defaults(DEFINITION)
    assert defaults == {"Floor": "0.6", "Check": "true"}
    assert facts.changed({"Floor": "0.60", "Check": "True"}, defaults) == {}
    given = {"Floor": "0.7", "Check": "false", "Url": "s3://b"}
    assert facts.changed(given, defaults) == given


def test_without_a_definition_nothing_counts_as_changed() -> None:
    assert facts.changed({"Floor": "0.7"}, facts.defaults({})) == {}


def test_an_address_is_said_by_its_end() -> None:
    assert facts.short("s3://bucket/data/churn/049b/churn.parquet") == "…/049b/churn.parquet"
    assert facts.short("ml.m5.large") == "ml.m5.large"


def step(name: str, minute: int, status: str = "Failed", failure: str = "", **metadata: dict[str, str]) -> Step:
    return Step(name, status, False, None, datetime(2026, 1, 1, 12, minute, tzinfo=UTC), metadata, failure)


def test_a_failure_is_one_sentence_with_the_step_that_failed_first() -> None:
    steps = [
        step("Late", 5, failure="no"),
        step("Gate", 1, Fail={"ErrorMessage": "too low"}),
        step("A", 0, "Succeeded"),
    ]
    assert execution.failure({}, steps) == "Gate failed: too low (1 more failed: Late)"
    assert execution.failure({}, steps[2:]) == ""
    assert execution.failure({"FailureReason": "It could not start."}, []) == "It could not start."
