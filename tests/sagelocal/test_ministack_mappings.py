"""How a Lambda function is given a stream's records, and given them again."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import pytest

from sagelocal import ministack_mappings
from sagelocal.config import Settings

# Notes each call, fails on what it is told to.
FUNCTION = """
import base64, json, os, boto3

def handler(event, context):
    numbers = [json.loads(base64.b64decode(each["kinesis"]["data"])) for each in event["Records"]]
    s3, bucket = boto3.client("s3"), os.environ["BUCKET"]
    seen = int(s3.list_objects_v2(Bucket=bucket).get("KeyCount", 0))
    s3.put_object(Bucket=bucket, Key=f"{seen:03d}", Body=json.dumps(numbers).encode())
    bad = json.loads(os.environ["BAD"])
    if os.environ["WAY"] == "raises" and set(numbers) & set(bad):
        raise ValueError("no")
    left = [each for each, number in zip(event["Records"], numbers) if number in bad and seen < 3]
    return {"batchItemFailures": [{"itemIdentifier": each["kinesis"]["sequenceNumber"]} for each in left]}
"""


def mapped(settings: Settings, name: str, bad: list[int], way: str = "reports", **mapping: Any) -> None:
    """A function that reads a stream of its own, in batches of four."""
    settings.client("s3").create_bucket(Bucket=name)
    kinesis, functions = settings.client("kinesis"), settings.client("lambda")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("function.py", FUNCTION)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=settings.role_arn,
        Handler="function.handler",
        Code={"ZipFile": packed.getvalue()},
        Timeout=30,
        Environment={"Variables": {"BUCKET": name, "BAD": json.dumps(bad), "WAY": way}},
    )
    entries = [{"Data": json.dumps(number).encode(), "PartitionKey": "1"} for number in range(6)]
    kinesis.put_records(StreamName=name, Records=entries)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, StartingPosition="TRIM_HORIZON", BatchSize=4, **mapping
    )


def calls(settings: Settings, name: str, count: int) -> list[list[int]]:
    s3, deadline = settings.client("s3"), time.monotonic() + 60
    while time.monotonic() < deadline:
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=name).get("Contents", [])]
        if len(keys) >= count:
            return [json.loads(s3.get_object(Bucket=name, Key=key)["Body"].read()) for key in keys]
        time.sleep(0.05)
    raise AssertionError(f"only {keys}")


def test_it_goes_on_at_the_first_record_that_failed(laptop: Settings) -> None:
    mapped(laptop, "reporting", [2], FunctionResponseTypes=["ReportBatchItemFailures"])
    assert calls(laptop, "reporting", 5) == [[0, 1, 2, 3], [2, 3], [2, 3], [2, 3], [4, 5]]


class Service:
    """A mapping's function that fails with some records, without a process."""

    def __init__(self, bad: set[str]) -> None:
        self.bad, self.calls = bad, list[list[str]]()

    def _execute_function(self, function: Any, event: dict[str, Any]) -> dict[str, Any]:
        numbers = [each["kinesis"]["sequenceNumber"] for each in event["Records"]]
        self.calls.append(numbers)
        return {"error": bool(self.bad & set(numbers)), "body": {"errorMessage": "no"}}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"MaximumRetryAttempts": 1}, ["0123", "0123", "45"]),
        ({"MaximumRetryAttempts": 0, "BisectBatchOnFunctionError": True}, ["0123", "01", "2345", "23", "2", "345"]),
    ],
)
def test_what_fails_is_tried_so_often_and_split(
    more: dict[str, Any], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import lambda_svc

    service = Service({"2"})
    monkeypatch.setattr(lambda_svc, "_execute_function", service._execute_function)
    monkeypatch.setattr(lambda_svc, "_ESM_BACKOFF_SECONDS", 0)
    mapping = {"UUID": "m", "FunctionName": "f", "EventSourceArn": "a:stream/s", "BatchSize": 4, **more}
    records = [
        {"SequenceNumber": str(each), "PartitionKey": "1", "Data": "", "ApproximateArrivalTimestamp": 0.0}
        for each in range(6)
    ]
    mappings, places = ministack_mappings.Mappings(), dict[str, str]()
    for _ in range(10):
        mappings._invoke(mapping, {}, "shard", records, places)
    assert ["".join(each) for each in service.calls] == expected
    assert places == {"shard": "5"}


@pytest.mark.parametrize(
    ("body", "done"),
    [
        ({"batchItemFailures": []}, 3),
        ({}, 3),
        (None, 3),
        ({"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "1"}]}, 1),
        ('{"batchItemFailures": [{"itemIdentifier": "2"}]}', 2),
        ({"batchItemFailures": [{"itemIdentifier": "another stream's"}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
    ],
)
def test_what_a_function_reports(body: Any, done: int) -> None:
    mapping = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
    batch = [{"SequenceNumber": str(each)} for each in range(3)]
    assert ministack_mappings.outcome({"body": body}, mapping, batch)[0] == done
    assert ministack_mappings.outcome({"body": body}, {}, batch)[0] == 3
    assert ministack_mappings.outcome({"body": body, "error": True}, mapping, batch)[0] == 0
