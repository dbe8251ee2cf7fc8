"""The offline store: its files, its table in Athena, and what a kill leaves of it."""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from sagelocal import config, server
from sagelocal.config import Settings
from sagelocal.feature_store import offline, records
from sagelocal.feature_store.database import Database
from sagelocal.feature_store.groups import Group
from sagelocal.feature_store.offline import Offline
from sagelocal.store import Store

Make = Callable[..., Any]
DOCUMENT: dict[str, Any] = {
    "FeatureGroupName": "g",
    "FeatureGroupArn": "arn:g",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "at",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "Integral"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
        {"FeatureName": "amount", "FeatureType": "Fractional"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
    "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://b/x", "ResolvedOutputS3Uri": "s3://b/x/data"}},
    "OfflineStoreStatus": {"Status": "Active"},
    "_key": 7,
}


class Bucket:
    """Keeps objects; breaks at the `breaks`-th."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.breaks = 0
        self.stops: Callable[[], None] = lambda: None

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.breaks -= 1
        if self.breaks == 0:
            raise HTTPClientError(error="gone")
        self.objects[Key] = Body
        self.stops()

    def rows(self) -> list[dict[str, Any]]:
        tables = (pq.read_table(io.BytesIO(each)) for each in self.objects.values())
        return [row for table in tables for row in table.to_pylist()]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Any]:
    """An offline store without servers."""
    store, database = Store(tmp_path / "store.db"), Database(tmp_path / "records.db")
    store.create("FeatureGroup", "g", DOCUMENT)
    row = (7, offline.layout(DOCUMENT))
    database.write(lambda writer: writer.execute("INSERT INTO feature_group (key, layout) VALUES (?, ?)", row) and None)
    app: Any = SimpleNamespace(settings=config.load(tmp_path), s3=Bucket(), store=store)
    group = Group.of(DOCUMENT)

    def put(identifier: int, at: float, ttl: int | None = None) -> None:
        texts = {"id": str(identifier), "at": str(at), "amount": "2.5"}
        record = group.record([{"FeatureName": name, "ValueAsString": text} for name, text in texts.items()])
        database.write(records.put(group, record, group.stores, ttl))

    yield SimpleNamespace(
        app=app, bucket=app.s3, database=database, offline=Offline(app, database), put=put, store=store
    )
    database.close()
    store.close()


def test_records_lie_by_the_hour_of_their_event(here: Any) -> None:
    for number, at in enumerate((1780317296.789, 1780317300.5, 1780321000)):
        here.put(number, at)
    before = time.time()
    here.offline.flush()
    names = sorted(here.bucket.objects)
    folder, file = r"x/data/year=2026/month=06/day=01/hour=(\d\d)", r"(\d{8}T\d{6}Z)_[0-9a-zA-Z]{16}\.parquet"
    found = [re.fullmatch(f"{folder}/{file}", each) for each in names]
    assert [each and each.groups() for each in found] == [("12", "20260601T123500Z"), ("13", "20260601T133640Z")]
    table = pq.read_table(io.BytesIO(here.bucket.objects[names[0]]))
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "int64",
        "at": "double",
        "amount": "double",
        "write_time": "timestamp[ms]",
        "api_invocation_time": "timestamp[ms]",
        "is_deleted": "bool",
    }
    row = table.to_pylist()[0]
    assert (row["id"], row["at"], row["amount"], row["is_deleted"]) == (0, 1780317296.789, 2.5, False)
    assert before - 1 < row["api_invocation_time"].timestamp() - time.timezone <= time.time()
    here.offline.flush()
    assert len(here.bucket.objects) == 2, "nothing was left to write"


def test_a_flush_that_was_interrupted_is_repeated_as_it_was(here: Any) -> None:
    for number in range(6):
        here.put(number, 1780317296 + 3600 * number)
    here.bucket.breaks = 4
    here.offline.flush()
    assert len(here.bucket.objects) == 3
    assert here.store.get("FeatureGroup", "g")["OfflineStoreStatus"]["Status"] == "Blocked"
    half = set(here.bucket.objects)
    here.put(99, 1780317296)
    here.offline.flush()
    assert half <= set(here.bucket.objects)
    assert sorted(row["id"] for row in here.bucket.rows()) == [0, 1, 2, 3, 4, 5, 99]
    assert here.store.get("FeatureGroup", "g")["OfflineStoreStatus"] == {"Status": "Active"}


def test_a_kill_while_the_database_is_emptied_repeats_no_file(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "_DROPPED", 2)
    for number in range(5):
        here.put(number, 1780317296 + number)
    drop, calls = offline._drop, itertools.count()

    def killed(writer: Any, key: int, last: int) -> bool:
        if next(calls) == 1:
            raise KeyError("killed")
        return drop(writer, key, last)

    monkeypatch.setattr(offline, "_drop", killed)
    with pytest.raises(KeyError):
        here.offline.flush()
    assert len(here.database.read("SELECT id FROM waiting")) == 3
    here.put(5, 1780317296)
    Offline(here.app, here.database).flush()
    assert len(here.bucket.objects) == 2
    assert sorted(row["id"] for row in here.bucket.rows()) == [0, 1, 2, 3, 4, 5]
    assert here.database.read("SELECT 1 FROM waiting UNION SELECT 1 FROM flush") == []


def test_a_stop_does_not_wait_for_a_flush(here: Any) -> None:
    for number in range(3):
        here.put(number, 1780317296 + 3600 * number)
    here.bucket.stops = here.offline.close
    here.offline.flush()
    assert len(here.bucket.objects) == 1
    again = Offline(here.app, here.database)
    again.flush()
    assert sorted(row["id"] for row in here.bucket.rows()) == [0, 1, 2]


def test_an_ended_record_is_marked(here: Any) -> None:
    ended = time.time() - 1
    here.put(1, ended - 60, ttl=60)
    here.put(2, ended - 60, ttl=3600)
    here.offline.expire()
    assert here.database.read("SELECT identifier FROM record") == [("2",)]
    here.offline.flush()
    (marker,) = [row for row in here.bucket.rows() if row["is_deleted"]]
    assert (marker["id"], marker["amount"]) == (1, None)
    assert marker["at"] == pytest.approx(ended, abs=0.001)


def test_what_no_column_takes_blocks_its_group_only(here: Any) -> None:
    other = DOCUMENT | {"FeatureGroupName": "other", "_key": 8}
    row = (8, offline.layout(other))
    add = "INSERT INTO feature_group (key, layout) VALUES (?, ?)"
    here.database.write(lambda writer: writer.execute(add, row) and None)
    at = "2026-06-01T12:00:00.000000000"
    for key, identifier in ((7, "x"), (8, "5")):
        value = json.dumps([{"FeatureName": "id", "ValueAsString": identifier}])
        waiting = (key, at, 1780317296.0, 0, value)
        here.database.write(lambda writer, waiting=waiting: writer.execute(records._APPEND, waiting) and None)
    here.offline.flush()
    assert [row["id"] for row in here.bucket.rows()] == [5]
    status = here.store.get("FeatureGroup", "g")["OfflineStoreStatus"]
    assert status["Status"] == "Blocked"
    assert "'x' is no Integral" in status["BlockedReason"]


def test_what_waits_for_a_deleted_group_is_written(here: Any) -> None:
    here.put(1, 1780317296)
    here.store.delete("FeatureGroup", "g")
    here.database.write(lambda writer: writer.execute("UPDATE feature_group SET deleted = 1") and None)
    with pytest.raises(Exception, match="ResourceNotFound"):
        here.put(2, 1780317297)
    here.offline.flush()
    assert [row["id"] for row in here.bucket.rows()] == [1]
    assert here.database.read("SELECT * FROM feature_group") == []


def query(laptop: Settings, sql: str) -> list[list[str | None]]:
    athena = laptop.client("athena")
    number = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": "sagemaker_featurestore"},
        ResultConfiguration={"OutputLocation": f"s3://{laptop.bucket}/athena/"},
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status["StateChangeReason"]
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=number)  # a thousand rows each
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    return [[each.get("VarCharValue") for each in row] for row in rows[1:]]


def table(laptop: Settings, name: str) -> str:
    found = laptop.client("sagemaker").describe_feature_group(FeatureGroupName=name)
    return str(found["OfflineStoreConfig"]["DataCatalogConfig"]["TableName"])


def eventually(look: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + 60
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_athena_has_all_that_happened(laptop: Settings, make: Make) -> None:
    group = make(offline=True)
    assert query(laptop, f"SELECT count(*), count(DISTINCT year) FROM {table(laptop, group.name)}") == [["0", "0"]]
    group.put({"id": "1", "at": "2026-06-01T12:00:00Z", "amount": "7.5", "name": "first"})
    group.put({"id": "1", "at": "2026-06-01T11:00:00Z", "amount": "8.5"})
    group.put({"id": "2", "at": "2026-06-02T11:00:00Z"}, TargetStores=["OnlineStore"])
    group.put({"id": "3", "at": "2026-06-02T11:00:00Z"}, TargetStores=["OfflineStore"])
    whose = {"FeatureGroupName": group.name, "RecordIdentifierValueAsString": "1"}
    group.runtime.delete_record(EventTime="2026-06-01T11:30:00Z", **whose)
    assert group.get("1") is not None
    with pytest.raises(ClientError):
        group.runtime.delete_record(EventTime="2026-06-01T11:45:00Z", DeletionMode="HardDelete", **whose)
    assert group.get("3") is None
    columns = 'id, "at", amount, name, is_deleted, year || month || day || hour'
    sql = f'SELECT {columns} FROM {table(laptop, group.name)} ORDER BY "at"'
    wanted = [
        ["1", "2026-06-01T11:00:00Z", "8.5", None, "false", "2026060111"],
        ["1", "2026-06-01T11:30:00Z", None, None, "true", "2026060111"],
        ["1", "2026-06-01T12:00:00Z", "7.5", "first", "false", "2026060112"],
        ["3", "2026-06-02T11:00:00Z", None, None, "false", "2026060211"],
    ]
    eventually(lambda: query(laptop, sql), wanted)


def test_a_missing_bucket_blocks_the_offline_store_only(laptop: Settings, make: Make, sagemaker: Any) -> None:
    s3 = laptop.client("s3")
    s3.create_bucket(Bucket="short-lived")
    place = {"S3StorageConfig": {"S3Uri": "s3://short-lived"}}
    group = make(OfflineStoreConfig=place, RoleArn=laptop.role_arn)

    def status() -> str:
        return str(sagemaker.describe_feature_group(FeatureGroupName=group.name)["OfflineStoreStatus"]["Status"])

    s3.delete_bucket(Bucket="short-lived")
    group.put({"id": "1", "at": "2026-06-01T12:00:00Z"})
    eventually(status, "Blocked")
    assert group.get("1") is not None
    s3.create_bucket(Bucket="short-lived")
    eventually(status, "Active")
    assert s3.list_objects_v2(Bucket="short-lived")["KeyCount"] == 1


class Writers:
    """Threads that write records of growing event times, each of its own identifier, until `end`."""

    def __init__(self, runtime: Any, count: int) -> None:
        self._runtime, self._ends = runtime, threading.Event()
        self.written: dict[int, list[int]] = {writer: [] for writer in range(count)}
        self.tried = dict.fromkeys(self.written, 0)
        self._threads = [threading.Thread(target=self._write, args=(writer,)) for writer in self.written]
        for thread in self._threads:
            thread.start()

    def _write(self, writer: int) -> None:
        while not self._ends.is_set():
            self.tried[writer] = number = self.tried[writer] + 1
            texts = {"id": str(writer), "at": str(1780317296 + number), "amount": str(number)}
            record = [{"FeatureName": name, "ValueAsString": text} for name, text in texts.items()]
            try:
                self._runtime.batch_write_record(Entries=[{"FeatureGroupName": "killed", "Record": record}])
            except (ClientError, BotoCoreError):
                time.sleep(0.1)
            else:
                self.written[writer].append(number)

    def count(self) -> int:
        return sum(map(len, self.written.values()))

    def more_than(self, before: int) -> bool:
        return self.count() > before

    def end(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()


def kill(laptop: Settings) -> None:
    """-9, of sagelocal and of MiniStack."""
    process = psutil.Process(json.loads((laptop.state / "lock").read_text())["pid"])
    for each in (*process.children(recursive=True), process):
        each.kill()


def lost(laptop: Settings, written: dict[int, list[int]]) -> int:
    """How many acknowledged records Athena has not."""
    sql = f"SELECT id, cast(amount AS int), count(*) FROM {table(laptop, 'killed')} GROUP BY 1, 2"
    there = {(int(one or 0), int(number or 0)) for one, number, _ in query(laptop, sql)}
    return len({(writer, number) for writer, numbers in written.items() for number in numbers} - there)


@pytest.mark.slow
def test_a_kill_loses_no_record(tmp_path: Path) -> None:
    """Three times while four writers write."""
    laptop = config.keep_time_scale(config.load(tmp_path / "state"), 25)
    server.up(laptop)
    sagemaker, runtime = laptop.client("sagemaker"), laptop.client("sagemaker-featurestore-runtime")
    sagemaker.create_feature_group(
        FeatureGroupName="killed",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=DOCUMENT["FeatureDefinitions"],
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{laptop.bucket}/killed"}},
        RoleArn=laptop.role_arn,
    )
    writers = Writers(runtime, 4)
    for _ in range(3):
        time.sleep(1.5)
        before = writers.count()
        kill(laptop)
        server.up(laptop)
        eventually(partial(writers.more_than, before), True)
    writers.end()
    for writer, numbers in writers.written.items():
        found = runtime.get_record(FeatureGroupName="killed", RecordIdentifierValueAsString=str(writer))["Record"]
        latest = int({each["FeatureName"]: each["ValueAsString"] for each in found}["amount"])
        assert numbers[-1] <= latest <= writers.tried[writer]
    eventually(partial(lost, laptop, writers.written), 0)
    # A call that was cut off is tried again by botocore: it may have been written, and then is twice by two calls.
    again = f'SELECT count(*) FROM {table(laptop, "killed")} GROUP BY id, "at", api_invocation_time HAVING count(*) > 1'
    assert query(laptop, again) == []
    assert writers.count() > 50, "hardly anything was written: this shows nothing"
    server.down(laptop)
