"""The lease of a scorer: who gets it, who is told what, and what becomes of it however its holder ends."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from deploy import scoring_lease
from deploy.scoring_lease import HeldError, Lease

TABLE = "fraud-checkpoints"
Make = Callable[..., Lease]


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("reader", "shard")],
            KeySchema=[
                {"AttributeName": "reader", "KeyType": "HASH"},
                {"AttributeName": "shard", "KeyType": "RANGE"},
            ],
        )
        yield client


def until(dynamodb: Any) -> datetime:
    found = scoring_lease.found(dynamodb, TABLE, "scorer")
    assert found is not None
    return found.until


@pytest.fixture
def now() -> list[float]:
    return [1_780_000_000.0]


@pytest.fixture
def lease(dynamodb: Any, now: list[float]) -> Make:
    def make(holder: str, **more: Any) -> Lease:
        return Lease(dynamodb, TABLE, "scorer", holder, **{"clock": lambda: now[0], **more})

    return make


def test_a_second_one_is_refused_and_told_who_has_it_and_until_when(lease: Make, now: list[float]) -> None:
    lease("ann@one, process 7").hold()
    with pytest.raises(HeldError, match=r"ann@one, process 7 holds it until 20:27:10 UTC\. Stop that one"):
        lease("bob@two, process 8").hold()
    now[0] += 20
    lease("ann@one, process 7").hold()
    now[0] += 20
    with pytest.raises(HeldError, match="until 20:27:30 UTC"):
        lease("bob@two, process 8").hold()


def test_after_its_end_another_one_takes_it_over_and_the_first_is_refused(lease: Make, now: list[float]) -> None:
    first, second = lease("first"), lease("second")
    first.hold()
    now[0] += scoring_lease.SECONDS + 0.01
    second.hold()
    with pytest.raises(HeldError, match="second holds it"):
        first.hold()
    first.give_up()  # changes nothing of the other's
    with pytest.raises(HeldError, match="second holds it"):
        first.hold()


def test_given_up_it_is_free_at_once(lease: Make, dynamodb: Any) -> None:
    first = lease("first")
    first.hold()
    first.give_up()
    assert scoring_lease.found(dynamodb, TABLE, "scorer") is None
    lease("second").hold()
    assert scoring_lease.found(dynamodb, TABLE, "scorer") == ("second", datetime(2026, 5, 28, 20, 27, 10, tzinfo=UTC))


def test_kept_it_is_renewed_and_given_up_at_a_clean_end_only(dynamodb: Any) -> None:
    mine = Lease(dynamodb, TABLE, "scorer", "first", seconds=0.6)
    with mine.kept(pytest.fail):
        first = until(dynamodb)
        while until(dynamodb) == first:
            time.sleep(0.05)
    assert scoring_lease.found(dynamodb, TABLE, "scorer") is None
    with pytest.raises(ZeroDivisionError), mine.kept(pytest.fail):
        raise ZeroDivisionError  # it is started again, and has it still
    assert scoring_lease.found(dynamodb, TABLE, "scorer") is not None


def test_one_who_lost_it_hears_of_it_once(dynamodb: Any, caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()
    mine = Lease(dynamodb, TABLE, "scorer", "first", seconds=0.3)
    with mine.kept(told.set):
        # As if this machine had stood still for longer than a lease.
        item = {"reader": {"S": "lease"}, "shard": {"S": "scorer"}, "holder": {"S": "second"}}
        dynamodb.put_item(TableName=TABLE, Item={**item, "expires_at": {"N": str(time.time() + 60)}})
        assert told.wait(10)
    assert "second holds it" in caplog.text
    found = scoring_lease.found(dynamodb, TABLE, "scorer")
    assert found is not None
    assert (found.name, found.ended) == ("second", False)


def test_a_table_that_is_away_is_waited_for(dynamodb: Any, caplog: pytest.LogCaptureFixture) -> None:
    mine, put, number = Lease(dynamodb, TABLE, "scorer", "first", seconds=0.15), dynamodb.put_item, itertools.count()

    def failing(**request: Any) -> Any:
        if 0 < next(number) < 4:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "away"}}, "PutItem")
        return put(**request)

    dynamodb.put_item = failing
    with mine.kept(pytest.fail):
        while next(number) < 9:  # renewed after it was away
            time.sleep(0.05)
    assert "away" in caplog.text
