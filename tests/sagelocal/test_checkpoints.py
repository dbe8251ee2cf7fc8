"""The log of an SQLite database goes into its file beside who writes."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from sagelocal import checkpoints
from sagelocal.checkpoints import Checkpoints


def test_the_log_is_moved_into_the_file_after_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_EVERY", 0.01)
    file = tmp_path / "some.db"
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("CREATE TABLE word (text TEXT)")
    beside = Checkpoints(file)
    writer.execute("INSERT INTO word VALUES (?)", ("inconspicuous" * 100,))
    time.sleep(0.1)
    assert b"inconspicuous" not in file.read_bytes(), "nobody asked for it"
    beside.wanted()
    deadline = time.monotonic() + 20
    while b"inconspicuous" not in file.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    beside.close()
    writer.close()
