from __future__ import annotations

from typing import Any

import pytest

from sagelocal.workflow.conditions import holds
from sagelocal.workflow.expressions import ExpressionError


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def is_true(condition: dict[str, Any]) -> bool:
    return holds(condition, lambda operand: operand)


@pytest.mark.parametrize(
    ("kind", "less", "same", "more"),
    [
        ("Equals", False, True, False),
        ("GreaterThan", False, False, True),
        ("GreaterThanOrEqualTo", False, True, True),
        ("LessThan", True, False, False),
        ("LessThanOrEqualTo", True, True, False),
    ],
)
def test_comparisons(kind: str, less: bool, same: bool, more: bool) -> None:
    assert [is_true(compare(kind, left, 2.0)) for left in (1, 2, 3)] == [less, same, more]
    assert [is_true(compare(kind, left, "b")) for left in "abc"] == [less, same, more]


def test_in_not_or() -> None:
    inside = {"Type": "In", "QueryValue": "staging", "Values": ["staging", "production"]}
    assert is_true(inside)
    assert not is_true(inside | {"QueryValue": "none"})
    assert is_true({"Type": "Not", "Condition": compare("Equals", 1, 2)})
    assert not is_true({"Type": "Not", "Condition": inside})
    assert is_true({"Type": "Or", "Conditions": [compare("Equals", 1, 2), inside]})
    assert not is_true({"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", True, False)]})


def test_operands_are_resolved_and_only_those_that_are_needed() -> None:
    asked = []

    def resolve(operand: Any) -> Any:
        asked.append(operand)
        return {"x": 5}.get(operand, operand)

    either = {"Type": "Or", "Conditions": [compare("Equals", "x", 5), compare("Equals", "y", 5)]}
    assert holds(either, resolve)
    assert "y" not in asked


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (compare("Equals", "1", 1), r"Cannot evaluate Equals on '1' \(String\) and 1 \(Number\)"),
        (compare("GreaterThan", True, False), "Boolean"),
        (compare("Equals", True, 1), r"True \(Boolean\) and 1 \(Number\)"),
        ({"Type": "In", "QueryValue": 1, "Values": ["1"]}, "Cannot evaluate Equals"),
    ],
)
def test_unlike_things_are_not_compared(condition: dict[str, Any], said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        is_true(condition)
