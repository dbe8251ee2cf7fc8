"""A baseline's constraints with a declaration's thresholds in the place of their own. Pure.

What is written is the constraints file that Model Monitor's and Clarify's analyses read, so the same declaration holds
for either engine.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from deploy.declaration import Kind

EVERY = "*"
_DISTANCES = ("comparison_threshold", "categorical_comparison_threshold")


def changed(kind: Kind, constraints: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Not for explainability, whose nDCG of 0.9 AWS has fixed. Raises ValueError for a name that isn't there."""
    document = copy.deepcopy(dict(constraints))
    {Kind.DATA_QUALITY: _data_quality, Kind.MODEL_QUALITY: _model_quality, Kind.MODEL_BIAS: _bias}[kind](
        document, thresholds
    )
    return document


def _data_quality(document: dict[str, Any], thresholds: Mapping[str, float]) -> None:
    features = {each["name"]: each for each in document["features"]}
    for name, value in thresholds.items():
        if name == EVERY:
            config = document.setdefault("monitoring_config", {})
        else:
            config = _known(Kind.DATA_QUALITY, features, name).setdefault("monitoringConfigOverrides", {})
        config.setdefault("distribution_constraints", {}).update(dict.fromkeys(_DISTANCES, value))


def _model_quality(document: dict[str, Any], thresholds: Mapping[str, float]) -> None:
    groups = [group for name, group in document.items() if name.endswith("_constraints")]
    metrics = {name: metric for group in groups for name, metric in group.items()}
    for name, value in thresholds.items():
        _known(Kind.MODEL_QUALITY, metrics, name)["threshold"] = value


def _bias(document: dict[str, Any], thresholds: Mapping[str, float]) -> None:
    found = document.get("post_training_bias_metrics", {}).get("facets", {})
    metrics = [metric for facet in found.values() for value in facet for metric in value["metrics"]]
    by_name = {name: [each for each in metrics if each["name"] == name] for name in {each["name"] for each in metrics}}
    for name, value in thresholds.items():
        for metric in _known(Kind.MODEL_BIAS, by_name, name):
            metric["value"] = value


def _known(kind: Kind, found: Mapping[str, Any], name: str) -> Any:
    if name not in found:
        raise ValueError(f"The threshold of {kind} for {name!r} is for nothing: there are {', '.join(sorted(found))}.")
    return found[name]
