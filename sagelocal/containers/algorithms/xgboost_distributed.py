"""Several hosts of one XGBoost job: the library's own collective, first to see who has data, then to train."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from xgboost import collective
from xgboost.tracker import RabitTracker

from .errors import UserError
from .job import PORT, Job, log

_CONNECT_SECONDS = 60.0


@contextmanager
def cluster(job: Job, usable: bool) -> Iterator[bool | None]:
    """Whether this host is the one that saves; None for a host that has no data and takes no part.

    Raises UserError when no host has data.
    """
    if len(job.hosts) == 1:
        yield True
        return
    with _connected(job.hosts, job.host, PORT):
        mine = np.zeros(len(job.hosts), dtype=np.int32)
        mine[job.hosts.index(job.host)] = usable
        usable_hosts = [
            host for host, flag in zip(job.hosts, collective.allreduce(mine, collective.Op.SUM), strict=True) if flag
        ]
    if not usable_hosts:
        raise UserError("No hosts received training data.")
    if not usable:
        log(f"Host {job.host} not being used for distributed training: it has no data.")
        yield None
    elif len(usable_hosts) == 1:
        yield True
    else:
        with _connected(usable_hosts, job.host, PORT + 1):
            yield job.host == usable_hosts[0]


@contextmanager
def _connected(hosts: list[str], host: str, number: int) -> Iterator[None]:
    address = socket.gethostbyname(hosts[0])
    tracker = None
    if host == hosts[0]:
        tracker = RabitTracker(n_workers=len(hosts), host_ip=address, port=number, sortby="task")
        tracker.start()
    arguments: dict[str, str | int] = {
        "dmlc_tracker_uri": address,
        "dmlc_tracker_port": number,
        "dmlc_task_id": str(hosts.index(host)),
    }
    communicator = _communicator(arguments)
    try:
        yield
    finally:
        communicator.close()
        if tracker is not None:
            with contextlib.suppress(Exception):  # a worker that died; its own error is the job's
                tracker.wait_for(timeout=5)
            tracker.free()


def _communicator(arguments: dict[str, str | int]) -> contextlib.ExitStack:
    """Tried again while the first host's tracker does not listen yet."""
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        stack = contextlib.ExitStack()
        try:
            stack.enter_context(collective.CommunicatorContext(**arguments))
            return stack
        except Exception:
            stack.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
