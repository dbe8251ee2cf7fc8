"""A process that sees what a SageMaker container would, without a container engine.

`start` runs a command in Linux namespaces of its own: mount, PID, IPC, UTS; a user namespace when we are not root; a
network namespace with loopback only when `network=False`. Inside:

- `/opt/ml` is the caller's folder; `/tmp`, `/var/tmp`, `/dev/shm` and HOME (`/root`) are empty and private; all else is
  read-only.
- Only the system's folders (`/usr`, `/etc`, `/opt` …), this Python's `sys.prefix` and `sys.base_prefix` exist. The
  state folder, the clone and every home are absent, even where they lie inside a system folder (`hidden`).
- `/proc` shows this sandbox's processes only, and the capabilities that could undo the above are gone, also for root.
- The command is uid 0 and the child of a tiny init: SIGTERM ends it unless it handles the signal; a command that signal
  n ended has the exit status 128 + n.
- The whole tree dies with the process that called `start`, by whatever death (PDEATHSIG and `--kill-child`).
- Host names of `hosts` resolve; the first one is the host name. Processes with `network=True` share the machine's
  network, so servers in two sandboxes need two ports (or unix sockets in a `writable` folder).

The setup is one `/bin/sh` script of some ten commands (util-linux), about 0.02 s; no Python starts for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from sagelocal.sandbox_setup import TOOLS_PATH, setup, tool


@dataclass(frozen=True)
class Sandbox:
    opt_ml: Path  # host folder, becomes /opt/ml (writable)
    environment: Mapping[str, str] = field(
        default_factory=dict
    )  # over the defaults of `environment()`; nothing else gets in
    hidden: Sequence[Path] = ()  # never visible inside, see `hidden_paths`
    binds: Mapping[str, Path] = field(
        default_factory=dict
    )  # path inside -> host path, read-only: new folders, or in the place of what is shown there
    writable: Mapping[str, Path] = field(default_factory=dict)  # path inside -> host folder
    network: bool = True  # False: only a private loopback
    join: int | None = None  # the process whose network (and user) namespace to enter instead; `network` is then unused
    hosts: Mapping[str, str] = field(default_factory=lambda: {"algo-1": "127.0.0.1"})  # the first name is this host's


class ForbiddenError(RuntimeError):
    """This machine makes no sandboxes; the message names the setting to change."""


class Process:
    """A started sandbox. `pid` is the supervisor's process on the host; its only child is the sandbox's PID 1."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.output = popen.stdout  # a stream when started with output=subprocess.PIPE

    def poll(self) -> int | None:
        """Exit status, None while running; 125 also when the sandbox could not be made."""
        return self._status(self._popen.poll())

    def wait(self, timeout: float | None = None) -> int | None:
        """Exit status, or None when `timeout` seconds passed."""
        try:
            return self._status(self._popen.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace: float) -> int:
        """SIGTERM to the command, SIGKILL to all that is left after `grace` seconds. Exit status of the command."""
        self.terminate()
        status = self.wait(grace)
        if status is None:
            self.kill()
            status = self.wait()
        return status if status is not None else 128 + signal.SIGKILL

    def terminate(self) -> None:
        """SIGTERM to the command, by way of the sandbox's PID 1."""
        for _ in range(50):  # PID 1 exists a few milliseconds after the start
            children = self._children(recursive=False)
            if children or self.poll() is not None:
                break
            time.sleep(0.01)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()

    def kill(self) -> None:
        """SIGKILL: `unshare --kill-child` takes PID 1 along, and the kernel every process of its namespace."""
        self._popen.kill()

    def memory(self) -> int:
        """Resident bytes of the process tree; shared pages are counted once (PSS) where the kernel tells."""
        return sum(_proportional(process) for process in self._children(recursive=True))

    def resident(self) -> int:
        """Resident bytes with shared pages counted once for each process: cheap, and never less than `memory`."""
        return sum(_resident(process) for process in self._children(recursive=True))

    def cpu_seconds(self) -> float:
        """CPU time of the process tree, with that of processes which it has waited for."""
        return sum(_cpu(process) for process in self._children(recursive=True))

    def _children(self, recursive: bool) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=recursive)
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _status(code: int | None) -> int | None:
        return 128 - code if code is not None and code < 0 else code


