"""DynamoDB's tables and items on disk before their call is answered: runs inside MiniStack's process.

MiniStack 1.5 keeps items in memory until it stops cleanly; a kill lost what had been acknowledged since, analysts'
labels among it. Here items are rows of an SQLite database, by the table's id, and one call's changes are one
transaction of it: all items of TransactWriteItems are there after a kill, or none. What describes the tables stays in
MiniStack's own file, without items, written whenever a call changes it. A failure of the machine may undo the last
seconds, and leaves a database that can be read: transactions are not synchronised one by one, which would cost a
scorer more than the call itself.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sagelocal.checkpoints import Checkpoints

Document = dict[str, Any]
_FILE = "dynamodb.sqlite"  # beside MiniStack's own state files
_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    table_id TEXT NOT NULL, hash TEXT NOT NULL, range TEXT NOT NULL, item TEXT NOT NULL,
    PRIMARY KEY (table_id, hash, range)
)
"""
_PAGES = 4000  # of 4 KB, between two synchronisations
_READING = ("Describe", "List", "Get", "Query", "Scan", "Batch", "Transact", "Execute", "Search")
_OF_NUMBERS = ("_ddb_canonicalize_number", "_number_error", "_number_size_bytes")
_MEMBERS = (  # of the state that MiniStack saves: the name there, and the store in its module
    ("tags", "_tags"),
    ("ttl_settings", "_ttl_settings"),
    ("pitr_settings", "_pitr_settings"),
    ("kinesis_destinations", "_kinesis_destinations"),
    ("contributor_insights", "_contributor_insights"),
    ("backups", "_backups"),
    ("resource_policies", "_resource_policies"),
    ("exports", "_exports"),
    ("imports", "_imports"),
)

Place = tuple[str, str]  # an item's values of hash and range key
Changed = list[tuple[Document, Place | None]]  # tables, and the place of an item; None: all of the table's


def install(state: Path) -> None:
    """Has MiniStack's DynamoDB keep its items below this folder, and begin with those that are there."""
    from ministack.services import dynamodb

    around = _Around(dynamodb, Kept(dynamodb, state / _FILE))
    dynamodb._set_item, dynamodb._remove_item = around.set_item, around.remove_item
    dynamodb._items_replaced, dynamodb._create_replica = around.items_replaced, around.create_replica
    dynamodb.handle_request = around.handle_request
    dynamodb.get_state, dynamodb.load_persisted_state = around.kept.state, around.load_persisted_state
    for name in _OF_NUMBERS:
        setattr(dynamodb, name, _remembering(getattr(dynamodb, name)))


