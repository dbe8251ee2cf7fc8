"""ParameterRanges: which values a hyperparameter may have. The API's bounds and values are strings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagelocal.api.errors import validation

_INTEGERS, _CONTINUOUS, _CATEGORIES = (
    "IntegerParameterRanges",
    "ContinuousParameterRanges",
    "CategoricalParameterRanges",
)
KINDS = (_INTEGERS, _CONTINUOUS, _CATEGORIES)
# AWS leaves open how ScalingType Auto chooses: here logarithmic from two orders of magnitude on.
_WIDE = 100.0


@dataclass(frozen=True)
class Range:
    """One hyperparameter to search: either `choices`, or all from `low` to `high`.

    With `reverse` the bounds are those of one minus the value, which is what a ReverseLogarithmic scale is about.
    """

    name: str
    kind: str  # KINDS
    low: float = 0.0
    high: float = 0.0
    logarithmic: bool = False
    reverse: bool = False
    choices: tuple[str, ...] = ()

    @property
    def integer(self) -> bool:
        return self.kind == _INTEGERS

    def text(self, found: Any) -> str:
        """What a search found, as a hyperparameter."""
        if self.integer:
            return str(int(found))
        return str(1.0 - found if self.reverse else found)

    def number(self, text: str) -> Any:
        """A hyperparameter as a search has it. Raises ValueError for one outside of the range."""
        if self.choices:
            if text not in self.choices:
                raise ValueError(f"{self.name} {text} is none of {self.choices}")
            return text
        value = int(text) if self.integer else float(text)
        value = 1.0 - value if self.reverse else value
        slack = 1e-12 if self.reverse else 0.0  # 1 - (1 - x) is not always x
        if not self.low - slack <= value <= self.high + slack:
            raise ValueError(f"{self.name} {text} is outside of its range")
        return min(max(value, self.low), self.high)

    @property
    def size(self) -> float:
        """How many values there are."""
        if self.choices:
            return len(self.choices)
        if self.integer:
            return self.high - self.low + 1
        return 1 if self.low == self.high else math.inf

    @property
    def first(self) -> str:
        """A value of the range, always the same."""
        return self.choices[0] if self.choices else self.text(self.low)

    def values(self) -> list[str]:
        """All of them; only for a range of finite size."""
        if self.choices:
            return list(self.choices)
        return [str(each) for each in range(int(self.low), int(self.high) + 1)] if self.integer else [self.first]


def combinations(ranges: Sequence[Range]) -> float:
    return math.prod(each.size for each in ranges)


def parse(given: Mapping[str, Any]) -> list[Range]:
    """The ranges of a request. Raises AwsError naming the hyperparameter."""
    found = [
        *(_integer(each) for each in given.get(_INTEGERS) or []),
        *(_continuous(each) for each in given.get(_CONTINUOUS) or []),
        *(_categorical(each) for each in given.get(_CATEGORIES) or []),
    ]
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise validation(f"Hyperparameter names must be unique, and [{name}] has {names.count(name)} ranges.")
    return found


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """As Describe shows them: all three lists, and each numeric range with its ScalingType. SDK v2 relies on both."""
    return {kind: [dict(_scaled(kind, each)) for each in given.get(kind) or []] for kind in KINDS}


def _scaled(kind: str, each: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from each.items()
    if kind != _CATEGORIES and "ScalingType" not in each:
        yield "ScalingType", "Auto"


def _integer(given: Mapping[str, str]) -> Range:
    low, high = (_number(given, member, int) for member in ("MinValue", "MaxValue"))
    _ordered(given, low, high)
    if given.get("ScalingType") == "ReverseLogarithmic":
        raise validation(f"Hyperparameter [{given['Name']}]: ReverseLogarithmic scaling is for continuous ranges only.")
    return Range(given["Name"], _INTEGERS, low, high, logarithmic=_logarithmic(given, low, high))


def _continuous(given: Mapping[str, str]) -> Range:
    low, high = (_number(given, member, float) for member in ("MinValue", "MaxValue"))
    _ordered(given, low, high)
    if given.get("ScalingType") != "ReverseLogarithmic":
        return Range(given["Name"], _CONTINUOUS, low, high, logarithmic=_logarithmic(given, low, high))
    if low < 0 or high >= 1:
        raise validation(
            f"Hyperparameter [{given['Name']}]: ReverseLogarithmic scaling needs a range within 0 <= x < 1, and it is "
            f"from {given['MinValue']} to {given['MaxValue']}."
        )
    return Range(given["Name"], _CONTINUOUS, 1.0 - high, 1.0 - low, logarithmic=True, reverse=True)


def _categorical(given: Mapping[str, Any]) -> Range:
    values = tuple(str(each) for each in given["Values"])
    if len(set(values)) < len(values):
        raise validation(f"Hyperparameter [{given['Name']}]: the values {list(values)} must be unique.")
    return Range(given["Name"], _CATEGORIES, choices=values)


def _number(given: Mapping[str, str], member: str, convert: type) -> float:
    try:
        value: float = convert(given[member])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = "an integer" if convert is int else "a number"
        raise validation(f"Hyperparameter [{given['Name']}]: {member} [{given[member]}] must be {what}.")
    return value


def _ordered(given: Mapping[str, str], low: float, high: float) -> None:
    if low > high:
        raise validation(
            f"Hyperparameter [{given['Name']}]: MinValue [{given['MinValue']}] must not be greater than MaxValue "
            f"[{given['MaxValue']}]."
        )


def _logarithmic(given: Mapping[str, str], low: float, high: float) -> bool:
    scale = given.get("ScalingType", "Auto")
    if scale == "Logarithmic" and low <= 0:
        raise validation(
            f"Hyperparameter [{given['Name']}]: Logarithmic scaling needs values greater than 0, and MinValue is "
            f"[{given['MinValue']}]."
        )
    return scale == "Logarithmic" or (scale == "Auto" and low > 0 and high / low >= _WIDE)
