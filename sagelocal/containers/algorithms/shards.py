"""Several hosts of one of AWS's own algorithms: the first one trains, on the shards of all.

AWS's images exchange gradients or partial results. What an algorithm computes is defined by its data, not by the number
of hosts, so here the others send what they alone have and are done.
"""

from __future__ import annotations

import dataclasses
import socket
import tarfile
import time
from pathlib import Path

from .errors import UserError
from .job import PORT, Channel, Job, log

_CONNECT_SECONDS = 60.0


def gathered(job: Job) -> Job | None:
    """The job with all shards in its channels; None on the hosts that have sent theirs. Raises UserError."""
    if len(job.hosts) == 1:
        return job
    for channel in job.channels.values():
        if channel.mode == "Pipe":
            raise UserError(f"Channel {channel.name}: Pipe input on several instances is not implemented. Use File.")
    sharded = [channel for channel in job.channels.values() if channel.distribution == "ShardedByS3Key"]
    if not job.master:
        if sharded:
            _send(job, sharded)
        log(f"{job.hosts[0]} trains; {job.host} is done.")
        return None
    if not sharded:
        return job
    folder = job.model.parent / "input" / "gathered"
    _receive(job, folder)
    merged = {channel.name: _merged(channel, folder / channel.name, job.host) for channel in sharded}
    return dataclasses.replace(job, channels={**job.channels, **merged})


def _send(job: Job, sharded: list[Channel]) -> None:
    with (
        _connected(job) as connection,
        connection.makefile("wb") as stream,
        tarfile.open(fileobj=stream, mode="w|") as archive,
    ):
        for channel in sharded:
            archive.add(channel.folder, f"{channel.name}/{job.host}")


def _connected(job: Job) -> socket.socket:
    """Tried again while the first host does not listen yet."""
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        try:
            return socket.create_connection((job.hosts[0], PORT), timeout=_CONNECT_SECONDS)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _receive(job: Job, folder: Path) -> None:
    with socket.create_server((job.host, PORT)) as listening:
        listening.settimeout(_CONNECT_SECONDS)
        for _ in job.hosts[1:]:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                # Debian 12's Python 3.11.2 has no filters yet; who sends is this job's own other host.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(folder)


def _merged(channel: Channel, folder: Path, host: str) -> Channel:
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(channel.files()):
        own = folder / host
        own.mkdir(exist_ok=True)
        (own / f"{number}-{file.name}").symlink_to(file)
    return dataclasses.replace(channel, folder=folder)
