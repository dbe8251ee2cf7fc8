"""The `serve` command of a built-in algorithm, started as an endpoint does but for the sandbox."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelocal.containers.algorithms import serving
from sagelocal.containers.algorithms.job import Job
from tests.sagelocal.containers.algorithms.conftest import table

CONTAINERS = Path(serving.__file__).parent.parent
X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("model", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@pytest.fixture
def ask(train: Callable[..., Job], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A server of a k-means model; `ask(method, path, body, headers)` returns status, type and body."""
    job = train("kmeans", {"feature_dim": 2, "k": 3}, train=table(X, 0))
    for name, package in (("model_server", "serving"), ("algorithms", "algorithms")):
        (tmp_path / name).symlink_to(CONTAINERS / package)
    path = tmp_path / "s"
    start = f"import algorithms.serving as s; s.MODEL = {str(job.model)!r}; from model_server.__main__ import serve; "
    run = f"{start}serve(lambda: s.load('kmeans', {{}}, s.MODEL), {str(path)!r}, 1)"
    server = subprocess.Popen([sys.executable, "-c", run], env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    try:
        while not path.with_name("s0").exists():
            assert server.poll() is None
            time.sleep(0.02)

        def request(method: str, where: str, body: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
            connection = Connection(path.with_name("s0"))
            connection.request(method, where, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            found = answer.status, answer.headers["Content-Type"], answer.read()
            connection.close()
            return found

        yield request
    finally:
        server.terminate()
        server.wait()


def test_the_containers_contract(ask: Callable[..., Any]) -> None:
    assert ask("GET", "/ping")[0] == 200
    status, _, body = ask("GET", "/execution-parameters")
    assert status == 200 and json.loads(body)["BatchStrategy"] == "MULTI_RECORD"
    status, kind, body = ask("POST", "/invocations", table(X[:2])[1], Content_Type="text/csv")
    assert (status, kind, len(json.loads(body)["predictions"])) == (200, "application/json", 2)
    assert ask("POST", "/invocations", b"<p>", Content_Type="text/html")[0] == 415
    assert ask("GET", "/elsewhere")[0] == 404
