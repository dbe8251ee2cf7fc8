"""From what waits in the database to the offline store on S3, and the end of records whose time to live is over.

On AWS a record is in the offline store within 15 minutes, here within some seconds, or a minute where a load of history
would make hundreds of files each time. What is being written is noted first, with the names that its files get: a flush
that a kill interrupts is repeated as it was, so that each record is in the offline store once.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.feature_store import catalog, parquet, records, times
from sagelocal.feature_store.database import Database
from sagelocal.feature_store.parquet import Row
from sagelocal.store import Closed, Missing

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

log = logging.getLogger(__name__)
Document = dict[str, Any]
_TICK = 1.0  # seconds
_GATHER, _FOR_A_FILE, _LONGEST = 5.0, 0.1, 60.0  # seconds in which records gather: at least, for each file, at most
_RETRY = 30.0  # seconds until a bucket that took nothing is tried again
_MOST = 20_000  # records of a group at a time
_MOST_EXPIRED = 1000  # at a time
_DROPPED = 50  # records of a transaction that takes them out of the database, for which writes wait
_WRITTEN = ""  # the name of a flush whose files are on S3, and whose records are being taken out of the database
_REST = 2.0  # times as long as a file took until the next one: a load of history leaves the cores to others
_GATHERED = """
    SELECT feature_group, min(invoked), count(DISTINCT substr(event, 1, 13)) FROM waiting GROUP BY feature_group
"""
_WAITING = "SELECT event, invoked, deleted, value FROM waiting WHERE feature_group = ? AND id <= ? ORDER BY event, id"
_ENDED = "SELECT 1 FROM record WHERE expires <= ? LIMIT 1"
_NAME = string.ascii_letters + string.digits


def layout(group: Document) -> str:
    """What is kept of a feature group beside its records, also when the group is gone; a FeatureGroup document's."""
    storage = (group.get("OfflineStoreConfig") or {}).get("S3StorageConfig") or {}
    return json.dumps(
        {
            "name": group["FeatureGroupName"],
            "identifier": group["RecordIdentifierFeatureName"],
            "event_time": group["EventTimeFeatureName"],
            "features": {each["FeatureName"]: each["FeatureType"] for each in group["FeatureDefinitions"]},
            "uri": storage.get("ResolvedOutputS3Uri"),
        }
    )


class Offline:
    """A thread that flushes; `flush` is for whoever cannot wait for it."""

    def __init__(self, app: SageLocal, database: Database) -> None:
        self._app = app
        self._database = database
        self._blocked: dict[int, float] = {}  # key -> when it is tried again
        self._closing = threading.Event()
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="offline-store", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """What still waits is written after the next start."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        self._prepare()
        while not self._closing.wait(self._app.settings.shortened(_TICK)):
            try:
                self.expire()
                self.flush(self._due())
            except Closed:
                return
            except Exception:
                log.exception("the offline store could not be written; it is tried again")

    def _prepare(self) -> None:
        """Loads what makes files, half a second of a core, when there is a feature group and not amidst its records."""
        while not self._database.scan("SELECT 1 FROM feature_group") and not self._closing.wait(_TICK):
            pass
        parquet.written({}, [], 0.0)

    def _due(self) -> list[int]:
        """The groups whose records have gathered for long enough."""
        shortened, now = self._app.settings.shortened, time.time()
        return [
            key
            for key, oldest, files in self._database.scan(_GATHERED)
            if now - oldest >= shortened(min(_GATHER + _FOR_A_FILE * files, _LONGEST))
            and now >= self._blocked.get(key, 0.0)
        ]

    def flush(self, keys: Iterable[int] | None = None) -> None:
        """Of some groups, or all. Returns when what waited is on S3, but for groups whose bucket takes nothing."""
        with self._flushing:
            waiting = [key for key, _, _ in self._database.scan(_GATHERED)] if keys is None else list(keys)
            for key in waiting:
                self._flush_group(key)
            if waiting:
                self._database.write(_forget)

    def _flush_group(self, key: int) -> None:
        rows = self._database.scan("SELECT layout FROM feature_group WHERE key = ?", key)
        group: Document = json.loads(rows[0][0])
        try:
            while not self._closing.is_set() and self._flush_some(key, group):
                pass
        except (ClientError, BotoCoreError, ValueError, TypeError) as error:  # the last two: what no column takes
            log.warning("the offline store of %s takes no records: %s", group["name"], error)
            self._blocked[key] = time.time() + self._app.settings.shortened(_RETRY)
            self._tell(key, group["name"], str(error))
        else:
            self._blocked.pop(key, None)
            self._tell(key, group["name"], "")

    def _flush_some(self, key: int, group: Document) -> bool:
        """Whether there is more than this; what comes meanwhile gathers for the next time."""
        noted = self._database.write(lambda writer: _note(writer, key))
        if noted is None:
            return False
        last, name, moment, again = noted
        rows: list[Row] = []
        if name != _WRITTEN:
            rows = [Row(*row) for row in self._database.scan(_WAITING, key, last)]
            if not self._put_all(group, rows, name, moment):
                return False  # it is repeated after the next start
            self._database.write(lambda writer: _written(writer, key))
        while self._database.write(lambda writer: _drop(writer, key, last)):
            pass
        return again or len(rows) == _MOST

    def _put_all(self, group: Document, rows: Iterable[Row], name: str, moment: float) -> bool:
        """A file for each hour of events; whether all were put before a stop."""
        for hour, chosen in groupby(rows, key=lambda row: row.event[:13]):  # 2026-06-01T12
            if self._closing.is_set():
                return False
            began = time.monotonic()
            self._put(group, hour, list(chosen), name, moment)
            self._closing.wait(_REST * (time.monotonic() - began))
        return True

    def _put(self, group: Document, hour: str, rows: list[Row], name: str, moment: float) -> None:
        """One file, as AWS names it: after its latest event, in the partition of its events' hour."""
        place = urlsplit(group["uri"])
        parts = zip(catalog.PARTITIONS, (hour[:4], hour[5:7], hour[8:10], hour[11:13]), strict=True)
        latest = rows[-1].event[:19].replace("-", "").replace(":", "")
        path = "/".join((place.path.strip("/"), *(f"{part}={value}" for part, value in parts)))
        body = parquet.written(group["features"], rows, moment)
        self._app.s3.put_object(Bucket=place.netloc, Key=f"{path}/{latest}Z_{name}.parquet", Body=body)

    def _tell(self, key: int, name: str, blocked: str) -> None:
        """OfflineStoreStatus, where it changes."""
        found = self._app.store.find("FeatureGroup", name)
        status = {"Status": "Blocked", "BlockedReason": blocked[:1024]} if blocked else {"Status": "Active"}
        if found is None or found["_key"] != key or found["OfflineStoreStatus"]["Status"] == status["Status"]:
            return
        try:
            self._app.store.update("FeatureGroup", name, {"OfflineStoreStatus": status, "_offline": status["Status"]})
        except Missing:
            return

    def expire(self) -> None:
        """Deletes the records whose time to live is over: hard, with a marker in the offline store."""
        while self._database.scan(_ENDED, time.time()) and self._database.write(_expire) == _MOST_EXPIRED:
            pass


