"""Which lines are metrics."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.jobs.metrics import Metrics, compiled

NO_APP = cast(SageLocal, None)  # nothing is flushed here


def test_the_last_value_of_each_metric_is_final() -> None:
    definitions = [
        {"Name": "validation:rmse", "Regex": r".*\[[0-9]+\].*#011validation-rmse:(\S+)"},
        {"Name": "loss", "Regex": "loss=([0-9.e+-]+)"},
        {"Name": "never", "Regex": "never=(.*)"},
    ]
    metrics = Metrics(NO_APP, "job", definitions)
    for line in (
        "[0]\ttrain-rmse:3\tvalidation-rmse:2.5",
        "[1]\ttrain-rmse:2\tvalidation-rmse:1.5\r",
        "epoch 1 loss=nan",
        "epoch 2 loss=1e-3",
        "epoch 3 loss=",
        "no metric here",
    ):
        metrics.line(line)
    assert {each["MetricName"]: each["Value"] for each in metrics.final()} == {"validation:rmse": 1.5, "loss": 0.001}


def test_a_bad_expression_names_its_metric() -> None:
    with pytest.raises(AwsError, match="metric definition loss"):
        compiled([{"Name": "loss", "Regex": "("}])


def test_what_trackers_log_to_files_counts_too(tmp_path: Path) -> None:
    metrics = Metrics(NO_APP, "job", [{"Name": "loss", "Regex": "loss=(.*)"}])
    metrics.line("loss=3")
    lines = [
        '{"MetricName": "auc", "Value": 0.75, "Timestamp": 2.0, "IterationNumber": 1}',
        '{"MetricName": "auc", "Value": 0.5, "Timestamp": 1.0, "IterationNumber": 0}',
        '{"MetricName": "auc", "Value": NaN, "Timestamp": 3.0}',
        "{'time': 'a log of the script itself'}",
        "[1]",
    ]
    (tmp_path / "17.json").write_text("\n".join(lines))
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    metrics.read(tmp_path)
    metrics.read(None)
    totals = metrics.totals()
    assert {name: (one["Count"], one["Last"], one["Max"]) for name, one in totals.items()} == {
        "loss": (1, 3.0, 3.0),
        "auc": (2, 0.75, 0.75),
    }
    assert [one["MetricName"] for one in metrics.final()] == ["loss"]
