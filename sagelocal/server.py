"""The life of sagelocal's process: up, down, status, and what runs in it."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import http.client
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagelocal import __version__, config, ministack
from sagelocal.config import LOOPBACK, Settings

log = logging.getLogger(__name__)
_UP_SECONDS = 60.0
_DOWN_SECONDS = 60.0
_POLL_SECONDS = 0.02
_KEEP_ALIVE = 60  # s that an idle connection stays, so that a client's next request need not find it just closed
_BACKLOG = 2048  # connections that may wait to be accepted
_FILES = 65536  # descriptors at most: each connection is one
_SWITCH = 0.001  # s that a job's thread may keep the interpreter from a request that has come; Python's own is 0.005
_COLLECT = (10_000, 10, 20)  # objects, and how many collections of one generation come before one of the next
_ALREADY_RUNNING = 75  # the daemon's exit code when another one holds the lock; sysexits.h's EX_TEMPFAIL
_LOG_LINES = 15
_LOG_BYTES = 20 * 2**20
_STATUS_KINDS = (
    "ProcessingJob",
    "TrainingJob",
    "HyperParameterTuningJob",
    "AutoMLJob",
    "TransformJob",
    "Pipeline",
    "PipelineExecution",
    "ModelPackageGroup",
    "ModelPackage",
    "Model",
    "Endpoint",
    "FeatureGroup",
)


def up(settings: Settings) -> None:
    """Starts sagelocal unless it runs, returns when it and MiniStack answer. Raises RuntimeError (with the log)."""
    if _ready(settings):
        return
    log_file = settings.state / "server.log"
    if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
        log_file.replace(log_file.with_suffix(".log.1"))
    with log_file.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "sagelocal"],
            env={**os.environ, "MLOPS_STATE": str(settings.state)},
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _UP_SECONDS
    while not _ready(settings):
        code = process.poll()
        if code is not None and code != _ALREADY_RUNNING:
            raise RuntimeError(f"sagelocal did not start (exit code {code}).{_log_end(log_file, start)}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"sagelocal did not answer within {_UP_SECONDS:.0f} s.{_log_end(log_file, start)}")
        time.sleep(_POLL_SECONDS)


def down(settings: Settings) -> None:
    """Stops sagelocal and all that it runs; jobs and executions go on after the next `up`. Raises RuntimeError."""
    deadline = time.monotonic() + _DOWN_SECONDS
    asked = 0
    while holder := _holder(settings):
        pid = holder.get("pid", 0)
        if pid and pid != asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            asked = pid
        if time.monotonic() > deadline:
            raise RuntimeError(f"sagelocal (process {pid}) did not stop within {_DOWN_SECONDS:.0f} s: kill -9 {pid}")
        time.sleep(_POLL_SECONDS)


def status(settings: Settings) -> dict[str, Any]:
    """Address, version, process, folder, and how many resources of each kind are in which status.

    `resources` is {kind: {status: count}}, `endpoints` a list of {"EndpointName", "EndpointStatus"}.
    """
    holder = _holder(settings) or {}
    found = {
        "running": _ready(settings),
        "address": settings.url,
        "version": holder.get("version", __version__),
        "pid": holder.get("pid"),
        "state": str(settings.state),
        "region": settings.region,
        "account": settings.account,
        "time_scale": settings.time_scale,
        "ministack": settings.ministack_url,
        "ministack_running": ministack.healthy(settings),
        "log": str(settings.state / "server.log"),
        "resources": {},
        "endpoints": [],
    }
    return found | _contents(settings)


def _contents(settings: Settings) -> dict[str, Any]:
    from sagelocal.store import Store

    file = settings.state / "sagelocal.db"
    if not file.exists():
        return {}
    store = Store(file)
    try:
        resources = {}
        for kind in _STATUS_KINDS:
            if counts := store.counts(kind, f"{kind}Status"):
                resources[kind] = {status or "Created": count for status, count in counts.items()}
        members = ("EndpointName", "EndpointStatus")
        endpoints = [{name: endpoint.get(name) for name in members} for endpoint in store.list("Endpoint")]
        return {"resources": resources, "endpoints": endpoints}
    finally:
        store.close()


def main() -> int:
    """The daemon: returns its exit code when it was told to stop."""
    settings = config.load()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    _forget_aws_settings()
    sys.setswitchinterval(_SWITCH)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if most == resource.RLIM_INFINITY else min(_FILES, most), most))
    lock = _lock(settings)
    if lock is None:
        log.info("another process runs sagelocal for %s", settings.state)
        return _ALREADY_RUNNING
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        _run(settings, lock)
    except RuntimeError as error:
        log.error("%s", error)
        return 1
    return 0


def _run(settings: Settings, lock: int) -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        child = ministack.MiniStack(settings, after_restart=lambda: _put_back(settings))
        stack.callback(child.stop)
        # MiniStack starts while these are imported.
        import uvicorn

        from sagelocal.api import protocol
        from sagelocal.app import SageLocal
        from sagelocal.events import Delivery

        child.wait()
        _put_back(settings)
        app = SageLocal(settings)
        stack.callback(app.close)
        stack.callback(Delivery(app.store, settings).close)
        listener.listen(_BACKLOG)  # whoever asks while executions are resumed waits instead of being refused
        app.resume()
        _write_holder(lock, ready=True)
        log.info("sagelocal %s answers at %s for %s", __version__, settings.url, settings.state)
        options = uvicorn.Config(
            protocol.asgi(app),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=2,
        )
        _collect_seldom()
        uvicorn.Server(options).run(sockets=[listener])  # raises SIGTERM again for _leave when it is done


def _collect_seldom() -> None:
    """A full collection of garbage looks at every object and stops all requests meanwhile: 0.15 s with service models.

    What is loaded by now stays for good and is not looked at again; what requests allocate goes with its last use.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def _put_back(settings: Settings) -> None:
    from sagelocal import baseline
    from sagelocal.feature_store import catalog

    baseline.put_back(settings)
    catalog.put_back(settings)


