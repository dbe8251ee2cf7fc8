"""Many random requests against the runtime's operations, and AWS's rules written down a second time beside them."""

from __future__ import annotations

import collections
import io
import json
import random
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from sagelocal import config
from sagelocal.api.errors import AwsError
from sagelocal.feature_store import offline, records, runtime
from sagelocal.feature_store.database import Database
from sagelocal.feature_store.groups import Group
from sagelocal.feature_store.offline import Offline

Values = dict[str, str]
KEY, START, NAMES = 7, 1780317296, ("amount", "name")
DOCUMENT: dict[str, Any] = {
    "FeatureGroupName": "g",
    "FeatureGroupArn": "arn:g",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "at",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "Integral"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
        {"FeatureName": "amount", "FeatureType": "Fractional"},
        {"FeatureName": "name", "FeatureType": "String"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "Standard_V2"},
    "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://b/x", "ResolvedOutputS3Uri": "s3://b/x/data"}},
    "_key": KEY,
}


class Rules:
    """Both stores as AWS's documentation has them: identifier -> (event, expires, values, None when deleted)."""

    def __init__(self) -> None:
        self.online: dict[str, tuple[int, float | None, Values | None]] = {}
        self.offline: collections.Counter[tuple[str, float, str | None, bool]] = collections.Counter()

    def alive(self, identifier: str, now: float) -> tuple[int, float | None, Values | None] | None:
        found = self.online.get(identifier)
        return None if found is None or (found[1] is not None and found[1] <= now) else found

    def write(
        self, identifier: str, at: int, until: float | None, values: Values | None, stores: Any, now: int
    ) -> None:
        if "OnlineStore" in stores:
            before = self.alive(identifier, now)
            if before is None or at > before[0]:
                self.online[identifier] = (at, until, values)
        self.append(identifier, at, values, stores)

    def append(self, identifier: str, at: float, values: Values | None, stores: Any) -> None:
        if "OfflineStore" in stores:
            self.offline[identifier, at, (values or {}).get("name"), values is None] += 1

    def delete_hard(self, identifier: str, at: int, stores: Any, now: int) -> str:
        before = self.alive(identifier, now)
        if "OnlineStore" in stores:
            if before is not None and at <= before[0]:
                return "ValidationError"
            self.online.pop(identifier, None)
        self.append(identifier, at, None, stores)
        return ""

    def update(self, identifier: str, at: int | None, changes: Values, now: int) -> str:
        before = self.alive(identifier, now)
        if before is None or before[2] is None:
            return "ResourceNotFound"
        if at is not None and at < before[0]:
            return "ConflictException"
        after = before[0] if at is None else at
        until = None if before[1] is None else before[1] - before[0] + after
        values = before[2] | changes
        self.online[identifier] = (after, until, values)
        self.append(identifier, after, values, ("OfflineStore",))
        return ""

    def expire(self, now: int) -> None:
        for identifier, (_, until, _) in list(self.online.items()):
            if until is not None and until <= now:
                del self.online[identifier]
                self.append(identifier, until, None, ("OfflineStore",))


