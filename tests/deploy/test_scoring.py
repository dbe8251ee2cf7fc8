"""What a stream's scorer leaves behind, whatever happens to it on the way."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from scoring_world import (
    CUSTOMERS,
    LARGE,
    POISON,
    TERMINALS,
    Killed,
    World,
    answered,
    items,
    record,
    refusal,
    scorer,
    transaction,
)

from deploy import scoring_states
from deploy.scoring import Batch, Scorer, _together
from deploy.scoring_model import Model
from deploy.scoring_results import NotTakenError, attribute, plain
from deploy.scoring_states import Held, UnavailableError
from deploy.sources import Record
from processing import fraud_windows

PAYMENTS = [
    transaction(1, customer=1, terminal=10),
    transaction(2, customer=2, terminal=10, amount=LARGE),
    transaction(3, customer=1, terminal=11, amount=45.5),
    b"{not json",
    transaction(4, customer=3, terminal=12),
    transaction(3, customer=1, terminal=11, amount=45.5),  # twice in one batch or the next
    transaction(5, customer=1, terminal=10, amount=2 * LARGE),
    transaction(6, customer=2, terminal=12, second=200),  # late: before others of customer 2
    transaction(7, customer=3, terminal=10, amount=POISON),
    transaction(8, customer=1, terminal=10),
    transaction(1, customer=1, terminal=10),  # once more, long after
    transaction(9, customer=2, terminal=11, amount=LARGE),
]
RECORDS = [record(each, number) for number, each in enumerate(PAYMENTS)]
SCORED = {1, 2, 3, 4, 5, 6, 8, 9}
ALERTS = [2, 5, 9]


def consume(world: World, size: int = 4, ahead: bool = False) -> None:
    """What a new process does: from the last commit on, with the next batch scored before the last is kept, or not."""
    working = scorer(world)
    waiting: list[tuple[Batch, int]] = []
    for start in range(world.committed, len(RECORDS), size):
        part = RECORDS[start : start + size]
        waiting.append((working.score(part), start + len(part)))
        if len(waiting) > ahead:
            keep(world, working, *waiting.pop(0))
    for each in waiting:
        keep(world, working, *each)
    working.metrics.publish()


def keep(world: World, working: Scorer, batch: Batch, end: int) -> None:
    working.keep(batch)
    world.effect("commit", [lambda: setattr(world, "committed", end)])


def told(world: World) -> list[dict]:
    """The stream as a reader has it that drops what it has seen."""
    first: dict[int, dict] = {}
    for each in world.stream:
        first.setdefault(each["transaction_id"], each)
    return list(first.values())


@pytest.fixture(scope="module")
def undisturbed() -> World:
    world = World()
    consume(world)
    return world


def test_every_transaction_is_scored_once_and_told(undisturbed: World) -> None:
    assert set(undisturbed.table) == SCORED
    assert [each["transaction_id"] for each in undisturbed.stream] == [1, 2, 3, 4, 3, 6, 5, 8, 9, 1]
    assert undisturbed.alerts == ALERTS
    assert {key for key, item in undisturbed.table.items() if "alerted_at" in item} == set(ALERTS)
    assert undisturbed.counts["Scored"] == len(SCORED)
    assert undisturbed.counts["Alerts"] == len(ALERTS)
    assert undisturbed.counts["Latency"] == len(SCORED)


def test_an_item_has_what_its_readers_need(undisturbed: World) -> None:
    item = items(undisturbed)[5]
    assert {name: item[name] for name in ("transaction_id", "customer_id", "terminal_id", "amount", "alert")} == {
        "transaction_id": 5,
        "customer_id": 1,
        "terminal_id": 10,
        "amount": 600.0,
        "alert": True,
    }
    assert item["day"] == item["alert_day"] == item["transaction_time"][:10]
    assert item["model"] == "7"
    assert item["put_at"] == "2026-05-28T20:32:40.250Z"
    assert len(item["reasons"]) == 3
    assert "times this customer's average of 30 days" in item["reasons"][0]
    assert "alert_day" not in items(undisturbed)[1]
    told_of_it = next(each for each in undisturbed.stream if each["transaction_id"] == 5)
    assert "day" not in told_of_it
    assert told_of_it["score"] == item["score"]


def test_features_are_those_of_a_pass_over_the_transactions_one_by_one(undisturbed: World) -> None:
    customers: dict[int, dict] = {}
    terminals: dict[int, dict] = {}
    expected: dict[int, tuple[dict[str, float], float]] = {}
    for each in RECORDS:
        try:
            payment = fraud_windows.parse(each.data)
        except fraud_windows.Refused:
            continue
        customer, terminal = payment["customer_id"], payment["terminal_id"]
        row, customers[customer], terminals[terminal] = fraud_windows.features(
            payment, customers.get(customer), terminals.get(terminal)
        )
        expected.setdefault(payment["transaction_id"], (row, answered(row)["probability"]))
    for number, item in items(undisturbed).items():
        assert (item["features"], item["score"]) == expected[number]
    held = {name: json.loads(each["state"]) for name, each in undisturbed.records.items()}
    assert held == {
        **{(CUSTOMERS, str(key)): state for key, state in customers.items()},
        **{(TERMINALS, str(key)): state for key, state in terminals.items()},
    }


def test_bad_records_are_set_aside_and_hold_up_nobody(undisturbed: World) -> None:
    """The malformed one is the validation's to quarantine; the one that the model breaks on is ours."""
    ((key, body),) = undisturbed.objects.items()
    assert key == "lake/fraud/quarantine/date=2026-05-28/reason=unanswered/scorer-shardId-000000000000-10008.json"
    assert json.loads(body)["record"] == PAYMENTS[8].decode()
    assert "66.66" in json.loads(body)["problem"]
    assert undisturbed.counts["Unscored"] == 1
    world = World()
    working = scorer(world)
    working.validated = False  # a source whose records nobody validates on their way
    working.keep(working.score(RECORDS))
    assert [key.split("/")[4] for key in world.objects] == ["reason=malformed", "reason=unanswered"]


