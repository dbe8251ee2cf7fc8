"""MLServer, BentoML and LitServe around the churn model, each in an environment of its own, as its docs advise.

Each with its batching and without, since which is faster depends on the load:

- MLServer: `debug` off, which its docs ask of production; the model in as many inference workers as the others have;
  adaptive batching waits 1 ms at most, which measured better than the half second of its docs' example.
- BentoML: a production server is what `bentoml serve` starts by default. uvloop and httptools, which it uses where they
  are installed but does not bring, are given to it.
- LitServe: `fast_queue`, its docs' advice for many requests, and as many API servers as workers, its default.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
from endpoint_servers.bench import BATCH, SERVER_CORE, Bench, Target

from data.archives import cache_folder

# With uvloop 0.22 and later an event loop must be made before it is asked for: MLServer 1.7.1's workers end at once.
# BentoML 1.4.40 was out, but not the certifi that it requires.
REQUIREMENTS = {
    "mlserver": ["mlserver==1.7.1", "uvloop==0.21.0"],
    "bentoml": ["bentoml==1.4.39", "uvloop==0.23.0", "httptools==0.9.0"],
    "litserve": ["litserve==0.2.19"],
}
_SAME = ["numpy", "pandas", "scipy", "scikit-learn", "joblib", "xgboost" if sys.platform == "darwin" else "xgboost-cpu"]
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


def environment(peer: str) -> Path:
    """The folder with a peer's programs, made at the first run."""
    requirements = [*REQUIREMENTS[peer], *(f"{name}=={importlib.metadata.version(name)}" for name in _SAME)]
    folder = cache_folder() / "benchmarks" / peer
    done = folder / "installed.json"
    if not done.exists() or json.loads(done.read_text()) != requirements:
        print(f"installing {' '.join(requirements)} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements], check=True)
        done.write_text(json.dumps(requirements))
    return folder / "bin"


@contextmanager
def mlserver(batching: bool, bench: Bench) -> Iterator[Target]:
    def wrap(body: str) -> str:
        kind = {"content_type": "str"}
        element = {"name": "body", "shape": [1], "datatype": "BYTES", "parameters": kind, "data": [body]}
        return json.dumps({"inputs": [element]})

    port, grpc, metrics = free_ports(3)
    ports = {"http_port": port, "grpc_port": grpc, "metrics_port": metrics}
    folder = bench.folder / "churn"
    folder.mkdir(exist_ok=True)
    settings = {"debug": False, "host": "127.0.0.1", "parallel_workers": bench.workers, **ports}
    (folder / "settings.json").write_text(json.dumps(settings))
    batches = {"max_batch_size": BATCH, "max_batch_time": 0.001} if batching else {}
    facts = {"name": "churn", "implementation": "mlserver_churn.Churn", **batches}
    (folder / "model-settings.json").write_text(json.dumps(facts))
    command = [environment("mlserver") / "mlserver", "start", folder]
    with running(bench, "mlserver", command, {}, f"http://127.0.0.1:{port}/v2/models/churn/ready") as pid:
        yield Target(_name("MLServer", batching), port, "/v2/models/churn/infer", pid, wrap=wrap)


@contextmanager
def bentoml(batching: bool, bench: Bench) -> Iterator[Target]:
    def wrap(body: str) -> str:
        return json.dumps({"bodies": [body]} if batching else {"body": body})

    (port,) = free_ports(1)
    command = [environment("bentoml") / "bentoml", "serve", "bentoml_churn:Churn", "--working-dir", _HERE]
    command += ["--host", "127.0.0.1", "--port", port]
    variables = {"WORKERS": bench.workers, "BENTOML_DO_NOT_TRACK": True, "BENTOML_HOME": bench.folder / "bentoml"}
    path = "/batched" if batching else "/single"
    # A text answer of the unbatched one comes as it is.
    written = {} if batching else {"written": str}
    with running(bench, "bentoml", command, variables, f"http://127.0.0.1:{port}/readyz") as pid:
        yield Target(_name("BentoML", batching), port, path, pid, wrap=wrap, **written)


@contextmanager
def litserve(batching: bool, bench: Bench) -> Iterator[Target]:
    (port,) = free_ports(1)
    command = [environment("litserve") / "python", _HERE / "litserve_churn.py"]
    variables = {"WORKERS": bench.workers, "BATCH": BATCH if batching else 1, "PORT": port}
    with running(bench, "litserve", command, variables, f"http://127.0.0.1:{port}/health") as pid:
        yield Target(_name("LitServe", batching), port, "/predict", pid, wrap=lambda body: json.dumps({"body": body}))


SERVERS = {
    f"{name}{'-batching' if batching else ''}": partial(start, batching)
    for name, start in {"mlserver": mlserver, "bentoml": bentoml, "litserve": litserve}.items()
    for batching in (False, True)
}
_HERE = Path(__file__).parent


def _name(peer: str, batching: bool) -> str:
    return f"{peer}, batching" if batching else peer


@contextmanager
def running(
    bench: Bench, peer: str, command: Sequence[object], variables: Mapping[str, object], ready: str
) -> Iterator[int]:
    """The process of a server on its core, from when `ready` answers 200."""
    more = {"MODEL": bench.folder / "model", "PYTHONPATH": _HERE, **variables}
    log = bench.folder / f"{peer}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *map(str, command)],
            env={**os.environ, **{name: str(value) for name, value in more.items()}},
            cwd=bench.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(ready, process, log)
        yield process.pid
    finally:
        _stop(process)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{url} never answered:\n{log.read_text()[-4000:]}") from None
            time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The whole tree: LitServe's workers outlive its first process."""
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in tree:
        if child.is_running():
            child.kill()
    psutil.wait_procs(tree)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
