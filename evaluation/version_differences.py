"""The metrics of two versions of a model beside each other, and whether they are further apart than by chance. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]  # a version as deploy/comparison.py's `version` tells it
# Parts of the names of metrics of which less is better.
LESS_IS_BETTER = ("loss", "error", "rmse", "mse", "mae", "mape", "wape", "pinball", "brier", "false_")
FIRST = ("average_precision", "auc", "f1", "precision", "recall", "accuracy", "brier", "log_loss")
NAMES = {"auc": "AUC", "f1": "F1", "log_loss": "log loss", "brier": "Brier score"}


@dataclass(frozen=True)
class Difference:
    """Of a metric; `better` is None where the 95 % intervals overlap, or one has none."""

    name: str
    candidate: float
    current: float
    better: bool | None


def compare(candidate: Facts, current: Facts | None) -> list[Difference]:
    """The metrics that both have, the telling ones first."""
    ours, theirs = candidate.get("metrics", {}), (current or {}).get("metrics", {})
    both = [name for name in [*FIRST, *ours] if name in ours and name in theirs]
    return [difference(name, ours[name], theirs[name]) for name in dict.fromkeys(both)]


def difference(name: str, ours: Facts, theirs: Facts) -> Difference:
    better = None
    if None not in (ours["lower"], ours["upper"], theirs["lower"], theirs["upper"]):
        above, below = ours["lower"] > theirs["upper"], ours["upper"] < theirs["lower"]
        if above or below:
            better = below if less_is_better(name) else above
    return Difference(name, ours["value"], theirs["value"], better)


def less_is_better(metric: str) -> bool:
    return any(part in metric.lower() for part in LESS_IS_BETTER)


def gated(candidate: Facts) -> str:
    """The metric of the pipeline's gate: that of a property such as MinAveragePrecision; else empty."""
    floors = [name.removeprefix("Min") for name in candidate.get("properties", {}) if name.startswith("Min")]
    return next((re.sub(r"(?<!^)(?=[A-Z])", "_", each).lower() for each in floors), "")


def named(metric: str) -> str:
    return NAMES.get(metric, metric.replace("_", " "))
