"""Writing records: what PutRecord, BatchWriteRecord, UpdateRecord and DeleteRecord do to the two stores.

Each function makes a piece of work for the database's writing thread, where it sees the latest records.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from sagelocal.api.errors import AwsError
from sagelocal.feature_store import times
from sagelocal.feature_store.database import Work
from sagelocal.feature_store.groups import OFFLINE, ONLINE, Group, Record, invalid

Document = dict[str, Any]
# A record that is not newer than the one in the online store is a historic one: it is for the offline store alone
# (PutRecord's documentation). Of one whose time to live is over nothing is left to compare with.
_KEEP_NEWEST = """
    INSERT INTO record (feature_group, identifier, event, expires, deleted, value) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (feature_group, identifier) DO UPDATE
    SET event = excluded.event, expires = excluded.expires, deleted = excluded.deleted, value = excluded.value
    WHERE excluded.event > record.event OR record.expires <= ?
"""
_APPEND = "INSERT INTO waiting (feature_group, event, invoked, deleted, value) VALUES (?, ?, ?, ?, ?)"
_FIND = "SELECT event, expires, deleted, value FROM record WHERE feature_group = ? AND identifier = ?"
_GONE = "DELETE FROM record WHERE feature_group = ? AND identifier = ?"


def put(group: Group, record: Record, stores: Sequence[str], ttl: int | None) -> Work:
    """`ttl` in seconds, the group's own where it is None."""
    value, now = written(record.values), time.time()
    lasts = group.ttl if ttl is None else ttl
    expires = None if lasts is None else times.seconds(record.event) + lasts

    def work(writer: sqlite3.Connection) -> None:
        _check_alive(writer, group)
        if ONLINE in stores:
            row = (group.key, record.identifier, record.event, expires, 0, value, now)
            writer.execute(_KEEP_NEWEST, row)
        if OFFLINE in stores:
            writer.execute(_APPEND, (group.key, record.event, now, 0, value))

    return work


def delete(group: Group, identifier: str, event_time: str, stores: Sequence[str], hard: bool) -> Work:
    """The offline store gets a marker in any case but for a hard deletion that comes too late."""
    group.check_key(identifier)  # the marker is a row of the offline store, whose column has the feature's type
    event, now = group.event(event_time), time.time()
    value = written(marker(group.identifier, group.event_time, identifier, event_time))

    def work(writer: sqlite3.Connection) -> None:
        _check_alive(writer, group)
        if ONLINE in stores and hard:
            found = _present(writer, group, identifier, now)
            if found is not None and event <= found[0]:
                raise invalid("EventTime: the record in the OnlineStore is as new as the deletion, or newer.")
            writer.execute(_GONE, (group.key, identifier))
        elif ONLINE in stores:
            writer.execute(_KEEP_NEWEST, (group.key, identifier, event, None, 1, "[]", now))
        if OFFLINE in stores:
            writer.execute(_APPEND, (group.key, event, now, 1, value))

    return work


def update(group: Group, identifier: str, given: Sequence[Document], stores: Sequence[str], ttl: int | None) -> Work:
    """Some features of a record. One without a value is taken out of it; without an event time it keeps its own."""
    values, now = group.values(given), time.time()
    changes: dict[str, Document | None] = dict.fromkeys(each["FeatureName"] for each in given)
    changes |= {each["FeatureName"]: each for each in values}
    newer = _newer(group, identifier, changes, ttl)

    def work(writer: sqlite3.Connection) -> None:
        _check_alive(writer, group)
        found = _present(writer, group, identifier, now)
        if found is None or found[2]:
            raise AwsError("ResourceNotFound", f"FeatureGroup {group.name} has no record {identifier}.", 404)
        event, expires, _, value = found
        if newer is not None and newer < event:
            said = f"The record {identifier} of {group.name} has a later event time than the update."
            raise AwsError("ConflictException", f"{said} Read it again.", 409)
        after = newer or event
        lasts = ttl if ttl is not None else None if expires is None else expires - times.seconds(event)
        until = None if lasts is None else times.seconds(after) + lasts
        merged = written(_merged(json.loads(value), changes))
        row = (after, until, merged, group.key, identifier)
        writer.execute(
            "UPDATE record SET event = ?, expires = ?, value = ? WHERE feature_group = ? AND identifier = ?", row
        )
        if OFFLINE in stores:
            writer.execute(_APPEND, (group.key, after, now, 0, merged))

    return work


def _newer(group: Group, identifier: str, changes: dict[str, Document | None], ttl: int | None) -> str | None:
    """An update's event time. Raises AwsError for one that touches what it may not."""
    same = {"FeatureName": group.identifier, "ValueAsString": identifier}
    if changes.get(group.identifier, same) != same:
        raise invalid(f"An update cannot change {group.identifier}, the record identifier feature.")
    given = changes.get(group.event_time)
    if given is None and (group.event_time in changes or ttl is not None):
        raise invalid(f"The update needs a value of {group.event_time}, the event time feature.")
    return None if given is None else group.event(given["ValueAsString"])


def _merged(values: list[Document], changes: dict[str, Document | None]) -> list[Document]:
    after = {each["FeatureName"]: each for each in values} | changes
    return [each for each in after.values() if each is not None]


def marker(identifier_feature: str, event_time_feature: str, identifier: str, event_time: str) -> list[Document]:
    """A deleted record as the offline store has it: all else is null."""
    return [
        {"FeatureName": identifier_feature, "ValueAsString": identifier},
        {"FeatureName": event_time_feature, "ValueAsString": event_time},
    ]


def written(values: Sequence[Document]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _present(writer: sqlite3.Connection, group: Group, identifier: str, now: float) -> Any:
    """(event, expires, deleted, value), None where there is nothing or its time to live is over."""
    found = writer.execute(_FIND, (group.key, identifier)).fetchone()
    return None if found is None or (found[1] is not None and found[1] <= now) else found


def _check_alive(writer: sqlite3.Connection, group: Group) -> None:
    """A group may have been deleted since it was looked up. Raises AwsError."""
    found = writer.execute("SELECT deleted FROM feature_group WHERE key = ?", (group.key,)).fetchone()
    if found is None or found[0]:
        raise AwsError("ResourceNotFound", missing(group.name), 404)


def missing(name: str) -> str:
    return f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}"
