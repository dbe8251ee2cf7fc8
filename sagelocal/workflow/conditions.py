"""The condition types of a Condition step, and how they compare."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from sagelocal.workflow.expressions import ExpressionError

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
# Type -> its members beside Type, as the SDK writes them and the service takes them.
MEMBERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
Resolve = Callable[[Any], Any]


def holds(condition: Mapping[str, Any], resolve: Resolve) -> bool:
    """Whether a condition is true; `resolve` gives the value of an operand. Raises ExpressionError."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"], resolve)
    if kind == "Or":
        return any(holds(member, resolve) for member in condition["Conditions"])
    if kind == "In":
        value = resolve(condition["QueryValue"])
        return any(_compare("Equals", value, resolve(member)) for member in condition["Values"])
    return _compare(kind, resolve(condition["LeftValue"]), resolve(condition["RightValue"]))


def _compare(kind: str, left: Any, right: Any) -> bool:
    """Numbers with numbers, strings with strings, booleans for equality only.

    AWS doesn't document what "1" and 1 are to each other, so neither answer is given: a branch taken by accident is
    worse than an error.
    """
    if _sort(left) != _sort(right) or (_sort(left) == "Boolean" and kind != "Equals"):
        raise ExpressionError(f"Cannot evaluate {kind} on {left!r} ({_sort(left)}) and {right!r} ({_sort(right)})")
    return COMPARISONS[kind](left, right)


def _sort(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int | float):
        return "Number"
    return "String" if isinstance(value, str) else type(value).__name__
