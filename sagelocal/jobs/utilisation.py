"""CPU, memory and disk of a job's hosts in CloudWatch, a value a minute as on AWS and one at the end.

A look at a process tree costs about a millisecond, so it is taken once a second at most: a job that is over sooner has
no values.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_LOOK, _PERIOD = 1.0, 60.0  # seconds


class Tree(Protocol):
    """The processes of one host."""

    def cpu_seconds(self) -> float: ...

    def resident(self) -> int: ...


@dataclass(frozen=True)
class Together:
    """Several trees on one host: the containers of an inference pipeline."""

    trees: Sequence[Tree]

    def cpu_seconds(self) -> float:
        return sum(tree.cpu_seconds() for tree in self.trees)

    def resident(self) -> int:
        return sum(tree.resident() for tree in self.trees)


@dataclass
class _Host:
    """What is known of one host since its last value was sent. Times in monotonic seconds."""

    since: float
    cpu: float  # CPU seconds at `since`
    looked: float
    used: float = 0.0  # CPU seconds at `looked`
    memory: list[float] = field(default_factory=list)  # percent, one a look


class Utilisation:
    """Of one job; `look` and `close` are called by the one thread that supervises it."""

    def __init__(self, app: SageLocal, namespace: str, job: str, folder: Path, *, disk: bool = True) -> None:
        self._app, self._namespace, self._job, self._folder, self._disk = app, namespace, job, folder, disk
        self._hosts: dict[str, _Host] = {}

    def look(self, name: str, process: Tree, memory: int) -> None:
        """`name` is the host's, algo-1 say; `memory` what it may use, in bytes."""
        now = time.monotonic()
        host = self._hosts.get(name)
        if host is None:
            self._hosts[name] = _Host(since=now, cpu=process.cpu_seconds(), looked=now)
        elif now - host.looked >= _LOOK:
            host.looked, host.used = now, process.cpu_seconds()
            host.memory.append(100 * process.resident() / memory)
            if now - host.since >= _PERIOD:
                self._send(name, host)

    def close(self) -> None:
        """Sends what the minute begun has brought."""
        for name, host in self._hosts.items():
            self._send(name, host)

    def _send(self, name: str, host: _Host) -> None:
        if not host.memory:
            return
        seconds = host.looked - host.since
        values = {
            # The sum over cores: 100 is one core, all of the time.
            "CPUUtilization": 100 * max(0.0, host.used - host.cpu) / seconds,
            "MemoryUtilization": sum(host.memory) / len(host.memory),
        }
        if self._disk:  # of the machine's disk, as on AWS of the instance's; AWS has none for transform jobs
            usage = shutil.disk_usage(self._folder)
            values["DiskUtilization"] = 100 * usage.used / usage.total
        where = [{"Name": "Host", "Value": f"{self._job}/{name}"}]
        moment = time.time()
        self._app.metrics.put(
            self._namespace,
            [
                {"MetricName": metric, "Dimensions": where, "Timestamp": moment, "Value": value, "Unit": "Percent"}
                for metric, value in values.items()
            ],
        )
        host.since, host.cpu, host.memory = host.looked, host.used, []
