"""Kinesis, Firehose and Athena's JSON tables as sagelocal has them: nothing acknowledged is lost, and AWS's objects."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal import config, ministack
from sagelocal.config import Settings
from sagelocal.ministack_kinesis import Kept, Tidy

BUCKET = "lake"
FUNCTION = """
import base64, json
def handler(event, context):
    answers = []
    for record in event["records"]:
        text = base64.b64decode(record["data"]).decode()
        if text == "boom":
            raise ValueError("boom")
        result = {"fail": "ProcessingFailed", "drop": "Dropped"}.get(text, "Ok")
        line = json.dumps({"text": text, "shard": record["kinesisRecordMetadata"]["shardId"]}) + "\\n"
        answers.append({
            "recordId": record["recordId"], "result": result, "data": base64.b64encode(line.encode()).decode(),
            "metadata": {"partitionKeys": {"kind": text[:1]}},
        })
    return {"records": answers}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, ministack.MiniStack]]:
    settings = config.load(tmp_path_factory.mktemp("streams") / "state")
    child = ministack.MiniStack(settings)
    try:
        child.wait()
        settings.client("s3").create_bucket(Bucket=BUCKET)
        yield settings, child
    finally:
        child.stop()


@pytest.fixture(scope="module")
def settings(running: tuple[Settings, ministack.MiniStack]) -> Settings:
    return running[0]


@pytest.fixture(scope="module")
def function(settings: Settings) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("function.py", FUNCTION)
    return settings.client("lambda").create_function(
        FunctionName="transform",
        Runtime="python3.13",
        Handler="function.handler",
        Role=settings.role_arn,
        Timeout=20,
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]


def eventually(look: Callable[[], Any], seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def stream(settings: Settings, name: str) -> str:
    kinesis = settings.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def put(settings: Settings, name: str, *data: str) -> None:
    records = [{"Data": each.encode(), "PartitionKey": each} for each in data]
    settings.client("kinesis").put_records(StreamName=name, Records=records)


def delivery(settings: Settings, name: str, source: str, **configuration: Any) -> None:
    destination = {
        "BucketARN": f"arn:aws:s3:::{BUCKET}",
        "RoleARN": settings.role_arn,
        "ErrorOutputPrefix": f"{name}-errors/!{{firehose:error-output-type}}/",
        "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 1},
        **configuration,
    }
    settings.client("firehose").create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": source, "RoleARN": settings.role_arn},
        ExtendedS3DestinationConfiguration=destination,
    )


def processing(*processors: tuple[str, dict[str, str]]) -> dict[str, Any]:
    made = [
        {"Type": kind, "Parameters": [{"ParameterName": n, "ParameterValue": v} for n, v in given.items()]}
        for kind, given in processors
    ]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": made}}


def objects(settings: Settings, prefix: str) -> dict[str, bytes]:
    s3 = settings.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def records_of(settings: Settings, name: str) -> list[tuple[str, str]]:
    kinesis, found = settings.client("kinesis"), []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
            found.append((record["SequenceNumber"], record["Data"].decode()))
    return sorted(found)


def test_what_kinesis_acknowledged_and_what_firehose_has_not_delivered_survive_a_kill(
    running: tuple[Settings, ministack.MiniStack],
) -> None:
    settings, child = running
    source = stream(settings, "kept")
    stream(settings, "gone")
    put(settings, "gone", "x")
    settings.client("kinesis").delete_stream(StreamName="gone")
    delimiter = processing(("AppendDelimiterToRecord", {"Delimiter": "\\n"}))
    delivery(
        settings,
        "kept",
        source,
        Prefix="kept/",
        BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 4},
        **delimiter,
    )
    put(settings, "kept", *(f"before {number}" for number in range(50)))
    before = records_of(settings, "kept")
    assert len(before) == 50
    pid = child.pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: child.pid != pid and ministack.healthy(settings))
    assert records_of(settings, "kept") == before
    put(settings, "kept", "after")
    after = records_of(settings, "kept")
    assert [text for _, text in after][-1] == "after"  # its number is the largest
    assert settings.client("kinesis").list_streams()["StreamNames"] == ["kept"]
    expected = sorted(text for _, text in after)
    eventually(lambda: sorted(b"".join(objects(settings, "kept/").values()).decode().splitlines()) == expected)


