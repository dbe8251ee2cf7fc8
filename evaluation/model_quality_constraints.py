"""Bounds of metrics: suggested from a baseline, and metrics checked against them.

File formats and words are Model Monitor's. AWS suggests each metric's own value as its bound; an unchanged population
would cross half of them in every window. Two rules leave room for chance alone:

- A suggested threshold is three standard errors of the baseline worse than the baseline.
- A metric violates its threshold when it is worse by more than three standard errors of its own window: few records
  prove little. AWS writes "with 0.71 +/- 0.01", and doesn't say how its deviation counts.

So an unchanged population violates about one metric in a thousand windows, whatever the sizes, and a change that is
large against both errors is seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from model_quality_metrics import CONSTANT, Metric

ROOM = 3.0  # standard errors
LARGER_IS_WORSE = {
    "mae", "mse", "rmse", "false_positive_rate", "false_negative_rate",
    "mase", "rmsse", "smape", "wape",
}  # fmt: skip
UNBOUNDED = {"mae", "mse", "rmse", "r2", "mase", "rmsse", "smape", "wape"}
GREATER, LESS = "GreaterThanThreshold", "LessThanThreshold"


def operator(name: str) -> str:
    """The comparison that is a violation."""
    return GREATER if name in LARGER_IS_WORSE or name.startswith("pinball_") else LESS


def suggest(metrics: Mapping[str, Metric]) -> dict[str, dict[str, Any]]:
    """The metrics' part of constraints.json; best constant classifiers are there to compare with by eye."""
    return {
        name: {"threshold": _threshold(name, metric), "comparison_operator": operator(name)}
        for name, metric in metrics.items()
        if not name.endswith(CONSTANT)
    }


def _threshold(name: str, metric: Metric) -> float:
    room = ROOM * metric.error if math.isfinite(metric.error) else 0.0
    threshold = metric.value + (room if operator(name) == GREATER else -room)
    if name in UNBOUNDED or name.startswith("pinball_"):
        return threshold
    return min(max(threshold, 0.0), 1.0)


def check(constraints: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, Metric]) -> list[dict[str, str]]:
    """The `violations` of constraint_violations.json. A metric without a value here, such as an AUC of one class,
    violates nothing.

    Raises:
        ValueError: a constraint that is none.
    """
    violations = []
    for name, constraint in constraints.items():
        kind, threshold = _read(name, constraint)
        if name in metrics and _worse(metrics[name], kind, threshold):
            metric = metrics[name].described()
            description = (
                f"Metric {name} with {metric['value']} +/- {metric['standard_deviation']} was {kind} '{threshold}'"
            )
            violations.append({"constraint_check_type": kind, "description": description, "metric_name": name})
    return violations


def _read(name: str, constraint: Mapping[str, Any]) -> tuple[str, float]:
    try:
        kind, threshold = constraint["comparison_operator"], float(constraint["threshold"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the constraint of {name} is {constraint!r}: threshold and comparison_operator are expected"
        ) from error
    if kind not in (GREATER, LESS):
        raise ValueError(
            f"the constraint of {name} has the comparison_operator {kind!r}: {GREATER} or {LESS} is expected"
        )
    return kind, threshold


def _worse(metric: Metric, kind: str, threshold: float) -> bool:
    room = ROOM * metric.error if math.isfinite(metric.error) else 0.0
    return metric.value - room > threshold if kind == GREATER else metric.value + room < threshold
