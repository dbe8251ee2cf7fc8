"""The runtime's operations: from a valid request to the body of its answer, or to a write that is on its way."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.feature_store import records, times
from sagelocal.feature_store.database import Work
from sagelocal.feature_store.groups import IN_MEMORY, OFFLINE, PARTIAL, Group, duration, invalid

if TYPE_CHECKING:
    from sagelocal.feature_store.service import FeatureStore

Document = dict[str, Any]
SERVICE = "sagemaker-featurestore-runtime"
Answer = str | Future[str | None]  # a write's is known when it is on disk; None is an empty one
_MOST_AT_ONCE = 100  # records of a BatchGetRecord, the quotas page says
_MOST_UPDATED = 100  # features of an UpdateRecord
_PAGE = 100
_NOTHING = "[]"
_SHOWN = """
    SELECT identifier, value, expires FROM record
    WHERE feature_group = ? AND identifier IN ({}) AND deleted = 0 AND (expires IS NULL OR expires > ?)
"""
_LISTED = """
    SELECT identifier FROM record WHERE feature_group = ? AND identifier > ? AND deleted <= ?
    AND (expires IS NULL OR expires > ?) ORDER BY identifier LIMIT ?
"""


def put_record(store: FeatureStore, request: Document) -> Answer:
    return store.database.submit(_put(store, request, None))


def _put(store: FeatureStore, request: Document, ttl: Document | None) -> Work:
    group = store.group(request["FeatureGroupName"])
    stores = group.targets(request.get("TargetStores"))
    record = group.record(request["Record"])
    return records.put(group, record, stores, duration(request.get("TtlDuration") or ttl))


def batch_write_record(store: FeatureStore, request: Document) -> Answer:
    """All that can be written is, in one transaction; the rest is in Errors with AWS's code."""
    works: list[tuple[Document, Work]] = []
    errors: list[Document] = []
    for entry in request["Entries"]:
        try:
            works.append((entry, _put(store, entry, request.get("TtlDuration"))))
        except AwsError as error:
            errors.append(_refused(entry, error))

    def work(writer: sqlite3.Connection) -> str:
        for entry, each in works:
            try:
                each(writer)
            except AwsError as error:
                errors.append(_refused(entry, error))
        return json.dumps({"Errors": errors, "UnprocessedEntries": []})

    return store.database.submit(work)


def _refused(entry: Document, error: AwsError) -> Document:
    return {"Entry": entry, "ErrorCode": error.code, "ErrorMessage": error.message}


def delete_record(store: FeatureStore, request: Document) -> Answer:
    group = store.group(request["FeatureGroupName"])
    hard = request.get("DeletionMode") == "HardDelete"
    stores = group.targets(request.get("TargetStores"))
    identifier, event_time = request["RecordIdentifierValueAsString"], request["EventTime"]
    return store.database.submit(records.delete(group, identifier, event_time, stores, hard))


def update_record(store: FeatureStore, request: Document) -> Answer:
    group = store.group(request["FeatureGroupName"])
    group.need_online()
    if group.storage not in (PARTIAL, IN_MEMORY):
        raise invalid(f"UpdateRecord needs the StorageType {PARTIAL} or {IN_MEMORY}; that of {group.name} is another.")
    stores = group.targets(request.get("TargetStores"))
    if list(stores) == [OFFLINE]:
        raise invalid(f"UpdateRecord changes a record of the OnlineStore: TargetStores cannot be {OFFLINE} alone.")
    if len(request["Features"]) > _MOST_UPDATED:
        raise invalid(f"UpdateRecord takes at most {_MOST_UPDATED} features, not {len(request['Features'])}.")
    identifier, ttl = request["RecordIdentifierValueAsString"], duration(request.get("TtlDuration"))
    return store.database.submit(records.update(group, identifier, request["Features"], stores, ttl))


def get_record(store: FeatureStore, request: Document) -> Answer:
    """Without a record there is nothing in the answer."""
    group, names = _readable(store, request)
    found = _find(store, group, [request["RecordIdentifierValueAsString"]], names)
    for value, expires in found.values():
        until = _until(expires, request)
        return f'{{"Record":{value}{until}}}'
    return "{}"


