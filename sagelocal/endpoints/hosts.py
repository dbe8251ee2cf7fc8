"""CPU, memory and disk of a variant's instances, for `/aws/sagemaker/Endpoints`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sagelocal.api.errors import AwsError
from sagelocal.jobs.instances import memory_limit


class Hosts:
    """Of one variant; a look at a process tree costs milliseconds, so it is one every ten seconds that counts."""

    def __init__(self, plan: dict[str, Any], machine: int, folder: Path) -> None:
        self._memory = _memory(plan, machine)
        self._folder = folder
        self._seen: dict[int, tuple[float, float]] = {}  # process -> when (monotonic s), CPU seconds by then

    def values(self, instances: Sequence[Any]) -> Iterator[tuple[str, float]]:
        """(metric, percent), each metric once an instance; CPU is the sum over cores since the last look, as on AWS."""
        now, seen = time.monotonic(), self._seen
        self._seen = {}
        for instance in instances:
            processes = [server.process for server in instance.servers if server.process]
            parts = [self._cpu(process, now, seen) for process in processes]
            known = [part for part in parts if part is not None]
            if not processes or len(known) < len(parts):
                continue  # its first look, or just started again
            usage = shutil.disk_usage(self._folder)
            yield "CPUUtilization", sum(known)
            yield "MemoryUtilization", 100 * sum(process.resident() for process in processes) / self._memory
            yield "DiskUtilization", 100 * usage.used / usage.total

    def _cpu(self, process: Any, now: float, seen: dict[int, tuple[float, float]]) -> float | None:
        used = process.cpu_seconds()
        self._seen[process.pid] = (now, used)
        if process.pid not in seen:
            return None
        then, before = seen[process.pid]
        return 100 * max(0.0, used - before) / (now - then)


def _memory(plan: dict[str, Any], machine: int) -> int:
    """Bytes that an instance may use; of a type that nobody knows, all that this machine has."""
    if serverless := plan.get("Serverless"):
        return int(serverless["MemorySizeInMB"]) * 2**20
    try:
        return memory_limit(plan["InstanceType"], machine)
    except AwsError:
        return machine
