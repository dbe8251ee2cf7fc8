"""Steps that decide where an execution goes: conditions and deliberate failure."""

from __future__ import annotations

from typing import Any

from sagelocal.workflow.conditions import holds
from sagelocal.workflow.expressions import resolve
from sagelocal.workflow.steps.attempt import Attempt, Result, StepFailed


def decide(attempt: Attempt) -> Result:
    """All conditions together; the first false one settles it."""

    def value(operand: Any) -> Any:
        return resolve(operand, attempt.scope)

    outcome = "True" if all(holds(one, value) for one in attempt.request["Conditions"]) else "False"
    return Result({"Condition": {"Outcome": outcome}}, {"Outcome": outcome})


def fail(attempt: Attempt) -> Result:
    message = str(resolve(attempt.request["ErrorMessage"], attempt.scope))
    raise StepFailed(message, metadata={"Fail": {"ErrorMessage": message[:3072]}})
