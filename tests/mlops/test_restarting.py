"""Work that is started again when it is killed, and ends with who starts it. In processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PROGRAM = """
import gc, os, sys, time
from pathlib import Path
from mlops.restarting import restarting

def work(stop):
    assert gc.get_freeze_count() > 1000  # a collection does not look at the modules
    with open(sys.argv[1], "a") as out:
        out.write(f"{os.getpid()}\\n")
    stop.wait(30)
    with open(sys.argv[1], "a") as out:
        out.write("stopped\\n")

restarting(work)
"""


def lines(file: Path, count: int) -> list[str]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = file.read_text().splitlines() if file.exists() else []
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{file} has {found}")


def test_killed_it_is_started_again_and_it_ends_with_its_starter(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    starter = subprocess.Popen([sys.executable, "-c", PROGRAM, str(file)], stderr=subprocess.DEVNULL)
    try:
        (first,) = lines(file, 1)
        os.kill(int(first), signal.SIGKILL)
        second = lines(file, 2)[1]
        assert second != first
        starter.send_signal(signal.SIGINT)
        assert starter.wait(20) == 0
        assert lines(file, 3)[2] == "stopped"

        orphaned = subprocess.Popen([sys.executable, "-c", PROGRAM, str(file)], stderr=subprocess.DEVNULL)
        third = int(lines(file, 4)[3])
        orphaned.kill()
        orphaned.wait()
        assert lines(file, 5)[4] == "stopped"
        psutil.wait_procs([psutil.Process(third)] if psutil.pid_exists(third) else [], timeout=20)
        assert not psutil.pid_exists(third)
    finally:
        starter.kill()
        starter.wait()
