"""When a host's utilisation is sent, and what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from sagelocal.jobs import utilisation
from sagelocal.jobs.utilisation import Utilisation
from sagelocal.sandbox import Process


class App:
    def __init__(self) -> None:
        self.metrics = self
        self.told: list[tuple[str, dict[str, Any]]] = []

    def put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        self.told += [(namespace, datum) for datum in data]


class Tree:
    """A process tree that has used half of a core since it began, and 256 bytes."""

    def __init__(self, clock: list[float]) -> None:
        self._clock = clock

    def cpu_seconds(self) -> float:
        return self._clock[0] / 2

    def resident(self) -> int:
        return 256


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(utilisation.time, "monotonic", lambda: now[0])
    return now


def test_a_value_a_minute_and_one_at_the_end(clock: list[float], tmp_path: Path) -> None:
    app, process = App(), cast(Process, Tree(clock))
    usage = Utilisation(cast(Any, app), "/aws/sagemaker/TrainingJobs", "job", tmp_path)
    for _ in range(4 * 70):
        usage.look("algo-1", process, 1024)
        clock[0] += 0.25
    assert len(app.told) == 3
    usage.close()
    assert [datum["MetricName"] for _, datum in app.told] == [
        *("CPUUtilization", "MemoryUtilization", "DiskUtilization"),
        *("CPUUtilization", "MemoryUtilization", "DiskUtilization"),
    ]
    (namespace, cpu), (_, memory) = app.told[:2]
    assert (namespace, cpu["Value"], memory["Value"]) == ("/aws/sagemaker/TrainingJobs", pytest.approx(50), 25)
    assert cpu["Dimensions"] == [{"Name": "Host", "Value": "job/algo-1"}]
    assert app.told[3][1]["Value"] == pytest.approx(50)


def test_a_job_under_a_second_has_none_and_a_transform_job_no_disk(clock: list[float], tmp_path: Path) -> None:
    app, process = App(), cast(Process, Tree(clock))
    usage = Utilisation(cast(Any, app), "/aws/sagemaker/TransformJobs", "job", tmp_path, disk=False)
    usage.look("i-1", process, 1024)
    clock[0] += 0.75
    usage.look("i-1", process, 1024)
    usage.close()
    assert app.told == []
    clock[0] += 0.5
    usage.look("i-1", process, 1024)
    usage.close()
    assert [datum["MetricName"] for _, datum in app.told] == ["CPUUtilization", "MemoryUtilization"]
