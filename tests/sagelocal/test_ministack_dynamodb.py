"""DynamoDB as sagelocal has it: what is acknowledged survives a kill of MiniStack."""

from __future__ import annotations

import inspect
import json
import os
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal import config, ministack
from sagelocal.config import Settings
from sagelocal.ministack_dynamodb import _MEMBERS, Kept, changes_tables

Running = tuple[Settings, ministack.MiniStack]
KEY = {"AttributeName": "id", "KeyType": "HASH"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = config.load(tmp_path_factory.mktemp("tables") / "state")
    child = ministack.MiniStack(settings)
    try:
        child.wait()
        yield settings, child
    finally:
        child.stop()


def killed(running: Running) -> None:
    settings, child = running
    pid = child.pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while child.pid == pid or not ministack.healthy(settings):
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.02)


def item(number: int, **values: str) -> dict[str, dict[str, str]]:
    return {"id": {"N": str(number)}, **{name: {"S": value} for name, value in values.items()}}


def put(number: int, **values: str) -> dict[str, Any]:
    return {"PutRequest": {"Item": item(number, **values)}}


def table(dynamodb: Any, name: str) -> None:
    index = {
        "IndexName": "by-day",
        "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    dynamodb.create_table(
        TableName=name,
        KeySchema=[KEY],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "N"},
            {"AttributeName": "day", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[index],
        BillingMode="PAY_PER_REQUEST",
    )


def everything(dynamodb: Any, name: str) -> dict[str, Any]:
    found = dynamodb.scan(TableName=name)
    assert found["Count"] == dynamodb.describe_table(TableName=name)["Table"]["ItemCount"]
    return {each["id"]["N"]: each for each in found["Items"]}


def test_each_kind_of_write_survives_a_kill(running: Running) -> None:
    dynamodb = running[0].client("dynamodb")
    for name in ("scores", "gone", "again"):
        table(dynamodb, name)
        dynamodb.put_item(TableName=name, Item=item(1, day="monday"))
    dynamodb.delete_table(TableName="gone")
    dynamodb.delete_table(TableName="again")
    table(dynamodb, "again")
    dynamodb.batch_write_item(RequestItems={"scores": [put(number, day="tuesday") for number in range(2, 20)]})
    dynamodb.update_item(
        TableName="scores",
        Key=item(2),
        UpdateExpression="SET label = :label",
        ExpressionAttributeValues={":label": {"S": "fräud"}},
    )
    dynamodb.delete_item(TableName="scores", Key=item(3))
    dynamodb.batch_write_item(RequestItems={"scores": [{"DeleteRequest": {"Key": item(4)}}]})
    writes = [
        {"Put": {"TableName": "scores", "Item": item(20, day="monday")}},
        {"Delete": {"TableName": "scores", "Key": item(5)}},
        {"Put": {"TableName": "again", "Item": item(7)}},
    ]
    dynamodb.transact_write_items(TransactItems=writes)
    refused = {"TableName": "scores", "Item": item(99), "ConditionExpression": "attribute_exists(id)"}
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": "scores", "Item": item(98)}}, {"Put": refused}]
        )
    dynamodb.execute_statement(Statement="DELETE FROM scores WHERE id = 6")
    dynamodb.update_time_to_live(
        TableName="scores", TimeToLiveSpecification={"Enabled": True, "AttributeName": "forgotten_at"}
    )
    dynamodb.update_table(TableName="again", DeletionProtectionEnabled=True)
    before = {name: everything(dynamodb, name) for name in ("scores", "again")}
    assert len(before["scores"]) == 16
    killed(running)
    assert {name: everything(dynamodb, name) for name in ("scores", "again")} == before
    assert dynamodb.list_tables()["TableNames"] == ["again", "scores"]
    assert dynamodb.describe_table(TableName="again")["Table"]["DeletionProtectionEnabled"]
    assert (
        dynamodb.describe_time_to_live(TableName="scores")["TimeToLiveDescription"]["AttributeName"] == "forgotten_at"
    )
    monday = {
        "IndexName": "by-day",
        "KeyConditionExpression": "#day = :day",
        "ExpressionAttributeNames": {"#day": "day"},
    }
    found = dynamodb.query(TableName="scores", **monday, ExpressionAttributeValues={":day": {"S": "monday"}})
    assert [each["id"]["N"] for each in found["Items"]] == ["1", "20"]