_works = threading.Event()  # set by the first sandbox that stood; until then each start asks again
# PDEATHSIG follows the thread that forked, and a worker thread may end before its job: one thread starts them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")


def start(command: Sequence[str], sandbox: Sandbox, output: BinaryIO | int, cwd: str = "/") -> Process:
    """Runs `command` in `sandbox`; stdout and stderr both go to `output` (file, descriptor, or subprocess.PIPE).

    Raises ForbiddenError where namespaces are forbidden, RuntimeError naming the package when a tool is missing.
    `cwd` is a path inside.
    """
    if not _works.is_set():
        if refusal := probe():
            raise ForbiddenError(refusal)
        _works.set()
    return _start(command, sandbox, output, cwd)


def _start(command: Sequence[str], sandbox: Sandbox, output: BinaryIO | int, cwd: str = "/") -> Process:
    variables = environment() | dict(sandbox.environment)
    # Only inside: what these make the dynamic linker load would also run in the commands that build the sandbox.
    linker = {name: variables.pop(name) for name in list(variables) if name.startswith("LD_")}
    if linker:
        command = [tool("env"), *(f"{name}={value}" for name, value in linker.items()), *command]
    arguments = [
        *(tool("setpriv"), "--pdeathsig", "KILL"),
        *_enter(sandbox.join),
        tool("unshare"),
        *([] if os.geteuid() == 0 or sandbox.join else ["--user", "--map-root-user"]),
        *("--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"),
        *([] if sandbox.network or sandbox.join else ["--net"]),
        *("/bin/sh", "-c", setup(sandbox, cwd), "sandbox", *command),
    ]

    def spawn() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            cwd="/",
            start_new_session=True,
        )

    return Process(_spawner.submit(spawn).result())


def _enter(process: int | None) -> list[str]:
    """Without root the namespace of the network is owned by a user namespace, which comes with it."""
    if process is None:
        return []
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return [tool("nsenter"), "--target", str(process), "--net", *user]


def environment() -> dict[str, str]:
    """What every sandboxed process gets; `Sandbox.environment` comes on top."""
    return {
        "PATH": f"/root/.local/bin:{Path(sys.prefix) / 'bin'}:/usr/local/sbin:/usr/local/bin:{TOOLS_PATH}",
        "HOME": "/root",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        # The environment is read-only: what a sandbox's own pip installs is the sandbox's own.
        "PIP_PREFIX": "/root/.local",
        "TAR_OPTIONS": "--no-same-owner",  # uid 0 alone exists in a user namespace: tar's chown would fail
    }


def hidden_paths(state: Path) -> list[Path]:
    """The state folder, the user's home and the clone (or site-packages) that sagelocal runs from."""
    return [state, Path.home(), Path(__file__).resolve().parent.parent]


def probe() -> str | None:
    """None when sandboxes work here, else one sentence that names the setting to change."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            process = _start(["/bin/true"], Sandbox(opt_ml=Path(folder)), subprocess.PIPE)
            assert process.output
            with process.output as output:
                said = output.read().decode(errors="replace").strip()
            return None if process.wait() == 0 else _diagnosis(said)
    except RuntimeError as error:
        return str(error)


def _diagnosis(said: str) -> str:
    def sysctl(name: str) -> str:
        path = Path("/proc/sys") / name.replace(".", "/")
        return path.read_text().strip() if path.exists() else ""

    for name, bad, good in (
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
    ):
        if os.geteuid() != 0 and sysctl(name) == bad:
            return f"Jobs need user namespaces, and {name} is {bad}: sudo sysctl -w {name}={good} (it said: {said})"
    return (
        "Jobs need Linux namespaces, and this machine or container forbids them: start the container with "
        "--privileged, or with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        f"--security-opt systempaths=unconfined --cap-add SYS_ADMIN (it said: {said})"
    )


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:  # it ended meanwhile
        return 0


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it ended meanwhile
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _proportional(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.AccessDenied:
        return _resident(process)
    except (psutil.Error, OSError):
        return 0
