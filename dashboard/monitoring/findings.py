"""Violations in words, the gravest first. Pure: from constraint_violations.json, of our engine's or of AWS's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy import verdicts

CHECKS = {  # constraint_check_type: what it says of its subject; the faults of data come before drift
    "missing_column_check": "never arrives",
    "extra_column_check": "is not in the baseline",
    "data_type_check": "has values of another type",
    "completeness_check": "has too many missing values",
    "categorical_values_check": "has values that the baseline lacks",
    "baseline_drift_check": "is distributed otherwise",
    "LessThanThreshold": "is below its limit",
    "GreaterThanThreshold": "is above its limit",
    "bias_drift_check": "is farther from fair than in the baseline",
    "feature_attribution_drift_check": "ranks features otherwise than the baseline",
}
DRIFT = ("baseline_drift_check", "categorical_values_check")  # whose values are distributed otherwise
_GRAVEST = ("missing_column_check", "data_type_check", "completeness_check", "extra_column_check")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    subject: str  # a feature, a metric, or a metric of a facet's value
    check: str  # constraint_check_type
    description: str
    measured: float | None = None
    limit: float | None = None

    @property
    def words(self) -> str:
        return CHECKS.get(self.check, self.check)

    @property
    def excess(self) -> float:
        """How far beyond the limit, as a multiple of it; 0 where that isn't said."""
        if self.measured is None or not self.limit:
            return 0.0
        return abs(self.measured - self.limit) / abs(self.limit)


def ranked(violations: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Faults of the data, then what lies farthest beyond its limit."""
    found = [_finding(each) for each in violations]
    return sorted(found, key=lambda each: (_place(each.check), -each.excess, each.subject))


def _finding(violation: Mapping[str, Any]) -> Finding:
    description, check = str(violation.get("description", "")), str(violation.get("constraint_check_type", ""))
    numbers = [float(each) for each in _NUMBER.findall(description)]
    subject = verdicts.subject(dict(violation))
    if check == "feature_attribution_drift_check":
        subject = f"{subject} of {violation.get('label', '')}".removesuffix(" of ")
    if check == "baseline_drift_check" and len(numbers) >= 2:
        return Finding(subject, check, description, numbers[-2], numbers[-1])
    if check in ("LessThanThreshold", "GreaterThanThreshold") and len(numbers) >= 2:
        return Finding(subject, check, description, numbers[0], numbers[-1])  # with 0.71 +/- 0.01 was … '0.8'
    if check == "feature_attribution_drift_check" and len(numbers) >= 2:
        return Finding(subject, check, description, numbers[0], numbers[-1])
    return Finding(subject, check, description)


def _place(check: str) -> int:
    return _GRAVEST.index(check) if check in _GRAVEST else len(_GRAVEST)
