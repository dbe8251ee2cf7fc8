"""Moves an SQLite database's write-ahead log into its file, beside who writes.

SQLite does so within the commit after which the log is long: that one then takes some 60 ms, for 16 MB. Here a thread
with a connection of its own has moved most of it by then; the commit moves the rest, and the log begins anew.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

log = logging.getLogger(__name__)
_EVERY = 0.5  # seconds between two, while something is written


class Checkpoints:
    """`wanted` after each commit; `close` before the database's last connection is closed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def wanted(self) -> None:
        self._wanted.set()

    def close(self) -> None:
        self._closing.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None)
        while self._wanted.wait() and not self._closing.wait(_EVERY):
            self._wanted.clear()
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:  # a full disk: the log keeps it all, and a commit says so
                log.warning("the log of %s stays long: %s", self._file, error)
        connection.close()