@pytest.mark.parametrize(
    ("moment", "ahead"), [("before", True), ("between", False), ("between", True), ("after", True)]
)
def test_killed_at_any_effect_and_run_again_it_ends_the_same(undisturbed: World, moment: str, ahead: bool) -> None:
    for number in range(undisturbed.effects):
        world = World(kill_at=number, moment=moment)
        with pytest.raises(Killed):
            consume(world, ahead=ahead)
        killed = world.calls[-1]
        world.kill_at = -1
        consume(world, size=3, ahead=ahead)  # batches are cut anew

        said = f"killed {moment} {killed}, effect {number}"
        assert items(world) == items(undisturbed), said
        assert world.records == undisturbed.records, said
        assert world.objects == undisturbed.objects, said
        in_order = [each["transaction_id"] for each in told(world)]
        for customer in (1, 2, 3):
            of_customer = [key for key in in_order if items(world)[key]["customer_id"] == customer]
            assert of_customer == [key for key in (1, 2, 3, 4, 5, 6, 8, 9) if key in of_customer], said
        for each in world.stream:  # also what was told twice
            assert each["scored_at"] == plain(world.table[each["transaction_id"]]["scored_at"]), said
        assert set(world.alerts) == set(ALERTS), said
        if killed not in ("alerts", "note"):
            assert sorted(world.alerts) == ALERTS, said
        for name, count in undisturbed.counts.items():
            assert world.counts.get(name, 0) <= count, said


def test_an_analysts_label_outlives_the_transaction_coming_again() -> None:
    world = World()
    consume(world)
    world.table[5]["label"] = attribute("fraud")
    world.committed = 0
    consume(world)
    assert world.table[5]["label"] == {"S": "fraud"}
    assert world.alerts == ALERTS
    assert world.counts["Scored"] == len(SCORED)


@pytest.mark.parametrize(
    ("operation", "trouble", "error"),
    [
        ("batch_get_record", refusal("ThrottlingException", "BatchGetRecord"), "ThrottlingException"),
        ("invoke_endpoint", refusal("ValidationError", "InvokeEndpoint"), "ValidationError"),
        ("transact_write_items", refusal("InternalServerError", "TransactWriteItems"), "InternalServerError"),
        ("put_records", refusal("LimitExceededException", "PutRecords"), "LimitExceededException"),
        ("publish_batch", refusal("InternalError", "PublishBatch"), "InternalError"),
        ("batch_write_record", refusal("InternalFailure", "BatchWriteRecord"), "InternalFailure"),
    ],
)
def test_what_a_service_refuses_can_be_tried_again_and_ends_the_same(
    undisturbed: World, operation: str, trouble: Exception, error: str
) -> None:
    world, said = World(troubles={operation: [trouble]}), list[str]()
    working = scorer(world)
    for start in range(0, len(RECORDS), 4):
        part = RECORDS[start : start + 4]
        try:
            batch = working.score(part)
            working.keep(batch)
        except ClientError as refused:
            said.append(str(refused))
            batch = working.score(part)
            working.keep(batch)
    working.metrics.publish()
    assert len(said) == 1
    assert error in said[0]
    assert items(world) == items(undisturbed)
    assert {key: each["state"] for key, each in world.records.items()} == {
        key: each["state"] for key, each in undisturbed.records.items()
    }
    assert world.alerts == ALERTS
    assert world.counts == undisturbed.counts