class World:
    """The real thing without servers, with a clock of its own, and the rules."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.chance, self.now, self.rules = chance, START, Rules()
        self.objects: dict[str, bytes] = {}
        self.codes: collections.Counter[str] = collections.Counter()
        self._file, self._group = folder / "records.db", Group.of(DOCUMENT)
        store, s3 = SimpleNamespace(find=lambda kind, name: None), SimpleNamespace(put_object=self._keep)
        self._app: Any = SimpleNamespace(settings=config.load(folder), s3=s3, store=store)
        self.begin()
        row = (KEY, offline.layout(DOCUMENT))
        add = "INSERT INTO feature_group (key, layout) VALUES (?, ?)"
        self.database.write(lambda writer: writer.execute(add, row) and None)

    def _keep(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.objects[Key] = Body

    def begin(self) -> None:
        self.database = Database(self._file)
        self.offline = Offline(self._app, self.database)
        self._store: Any = SimpleNamespace(database=self.database, group=lambda name: self._group)

    def ask(self, operation: str, **request: Any) -> tuple[str, Any]:
        """The error's code or "", and the answer."""
        try:
            answer = runtime.OPERATIONS[operation](self._store, {"FeatureGroupName": "g", **request})
            text = answer.result() if isinstance(answer, Future) else answer
        except AwsError as error:
            self.codes[error.code] += 1
            return error.code, {}
        self.codes[""] += 1
        return "", json.loads(text or "{}")

    def request(self) -> None:
        """One that is random, with what the rules say of it."""
        self.now += self.chance.choice((0, 0, 0, 1, 5))
        identifier, at = str(self.chance.randrange(5)), self.now + self.chance.randrange(-20, 20)
        stores = self.chance.choice((None, None, ["OnlineStore"], ["OfflineStore"], ["OnlineStore", "OfflineStore"]))
        targets = {"TargetStores": stores} if stores else {}
        chosen = self.chance.choices((self._put, self._soft, self._hard, self._update, self._end), (8, 2, 2, 4, 1))[0]
        chosen(identifier, at, targets, stores or ("OnlineStore", "OfflineStore"))
        self.compare(identifier)

    def _values(self) -> Values:
        values = {"amount": str(self.chance.randrange(9)), "name": f"n{self.chance.randrange(99)}"}
        return {name: values[name] for name in NAMES if self.chance.random() < 0.8}

    def _put(self, identifier: str, at: int, targets: Any, stores: Any) -> None:
        values, seconds = self._values(), self.chance.choice((None, None, 5, 60))
        ttl = {"TtlDuration": {"Unit": "Seconds", "Value": seconds}} if seconds else {}
        record = written({"id": identifier, "at": str(at)} | values)
        entry = {"FeatureGroupName": "g", "Record": record, **targets, **ttl}
        if self.chance.random() < 0.3:
            bad = {"FeatureGroupName": "g", "Record": written({"id": "x", "at": str(at)})}
            code, answer = self.ask("BatchWriteRecord", Entries=[bad, entry])
            assert [each["Entry"] for each in answer["Errors"]] == [bad]
        else:
            code, _ = self.ask("PutRecord", **entry)
        assert code == ""
        self.rules.write(identifier, at, at + seconds if seconds else None, values, stores, self.now)

    def _delete(self, identifier: str, at: int, **more: Any) -> str:
        return self.ask("DeleteRecord", RecordIdentifierValueAsString=identifier, EventTime=str(at), **more)[0]

    def _soft(self, identifier: str, at: int, targets: Any, stores: Any) -> None:
        assert self._delete(identifier, at, **targets) == ""
        self.rules.write(identifier, at, None, None, stores, self.now)

    def _hard(self, identifier: str, at: int, targets: Any, stores: Any) -> None:
        code = self._delete(identifier, at, DeletionMode="HardDelete", **targets)
        assert code == self.rules.delete_hard(identifier, at, stores, self.now)

    def _update(self, identifier: str, at: int, *_: Any) -> None:
        changes, moment = {"name": "changed"}, self.chance.choice((None, at))
        given = written(changes | ({} if moment is None else {"at": str(moment)}))
        code, _answer = self.ask("UpdateRecord", RecordIdentifierValueAsString=identifier, Features=given)
        assert code == self.rules.update(identifier, moment, changes, self.now)

    def _end(self, *_: Any) -> None:
        """What goes on behind: records expire, the offline store is written, sagelocal starts anew."""
        self.offline.expire()
        self.rules.expire(self.now)
        if self.chance.random() < 0.5:
            self.offline.flush()
        if self.chance.random() < 0.2:
            self.database.close()
            self.begin()

    def compare(self, identifier: str) -> None:
        found = self.rules.alive(identifier, self.now)
        _, answer = self.ask("GetRecord", RecordIdentifierValueAsString=identifier)
        if found is None or found[2] is None:
            assert answer == {}
        else:
            texts = {each["FeatureName"]: each["ValueAsString"] for each in answer["Record"]}
            assert texts == {"id": identifier, "at": str(found[0]), **found[2]}
        alive = {each: self.rules.alive(each, self.now) for each in self.rules.online}
        for deleted in (False, True):
            _, answer = self.ask("ListRecords", IncludeSoftDeletedRecords=deleted)
            wanted = sorted(each for each, one in alive.items() if one and (deleted or one[2] is not None))
            assert answer["RecordIdentifiers"] == wanted

    def rows(self) -> collections.Counter[tuple[str, float, str | None, bool]]:
        tables = (pq.read_table(io.BytesIO(each)).to_pylist() for each in self.objects.values())
        return collections.Counter(
            (str(row["id"]), row["at"], row["name"], row["is_deleted"]) for table in tables for row in table
        )


def written(values: Values) -> list[dict[str, str]]:
    return [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]


@pytest.mark.parametrize("seed", range(3))
def test_both_stores_follow_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    world = World(tmp_path, random.Random(seed))
    for module in (records, runtime):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: world.now))
    monkeypatch.setattr(offline.time, "time", lambda: world.now)
    for _ in range(300):
        world.request()
    world.offline.flush()
    world.database.close()
    assert world.rows() == world.rules.offline
    refused = world.codes.total() - world.codes[""]
    assert 10 < refused < world.codes[""] / 5, "hardly any was refused, or too many were: this shows little"
    assert set(world.codes) == {"", "ValidationError", "ResourceNotFound", "ConflictException"}
