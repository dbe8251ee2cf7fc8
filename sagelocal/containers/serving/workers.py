"""The main process of a model server: it forks workers, starts those again that die, and ends them on SIGTERM."""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .worker import Worker

_BACKLOG = 1024
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1}
_PAUSES = (0.0, 0.2, 30.0)  # s before a worker that died is started again: the first time, the second, at most
_SOON = 1.0  # s; a worker that dies so soon after its start waits before the next
# Libraries that may be imported before a fork: none of them starts threads that a child would miss.
_HEAVY = ("numpy", "scipy", "pandas", "sklearn", "xgboost", "joblib")
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Each worker's share of the cores for OpenMP and BLAS, unless the container's Environment says otherwise.

    AWS sets none of these variables: its workers have as many threads as cores each, which wait for each other in busy
    loops as soon as two requests are answered at once.
    """
    share = str(max(1, len(os.sched_getaffinity(0)) // count))
    for name in _POOLS:
        os.environ.setdefault(name, share)


def preload(names: Iterable[str]) -> None:
    """Imports them once for all workers, whose memory shares them; what the image lacks the user's code will miss."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)


def imported(folder: Path) -> list[str]:
    """Which heavy libraries the Python files of a folder import; joblib's pickles hold scikit-learn's objects."""
    text = "\n".join(file.read_text(errors="replace") for file in sorted(folder.rglob("*.py")))
    found = [name for name in _HEAVY if re.search(rf"^\s*(?:import|from)\s.*\b{name}\b", text, re.MULTILINE)]
    return [*found, "sklearn"] if "joblib" in found and "sklearn" not in found else found


class Workers:
    """`make` loads the model, in each worker; worker n listens at <path>n. `seconds` is a request's time, 0: any.

    At first the first worker alone loads the model: should it fail, that is said once, and all cores work for the first
    answer. A worker that has served and died is started again; its socket stays, and connections that it had not
    accepted wait for the next.
    """

    def __init__(self, make: Callable[[], Any], path: str, count: int, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._listeners = [listen(f"{path}{number}") for number in range(count)]
        self._ready = mmap.mmap(-1, count)  # shared: a worker sets its byte when it serves
        self._numbers: dict[int, int] = {}  # pid -> number of the worker
        self._born: dict[int, float] = {}
        self._failures = [0] * count
        self._served = False  # whether any ever did
        self._alive, self._held = os.pipe()
        self._stopping = False

    def run(self) -> int:
        """Until SIGTERM (0), or until the first worker has died without ever serving: its exit status."""
        gc.collect()
        gc.freeze()  # so that the workers' collections don't copy shared pages
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._fork(0)
        while self._numbers:
            got = signal.sigwait(_SIGNALS)
            if got in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif got == signal.SIGUSR1 and not self._served and self._ready[0]:
                self._served = True
                for number in range(1, len(self._listeners)):
                    self._fork(number)
            if status := self._reap():
                return status
        return 0

    def _stop(self) -> None:
        self._stopping = True
        for pid in self._numbers:
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> int:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if not pid:
                return 0
            if pid in self._numbers and (failed := self._ended(pid, os.waitstatus_to_exitcode(status))):
                return failed

    def _ended(self, pid: int, code: int) -> int:
        number, lived = self._numbers.pop(pid), time.monotonic() - self._born.pop(pid)
        served, self._ready[number] = self._ready[number], 0
        if self._stopping:
            return 0
        if not self._served and not served:
            return 128 - code if code < 0 else code or 1
        self._served = True
        self._failures[number] = 0 if served and lived > _SOON else self._failures[number] + 1
        first, second, most = _PAUSES
        pause = min(most, second * 2 ** (self._failures[number] - 2)) if self._failures[number] > 1 else first
        print(f"{_obituary(number, pid, code, self._seconds)} It is started again.", file=sys.stderr, flush=True)
        self._fork(number, pause)
        return 0

    def _fork(self, number: int, pause: float = 0.0) -> None:
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self._numbers[pid], self._born[pid] = number, time.monotonic() + pause
            return
        os.close(self._held)
        for other, listener in enumerate(self._listeners):
            if other != number:
                listener.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # else all workers would draw the same numbers
        time.sleep(pause)
        worker = Worker(self._make(), self._listeners[number], self._alive, self._seconds)
        self._ready[number] = 1
        os.kill(os.getppid(), signal.SIGUSR1)
        worker.run()
        raise SystemExit


def listen(path: str) -> socket.socket:
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(_BACKLOG)
    return listener


def _obituary(number: int, pid: int, code: int, seconds: float) -> str:
    if code == -signal.SIGALRM:
        return f"Worker {number} (pid {pid}) did not answer a request within {seconds:g} s and was ended."
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
    return f"Worker {number} (pid {pid}) {how}."
