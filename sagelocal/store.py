"""sagelocal's state: one SQLite file of documents shaped like AWS's Describe responses.

Whatever a call here acknowledged is on disk (WAL with a full sync per commit), and a change of a document and the
EventBridge events it causes are one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]
Documents = list[Document]
OnChange = Callable[[str, Document | None, Document | None], list[Document]]

# Entry n takes a file from schema version n to n + 1; never edit one that was released, add the next.
_UPGRADES = (
    """
    CREATE TABLE resource (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL,
        parent TEXT NOT NULL, arn TEXT NOT NULL, document TEXT NOT NULL, UNIQUE (kind, name));
    CREATE INDEX resource_parent ON resource (kind, parent);
    CREATE INDEX resource_arn ON resource (arn);
    CREATE TABLE tag (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key));
    CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, envelope TEXT NOT NULL);
    """,
    # The List operations' usual order, so that a page costs what it holds and not what there is.
    """
    CREATE INDEX resource_created ON resource (kind, json_extract(document, '$.CreationTime'), id);
    CREATE INDEX resource_parent_created ON resource (kind, parent, json_extract(document, '$.CreationTime'), id);
    CREATE INDEX resource_approval ON resource (
        kind, parent, json_extract(document, '$.ModelApprovalStatus'), json_extract(document, '$.CreationTime'), id)
        WHERE json_extract(document, '$.ModelApprovalStatus') IS NOT NULL;
    CREATE INDEX resource_token ON resource (kind, parent, json_extract(document, '$._token'))
        WHERE json_extract(document, '$._token') IS NOT NULL;
    """,
    # A model, a transform job and a deployed variant have a list of containers.
    """
    UPDATE resource SET document =
        json_set(document, '$._containers', json_array(json(json_extract(document, '$._container'))))
        WHERE kind IN ('Model', 'TransformJob') AND json_extract(document, '$._container') IS NOT NULL;
    """
    + "".join(
        f"""
    UPDATE resource SET document = json_set(document, '$.{plan}.Shadows', json('[]'), '$.{plan}.Variants', json((
        SELECT json_group_array(json_set(value, '$.Execution', 'Serial', '$.Containers',
            json_array(json(json_extract(value, '$.Container'))))) FROM json_each(document, '$.{plan}.Variants'))))
        WHERE kind = 'Endpoint' AND json_type(document, '$.{plan}') = 'object';
    """
        for plan in ("_running", "_pending")
    ),
)

# How `Store.page` compares a member with a value; {} is the member.
_CONDITIONS = {
    "=": "{} = ?",
    "<": "{} < ?",
    ">": "{} > ?",
    "contains": "instr(lower({}), lower(?)) > 0",  # case-insensitive, as AWS's NameContains
    "starts": "instr({}, ?) = 1",
    "present": "({} IS NOT NULL) = ?",
}
Condition = tuple[str, str, Any]  # member, one of _CONDITIONS, value


class Missing(LookupError):
    """No document of that kind and name."""


class Exists(ValueError):
    """A document of that kind and name is there already."""


class Closed(RuntimeError):
    """The store was closed while a caller waited on it."""


class Store:
    """Documents by kind and name. Thread-safe; each call commits before it returns unless within `transaction()`.

    Members whose names start with `_` are sagelocal's own: no API output shape has them, so they never leave.
    """

    def __init__(self, file: Path, on_change: OnChange = lambda kind, before, after: []) -> None:
        self._on_change = on_change
        self._lock = threading.RLock()
        self._changed = threading.Condition()
        self._version = 0
        self._touched: set[tuple[str, str]] = set()  # by the transaction that runs
        self._waiting: dict[tuple[str, str], list[threading.Event]] = {}
        self._depth = 0
        self._closed = False
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        try:
            self._upgrade(file)
        except BaseException:
            self._database.close()
            raise

    def _upgrade(self, file: Path) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > len(_UPGRADES):
            raise RuntimeError(
                f"{file} has schema version {version}, this program knows {len(_UPGRADES)}: it was written by a newer "
                "version. Update this clone, or point MLOPS_STATE at another folder."
            )
        for number, script in enumerate(_UPGRADES[version:], version + 1):
            self._database.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several calls, all or none of them on disk. Nests; the outermost commits."""
        with self._lock:
            if self._closed:
                raise Closed("the store was closed")
            outermost = self._depth == 0
            if outermost:
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if outermost:
                    self._database.execute("COMMIT")
            except BaseException:
                if outermost and self._database.in_transaction:  # a full disk has ended it already
                    self._database.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1
                if outermost:
                    touched, self._touched = self._touched, set()
        if outermost:
            self._announce(touched)

    def _announce(self, touched: set[tuple[str, str]]) -> None:
        """Wakes who waits for these documents; a commit that touched none wakes all of them."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()
            for key in touched or self._waiting:
                for woken in self._waiting.get(key, ()):
                    woken.set()

    def create(self, kind: str, name: str, document: Document, *, parent: str = "", arn: str = "") -> Document:
        """Adds a document. Raises Exists."""
        with self.transaction():
            try:
                self._database.execute(
                    "INSERT INTO resource (kind, name, parent, arn, document) VALUES (?, ?, ?, ?, ?)",
                    (kind, name, parent, arn, json.dumps(document)),
                )
            except sqlite3.IntegrityError as error:
                raise Exists(f"{kind} {name} exists already") from error
            self._touched.add((kind, name))
            self._record(kind, None, document)
        return document

    def find(self, kind: str, name: str) -> Document | None:
        rows = self._rows("SELECT document FROM resource WHERE kind = ? AND name = ?", kind, name)
        return json.loads(rows[0][0]) if rows else None

    def get(self, kind: str, name: str) -> Document:
        """Raises Missing."""
        document = self.find(kind, name)
        if document is None:
            raise Missing(f"there is no {kind} {name}")
        return document

    def by_arn(self, arn: str) -> tuple[str, str, Document] | None:
        rows = self._rows("SELECT kind, name, document FROM resource WHERE arn = ?", arn)
        return (rows[0][0], rows[0][1], json.loads(rows[0][2])) if rows else None

    def list(self, kind: str, *, parent: str | None = None) -> Documents:
        """All documents of a kind (of one parent, if given), oldest first."""
        if parent is None:
            rows = self._rows("SELECT document FROM resource WHERE kind = ? ORDER BY id", kind)
        else:
            rows = self._rows("SELECT document FROM resource WHERE kind = ? AND parent = ? ORDER BY id", kind, parent)
        return [json.loads(document) for (document,) in rows]

    def page(
        self,
        kind: str,
        *,
        parent: str | None = None,
        where: Sequence[Condition] = (),
        order: str = "",
        descending: bool = False,
        offset: int = 0,
        limit: int = -1,
    ) -> Documents:
        """The documents that meet all conditions, sorted by the member `order` (as they were made without one).

        A member is a name at the document's top level, `A|B` the first of two that a document has; one that it lacks
        meets no condition but `present`.
        """
        clauses, arguments = ["kind = ?"], [kind]
        if parent is not None:
            clauses.append("parent = ?")
            arguments.append(parent)
        for member, condition, value in where:
            clauses.append(_CONDITIONS[condition].format(_member(member)))
            arguments.append(value)
        way = "DESC" if descending else "ASC"
        by = f"{_member(order)} {way}, id {way}" if order else f"id {way}"
        query = f"SELECT document FROM resource WHERE {' AND '.join(clauses)} ORDER BY {by} LIMIT ? OFFSET ?"
        return [json.loads(document) for (document,) in self._rows(query, *arguments, limit, offset)]

    def counts(self, kind: str, member: str) -> dict[str | None, int]:
        """How many documents have which value of a member, None for those without it."""
        value = _member(member)
        return dict(self._rows(f"SELECT {value}, count(*) FROM resource WHERE kind = ? GROUP BY {value}", kind))

    def update(
        self,
        kind: str,
        name: str,
        changes: Document | None = None,
        *,
        edit: Callable[[Document], None] | None = None,
    ) -> Document:
        """Merges `changes` at the top level (None removes a member) and applies `edit`, atomically. Raises Missing."""
        with self.transaction():
            before = self.get(kind, name)
            after = json.loads(json.dumps(before))
            after["LastModifiedTime"] = time.time()
            for member, value in (changes or {}).items():
                if value is None:
                    after.pop(member, None)
                else:
                    after[member] = value
            if edit:
                edit(after)
            self._database.execute(
                "UPDATE resource SET document = ? WHERE kind = ? AND name = ?", (json.dumps(after), kind, name)
            )
            self._touched.add((kind, name))
            self._record(kind, before, after)
        return after

    def delete(self, kind: str, name: str) -> None:
        """Removes a document and its tags. Raises Missing."""
        with self.transaction():
            before = self.get(kind, name)
            self._database.execute(
                "DELETE FROM tag WHERE arn IN (SELECT arn FROM resource WHERE kind = ? AND name = ?)", (kind, name)
            )
            self._database.execute("DELETE FROM resource WHERE kind = ? AND name = ?", (kind, name))
            self._touched.add((kind, name))
            self._record(kind, before, None)

    def wait(self, kind: str, name: str, done: Callable[[Document], bool], timeout: float | None = None) -> Document:
        """Blocks until the document satisfies `done`; `timeout` in seconds. Raises TimeoutError, Missing, Closed.

        Asked anew when the document changes and when an empty transaction commits, so that hundreds may wait.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        woken = threading.Event()
        with self._changed:
            self._waiting.setdefault((kind, name), []).append(woken)
        try:
            while True:
                woken.clear()
                document = self.get(kind, name)
                if done(document):
                    return document
                if not woken.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"{kind} {name} did not get there within {timeout} s")
        finally:
            with self._changed:
                self._waiting[kind, name].remove(woken)
                if not self._waiting[kind, name]:
                    del self._waiting[kind, name]

    def changed_since(self, version: int, timeout: float | None = None) -> int:
        """Blocks until a commit after `version`; the new version, or 0 after `timeout` seconds. Raises Closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version != version, timeout)
            if self._closed:
                raise Closed("the store was closed")
            return self._version if self._version != version else 0

    @property
    def version(self) -> int:
        """Counts the commits of this process."""
        return self._version

    def tags(self, arn: str) -> dict[str, str]:
        return dict(self._rows("SELECT key, value FROM tag WHERE arn = ? ORDER BY rowid", arn))

    def set_tags(self, arn: str, tags: dict[str, str]) -> None:
        with self.transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO tag (arn, key, value) VALUES (?, ?, ?)",
                [(arn, key, value) for key, value in tags.items()],
            )

    def drop_tags(self, arn: str, keys: Iterable[str]) -> None:
        with self.transaction():
            self._database.executemany("DELETE FROM tag WHERE arn = ? AND key = ?", [(arn, key) for key in keys])

    def pending_events(self, limit: int = 100) -> Sequence[tuple[int, Document]]:
        """Undelivered EventBridge envelopes, oldest first."""
        rows = self._rows("SELECT id, envelope FROM event ORDER BY id LIMIT ?", limit)
        return [(number, json.loads(envelope)) for number, envelope in rows]

    def delivered(self, ids: Iterable[int]) -> None:
        with self.transaction():
            self._database.executemany("DELETE FROM event WHERE id = ?", [(number,) for number in ids])

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            for waiting in self._waiting.values():
                for woken in waiting:
                    woken.set()
        with self._lock:
            self._database.close()

    def _rows(self, query: str, *arguments: Any) -> Sequence[Any]:
        with self._lock:
            if self._closed:
                raise Closed("the store was closed")
            return self._database.execute(query, arguments).fetchall()

    def _record(self, kind: str, before: Document | None, after: Document | None) -> None:
        self._database.executemany(
            "INSERT INTO event (envelope) VALUES (?)",
            [(json.dumps(envelope),) for envelope in self._on_change(kind, before, after)],
        )


def _member(names: str) -> str:
    """The SQL of a document's member, spelled as in the indexes. Raises ValueError for what is no member's name."""
    found = names.split("|")
    if not all(name.isidentifier() and name.isascii() for name in found):
        raise ValueError(f"{names!r} is no member of a document")
    extracts = [f"json_extract(document, '$.{name}')" for name in found]
    return extracts[0] if len(extracts) == 1 else f"coalesce({', '.join(extracts)})"
