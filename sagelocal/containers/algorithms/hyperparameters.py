"""Hyperparameters as AWS documents them: names, types, ranges and defaults, read from the strings of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UserError


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter. `words` are texts that may stand for a number, such as auto; bounds include their ends."""

    kind: type = str  # int, float, bool or str
    default: Any = None
    required: bool = False
    low: float | None = None
    high: float | None = None
    above: float | None = None  # bounds that exclude their end
    below: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        """Raises ValueError saying what the value must be."""
        text = str(text).strip()
        if text in self.words:
            return text
        if self.kind is bool:
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{text!r} is not true or false")
            return text.lower() == "true"
        if self.kind is str:
            if self.choices and text not in self.choices:
                raise ValueError(f"{text!r} is not one of {', '.join(self.choices)}")
            return text
        return self._number(text)

    def _number(self, text: str) -> Any:
        try:
            value = self.kind(text)
        except ValueError:
            also = f" or {', '.join(self.words)}" if self.words else ""
            noun = "an integer" if self.kind is int else "a number"
            raise ValueError(f"{text!r} is not {noun}{also}") from None
        if not self._inside(value):
            raise ValueError(f"{value} is not in {self.interval}")
        return value

    def _inside(self, value: float) -> bool:
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    @property
    def interval(self) -> str:
        left = f"[{self.low:g}" if self.low is not None else f"({self.above:g}" if self.above is not None else "(-inf"
        right = (
            f"{self.high:g}]" if self.high is not None else f"{self.below:g})" if self.below is not None else "+inf)"
        )
        return f"{left}, {right}"


def positive(default: Any = None, **more: Any) -> Parameter:
    """A positive integer, or one of `words`."""
    return Parameter(int, default, low=1, **more)


def rate(default: Any = None, **more: Any) -> Parameter:
    """A non-negative number."""
    return Parameter(float, default, low=0, **more)


def choice(*choices: str, default: str | None = None, required: bool = False) -> Parameter:
    return Parameter(str, default, required, choices=choices)


# What a tuning job adds to each trial's hyperparameters; AWS's own algorithms have no use for it.
_OF_TUNING = "_tuning_objective_metric"


def validated(given: Mapping[str, str], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Every hyperparameter of an algorithm with its value or default. Raises UserError for the first that is wrong.

    The wording follows what AWS's algorithms report as FailureReason.
    """
    failed = "Unable to initialize the algorithm. Failed to validate hyperparameters. (caused by ValidationError)"
    for name in given:
        if name not in known and name != _OF_TUNING:
            raise UserError(f"{failed}: Additional properties are not allowed ({name!r} was unexpected)")
    values = {}
    for name, parameter in known.items():
        if name not in given:
            if parameter.required:
                raise UserError(f"{failed}: {name!r} is a required property")
            values[name] = parameter.default
            continue
        try:
            values[name] = parameter.read(given[name])
        except ValueError as error:
            raise UserError(f"{failed}: {name!r}: {error}") from error
    return values
