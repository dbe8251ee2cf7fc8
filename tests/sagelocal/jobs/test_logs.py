"""A container's output on its way to CloudWatch Logs, while that is slow."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagelocal.jobs import logs
from sagelocal.jobs.logs import LogWriter


class Slow:
    """CloudWatch Logs that takes no line until it is let."""

    exceptions = SimpleNamespace(ResourceAlreadyExistsException=KeyError)

    def __init__(self) -> None:
        self.let = threading.Event()
        self.taken: list[str] = []

    def create_log_group(self, **names: str) -> None:
        self.let.wait()

    def create_log_stream(self, **names: str) -> None:
        pass

    def put_log_events(self, logEvents: list[dict[str, Any]], **names: str) -> None:
        self.taken += [event["message"] for event in logEvents]


def test_a_program_that_prints_without_an_end_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_WAITING", 10)
    slow = Slow()
    app: Any = SimpleNamespace(settings=SimpleNamespace(state=tmp_path), logs=slow)
    writer = LogWriter(app, "/aws/sagemaker/Endpoints/e", "main/i-1")
    writer.write(b"first\n")
    time.sleep(0.4)  # its sender waits for CloudWatch now, with the first line
    writer.write(b"".join(b"line %d\n" % number for number in range(100)))
    writer.close()
    slow.let.set()
    logs.drain(10)
    assert slow.taken[:11] == ["first", *(f"line {number}" for number in range(10))]
    assert slow.taken[11:] == [f"sagelocal: 90 lines came too fast; they are in {writer.path}"]
    assert len(writer.path.read_text().splitlines()) == 101
