"""The Lambda function: what it is given, what it answers, and that it needs nothing that its .zip lacks."""

from __future__ import annotations

import base64
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scoring_world import World, refusal, scorer, transaction

FILE = Path(__file__).parents[2] / "deploy" / "lambda" / "fraud_scorer.py"


@pytest.fixture(scope="module")
def function() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("fraud_scorer", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fraud_scorer"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fraud_scorer"]


def event(count: int) -> dict[str, Any]:
    def record(number: int) -> dict[str, Any]:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": str(10_000 + number),
                "data": base64.b64encode(transaction(number, customer=number)).decode(),
                "approximateArrivalTimestamp": 1_780_000_000.25 + 60 * number,
            },
            "eventSource": "aws:kinesis",
            "eventID": f"shardId-000000000000:{10_000 + number}",
            "eventSourceARN": "arn:aws:kinesis:eu-west-1:111122223333:stream/fraud-transactions",
        }

    return {"Records": [record(number) for number in range(count)]}


def invoked(function: ModuleType, world: World, count: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    working = scorer(world)
    monkeypatch.setattr(function, "scorer", lambda: working)
    monkeypatch.setattr(function, "version", lambda endpoint, period: "7")
    found = function.handler(event(count), None)
    assert working._unwritten == {}
    return dict(found)


def test_all_is_done(function: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    assert invoked(function, world, 230, monkeypatch) == {"batchItemFailures": []}
    assert len(world.table) == len(world.stream) == world.counts["Scored"] == 230
    assert world.table[3]["put_at"]["S"] == "2026-05-28T20:29:40.250Z"


def test_what_is_not_done_is_named_from_its_first_record_on(
    function: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two batches of a hundred are done; of the third nothing is told, and Lambda comes again with it."""
    trouble = refusal("InternalServerError", "TransactWriteItems")
    world = World(troubles={"transact_write_items": [None, None, trouble]})
    assert invoked(function, world, 230, monkeypatch) == {"batchItemFailures": [{"itemIdentifier": "10200"}]}
    assert len(world.table) == len(world.stream) == 200
    assert invoked(function, world, 230, monkeypatch) == {"batchItemFailures": []}
    assert len(world.table) == 230
    assert world.counts["Scored"] == 230
    assert len(world.stream) == 430


def test_an_endpoint_that_is_away_fails_the_batch(function: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(troubles={"invoke_endpoint": [refusal("ValidationError", "InvokeEndpoint")]})
    assert invoked(function, world, 5, monkeypatch) == {"batchItemFailures": [{"itemIdentifier": "10000"}]}
    assert world.table == {}
