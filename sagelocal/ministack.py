"""MiniStack, the rest of AWS, in a child process of ours: started, watched, started again, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from sagelocal.config import LOOPBACK, Settings
from sagelocal.ministack_gate import HEALTH, TOKEN_HEADER, Orders

log = logging.getLogger(__name__)
_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_START_SECONDS = 30.0
_STOP_SECONDS = 8.0  # longer than the child gives itself


class MiniStack:
    """One MiniStack process for a state folder. `after_restart` runs when it died and a new one answers."""

    def __init__(self, settings: Settings, after_restart: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._after_restart = after_restart
        self._stopping = threading.Event()
        self._process = _spawn(settings)
        self._watcher = threading.Thread(target=self._watch, name="ministack", daemon=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> None:
        """Returns when it answers, and has it watched from then on. Raises RuntimeError when it does not."""
        _wait_healthy(self._settings, self._process)
        self._watcher.start()

    def stop(self) -> None:
        """A clean stop, in which MiniStack saves its state."""
        self._stopping.set()
        _stop(self._process)

    def _watch(self) -> None:
        pause = 0.1
        while True:
            code = self._process.wait()
            _cut_life_line(self._process)
            _kill_group(self._process)
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, 5.0)
            log.error("MiniStack ended by itself (exit code %s); starting it again", code)
            self._process = _spawn(self._settings)
            if self._stopping.is_set():  # stop() may have seen the old process only
                _stop(self._process)
                return
            try:
                _wait_healthy(self._settings, self._process)
                self._after_restart()
                pause = 0.1
            except Exception:
                log.exception("MiniStack did not come back")


def healthy(settings: Settings, timeout: float = 5.0) -> bool:
    """Whether this state folder's MiniStack answers within `timeout` seconds: another one would not know the token."""
    connection = http.client.HTTPConnection(LOOPBACK, settings.ministack_port, timeout=timeout)
    try:
        connection.request("GET", HEALTH, headers={TOKEN_HEADER: settings.internal_token})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def environment(settings: Settings) -> dict[str, str]:
    """All that the child process gets: nothing of the user's AWS settings, and every listener but one switched off."""
    state = settings.state / "ministack"
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **settings.aws_environment(),  # for the processes of Lambda functions
        "MINISTACK_ACCOUNT_ID": settings.account,
        "MINISTACK_REGION": settings.region,
        "MINISTACK_HOST": LOOPBACK,
        "GATEWAY_PORT": str(settings.ministack_port),
        "BIND_HOST": LOOPBACK,
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(settings.state / "s3"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "TMPDIR": str(state / "tmp"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SFTP_HOST": LOOPBACK,
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{state}/no-docker.sock",  # does not exist: MiniStack then never looks for containers
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    state, s3 = settings.state / "ministack", settings.state / "s3"
    shutil.rmtree(state / "tmp", ignore_errors=True)  # unpacked Lambda functions of an earlier process
    for folder in (state / "tmp", s3):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "sagelocal.ministack_child"],
        stdin=subprocess.PIPE,
        env=environment(settings),
        cwd=Path(__file__).parents[1],
        start_new_session=True,  # so that a Ctrl-C for sagelocal isn't one for it, and its whole group can be ended
    )
    orders = Orders(
        port=settings.ministack_port,
        sagemaker_port=settings.port,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        token=settings.internal_token,
        account=settings.account,
        role_arn=settings.role_arn,
        s3=str(s3),
        lock=str(state / "lock"),
        time_scale=settings.time_scale,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it ended at once; whoever waits for it says so
        process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
        process.stdin.flush()
    return process


def _wait_healthy(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not healthy(settings, timeout=0.5):
        if process.poll() is not None:
            raise RuntimeError(
                f"MiniStack ended at its start (exit code {process.returncode}); its last lines are above. If port "
                f'{settings.ministack_port} is taken, change "ministack_port" in {settings.state / "settings.json"}.'
            )
        if time.monotonic() > deadline:
            raise RuntimeError(f"MiniStack did not answer on port {settings.ministack_port} in {_START_SECONDS:.0f} s")
        time.sleep(0.01)


def _cut_life_line(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    _cut_life_line(process)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("MiniStack did not stop in %.0f s and is killed", _STOP_SECONDS)
    _kill_group(process)
    process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
