"""Validates transactions on their way into the lake: Firehose gives it each batch of records and files the answers.

A transaction goes into its own day, in the fields of `fraud_windows` with the time at which the stream took it; other
members of the object are left out. What is refused goes into the quarantine, as it came and with the reason: none is
lost. What fails in any other way is handed back as ProcessingFailed, which Firehose keeps under `undelivered/`, so that
one record never holds up the others. Firehose delivers at least once, so a record may come twice; its answer is the
same, because it is judged by when it arrived and not by now.

`fraud_windows` (processing/) travels beside this file; otherwise boto3 is all that it needs, and Lambda's runtime has
that.

    event:   {"records": [{"recordId": …, "data": base64, "approximateArrivalTimestamp": ms,
                           "kinesisRecordMetadata": {"shardId": …, "partitionKey": …, "sequenceNumber": …}}, …]}

Environment: NAMESPACE and STREAM, of the metrics Received and Quarantined.
"""

from __future__ import annotations

import base64
import collections
import functools
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
import fraud_windows

Document = dict[str, Any]
VALID = "valid"  # the folder of a day in which transactions are


def handler(event: Mapping[str, Any], context: Any) -> Document:
    """Firehose's answer: of each record its id, result, data and partition keys."""
    answers = [answered(record) for record in event["records"]]
    tell(answers)
    return {"records": answers}


def answered(record: Mapping[str, Any]) -> Document:
    data = base64.b64decode(record["data"])
    try:
        row, keys = judged(data, record)
    except Exception as error:
        print(json.dumps({"recordId": record["recordId"], "error": repr(error)}))
        return {"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]}
    line = json.dumps(row, separators=(",", ":")) + "\n"
    return {
        "recordId": record["recordId"],
        "result": "Ok",
        "data": base64.b64encode(line.encode()).decode(),
        "metadata": {"partitionKeys": keys},
    }


def judged(data: bytes, record: Mapping[str, Any]) -> tuple[Document, dict[str, str]]:
    """A record's line in the lake and where that belongs."""
    source = record.get("kinesisRecordMetadata") or {}
    arrived = (source.get("approximateArrivalTimestamp") or record["approximateArrivalTimestamp"]) / 1000
    arrived_at = datetime.fromtimestamp(arrived, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    try:
        found = fraud_windows.parse(data, arrived)
    except fraud_windows.Refused as refused:
        kept, encoding = readable(data)
        row = {"problem": refused.text, "record": kept, "encoding": encoding, "arrived_at": arrived_at}
        row |= {"partition_key": source.get("partitionKey"), "shard": source.get("shardId")}
        row["sequence_number"] = source.get("sequenceNumber")
        return row, {"table": "quarantine", "date": arrived_at[:10], "folder": f"reason={refused.reason}"}
    keys = {"table": "transactions", "date": found["transaction_time"][:10], "folder": VALID}
    return {**found, "arrived_at": arrived_at}, keys


def readable(data: bytes) -> tuple[str, str]:
    """As text where it is UTF-8; much text only if no longer as JSON than as base64: answers have a limit."""
    coded = base64.b64encode(data).decode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return coded, "base64"
    short = len(data) <= fraud_windows.MAX_BYTES or len(json.dumps(text)) <= len(coded)
    return (text, "text") if short else (coded, "base64")


def tell(answers: Sequence[Mapping[str, Any]]) -> None:
    """Counts as metrics and, by reason, in the log. Counting never stops a delivery."""
    folders = collections.Counter(each["metadata"]["partitionKeys"]["folder"] for each in answers if "metadata" in each)
    refused = {folder.removeprefix("reason="): count for folder, count in folders.items() if folder != VALID}
    print(json.dumps({"received": len(answers), "quarantined": refused}))
    values = {"Received": len(answers), "Quarantined": sum(refused.values())}
    common = {"Dimensions": [{"Name": "Stream", "Value": os.environ["STREAM"]}], "Unit": "Count"}
    metrics = [{"MetricName": name, "Value": value, **common} for name, value in values.items()]
    try:
        cloudwatch().put_metric_data(Namespace=os.environ["NAMESPACE"], MetricData=metrics)
    except Exception as error:
        print(json.dumps({"metrics": repr(error)}))


@functools.cache
def cloudwatch() -> Any:
    return boto3.client("cloudwatch")
