"""CloudWatch's metrics of builds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sagelocal.cicd.codebuild import metrics


def put(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[tuple[str, str], float]:
    sent: list[dict[str, Any]] = []
    publisher = SimpleNamespace(put=lambda namespace, data: sent.extend(data))
    app: Any = SimpleNamespace(metrics=publisher, now=lambda: 100.0)
    metrics.of_build(app, before, after)
    return {(one["MetricName"], "".join(each["Value"] for each in one["Dimensions"])): one["Value"] for one in sent}


RUNNING = {"projectName": "p", "buildComplete": False, "buildStatus": "IN_PROGRESS", "startTime": 10.0, "phases": []}
PHASE = {"phaseType": "DOWNLOAD_SOURCE", "startTime": 11.0, "endTime": 13.0}


def test_a_build_counts_when_it_starts_and_when_it_ends() -> None:
    assert put(None, RUNNING) == {("Builds", ""): 1.0, ("Builds", "p"): 1.0}
    assert put(RUNNING, {**RUNNING, "phases": [PHASE]}) == {}
    ended = {**RUNNING, "buildComplete": True, "buildStatus": "TIMED_OUT", "endTime": 40.0, "phases": [PHASE]}
    found = put(RUNNING, ended)
    assert found["FailedBuilds", "p"] == 1.0
    assert found["Duration", ""] == 30.0
    assert found["DownloadSourceDuration", "p"] == 2.0
    assert put(ended, ended) == {}


def test_a_stopped_build_has_not_failed() -> None:
    stopped = {**RUNNING, "buildComplete": True, "buildStatus": "STOPPED", "endTime": 40.0}
    assert not [name for name, _ in put(RUNNING, stopped) if name.endswith("Builds")]