@contextlib.contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    # asyncio turns Nagle's algorithm off only for sockets that name TCP; with it, each invocation takes 40 ms longer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, settings.port))
        except OSError as error:
            file = settings.state / "settings.json"
            raise RuntimeError(f'Port {settings.port} is taken ({error}): change "port" in {file}.') from error
        yield listener


def _leave(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt the clean stop
    raise SystemExit(0)


def _forget_aws_settings() -> None:
    """The user's own AWS settings must neither reach a client here nor, if broken, keep one from being made."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def _lock(settings: Settings) -> int | None:
    """A descriptor of the state folder's lock, None when another process holds it.

    Nobody closes the descriptor: the kernel lets go of the lock when the process is gone, and `down` waits for that.
    A few attempts, since who asks whether it is held (`_holder`) has a shared lock for a moment.
    """
    lock = os.open(settings.state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _attempt in range(10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            _write_holder(lock, ready=False)
            return lock
    os.close(lock)
    return None


def _write_holder(lock: int, *, ready: bool) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "version": __version__, "ready": ready}).encode(), 0)


def _holder(settings: Settings) -> dict[str, Any] | None:
    """What the lock's holder wrote about itself ({} while it is writing), None when nobody holds it."""
    try:
        lock = (settings.state / "lock").open()
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return dict(json.load(lock))
            except ValueError:
                return {}
    return None


def _ready(settings: Settings) -> bool:
    holder = _holder(settings)
    return bool(holder and holder.get("ready")) and _answers(settings) and ministack.healthy(settings)


def _answers(settings: Settings) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, settings.port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _log_end(file: Path, start: int) -> str:
    """The last lines of what was logged after `start` (bytes), for an error message."""
    with file.open("rb") as log_file:
        log_file.seek(start)
        lines = log_file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
    return f" The log {file} ends:\n" + "\n".join(lines) if lines else f" The log is {file}."