def test_what_services_leave_undone_is_done_at_the_next_attempt(
    undisturbed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("scoring_states", "scoring_results"):
        monkeypatch.setattr(f"deploy.{module}._PAUSES", (0.0, 0.0, 0.0))
    conflict = refusal("TransactionCanceledException", "T", CancellationReasons=[{"Code": "TransactionConflict"}])
    world = World(
        troubles={
            "batch_get_record": [[{"FeatureGroupName": CUSTOMERS, "RecordIdentifiersValueAsString": ["1"]}]],
            "batch_write_record": [2],
            "put_records": [{1, 2}],
            "transact_write_items": [conflict],
        }
    )
    consume(world)
    assert items(world) == items(undisturbed)
    assert world.records == undisturbed.records
    assert world.counts == undisturbed.counts
    customers = [(each["customer_id"], each["transaction_id"]) for each in told(world)]
    assert [key for customer, key in customers if customer == 1] == [1, 3, 5, 8]


def test_what_services_never_do_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("scoring_states", "scoring_results"):
        monkeypatch.setattr(f"deploy.{module}._PAUSES", (0.0, 0.0))
    batch = scorer(World()).score(RECORDS[:3])
    with pytest.raises(NotTakenError, match="fraud-scores refused 2 scores"):
        scorer(World(troubles={"put_records": [{0, 1}, {0, 1}]})).keep(batch)
    with pytest.raises(UnavailableError, match="unwritten"):
        scorer(World(troubles={"batch_write_record": [1, 1]})).keep(batch)
    codes = [{"Code": "ThrottlingError"}, {"Code": "None"}]
    conflict = refusal("TransactionCanceledException", "T", CancellationReasons=codes)
    with pytest.raises(NotTakenError, match="ThrottlingError"):
        scorer(World(troubles={"transact_write_items": [conflict, conflict]})).keep(batch)


def test_an_endpoint_that_answers_nothing_quarantines_nothing() -> None:
    error = refusal("ModelError", "InvokeEndpoint", OriginalStatusCode=500)
    with pytest.raises(type(error)):
        scorer(World(troubles={"invoke_endpoint": [error, error]})).score(RECORDS[:2])


def test_a_container_that_stumbles_once_quarantines_nothing() -> None:
    error = refusal("ModelError", "InvokeEndpoint", OriginalStatusCode=500)
    batch = scorer(World(troubles={"invoke_endpoint": [error]})).score(RECORDS[:1])
    assert (len(batch.items), len(batch.refused)) == (1, 0)


def test_an_answer_that_is_no_number_is_none() -> None:
    class Runtime:
        def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
            return {"Body": io.BytesIO(b'{"predictions": [{"probability": NaN}, {"probability": 0.25}]}')}

    assert Model(Runtime(), "fraud-production").ask([{}, {}]) == [None, {"probability": 0.25}]


def test_one_request_answers_a_batch_and_few_find_the_poison() -> None:
    world = World()
    payments = [transaction(n, customer=n, amount=POISON if n == 77 else 20.0) for n in range(100)]
    batch = scorer(world).score([record(each, n) for n, each in enumerate(payments)])
    assert [each.record.position.number for each in batch.refused] == ["10077"]
    assert len(batch.items) == 99
    assert len(world.calls) <= 17
    world = World()
    scorer(world).score([record(transaction(n, customer=n), n) for n in range(100)])
    assert world.calls == ["model"]


def test_a_customers_payments_of_one_batch_are_told_in_order() -> None:
    world = World(troubles={"put_records": [{0}]})  # the first is refused once, the others are taken
    working = scorer(world)
    working.keep(working.score([record(transaction(n, customer=n % 2), n) for n in range(6)]))
    for customer in (0, 1):
        mine = [each["transaction_id"] for each in world.stream if each["customer_id"] == customer]
        assert mine == sorted(mine)


def test_one_effects_error_is_raised_when_all_have_ended() -> None:
    """Else one of them would go on beside the next attempt."""
    ended = threading.Event()

    def fails() -> None:
        raise KeyError("first")

    def lasts() -> None:
        time.sleep(0.2)
        ended.set()

    with ThreadPoolExecutor(2) as pool:
        for effects in ([fails, lasts], [lasts, fails]):
            ended.clear()
            with pytest.raises(KeyError):
                _together(pool, effects)
            assert ended.is_set()


def test_batches_on_their_way_to_the_feature_store_count_for_the_next_one() -> None:
    """With threads as in the worker: what is scored ahead sees states that nobody has written yet."""
    world, expected = World(), World()
    payments = [record(transaction(n, customer=1, terminal=10, amount=10.0 + n), n) for n in range(30)]
    with ThreadPoolExecutor(4) as pool:
        working, batches = scorer(world, pool), list[Batch]()
        for start in range(0, 30, 10):
            batches.append(working.score(payments[start : start + 10]))
        for each in batches:
            working.keep(each)
    plainly = scorer(expected)
    for start in range(0, 30, 10):
        plainly.keep(plainly.score(payments[start : start + 10]))
    assert items(world) == items(expected)
    assert world.records == expected.records
    assert working._unwritten == {}


def test_event_times_never_go_back() -> None:
    """Else the online store would keep the older state: it takes what has the latest event time."""
    held = scoring_states.after(None, {"events": []}, "2026-06-01T12:00:00Z", {})
    assert held.event_time == "2026-06-01T12:00:00.000Z"
    late = scoring_states.after(held, {"events": []}, "2026-06-01T11:00:00Z", {})
    assert late.event_time == "2026-06-01T12:00:00.002Z"
    assert scoring_states.after(late, {}, "2026-06-01T12:00:01Z", {}).event_time == "2026-06-01T12:00:01.000Z"


def test_a_record_of_a_feature_group_has_its_windows() -> None:
    world = World()
    consume(world)
    customer, terminal = world.records[CUSTOMERS, "2"], world.records[TERMINALS, "12"]
    names = [name for name in fraud_windows.FEATURES if name.startswith("customer_")]
    assert set(customer) == {"customer_id", "event_time", "state", *names}
    assert customer["customer_30d_count"] == "3"
    assert set(terminal) == {"terminal_id", "event_time", "state", *_terminal_names()}
    assert Held(json.loads(customer["state"]), "").state["events"]


def test_event_times_are_seconds_in_a_record_and_come_back() -> None:
    """As seconds the SDK's point-in-time joins can read them."""
    world = World()
    states = scorer(world).states
    held = Held({"events": []}, "2026-06-01T12:00:00.001Z")
    states.write({(CUSTOMERS, 1): held})
    assert world.records[CUSTOMERS, "1"]["event_time"] == "1780315200.001"
    assert states.fetch([(CUSTOMERS, 1)]) == {(CUSTOMERS, 1): held}


def test_the_offline_store_gets_the_windows_of_each_transaction_of_a_batch() -> None:
    world, sent = World(), list[Any]()
    working = scorer(world)
    original = world.batch_write_record

    def written(Entries: list[Any]) -> Any:
        sent.extend(Entries)
        return original(Entries)

    world.batch_write_record = written  # type: ignore[method-assign]
    working.keep(working.score([record(transaction(n, customer=n % 2), n) for n in range(3)]))
    passed = [each for each in sent if each.get("TargetStores") == ["OfflineStore"]]
    assert sent[: len(passed)] == passed
    found = [{each["FeatureName"]: each["ValueAsString"] for each in entry["Record"]} for entry in passed]
    assert ["customer_id" in each for each in found] == [False, True, False]  # one terminal, and customer 0 twice
    assert all("state" not in each for each in found)
    assert found[1]["customer_1d_count"] == "1"
    assert world.records[CUSTOMERS, "0"]["customer_1d_count"] == "2"


def _terminal_names() -> Sequence[str]:
    return [name for name in fraud_windows.FEATURES if name.startswith("terminal_")]


def test_values_come_back_from_the_table_as_they_went() -> None:
    value = {"a": [1, 0.1, 1e-07, "x", True], "b": {"c": 12345678901234567}}
    assert plain(attribute(value)) == value
    assert [attribute(each) for each in (-0.0, 5e-324, 1e-131)] == [{"N": "0"}] * 3  # DynamoDB refuses smaller ones


def test_a_source_that_repeats_itself_at_once_is_scored_once() -> None:
    world = World()
    twice = [Record("1", transaction(1), RECORDS[0].arrived_at, RECORDS[0].position)] * 3
    working = scorer(world)
    working.keep(working.score(twice))
    assert set(world.table) == {1}
    assert len(world.stream) == 1
    assert world.records[CUSTOMERS, "1"]["customer_1d_count"] == "1"
