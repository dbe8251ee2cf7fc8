"""The hosts of one job and how they reach each other, sagelocal and the world.

A job of one host uses this machine's network. The hosts of a larger job share a network namespace of their own, in
which host n is 127.0.0.n: programs of two jobs may listen at the same port (torchrun's 7777, bound at every address),
and of one job at the same port of their own host name. Unlike on AWS, hosts of one job collide where each listens at
the same port of every address (0.0.0.0). The world is reached through an HTTP proxy, by the usual variables, unless
EnableNetworkIsolation is set: then the hosts still reach each other, as on AWS.

A model server that binds a port (a user's own container, port 8080) has such a network, too, and a door to that port.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sagelocal.config import Settings
from sagelocal.jobs.network_relay import PROXY_PORT
from sagelocal.sandbox import ForbiddenError, probe
from sagelocal.sandbox_setup import tool

_RELAY = Path(__file__).with_name("network_relay.py")


@dataclass(frozen=True)
class Network:
    """`holder` is the process whose network namespace the hosts enter, None for this machine's own network."""

    holder: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Door:
    """`path`, a Unix socket that is made, hands out connections to `port` of 127.0.0.1 inside the network."""

    path: Path
    port: int


def addresses(hosts: Sequence[str]) -> dict[str, str]:
    """Host name -> address, all of the loopback network 127.0.0.0/8."""
    return {host: f"127.0.{number // 256}.{number % 256}" for number, host in enumerate(hosts, 1)}


@contextmanager
def network(settings: Settings, hosts: Sequence[str], outside: bool, door: Door | None = None) -> Iterator[Network]:
    """The network of a job, gone after the block. Raises ForbiddenError, RuntimeError when it can't be made."""
    if len(hosts) < 2 and door is None:
        yield Network()
        return
    process = subprocess.Popen(
        [
            *([] if os.geteuid() == 0 else [tool("unshare"), "--user", "--map-root-user"]),
            *(sys.executable, "-I", "-S", str(_RELAY), "1" if outside else "0"),
            *((str(door.path), str(door.port)) if door else ("", "0")),
            *(str(settings.port), str(settings.ministack_port)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        said = process.stdout.readline()
        if not said.strip().isdigit():
            if refusal := probe():
                raise ForbiddenError(refusal)
            raise RuntimeError(
                f"The job's network could not be made: {(said + process.stdout.read()).decode().strip()}"
            )
        yield Network(int(said), _proxies(hosts) if outside else {})
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        if door:
            door.path.unlink(missing_ok=True)


async def connect(door: Path) -> socket.socket:
    """A socket that does not block, connected to the door's port. Raises OSError where nobody listens there."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as asking:
        asking.setblocking(False)
        await loop.sock_connect(asking, str(door))
        answered = asyncio.Event()
        loop.add_reader(asking, answered.set)
        try:
            await answered.wait()
        finally:
            loop.remove_reader(asking)
        return _received(asking)


def connected(door: Path, seconds: float) -> socket.socket:
    """`connect` for who has no event loop; the socket's timeout is `seconds`."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(seconds)
        asking.connect(str(door))
        found = _received(asking)
    found.settimeout(seconds)
    return found


def _received(asking: socket.socket) -> socket.socket:
    _said, descriptors, _flags, _address = socket.recv_fds(asking, 1, 1)
    if not descriptors:
        raise ConnectionRefusedError("nobody listens behind the door")
    found = socket.socket(fileno=descriptors[0])
    found.setblocking(False)
    return found


def _proxies(hosts: Sequence[str]) -> dict[str, str]:
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    direct = ",".join(["127.0.0.1", "localhost", *hosts])
    return {
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), direct),
    }
