"""How many hosts run at once: a slot a core of this machine, handed out in the order of asking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK = 0.1  # seconds


class Slots:
    """A job holds as many slots as it has hosts, at most all there are, and takes them all at once.

    So the machine is bounded, nobody waits with slots in hand (no deadlock), and whoever asked first is served first
    (a job of many hosts is not overtaken forever by small ones).
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many jobs wait for their slots."""
        return len(self._queue)

    @contextmanager
    def hold(self, hosts: int, skip: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Waits for the slots; `skip` is asked now and then, and True ends the waiting, without slots."""
        taken = self._take(max(1, min(hosts, self.total)), skip)
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()

    def _take(self, wanted: int, skip: Callable[[], bool]) -> int:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while not skip():
                    if self._queue[0] is ticket and self._free >= wanted:
                        self._free -= wanted
                        return wanted
                    self._changed.wait(_LOOK)
                return 0
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
