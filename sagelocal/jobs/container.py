"""A job's containers while they run: one sandboxed process a host, supervised for time, memory and Stop."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from sagelocal import sandbox
from sagelocal.jobs.logs import LogWriter, log_file
from sagelocal.jobs.network import Network, addresses, network
from sagelocal.jobs.utilisation import Utilisation

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_SAMPLE = 0.25  # seconds between looks at memory and time
_TAIL_BYTES = 32_000
_LINE_BYTES = 200_000  # what has no newline for longer is cut there
# Where the command starts: in AWS's images the root folder, which is writable there and read-only here.
_WORKDIR = "/root"


class Outcome(Enum):
    EXITED = "exited"
    STOPPED = "stopped"  # by a Stop call
    TIMED_OUT = "timed out"
    WAITED_TOO_LONG = "waited too long"  # managed spot: the time for waiting and running is over
    OUT_OF_MEMORY = "out of memory"
    INTERRUPTED = "interrupted"  # managed spot: the instances were taken back


class ClosingError(Exception):
    """sagelocal itself is closing: the job's status stays as it is, and the job runs again after the next start."""


class Control:
    """What others may ask of a running job; `wake` makes its supervisor look."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.stopping = False
        self.closing = False
        self.interrupted = False
        self._error: Exception | None = None

    def interrupt(self) -> None:
        self.interrupted = True
        self.wake.set()

    def fail(self, error: Exception) -> None:
        """Ends the job by `error`, which its run raises: something that it depends on broke."""
        self._error = self._error or error
        self.wake.set()

    def stop(self) -> None:
        self.stopping = True
        self.wake.set()

    def close(self) -> None:
        self.closing = True
        self.wake.set()

    def check(self) -> None:
        """Raises ClosingError when sagelocal is closing, and the error of `fail`."""
        if self.closing:
            raise ClosingError
        if self._error:
            raise self._error


@dataclass(frozen=True)
class Host:
    name: str  # algo-1 …
    opt_ml: Path
    writable: Mapping[str, Path] = field(default_factory=dict)
    instance_type: str = ""
    group: str = ""  # the instance group, in a training job


@dataclass(frozen=True)
class Plan:
    """What to run on which hosts. Times in seconds, memory in bytes for each host by its name.

    `network` False means that only the hosts of this job reach each other.
    """

    group: str  # CloudWatch log group, and namespace of its metrics
    job: str
    hosts: Sequence[Host]
    command: Sequence[str]
    environment: Mapping[str, str]
    network: bool
    image: str  # URI
    memory: Mapping[str, int]
    max_runtime: float
    stop_grace: float
    max_wait: float = float("inf")  # from now, for the runs that are left to a managed spot job
    binds: Mapping[str, Path] = field(default_factory=dict)
    on_line: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Ended:
    outcome: Outcome
    code: int  # the status of the host that failed first, else 0
    peak: int  # bytes, of the host that had most
    tail: str  # the end of that (or the first) host's output
    log: Path  # its log file
    opt_ml: Path  # its /opt/ml
    host: str  # its name


class _Running:
    """One host's process and the thread that reads its output."""

    def __init__(
        self, app: SageLocal, plan: Plan, host: Host, stream: str, wake: threading.Event, shared: Network
    ) -> None:
        self.host = host.name
        self.memory = plan.memory[host.name]
        self.status: int | None = None
        self.ended = 0.0  # monotonic seconds
        self.opt_ml = host.opt_ml
        self.error: Exception | None = None  # why its output could not be kept: a full disk, say
        self.log = log_file(app.settings.state, plan.group, stream)
        self.tail: deque[bytes] = deque()
        self._on_line = plan.on_line
        self._wake = wake
        names = addresses([each.name for each in plan.hosts])
        image = app.environments.inside(plan.image, network=plan.network)
        box = sandbox.Sandbox(
            opt_ml=host.opt_ml,
            environment={**image.environment, **plan.environment, **shared.environment},
            hidden=sandbox.hidden_paths(app.settings.state),
            binds={**image.binds, **plan.binds},
            writable=host.writable,
            network=plan.network,
            join=shared.holder,
            hosts={host.name: names.pop(host.name), **names},
        )
        self._writer = LogWriter(app, plan.group, stream)
        if image.note and host is plan.hosts[0]:
            self._writer.write(f"{image.note}\n".encode())
        try:
            self.process = sandbox.start(plan.command, box, subprocess.PIPE, cwd=image.cwd or _WORKDIR)
        except BaseException:
            self._writer.close()
            raise
        self._reader = threading.Thread(target=self._read, name=f"output {stream}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.output
        try:
            self._pump()
        except Exception as error:  # whatever it is, the job has to end
            self.error = error
            self.process.kill()
        finally:
            self._writer.close()
            self.process.output.close()
            status = self.process.wait()
            self.ended = time.monotonic()
            self.status = status
            self._wake.set()

    def _pump(self) -> None:
        assert self.process.output
        size = 0
        rest = b""
        while data := self.process.output.read1(65536):  # type: ignore[attr-defined]
            self._writer.write(data)
            self.tail.append(data)
            size += len(data)
            while size - len(self.tail[0]) > _TAIL_BYTES:
                size -= len(self.tail.popleft())
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._on_line(line.decode("utf-8", errors="replace"))
        if rest:
            self._on_line(rest.decode("utf-8", errors="replace"))

    def kill(self) -> None:
        self.process.kill()
        self._reader.join()


def run(app: SageLocal, plan: Plan, control: Control) -> Ended:
    """Starts every host's process and returns when all have ended. Raises ClosingError when sagelocal closes."""
    started = int(time.time())
    running: list[_Running] = []
    utilisation = Utilisation(app, plan.group, plan.job, plan.hosts[0].opt_ml)
    with network(app.settings, [host.name for host in plan.hosts], plan.network) as shared:
        try:
            for host in plan.hosts:
                running.append(_Running(app, plan, host, f"{plan.job}/{host.name}-{started}", control.wake, shared))
            return _supervise(plan, running, control, utilisation)
        finally:
            for each in running:
                each.kill()
            utilisation.close()


def _supervise(plan: Plan, running: Sequence[_Running], control: Control, utilisation: Utilisation) -> Ended:
    started = time.monotonic()
    outcome = Outcome.EXITED
    peak = 0
    first = running[0]
    while any(each.status is None for each in running):
        control.wake.wait(_SAMPLE)
        control.wake.clear()
        control.check()
        alive = [each for each in running if each.status is None]
        for each in alive:
            utilisation.look(each.host, each.process, each.memory)
        failed = any(each.status for each in running)
        if alive:
            used, heaviest = max(((_used(each), each) for each in alive), key=lambda pair: pair[0])
            peak = max(peak, used)
            if used > heaviest.memory:
                outcome, first = Outcome.OUT_OF_MEMORY, heaviest
                break
        end = _end(plan, control, time.monotonic() - started)
        if failed or end:
            outcome = outcome if failed or not end else end
            _terminate(alive, plan.stop_grace, control)
    for each in running:
        if each.status is None:
            each.kill()
    if error := next((each.error for each in running if each.error), None):
        raise error
    if outcome is not Outcome.OUT_OF_MEMORY:
        # The others fail, too, once the first one takes them down; what they say is not why.
        first = min((each for each in running if each.status), key=lambda each: each.ended, default=first)
    tail = b"".join(first.tail).decode("utf-8", errors="replace")
    return Ended(outcome, first.status or 0, peak, tail, first.log, first.opt_ml, first.host)


def _end(plan: Plan, control: Control, seconds: float) -> Outcome | None:
    """Why the containers have to end now, after `seconds`; None while they may run."""
    if control.stopping:
        return Outcome.STOPPED
    if seconds > plan.max_wait:
        return Outcome.WAITED_TOO_LONG
    if seconds > plan.max_runtime:
        return Outcome.TIMED_OUT
    return Outcome.INTERRUPTED if control.interrupted else None


def _used(each: _Running) -> int:
    """Resident size is cheap but counts shared pages once a process: only what it finds too much is weighed exactly."""
    used = each.process.resident()
    return used if used <= each.memory else each.process.memory()


def _terminate(alive: Sequence[_Running], grace: float, control: Control) -> None:
    """SIGTERM to all, SIGKILL to those left after `grace` seconds (AWS: 120)."""
    for each in alive:
        each.process.terminate()
    end = time.monotonic() + grace
    while any(each.status is None for each in alive) and time.monotonic() < end:
        control.wake.wait(min(_SAMPLE, max(0.0, end - time.monotonic())))
        control.wake.clear()
        control.check()
    for each in alive:
        each.kill()
