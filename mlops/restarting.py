"""Work in a process of its own that is started again at once when it is killed or fails.

The process is forked from one that has read all modules and made all clients, so it is there within milliseconds.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LONGEST_PAUSE = 10.0  # seconds between two starts of work that fails at once
_STEADY = 5.0  # seconds after which work counts as begun well
_COLLECT = (50_000, 10, 10)  # objects, and how many collections of one generation come before one of the next
_SWITCH = 0.001  # seconds that a thread may keep the interpreter from another one; Python's own is 0.005


def restarting(work: Callable[[threading.Event], None]) -> None:
    """Runs `work`, again and again until it returns; it is to do so soon after the event is set, by SIGINT or SIGTERM.

    The caller has opened no connection and started no thread that the work uses: each of its processes would share it.
    When this process dies, however it does, the event is set too: no work goes on that nobody starts again.
    """
    pause, stopping = 0.0, False
    while True:
        started = time.monotonic()
        reading, writing = os.pipe()  # closed by the kernel when this process dies
        child = os.fork()
        if child == 0:
            os.close(writing)
            _work(work, reading)
        os.close(reading)

        def forward(number: int, frame: FrameType | None, child: int = child) -> None:
            nonlocal stopping
            stopping = True
            os.kill(child, signal.SIGTERM)

        before = [signal.signal(number, forward) for number in _SIGNALS]
        _, status = os.waitpid(child, 0)
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)
        os.close(writing)
        if status == 0 or stopping:
            return
        ended = os.waitstatus_to_exitcode(status)
        log.error("process %d ended with %s and is started again", child, ended)
        pause = 0.0 if time.monotonic() - started > _STEADY else min(max(0.1, 2 * pause), _LONGEST_PAUSE)
        time.sleep(pause)


def _work(work: Callable[[threading.Event], None], reading: int) -> None:
    """In the new process; doesn't return."""
    stop = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_follow, args=(reading, stop), daemon=True).start()
    _hardly_pause()
    code = 1
    try:
        work(stop)
        code = 0
    except Exception:
        log.exception("it failed")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)


def _hardly_pause() -> None:
    """A full collection of garbage looks at all modules' objects, a tenth of a second for a scorer: what was there
    before the fork is left out of it. What comes seldom has cycles, and goes with its last use.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH)


def _follow(reading: int, stop: threading.Event) -> None:
    os.read(reading, 1)
    stop.set()
