"""Which metric decides between two versions, and which way is better."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.version_differences import compare, gated


def facts(bounds: list[str], **metrics: float) -> dict[str, Any]:
    measured = {name: {"value": value, "lower": value - 0.01, "upper": value + 0.01} for name, value in metrics.items()}
    return {"properties": dict.fromkeys(bounds, "0"), "metrics": measured}


@pytest.mark.parametrize(
    ("bound", "metric"),
    [
        ("MinAveragePrecision", "average_precision"),
        ("MinRocAuc", "auc"),
        ("MaxRmseLog", "rmse_log"),
        ("MinSilhouette", "silhouette"),
        ("MinR2OfLogPrice", "r2_log"),
        ("MaxConfigurations", ""),
    ],
)
def test_the_gates_metric(bound: str, metric: str) -> None:
    known = dict.fromkeys(("average_precision", "auc", "rmse_log", "silhouette", "r2_log"), 0.5)
    assert gated(facts([bound], **known)) == metric


def test_less_is_better_of_errors_and_of_segments_that_run_together() -> None:
    found = compare(facts([], r2=0.8, rmse=0.3, davies_bouldin=0.9), facts([], r2=0.7, rmse=0.4, davies_bouldin=0.8))
    assert {each.name: each.better for each in found} == {"r2": True, "rmse": True, "davies_bouldin": False}
