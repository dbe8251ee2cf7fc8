"""A world of a stream that is scored: each service that a scorer calls, in memory, and a kill at any of its effects."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy.scoring import Scorer
from deploy.scoring_metrics import Metrics
from deploy.scoring_model import Model
from deploy.scoring_quarantine import Quarantine
from deploy.scoring_results import Stream, Table, Topic, plain
from deploy.scoring_states import States
from deploy.sources import Position, Record

CUSTOMERS, TERMINALS = "fraud-customers", "fraud-terminals"
LARGE = 300.0  # euros, from which the model's answer is an alert
POISON = 66.66  # euros, which the model breaks on


class Killed(BaseException):
    """As by SIGKILL: nothing catches it, and nothing happens after it."""


def refusal(code: str, operation: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, operation)


class AtOnce(Executor):
    """Runs what it is given when it is given it, so that the n-th effect is the same each time."""

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


@dataclass
class World:
    """What the services hold. `kill_at`: number of the effect, from 0, before, amidst or after which it ends."""

    table: dict[int, dict[str, Any]] = field(default_factory=dict)
    stream: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[int] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    records: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # of feature groups
    counts: dict[str, float] = field(default_factory=dict)
    committed: int = 0
    calls: list[str] = field(default_factory=list)
    kill_at: int = -1
    moment: str = "before"
    effects: int = 0
    dead: bool = False
    troubles: dict[str, list[Any]] = field(default_factory=dict)  # operation -> what goes wrong at its next calls

    def effect(self, name: str, parts: Sequence[Callable[[], None]]) -> None:
        """Its parts happen one by one, as nothing says that they happen together."""
        if self.dead:
            raise Killed
        number, self.effects = self.effects, self.effects + 1
        self.calls.append(name)
        if number != self.kill_at:
            for part in parts:
                part()
            return
        self.dead = True
        done = {"before": 0, "between": len(parts) // 2, "after": len(parts)}[self.moment]
        for part in parts[:done]:
            part()
        raise Killed

    def trouble(self, operation: str) -> Any:
        left = self.troubles.get(operation)
        found = left.pop(0) if left else None
        if isinstance(found, Exception):
            raise found
        return found

    # DynamoDB.

    def transact_write_items(self, TransactItems: Sequence[Mapping[str, Any]]) -> None:
        self.trouble("transact_write_items")
        puts = [each["Put"] for each in TransactItems if "Put" in each]
        old = [self.table.get(int(each["Item"]["transaction_id"]["N"])) for each in puts]
        if any(old):
            reasons = [{"Code": "ConditionalCheckFailed", "Item": each} if each else {"Code": "None"} for each in old]
            raise refusal("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        assert len({each["Item"]["transaction_id"]["N"] for each in puts}) == len(puts)

        def all_of_it() -> None:
            for each in puts:
                assert each["ConditionExpression"] == "attribute_not_exists(transaction_id)"
                self.table[int(each["Item"]["transaction_id"]["N"])] = dict(each["Item"])
            for each in TransactItems:
                if "Update" in each:
                    key = int(each["Update"]["Key"]["transaction_id"]["N"])
                    self.table[key]["alerted_at"] = each["Update"]["ExpressionAttributeValues"][":now"]

        self.effect("table" if puts else "note", [all_of_it])

    # Kinesis, SNS, S3, CloudWatch.

    def put_records(self, StreamName: str, Records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        refused = self.trouble("put_records") or set()
        taken = [each for number, each in enumerate(Records) if number not in refused]
        self.effect("stream", [partial(self.stream.append, json.loads(each["Data"])) for each in taken])
        told = [{"ErrorCode": "InternalFailure"} if number in refused else {} for number in range(len(Records))]
        return {"FailedRecordCount": len(refused), "Records": told}

    def publish_batch(self, TopicArn: str, PublishBatchRequestEntries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        self.trouble("publish_batch")
        told = [int(each["Id"]) for each in PublishBatchRequestEntries]
        self.effect("alerts", [partial(self.alerts.append, each) for each in told])
        return {"Successful": [], "Failed": []}

    def put_object(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str, ContentType: str) -> None:
        if Key in self.objects:
            raise refusal("PreconditionFailed", "PutObject")
        self.effect("quarantine", [lambda: self.objects.__setitem__(Key, Body)])

    def put_metric_data(self, Namespace: str, MetricData: Sequence[Mapping[str, Any]]) -> None:
        def all_of_it() -> None:
            for each in MetricData:
                number = each["Value"] if "Value" in each else sum(each["Counts"])
                self.counts[each["MetricName"]] = self.counts.get(each["MetricName"], 0) + number

        self.effect("metrics", [all_of_it])

    # The Feature Store and the endpoint.

    def batch_get_record(self, Identifiers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        assert sum(len(each["RecordIdentifiersValueAsString"]) for each in Identifiers) <= 100
        found = [
            {"FeatureGroupName": group, "RecordIdentifierValueAsString": identifier, "Record": _listed(record)}
            for group, identifier in _keys(Identifiers)
            if (record := self.records.get((group, identifier)))
        ]
        return {"Records": found, "Errors": [], "UnprocessedIdentifiers": self.trouble("batch_get_record") or []}

    def batch_write_record(self, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        assert len(Entries) <= 25
        left = self.trouble("batch_write_record") or 0
        self.effect("states", [partial(self._write, each) for each in Entries[: len(Entries) - left]])
        return {"Errors": [], "UnprocessedEntries": Entries[len(Entries) - left :]}

    def _write(self, entry: Mapping[str, Any]) -> None:
        values = {each["FeatureName"]: each["ValueAsString"] for each in entry["Record"]}
        if entry.get("TargetStores") == ["OfflineStore"]:
            return
        identifier = values["customer_id" if entry["FeatureGroupName"] == CUSTOMERS else "terminal_id"]
        old = self.records.get((entry["FeatureGroupName"], identifier))
        if old is None or float(old["event_time"]) <= float(
            values["event_time"]
        ):  # else the online store keeps what it has
            self.records[entry["FeatureGroupName"], identifier] = values

    def invoke_endpoint(self, Body: str, **_: Any) -> dict[str, Any]:
        self.trouble("invoke_endpoint")
        self.calls.append("model")
        rows = json.loads(Body)["instances"]
        if any(each["amount"] == POISON for each in rows):
            raise refusal("ModelError", "InvokeEndpoint", OriginalStatusCode=500)
        known = [{name: value for name, value in each.items() if name != "transaction_id"} for each in rows]
        answer = {"predictions": [answered(each) for each in known]}
        return {"Body": io.BytesIO(json.dumps(answer).encode())}


def answered(row: Mapping[str, float]) -> dict[str, Any]:
    """Of a model that looks at everything, so that a score that differs shows."""
    total = sum(math.sin(number + 1) * value for number, value in enumerate(row.values()))
    names = ["amount_ratio", "terminal_7d_risk", "customer_1d_count"]
    return {
        "probability": 1 / (1 + math.exp(-total / 1e4)),
        "predicted_label": int(row["amount"] >= LARGE),
        "reasons": [{"feature": name, "value": row[name], "contribution": 0.1} for name in names],
    }


def _keys(identifiers: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(each["FeatureGroupName"], one) for each in identifiers for one in each["RecordIdentifiersValueAsString"]]


def _listed(record: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"FeatureName": name, "ValueAsString": record[name]} for name in ("state", "event_time")]


def scorer(world: World, pool: Executor | None = None) -> Scorer:
    """A new process's."""
    pool = pool or AtOnce()
    world.dead, services = False, world
    return Scorer(
        model=Model(services, "fraud-production"),
        states=States(services, {CUSTOMERS: "customer_id", TERMINALS: "terminal_id"}, pool),
        table=Table(services, "fraud-scores"),
        stream=Stream(services, "fraud-scores"),
        topic=Topic(services, "arn:aws:sns:eu-west-1:111122223333:fraud-alerts"),
        quarantine=Quarantine(services, "fraud-lake", "fraud", pool),
        metrics=Metrics(services, "mlops/fraud", "fraud-transactions"),
        pool=pool,
        customers=CUSTOMERS,
        terminals=TERMINALS,
        version="7",
    )


def transaction(number: int, customer: int = 1, terminal: int = 10, amount: float = 20.0, second: int = -1) -> bytes:
    time = datetime.fromtimestamp(1_780_000_000 + (number * 60 if second < 0 else second), UTC)
    return json.dumps(
        {
            "transaction_id": number,
            "transaction_time": time.isoformat().replace("+00:00", "Z"),
            "customer_id": customer,
            "terminal_id": terminal,
            "amount": amount,
            "x": 12.3 + terminal % 7,
            "y": 88.0 - customer % 5,
        }
    ).encode()


def record(data: bytes, number: int) -> Record:
    arrived = datetime.fromtimestamp(1_780_000_000 + number * 60 + 0.25, UTC)
    return Record("1", data, arrived, Position("shardId-000000000000", str(10_000 + number)))


def items(world: World) -> dict[int, dict[str, Any]]:
    """The table, without when it was written."""
    found = {key: {name: plain(value) for name, value in item.items()} for key, item in world.table.items()}
    return {key: {n: v for n, v in each.items() if n not in ("scored_at", "alerted_at")} for key, each in found.items()}