def batch_get_record(store: FeatureStore, request: Document) -> Answer:
    """What is in no store is not in the answer; a group that can't be read is an error of each of its identifiers."""
    count = sum(len(each["RecordIdentifiersValueAsString"]) for each in request["Identifiers"])
    if count > _MOST_AT_ONCE:
        raise invalid(f"BatchGetRecord answers at most {_MOST_AT_ONCE} records, not {count}.")
    shown: list[str] = []
    errors: list[Document] = []
    for each in request["Identifiers"]:
        name, identifiers = each["FeatureGroupName"], each["RecordIdentifiersValueAsString"]
        try:
            group, names = _readable(store, each)
        except AwsError as error:
            errors += _errors(name, identifiers, error)
            continue
        found = _find(store, group, identifiers, names)
        shown += (_shown(name, one, *found[one], request) for one in dict.fromkeys(identifiers) if one in found)
    return f'{{"Records":[{",".join(shown)}],"Errors":{json.dumps(errors)},"UnprocessedIdentifiers":[]}}'


def _readable(store: FeatureStore, request: Document) -> tuple[Group, frozenset[str] | None]:
    group = store.group(request["FeatureGroupName"])
    group.need_online()
    return group, group.named(request.get("FeatureNames"))


def _find(
    store: FeatureStore, group: Group, identifiers: Sequence[str], names: frozenset[str] | None
) -> dict[str, tuple[str, float | None]]:
    """identifier -> (JSON of the FeatureValues, when it expires). The model has no Record without a FeatureValue."""
    query = _SHOWN.format(",".join("?" * len(identifiers)))
    rows = store.database.read(query, group.key, *identifiers, time.time())
    found = {identifier: (_only(value, names), expires) for identifier, value, expires in rows}
    return found if names is None else {each: shown for each, shown in found.items() if shown[0] != _NOTHING}


def _only(value: str, names: frozenset[str] | None) -> str:
    if names is None:
        return value
    return records.written([each for each in json.loads(value) if each["FeatureName"] in names])


def _shown(name: str, identifier: str, value: str, expires: float | None, request: Document) -> str:
    whose = f'"FeatureGroupName":{json.dumps(name)},"RecordIdentifierValueAsString":{json.dumps(identifier)}'
    return f'{{{whose},"Record":{value}{_until(expires, request)}}}'


def _until(expires: float | None, request: Document) -> str:
    if expires is None or request.get("ExpirationTimeResponse") != "Enabled":
        return ""
    return f',"ExpiresAt":"{times.expires_at(expires)}"'


def _errors(name: str, identifiers: Sequence[str], error: AwsError) -> Iterator[Document]:
    for identifier in identifiers:
        yield {
            "FeatureGroupName": name,
            "RecordIdentifierValueAsString": identifier,
            "ErrorCode": error.code,
            "ErrorMessage": error.message,
        }


def list_records(store: FeatureStore, request: Document) -> Answer:
    """In the order of their identifiers."""
    group = store.group(request["FeatureGroupName"])
    group.need_online()
    size, deleted = request.get("MaxResults") or _PAGE, int(request.get("IncludeSoftDeletedRecords") or False)
    after = _after(request["NextToken"]) if request.get("NextToken") else ""
    rows = store.database.read(_LISTED, group.key, after, deleted, time.time(), size + 1)
    found = [identifier for (identifier,) in rows[:size]]
    answer: Document = {"RecordIdentifiers": found}
    if len(rows) > size:
        answer["NextToken"] = base64.urlsafe_b64encode(f"after={found[-1]}".encode()).decode()
    return json.dumps(answer)


def _after(token: str) -> str:
    try:
        word, _, identifier = base64.urlsafe_b64decode(token.encode()).decode().partition("=")
    except ValueError:  # neither base64 nor UTF-8
        word, identifier = "", ""
    if word != "after":
        raise invalid(f"Invalid pagination token '{token}': pass the NextToken of the answer before, unchanged.")
    return identifier


OPERATIONS: dict[str, Callable[[FeatureStore, Document], Answer]] = {
    "PutRecord": put_record,
    "BatchWriteRecord": batch_write_record,
    "UpdateRecord": update_record,
    "DeleteRecord": delete_record,
    "GetRecord": get_record,
    "BatchGetRecord": batch_get_record,
    "ListRecords": list_records,
}
REFUSED: dict[str, dict[str, str]] = {}
