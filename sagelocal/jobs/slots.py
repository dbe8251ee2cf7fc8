"""How many hosts run at once: a slot a core of this machine, handed out in the order of asking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
    def hold(self, hosts: int, check: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Waits for the slots; `check` is called now and then, and ends the waiting by raising."""
        wanted = max(1, min(hosts, self.total))
        self._take(wanted, check)
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()

    def _take(self, wanted: int, check: Callable[[], None]) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or self._free < wanted:
                    self._changed.wait(0.1)
                    check()
                self._free -= wanted
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