def test_a_buffer_becomes_one_compressed_object_a_partition(settings: Settings) -> None:
    source = stream(settings, "days")
    delivery(
        settings,
        "days",
        source,
        Prefix="days/date=!{partitionKeyFromQuery:date}/!{timestamp:yyyy}/",
        CompressionFormat="GZIP",
        DynamicPartitioningConfiguration={"Enabled": True},
        **processing(
            ("MetadataExtraction", {"MetadataExtractionQuery": "{date: .at[0:10]}", "JsonParsingEngine": "JQ-1.6"}),
            ("AppendDelimiterToRecord", {"Delimiter": "\\n"}),
        ),
    )
    rows = [{"n": n, "at": f"2026-05-0{1 + n % 2}T00:00:00Z"} for n in range(40)]
    put(settings, "days", *map(json.dumps, rows), "no json")
    found = eventually(lambda: len(made := objects(settings, "days/")) == 2 and made)
    for key, body in found.items():
        assert key.endswith(".gz")
        lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        assert {line["at"][:10] for line in lines} == {key.split("/")[1].removeprefix("date=")}
        assert len(lines) == 20
    (failed,) = eventually(lambda: objects(settings, "days-errors/processing-failed/")).values()
    assert base64.b64decode(json.loads(failed)["rawData"]) == b"no json\n"


def test_a_function_transforms_and_what_it_fails_on_is_kept(settings: Settings, function: str) -> None:
    source = stream(settings, "transformed")
    delivery(
        settings,
        "transformed",
        source,
        Prefix="transformed/!{partitionKeyFromLambda:kind}/!{timestamp:yyyy}/",
        DynamicPartitioningConfiguration={"Enabled": True},
        **processing(("Lambda", {"LambdaArn": f"{function}:$LATEST", "NumberOfRetries": "0"})),
    )
    put(settings, "transformed", "apple", "avocado", "berry", "fail", "drop")
    found = eventually(lambda: len(made := objects(settings, "transformed/")) == 2 and made)
    texts = {key.split("/")[1]: {json.loads(line)["text"] for line in body.splitlines()} for key, body in found.items()}
    assert texts == {"a": {"apple", "avocado"}, "b": {"berry"}}
    (failed,) = eventually(lambda: objects(settings, "transformed-errors/")).values()
    said = json.loads(failed)
    assert base64.b64decode(said["rawData"]) == b"fail"
    assert said["errorCode"] == "Lambda.ProcessingFailedStatus"
    assert said["lambdaArn"] == f"{function}:$LATEST"
    put(settings, "transformed", "boom", "cherry")
    lines = eventually(
        lambda: [
            json.loads(line)
            for key, body in objects(settings, "transformed-errors/").items()
            for line in body.splitlines()
            if b"FunctionError" in line
        ]
    )
    assert {base64.b64decode(each["rawData"]) for each in lines} == {b"boom", b"cherry"}


def test_a_direct_put_is_delivered_compressed_and_other_compressions_are_refused(settings: Settings) -> None:
    firehose = settings.client("firehose")
    destination = {"BucketARN": f"arn:aws:s3:::{BUCKET}", "RoleARN": settings.role_arn, "Prefix": "direct/"}
    with pytest.raises(ClientError, match="CompressionFormat Snappy is not implemented"):
        firehose.create_delivery_stream(
            DeliveryStreamName="direct",
            ExtendedS3DestinationConfiguration={**destination, "CompressionFormat": "Snappy"},
        )
    firehose.create_delivery_stream(
        DeliveryStreamName="direct", ExtendedS3DestinationConfiguration={**destination, "CompressionFormat": "GZIP"}
    )
    firehose.put_record(DeliveryStreamName="direct", Record={"Data": b"one"})
    (body,) = eventually(lambda: objects(settings, "direct/")).values()
    assert gzip.decompress(body) == b"one"