def _remembering(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of numbers' texts: each is read several times while it is written, and most come again in other items."""
    known = functools.lru_cache(2**15)(read)
    return lambda text: known(text) if isinstance(text, str) else read(text)


class _Around:
    """What stands in for MiniStack's functions of these names: each does what it did, and notes what it changed."""

    def __init__(self, dynamodb: Any, kept: Kept) -> None:
        self.kept, self._dynamodb = kept, dynamodb
        self._set_item, self._remove_item = dynamodb._set_item, dynamodb._remove_item
        self._items_replaced, self._create_replica = dynamodb._items_replaced, dynamodb._create_replica
        self._handle_request, self._load = dynamodb.handle_request, dynamodb.load_persisted_state
        self._collected: ContextVar[Changed | None] = ContextVar("collected", default=None)

    def _note(self, table: Document, place: Place | None) -> None:
        changed = self._collected.get()
        if changed is None:  # no request's: a state machine's, an import's, what expires
            self.kept.write([(table, place)])
        else:
            changed.append((table, place))

    def set_item(self, table: Document, hash_value: str, range_value: str, item: Document) -> Any:
        old = self._set_item(table, hash_value, range_value, item)
        self._note(table, (hash_value, range_value))
        return old

    def remove_item(self, table: Document, hash_value: str, range_value: str) -> Any:
        old = self._remove_item(table, hash_value, range_value)
        if old is not None:
            self._note(table, (hash_value, range_value))
        return old

    def items_replaced(self, table: Document) -> None:
        self._items_replaced(table)
        self._note(table, None)

    def create_replica(self, name: str, table: Document, region: str) -> None:
        self._create_replica(name, table, region)
        account = self._dynamodb.get_account_id()
        self._note(self._dynamodb._tables.get_scoped(account, region, name), None)

    async def handle_request(
        self, method: str, path: str, headers: Document, body: bytes, query_params: Document
    ) -> Any:
        changed: Changed = []
        token = self._collected.set(changed)
        try:
            answer = await self._handle_request(method, path, headers, body, query_params)
        finally:
            self._collected.reset(token)
            self.kept.write(changed)
        if answer[0] == 200 and changes_tables(headers.get("x-amz-target", "").rpartition(".")[2]):
            self._save()
        return answer

    def load_persisted_state(self, data: Document) -> None:
        self._load(data)
        if self.kept.read():
            self._save()

    def _save(self) -> None:
        from ministack.core import persistence

        persistence.save_state("dynamodb", self.kept.state())


def changes_tables(operation: str) -> bool:
    """Whether an operation may change more than items."""
    return not operation.startswith(_READING) and not operation.endswith("Item")


class Kept:
    """The items of all tables, as JSON."""

    def __init__(self, dynamodb: Any, path: Path) -> None:
        self._dynamodb = dynamodb
        self._lock = threading.Lock()
        self._unwritten: Changed = []  # what a full disk refused
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
        self._database.execute(_SCHEMA)
        self._checkpoints = Checkpoints(path)

    def write(self, changed: Changed) -> None:
        """Writes what is at these places now, so that of two threads' writes the last is what memory holds.

        Raises sqlite3.Error; then the next call writes it too.
        """
        if not changed:
            return
        with self._lock:
            self._unwritten += changed
            with self._database:
                self._database.execute("BEGIN")
                for table, place in self._unwritten:
                    self._put(table, place)
            self._unwritten = []
        self._checkpoints.wanted()

    def _put(self, table: Document, place: Place | None) -> None:
        number = table["TableId"]
        if place is None:
            self._database.execute("DELETE FROM items WHERE table_id = ?", (number,))
            rows = ((number, *place, _text(item)) for place, item in _items(table))
            self._database.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows)
            return
        item = table["items"].get(place[0], {}).get(place[1])
        if item is None:
            self._database.execute("DELETE FROM items WHERE table_id = ? AND hash = ? AND range = ?", (number, *place))
        else:
            self._database.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", (number, *place, _text(item)))

    def read(self) -> bool:
        """Gives the tables that there are their items, and removes those of tables that are gone.

        Whether the state that MiniStack saved held items itself, as before it was kept here: these count.
        """
        tables = {table["TableId"]: table for table in self._dynamodb._tables.all_values()}
        older = [table for table in tables.values() if table["items"]]
        self.write([(table, None) for table in older])
        for number, hash_value, range_value, item in self._database.execute("SELECT * FROM items ORDER BY rowid"):
            if number in tables:
                tables[number]["items"].setdefault(hash_value, {})[range_value] = json.loads(item)
        self._forget(tables)
        for table in tables.values():
            self._dynamodb._update_counts(table)
        return bool(older)

    def _forget(self, but: Document) -> None:
        found = self._database.execute("SELECT DISTINCT table_id FROM items").fetchall()
        with self._lock, self._database:
            for (number,) in found:
                if number not in but:
                    self._database.execute("DELETE FROM items WHERE table_id = ?", (number,))

    def state(self) -> Document:
        """What MiniStack saves by itself: all but the tables' items."""
        from ministack.core.responses import AccountRegionScopedDict

        tables = AccountRegionScopedDict()
        for key, table in list(self._dynamodb._tables._data.items()):
            described = {name: value for name, value in table.items() if name != self._dynamodb._INDEX_MEMBERS}
            tables._data[key] = {**described, "items": {}}
        return {"tables": tables, **{name: getattr(self._dynamodb, store) for name, store in _MEMBERS}}


def _items(table: Document) -> list[tuple[Place, Document]]:
    return [
        ((hash_value, range_value), item)
        for hash_value, ranges in list(table["items"].items())
        for range_value, item in list(ranges.items())
    ]


_text = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode  # of an item, which is a tree: no cycles
