"""Bias of labels and predictions between groups, by AWS's own library smclarify, and its drift from a baseline."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from analysis_data import Dataset
from smclarify.bias import report
from smclarify.bias.metrics import POSTTRAINING_METRICS, PRETRAINING_METRICS

RESAMPLES = 50  # of the bootstrap
Z = 1.96  # 95 % of a normal distribution
NEUTRAL = {"DI": 1.0}  # a ratio; all others are differences or distances
STAGES = {
    "pre_training": (report.StageType.PRE_TRAINING, PRETRAINING_METRICS),
    "post_training": (report.StageType.POST_TRAINING, POSTTRAINING_METRICS),
}
Config = dict[str, Any]
logging.getLogger("smclarify").setLevel(logging.CRITICAL)  # a metric that fails is in the result, with its error


def measure(config: Config, dataset: Dataset, stage: str, methods: str | list[str]) -> dict[str, Any]:
    """`pre_training_bias_metrics` or `post_training_bias_metrics` of analysis.json.

    Raises:
        ValueError: the config lacks label, label_values_or_threshold or facet, or asks for an unknown metric.
    """
    for name in ("label_values_or_threshold", "facet"):
        if config.get(name) in (None, []):
            raise ValueError(f"{name} is required for bias metrics, and the analysis config has none")
    if dataset.label is None:
        raise ValueError("label is required for bias metrics, and the analysis config has none")
    known = [metric.__name__ for metric in STAGES[stage][1]]
    wanted = known if methods == "all" else list(methods)
    if config.get("group_variable") is None:
        wanted = [name for name in wanted if name not in ("CDDL", "CDDPL") or methods != "all"]
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"methods.{stage}_bias.methods has {', '.join(unknown)}; it knows {', '.join(known)}")
    values = _list(config["label_values_or_threshold"])
    facets: dict[str, list[Any]] = {}
    for facet in config["facet"]:
        name = dataset.column(facet["name_or_index"])
        facets.setdefault(name, []).extend(_facet(config, dataset, stage, facet, wanted))
    return {
        "label": dataset.label,
        "label_value_or_threshold": report.label_value_or_threshold(dataset.table[dataset.label].copy(), values),
        "facets": facets,
    }


def _facet(config: Config, dataset: Dataset, stage: str, facet: dict[str, Any], wanted: list[str]) -> list[Any]:
    assert dataset.label
    group = config.get("group_variable")
    values = _list(config["label_values_or_threshold"])
    predicted = None
    if stage == "post_training":
        assert dataset.predicted is not None
        series = dataset.predicted.rename("predicted_label")
        if pd.api.types.is_integer_dtype(dataset.table[dataset.label]) and pd.api.types.is_numeric_dtype(series):
            series = series.astype(dataset.table[dataset.label].dtype)
        predicted = report.LabelColumn("predicted_label", series, list(values))
    return _clean(
        report.bias_report(
            dataset.table,
            report.FacetColumn(dataset.column(facet["name_or_index"]), _group(facet)),
            report.LabelColumn(dataset.label, dataset.table[dataset.label], list(values)),
            STAGES[stage][0],
            predicted_label_column=predicted,
            metrics=wanted,
            group_variable=dataset.table[dataset.column(group)] if group is not None else None,
        )
    )


def compare(
    config: Config, dataset: Dataset, stage: str, found: dict[str, Any], baseline: dict[str, Any]
) -> list[dict[str, str]]:
    """Violations: metrics farther from neutral than the baseline's, beyond the chance of a sample of this size.

    (Developer guide, "Monitor bias drift": a normal bootstrap interval that overlaps the allowed range is none.)
    """
    violations = []
    for facet in config["facet"]:
        name, group = dataset.column(facet["name_or_index"]), _group(facet)
        for number, each in enumerate(found["facets"][name]):
            before = _before(baseline["facets"].get(name, []), each["value_or_threshold"], number)
            violations += [
                {
                    "facet": name,
                    "facet_value": ",".join(map(str, group)) if group else each["value_or_threshold"],
                    "metric_name": metric["name"],
                    "constraint_check_type": "bias_drift_check",
                    "description": f"Value {metric['value']} does not meet the constraint requirement",
                }
                for metric in each["metrics"]
                if (worse := _worse(metric, before)) > 0
                and worse > Z * _deviation(config, dataset, stage, facet, number, metric["name"])
            ]
    return violations


def _worse(metric: dict[str, Any], before: dict[str, Any]) -> float:
    """How much farther from neutral a metric is than before; 0 where one of the two has no value."""
    name, new = metric["name"], metric.get("value")
    if new is None or before.get(name) is None:
        return 0.0
    neutral = NEUTRAL.get(name, 0.0)
    return abs(float(new) - neutral) - abs(float(before[name]) - neutral)


def _before(reports: list[Any], value: str, number: int) -> dict[str, Any]:
    """The baseline's metrics of the same group: a threshold's text, (40, 79], has the data's maximum in it."""
    same = [each for each in reports if each["value_or_threshold"] == value] or reports[number : number + 1]
    return {metric["name"]: metric.get("value") for metric in same[0]["metrics"]} if same else {}


def _deviation(config: Config, dataset: Dataset, stage: str, facet: dict[str, Any], number: int, metric: str) -> float:
    """Standard deviation of one metric of a facet's group `number` over bootstrap samples of the rows."""
    generator = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        rows = generator.integers(0, len(dataset.table), len(dataset.table))
        predicted = None if dataset.predicted is None else dataset.predicted.iloc[rows].reset_index(drop=True)
        table = dataset.table.iloc[rows].reset_index(drop=True)
        sample = Dataset(dataset.kind, table, table, dataset.label, predicted)
        try:
            got = _facet(config, sample, stage, facet, [metric])[number]["metrics"][0].get("value")
        except (ValueError, RuntimeError, IndexError):  # a sample without one of the groups or labels
            continue
        if got is not None and np.isfinite(float(got)):
            values.append(float(got))
    return float(np.std(values)) if values else 0.0


def _clean(reports: list[Any]) -> list[Any]:
    """NumPy numbers as Python's, and what is no number as null, so that they can be written."""
    for each in reports:
        for metric in each["metrics"]:
            value = metric["value"].item() if hasattr(metric["value"], "item") else metric["value"]
            metric["value"] = None if isinstance(value, float) and np.isnan(value) else value
    return reports


def _group(facet: Config) -> list[Any] | None:
    """The facet's value_or_threshold, None where the config leaves it open; 0 is a value."""
    given = facet.get("value_or_threshold")
    return None if given in (None, []) else _list(given)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