def test_a_json_table_has_the_columns_and_types_that_glue_says(settings: Settings) -> None:
    glue, athena, s3 = (settings.client(name) for name in ("glue", "athena", "s3"))
    lines = [{"id": 1, "at": "2026-05-01T00:00:00Z", "amount": 5, "other": True}, {"id": 2, "words": ["a", "b"]}]
    body = gzip.compress("".join(json.dumps(each) + "\n" for each in lines).encode())
    s3.put_object(Bucket=BUCKET, Key="table/date=2026-05-01/valid/part.gz", Body=body)
    glue.create_database(DatabaseInput={"Name": "lake"})
    columns = {"id": "bigint", "at": "string", "amount": "double", "words": "array<string>", "never": "string"}
    glue.create_table(
        DatabaseName="lake",
        TableInput={
            "Name": "rows",
            "Parameters": {"classification": "json"},
            "PartitionKeys": [{"Name": "date", "Type": "string"}],
            "StorageDescriptor": {
                "Location": f"s3://{BUCKET}/table/",
                "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
            },
        },
    )
    query = athena.start_query_execution(
        QueryString="SELECT * FROM rows WHERE date = '2026-05-01' ORDER BY id",
        QueryExecutionContext={"Database": "lake"},
        ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
    )["QueryExecutionId"]
    eventually(
        lambda: athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
    )
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    found = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
    assert found[0] == [*columns, "date"]
    assert found[1] == ["1", "2026-05-01T00:00:00Z", "5.0", None, None, "2026-05-01"]
    assert found[2][0] == "2"
    assert found[2][1:3] == [None, None]


def test_how_far_behind_a_reader_is_is_a_metric_and_resharding_is_refused(settings: Settings) -> None:
    stream(settings, "watched")
    put(settings, "watched", "a")
    time.sleep(0.05)
    assert len(records_of(settings, "watched")) == 1

    def newest(name: str, statistic: str) -> list[float]:
        found = settings.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Kinesis",
            MetricName=name,
            Dimensions=[{"Name": "StreamName", "Value": "watched"}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
        return [each[statistic] for each in found]

    assert newest("IncomingRecords", "Sum") == [1]
    assert newest("GetRecords.IteratorAgeMilliseconds", "Maximum")[0] >= 0
    with pytest.raises(ClientError, match="UpdateShardCount is not implemented on a laptop"):
        settings.client("kinesis").update_shard_count(
            StreamName="watched", TargetShardCount=4, ScalingType="UNIFORM_SCALING"
        )


def test_many_records_are_read_some_at_a_time(settings: Settings) -> None:
    kinesis, read = settings.client("kinesis"), list[int]()
    kinesis.create_stream(StreamName="long", ShardCount=1)
    for _ in range(3):
        put(settings, "long", *map(str, range(400)))
    shard = kinesis.list_shards(StreamName="long")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="long", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    token = iterator["ShardIterator"]
    for limit in ({}, {"Limit": 10_000}, {"Limit": 1}):
        page = kinesis.get_records(ShardIterator=token, **limit)
        read.append(len(page["Records"]))
        token = page["NextShardIterator"]
    assert read == [1000, 200, 0]


class Kinesis:
    """As much of MiniStack's module as tidying uses."""

    ITERATOR_EXPIRY_SECONDS = 300

    def __init__(self) -> None:
        self._shard_iterators = type("Store", (), {"_data": {}})()


def test_an_expired_record_moves_no_iterator_past_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    kinesis, arn = Kinesis(), "arn:aws:kinesis:us-east-1:0:stream/s"
    records = [{"ApproximateArrivalTimestamp": now - 90_000 + 30_000 * number} for number in range(4)]
    kinesis._shard_iterators._data = {
        "reading": {"stream_arn": arn, "shard_id": "s0", "position": 2, "created_at": now},
        "old": {"stream_arn": arn, "shard_id": "s0", "position": 0, "created_at": now - 301},
    }
    shards = {"s0": {"records": records}}
    found = {"StreamARN": arn, "RetentionPeriodHours": 24, "shards": shards}
    third = records[2]
    tidy = Tidy(kinesis)
    tidy.records(found)
    tidy.iterators()
    position = kinesis._shard_iterators._data["reading"]["position"]
    assert shards["s0"]["records"][position] is third
    assert set(kinesis._shard_iterators._data) == {"reading"}


def test_sequence_numbers_rise_though_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, now = Kept(None, tmp_path), [1000.0]
    monkeypatch.setattr("sagelocal.ministack_kinesis.time.time", lambda: now[0])
    first = kept.next_number()
    now[0] = 900.0
    assert kept.next_number() > first
