"""The metrics of two versions of a model beside each other, and whether they are further apart than by chance. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]  # a version as deploy/comparison.py's `version` tells it
# Parts of the names of metrics of which less is better.
LESS_IS_BETTER = (
    *("loss", "error", "rmse", "mse", "mae", "mape", "wape", "pinball", "brier", "false_"),
    *("davies_bouldin", "unassigned", "share_difference", "largest_difference"),
)
FIRST = (
    *("average_precision", "auc", "f1", "precision", "recall", "accuracy", "brier", "log_loss"),
    *("macro_f1", "r2", "rmse", "mae", "silhouette", "stability"),
)
NAMES = {
    "auc": "AUC",
    "f1": "F1",
    "log_loss": "log loss",
    "brier": "Brier score",
    "macro_f1": "macro F1",
    "r2": "R²",
    "adjusted_r2": "adjusted R²",
    "r2_log": "R² of the logarithm",
    "rmse_log": "RMSE of the logarithm",
    "rmse": "RMSE",
    "mse": "MSE",
    "mae": "MAE",
    "davies_bouldin": "Davies-Bouldin index",
    "dunn": "Dunn index",
    "calinski_harabasz": "Caliński-Harabasz index",
}
GATED = {"roc_auc": "auc", "r2_of_log_price": "r2_log"}  # names of gates that are not the metric's own


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


@dataclass(frozen=True)
class Gate:
    """What a version had to reach, as its properties tell: MinRecall is the bound of Recall, MaxRmse that of Rmse."""

    name: str  # of the property with the value
    bound: str
    value: str  # empty where the version has none
    least: bool  # the bound is the least that goes; else the most

    @property
    def reached(self) -> bool | None:
        """None where it isn't known."""
        try:
            return float(self.value) >= float(self.bound) if self.least else float(self.value) <= float(self.bound)
        except ValueError:
            return None


def gates(properties: Facts) -> list[Gate]:
    """Those whose value is among the properties, too."""
    found = []
    for name, bound in properties.items():
        held = [name[3:], *([f"Largest{name[3:]}"] if name.startswith("Max") else [])]
        value = next((each for each in held if each in properties), "")
        if name.startswith(("Min", "Max")) and value:
            found.append(Gate(value, str(bound), str(properties[value]), name.startswith("Min")))
    return found


def gated(candidate: Facts) -> str:
    """The metric of the pipeline's gate, among those that were measured of the candidate; else empty."""
    bounds = [name[3:] for name in candidate.get("properties", {}) if name.startswith(("Min", "Max"))]
    found = [re.sub(r"(?<!^)(?=[A-Z])", "_", each).lower() for each in bounds]
    return next((name for each in found if (name := GATED.get(each, each)) in candidate.get("metrics", {})), "")


def named(metric: str) -> str:
    return NAMES.get(metric, metric.replace("_", " "))