def test_operations_that_change_tables() -> None:
    for operation in ("CreateTable", "DeleteTable", "UpdateTable", "UpdateTimeToLive", "TagResource", "CreateBackup"):
        assert changes_tables(operation)
    for operation in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "Scan"):
        assert not changes_tables(operation)


class DynamoDB:
    """As much of MiniStack's module as keeping uses: tables by name."""

    _INDEX_MEMBERS = "_members"

    def __init__(self, *tables: dict[str, Any]) -> None:
        self._tables = type("Store", (), {"all_values": lambda _: tables})()
        self.counted: list[str] = []

    def _update_counts(self, table: dict[str, Any]) -> None:
        self.counted.append(table["TableId"])


def held(number: str, items: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"TableId": number, "items": defaultdict(dict, items or {})}


def test_items_of_an_older_state_and_whole_tables_are_kept(tmp_path: Path) -> None:
    old, gone = held("old", {"1": {"a": {"x": {"S": "1"}}}}), held("gone", {"2": {"a": {}}})
    path = tmp_path / "kept.sqlite"
    assert Kept(DynamoDB(old, gone), path).read()
    again, new = held("old"), held("new")
    dynamodb = DynamoDB(again, new)
    kept = Kept(dynamodb, path)
    assert not kept.read()
    assert again["items"] == old["items"]
    assert not new["items"]
    assert dynamodb.counted == ["old", "new"]
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT DISTINCT table_id FROM items").fetchall() == [("old",)]
    again["items"] = defaultdict(dict, {"3": {"b": {}}})
    kept.write([(again, None)])
    last = held("old")
    Kept(DynamoDB(last), path).read()
    assert last["items"] == again["items"]


def test_what_a_full_disk_refused_is_written_by_the_next_call(tmp_path: Path) -> None:
    path, found = tmp_path / "kept.sqlite", held("t", {"1": {"a": {}}, "2": {"a": {}}})
    kept = Kept(DynamoDB(found), path)
    pages = kept._database.execute("PRAGMA page_count").fetchone()[0]
    kept._database.execute(f"PRAGMA max_page_count = {pages}")
    found["items"]["1"]["a"] = {"x": {"S": "y" * 10_000}}
    with pytest.raises(sqlite3.OperationalError, match="full"):
        kept.write([(found, ("1", "a"))])
    kept._database.execute(f"PRAGMA max_page_count = {pages + 100}")
    kept.write([(found, ("2", "a"))])
    there = held("t")
    Kept(DynamoDB(there), path).read()
    assert json.dumps(there["items"]) == json.dumps(found["items"])


def test_the_private_calls_are_as_keeping_uses_them() -> None:
    from ministack.core import persistence
    from ministack.services import dynamodb

    def parameters(function: Callable[..., Any]) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(dynamodb._set_item) == ["table", "pk_val", "sk_val", "item"]
    assert parameters(dynamodb._remove_item) == ["table", "pk_val", "sk_val"]
    assert parameters(dynamodb._items_replaced) == parameters(dynamodb._update_counts) == ["table"]
    assert parameters(dynamodb._create_replica) == ["name", "table", "region"]
    assert parameters(dynamodb.handle_request) == ["method", "path", "headers", "body", "query_params"]
    assert parameters(dynamodb.load_persisted_state) == ["data"]
    assert parameters(persistence.save_state) == ["service", "data"]
    assert set(dynamodb.get_state()) == {"tables", *(name for name, _ in _MEMBERS)}
    stores = [dynamodb._tables, *(getattr(dynamodb, store) for _, store in _MEMBERS)]
    assert {type(each).__name__ for each in stores} == {"AccountRegionScopedDict"}
    # Every place that changes items goes by the three functions, but a replica's first copy and a table's own making.
    source = inspect.getsource(dynamodb)
    assert source.count('["items"] = ') == 5
    assert source.count("_items_replaced(") == 4
