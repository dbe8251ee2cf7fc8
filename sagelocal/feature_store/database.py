"""The stores' SQLite file: the online store's records, and what the offline store has not been given yet.

One thread writes. It takes whatever waits into one transaction, so that a hundred calls at once wait for one sync of
the disk, and a record's two stores can't differ. Reading needs no thread: a record is there in some microseconds.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sagelocal.checkpoints import Checkpoints

log = logging.getLogger(__name__)
Work = Callable[[sqlite3.Connection], Any]
_MOST = 200  # pieces of work in one transaction
_CHECKPOINT = 4000  # pages of 4 KB in the write-ahead log before they go into the file

# Entry n takes a file from schema version n to n + 1; never edit one that was released, add the next.
_UPGRADES = (
    """
    CREATE TABLE feature_group (key INTEGER PRIMARY KEY, deleted INTEGER NOT NULL DEFAULT 0, layout TEXT NOT NULL);
    CREATE TABLE record (
        feature_group INTEGER NOT NULL, identifier TEXT NOT NULL, event TEXT NOT NULL, expires REAL,
        deleted INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (feature_group, identifier));
    CREATE INDEX record_expires ON record (expires) WHERE expires IS NOT NULL;
    CREATE TABLE waiting (
        id INTEGER PRIMARY KEY AUTOINCREMENT, feature_group INTEGER NOT NULL, event TEXT NOT NULL,
        invoked REAL NOT NULL, deleted INTEGER NOT NULL, value TEXT NOT NULL);
    CREATE INDEX waiting_group ON waiting (feature_group, id);
    CREATE TABLE flush (
        feature_group INTEGER PRIMARY KEY, last INTEGER NOT NULL, name TEXT NOT NULL, time REAL NOT NULL);
    """,
)


class Database:
    """`write`, `read` and `scan` from any thread."""

    def __init__(self, file: Path) -> None:
        self._reader, self._scanner = _connection(file), _connection(file)
        self._writer = _connection(file)
        _upgrade(self._writer, file)
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        self._checkpoints = Checkpoints(file)
        self._closed = False
        self._reading, self._scanning = threading.Lock(), threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="feature-store", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> Future[Any]:
        """`work` in a transaction; its result, or the error it raised, when that is on disk.

        What raises must have changed nothing: its transaction has other callers' work in it.
        """
        done: Future[Any] = Future()
        self._queue.put((work, done))
        if self._closed:
            done.cancel()
        return done

    def write(self, work: Work) -> Any:
        return self.submit(work).result()

    def read(self, query: str, *arguments: Any) -> Sequence[Any]:
        """For what takes microseconds: calls that are being answered wait for it."""
        with self._reading:
            return self._reader.execute(query, arguments).fetchall()

    def scan(self, query: str, *arguments: Any) -> Sequence[Any]:
        """For what takes longer, and delays no other but its like."""
        with self._scanning:
            return self._scanner.execute(query, arguments).fetchall()

    def close(self) -> None:
        """What was submitted before is written."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._checkpoints.close()
        self._writer.close()
        with self._reading, self._scanning:
            self._reader.close()
            self._scanner.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ends = [first], False
            while len(batch) < _MOST and not self._queue.empty():
                found = self._queue.get()
                if found is None:
                    ends = True
                    break
                batch.append(found)
            # Whoever asked may have gone; from here on nobody cancels.
            self._transact([(work, done) for work, done in batch if done.set_running_or_notify_cancel()])
            if ends:
                return

    def _transact(self, batch: Sequence[tuple[Work, Future[Any]]]) -> None:
        """Each future is resolved after the commit."""
        ended: list[Callable[[], None]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for work, done in batch:
                ended.append(_attempt(self._writer, work, done))
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            log.exception("%d writes of records failed", len(batch))
            if self._writer.in_transaction:  # a full disk has ended it already
                self._writer.execute("ROLLBACK")
            for _, done in batch:
                done.set_exception(error)
        else:
            for tell in ended:
                tell()
            self._checkpoints.wanted()


def _attempt(writer: sqlite3.Connection, work: Work, done: Future[Any]) -> Callable[[], None]:
    try:
        result = work(writer)
    except sqlite3.Error:
        raise
    except Exception as error:
        failure = error
        return lambda: done.set_exception(failure)
    return lambda: done.set_result(result)


def _connection(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _upgrade(writer: sqlite3.Connection, file: Path) -> None:
    """Raises RuntimeError."""
    (version,) = writer.execute("PRAGMA user_version").fetchone()
    if version > len(_UPGRADES):
        raise RuntimeError(
            f"{file} has schema version {version}, this program knows {len(_UPGRADES)}: it was written by a newer "
            "version. Update this clone, or point MLOPS_STATE at another folder."
        )
    for number, script in enumerate(_UPGRADES[version:], version + 1):
        writer.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
