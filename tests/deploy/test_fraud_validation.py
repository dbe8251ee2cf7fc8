"""The function that validates transactions on their way into the lake: what goes where, and that nothing is lost."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROOT = Path(__file__).parents[2]
ARRIVED = 1_780_000_000_123  # 2026-05-28T20:26:40.123Z
GOOD = {
    "transaction_id": 1203,
    "transaction_time": "2026-05-28T20:26:39Z",
    "customer_id": 42,
    "terminal_id": 1077,
    "amount": 57.16,
    "x": 12.3,
    "y": 88.0,
}


class CloudWatch:
    def __init__(self) -> None:
        self.counted: dict[str, float] = {}
        self.broken = False

    def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:
        if self.broken:
            raise ClientError({"Error": {"Code": "Throttling", "Message": ""}}, "PutMetricData")
        assert Namespace == "mlops/fraud"
        for each in MetricData:
            assert each["Dimensions"] == [{"Name": "Stream", "Value": "fraud-transactions"}]
            self.counted[each["MetricName"]] = each["Value"]


@pytest.fixture
def cloudwatch() -> CloudWatch:
    return CloudWatch()


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, cloudwatch: CloudWatch) -> ModuleType:
    """Loaded as Lambda loads it: with `fraud_windows` beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "processing"))
    monkeypatch.setenv("NAMESPACE", "mlops/fraud")
    monkeypatch.setenv("STREAM", "fraud-transactions")
    spec = importlib.util.spec_from_file_location(
        "fraud_validation", ROOT / "deploy" / "lambda" / "fraud_validation.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "cloudwatch", lambda: cloudwatch)
    return module


def event(*records: bytes) -> dict[str, Any]:
    return {
        "records": [
            {
                "recordId": f"r{number}",
                "approximateArrivalTimestamp": ARRIVED + 60_000,  # Firehose's own, later than Kinesis's
                "data": base64.b64encode(data).decode(),
                "kinesisRecordMetadata": {
                    "shardId": "shardId-000000000001",
                    "partitionKey": "42",
                    "sequenceNumber": "49",
                    "approximateArrivalTimestamp": ARRIVED,
                },
            }
            for number, data in enumerate(records)
        ]
    }


def row(answer: dict[str, Any]) -> dict[str, Any]:
    line = base64.b64decode(answer["data"])
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


def said(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


def test_a_transaction_goes_into_its_own_day_in_its_fields(function: ModuleType, cloudwatch: CloudWatch) -> None:
    late = said(transaction_time="2026-05-27T23:59:59Z", colour="red")
    (answer,) = function.handler(event(late), None)["records"]
    assert (answer["recordId"], answer["result"]) == ("r0", "Ok")
    assert answer["metadata"]["partitionKeys"] == {"table": "transactions", "date": "2026-05-27", "folder": "valid"}
    kept = {**GOOD, "transaction_time": "2026-05-27T23:59:59Z", "arrived_at": "2026-05-28T20:26:40.123Z"}
    assert row(answer) == kept
    assert cloudwatch.counted == {"Received": 1, "Quarantined": 0}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"[1]", "malformed"),
        (b"\xff\xfe\x00", "malformed"),
        (b"[" * 4000, "malformed"),
        (said(amount=None), "missing_field"),
        (said(customer_id="42"), "wrong_type"),
        (said(customer_id=-1), "bad_id"),
        (said(amount=-5), "not_positive_amount"),
        (said(amount=1e9), "too_large_amount"),
        (said(x=101.0), "off_the_map"),
        (said(transaction_time="2026-05-28T21:26:40Z"), "future"),
        (said(transaction_time="2020-01-01T00:00:00Z"), "ancient"),
        (said(note="x" * 5000), "too_long"),
    ],
)
def test_what_is_refused_is_kept_as_it_came_with_the_reason(
    function: ModuleType, cloudwatch: CloudWatch, data: bytes, reason: str
) -> None:
    (answer,) = function.handler(event(data), None)["records"]
    keys = {"table": "quarantine", "date": "2026-05-28", "folder": f"reason={reason}"}
    assert (answer["result"], answer["metadata"]["partitionKeys"]) == ("Ok", keys)
    kept = row(answer)
    as_it_came = base64.b64decode(kept["record"]) if kept["encoding"] == "base64" else kept["record"].encode()
    assert as_it_came == data
    assert kept["problem"]
    assert (kept["arrived_at"], kept["partition_key"]) == ("2026-05-28T20:26:40.123Z", "42")
    assert (kept["shard"], kept["sequence_number"]) == ("shardId-000000000001", "49")
    assert cloudwatch.counted == {"Received": 1, "Quarantined": 1}


def test_the_same_record_gets_the_same_answer_again(function: ModuleType) -> None:
    twice = event(said(), said(amount=0))
    assert function.handler(twice, None) == function.handler(twice, None)


def test_a_record_on_which_the_code_fails_holds_up_no_other(
    function: ModuleType, cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = function.fraud_windows.parse

    def breaking(data: bytes, now: float) -> Any:
        if b"poison" in data:
            raise ZeroDivisionError
        return parse(data, now)

    monkeypatch.setattr(function.fraud_windows, "parse", breaking)
    answers = function.handler(event(said(), b"poison", said(amount=0)), None)["records"]
    assert [each["result"] for each in answers] == ["Ok", "ProcessingFailed", "Ok"]
    assert base64.b64decode(answers[1]["data"]) == b"poison"
    assert cloudwatch.counted == {"Received": 3, "Quarantined": 1}


def test_counting_never_stops_a_delivery(function: ModuleType, cloudwatch: CloudWatch) -> None:
    cloudwatch.broken = True
    assert function.handler(event(said()), None)["records"][0]["result"] == "Ok"


def test_a_record_of_a_megabyte_fits_into_the_answer(function: ModuleType) -> None:
    """Lambda's answers have 6 MB at most; as JSON text each of these bytes would take six."""
    answer = function.handler(event(b"\x01" * 1_000_000), None)
    assert row(answer["records"][0])["encoding"] == "base64"
    assert len(json.dumps(answer)) < 6_000_000
