"""Bias metrics as Clarify's analysis.json has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

AFTER, BEFORE = "post_training_bias_metrics", "pre_training_bias_metrics"
# Ratios, and what compares no groups, share no axis with differences of shares (evaluation/bias_report.py).
NO_AXIS = ("DI", "DCA", "DCR", "TE", "GE")
DEVIATIONS = 1.96  # standard ones to each side of a 95 % interval


def metrics(analysis: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """(AFTER or BEFORE, facet, its value or threshold, metric): name, value, description, standard_deviation, error."""
    for stage in (AFTER, BEFORE):
        for facet, groups in analysis.get(stage, {}).get("facets", {}).items():
            for group in groups:
                for metric in group["metrics"]:
                    yield stage, facet, str(group["value_or_threshold"]), metric


def interval(value: float, deviation: float | None) -> tuple[float | None, float | None]:
    """Of 95 %; None without a deviation."""
    return (None, None) if deviation is None else (value - DEVIATIONS * deviation, value + DEVIATIONS * deviation)