def _note(writer: sqlite3.Connection, key: int) -> tuple[int, str, float, bool] | None:
    """(last id, name, time, whether it was begun before) of the flush that is to be done."""
    find = "SELECT last, name, time FROM flush WHERE feature_group = ?"
    if found := writer.execute(find, (key,)).fetchone():
        last, name, moment = found
        return last, name, moment, True
    some = "SELECT id FROM waiting WHERE feature_group = ? ORDER BY id LIMIT ?"
    (last,) = writer.execute(f"SELECT max(id) FROM ({some})", (key, _MOST)).fetchone()
    if last is None:
        return None
    name, now = "".join(secrets.choice(_NAME) for _ in range(16)), time.time()
    writer.execute("INSERT INTO flush (feature_group, last, name, time) VALUES (?, ?, ?, ?)", (key, last, name, now))
    return last, name, now, False


def _written(writer: sqlite3.Connection, key: int) -> None:
    """From here on a kill repeats no file."""
    writer.execute("UPDATE flush SET name = ? WHERE feature_group = ?", (_WRITTEN, key))


def _drop(writer: sqlite3.Connection, key: int, last: int) -> bool:
    """Takes some of what is written out of the database; whether there may be more."""
    some = "SELECT id FROM waiting WHERE feature_group = ? AND id <= ? ORDER BY id LIMIT ?"
    found = writer.execute(f"DELETE FROM waiting WHERE id IN ({some})", (key, last, _DROPPED))
    if found.rowcount == _DROPPED:
        return True
    writer.execute("DELETE FROM flush WHERE feature_group = ?", (key,))
    return False


def _forget(writer: sqlite3.Connection) -> None:
    """Deleted groups, when nothing of theirs waits any more."""
    writer.execute("DELETE FROM feature_group WHERE deleted AND key NOT IN (SELECT feature_group FROM waiting)")


def _expire(writer: sqlite3.Connection) -> int:
    """How many."""
    now = time.time()
    rows = writer.execute(
        "SELECT record.rowid, identifier, expires, feature_group, layout FROM record "
        "JOIN feature_group ON key = feature_group WHERE expires <= ? LIMIT ?",
        (now, _MOST_EXPIRED),
    ).fetchall()
    for number, identifier, expires, key, text in rows:
        writer.execute("DELETE FROM record WHERE rowid = ?", (number,))
        group = json.loads(text)
        if group["uri"]:
            event = times.of_nanoseconds(round(expires * 1000) * 10**6)
            shown = times.shown(group["features"][group["event_time"]], event)
            value = records.written(records.marker(group["identifier"], group["event_time"], identifier, shown))
            writer.execute(
                "INSERT INTO waiting (feature_group, event, invoked, deleted, value) VALUES (?, ?, ?, 1, ?)",
                (key, event, now, value),
            )
    return len(rows)
