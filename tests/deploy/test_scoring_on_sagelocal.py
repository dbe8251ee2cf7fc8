"""A stream scored end to end: by the worker, killed on the way, and by the Lambda function, all on a real sagelocal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka_broker import broker, made

from deploy import scoring_lease, streams
from mlops import scoring, streaming, targets
from mlops.errors import Failure
from mlops.targets import Target
from sagelocal.config import Settings

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
LARGE = 500.0
LEASE = (streams.checkpoints_table("fraud"), scoring.APPLICATION)
# The ensemble's interface, and nothing of what makes it slow to train.
HANDLER = """
import json

def model_fn(folder):
    return 500.0

def input_fn(body, content_type):
    return json.loads(body)["instances"]

def predict_fn(rows, limit):
    return [
        {"probability": min(row["amount"] / 1000, 1.0), "predicted_label": int(row["amount"] >= limit),
         "reasons": [{"feature": name, "value": row[name], "contribution": 1.0}
                     for name in ("amount_ratio", "customer_1d_count", "terminal_7d_risk")]}
        for row in rows
    ]

def output_fn(predictions, accept):
    return json.dumps({"predictions": predictions}), "application/json"
"""


@pytest.fixture(scope="module")
def target(laptop: Settings) -> Iterator[Target]:
    before = dict(os.environ)
    os.environ["MLOPS_STATE"] = str(laptop.state)
    found = targets.laptop()
    streaming.up(found, "fraud", {"ShardCount": "1"}, yes=True)
    endpoint(laptop)
    yield found
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _same_state(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(laptop.state))


def endpoint(settings: Settings) -> None:
    packed, sagemaker = io.BytesIO(), settings.client("sagemaker")
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(HANDLER.encode())
        archive.addfile(entry, io.BytesIO(HANDLER.encode()))
    settings.client("s3").put_object(Bucket=settings.bucket, Key="scoring/model.tar.gz", Body=packed.getvalue())
    sagemaker.create_model(
        ModelName="scoring",
        ExecutionRoleArn=settings.role_arn,
        PrimaryContainer={
            "Image": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-xgboost:3.2-0",
            "ModelDataUrl": f"s3://{settings.bucket}/scoring/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        },
    )
    variant = {"VariantName": "v", "ModelName": "scoring", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    config = "fraud-production-7-00000000"
    sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="fraud-production", EndpointConfigName=config)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="fraud-production", WaiterConfig={"Delay": 1})


def payments(first: int, count: int, *, amount: float = 20.0, bad: bool = False) -> list[tuple[str, bytes]]:
    """Of five customers, a minute apart, with their keys; with `bad` a record in between that is none."""
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
    entries: list[tuple[str, bytes]] = []
    for number in range(first, first + count):
        payment = {
            "transaction_id": number,
            "transaction_time": (moment + timedelta(minutes=number)).isoformat().replace("+00:00", "Z"),
            "customer_id": number % 5,
            "terminal_id": number % 3,
            "amount": amount,
            "x": 10.0,
            "y": 20.0,
        }
        entries.append((str(number % 5), json.dumps(payment).encode()))
        if bad and number == first:
            entries.append(("0", b"\xff\x00{"))
    return entries


def put(target: Target, first: int, count: int, *, amount: float = 20.0, bad: bool = False) -> None:
    found = payments(first, count, amount=amount, bad=bad)
    entries = [{"Data": data, "PartitionKey": key} for key, data in found]
    client(target, "kinesis").put_records(StreamName=streams.transactions_stream("fraud"), Records=entries)


def client(target: Target, service: str) -> Any:
    assert target.settings is not None
    return target.settings.client(service)


def scores(target: Target) -> dict[int, dict[str, Any]]:
    pages = client(target, "dynamodb").get_paginator("scan").paginate(TableName=streams.scores_table("fraud"))
    return {int(each["transaction_id"]["N"]): each for page in pages for each in page["Items"]}


def told(target: Target, stream: str) -> list[dict[str, Any]]:
    kinesis = client(target, "kinesis")
    (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
    position = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=stream, **position)["ShardIterator"]
    return [json.loads(each["Data"]) for each in kinesis.get_records(ShardIterator=iterator)["Records"]]


def wait(until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@contextmanager
def worker(target: Target, *options: str) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "mlops.cli", "score", "fraud", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT, env=dict(os.environ))
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


def in_order(target: Target) -> None:
    """Of each customer, as they were put, by what came first of each transaction."""
    first = list(dict.fromkeys(each["transaction_id"] for each in told(target, streams.scores_stream("fraud"))))
    for customer in range(5):
        mine = [each for each in first if each % 5 == customer]
        assert mine == sorted(mine)


def test_the_worker_scores_everything_once_whenever_it_is_killed(target: Target) -> None:
    put(target, 0, 40, bad=True)
    with worker(target) as process:
        wait(lambda: len(scores(target)) >= 40, "the first ones are scored")
        put(target, 40, 30, amount=LARGE)
        (working,) = process.children()
        working.kill()  # is started again by the other
        wait(lambda: len(scores(target)) == 70, "what came meanwhile is scored")
        put(target, 70, 30)
        process.kill()  # both go, and whoever starts it again
        psutil.wait_procs([process], timeout=60)
    with worker(target):
        put(target, 90, 20)  # ten of them come twice
        wait(lambda: len(scores(target)) == 110, "all are scored")
        wait(lambda: len({each["transaction_id"] for each in told(target, "fraud-scores")}) == 110, "all are told")
    found = scores(target)
    assert {each for each, item in found.items() if item["alert"]["BOOL"]} == set(range(40, 70))
    assert {each for each, item in found.items() if "alerted_at" in item} == set(range(40, 70))
    assert found[109]["model"]["S"] == "7"
    assert found[109]["features"]["M"]["customer_30d_count"] == {"N": "22"}  # of five customers, each counted once
    assert [each["S"] for each in found[45]["reasons"]["L"]] == [
        "Amount 500.00 € is 6.8 times this customer's average of 30 days (73.33 €)",
        "Customer 0 made 10 payments in the past day, this one included",
        "Terminal 0 took no payment in the 7 days that ended a week ago",
    ]
    in_order(target)


def test_a_second_scorer_is_refused_and_who_scores_is_said(target: Target, capsys: Any) -> None:
    with worker(target) as process:
        wait(lambda: scoring_lease.found(client(target, "dynamodb"), *LEASE) is not None, "it has the lease")
        with pytest.raises(
            RuntimeError, match=f"Something scores fraud on this laptop already, process {process.pid}:"
        ):
            scoring.work(target, "fraud", "production")
        streaming.status(target, "fraud")
        assert "its lease is good until" in capsys.readouterr().out
        with pytest.raises(Failure, match="One scorer at a time: mlops score on"):
            streaming.up(target, "fraud", {"ShardCount": "1", "ScorerStage": "production"}, yes=True)
    assert scoring_lease.found(client(target, "dynamodb"), *LEASE) is None  # given up at its end


def test_a_kafka_compatible_brokers_topic_is_scored_as_a_stream_is(target: Target, tmp_path: Path) -> None:
    from deploy.sources_kafka import KafkaSink

    with broker(tmp_path / "log") as address:
        sink = KafkaSink(address, made(address, streams.transactions_stream("fraud")))
        assert sink.put(payments(120, 40, bad=True)) == []
        with worker(target, "--source", "kafka", "--brokers", address) as process:
            wait(lambda: set(range(120, 160)) <= set(scores(target)), "the first ones are scored")
            (working,) = process.children()
            working.kill()
            assert sink.put(payments(150, 30, amount=LARGE)) == []  # ten of them come twice, with another amount
            wait(lambda: set(range(120, 180)) <= set(scores(target)), "what came meanwhile is scored")
            wait(lambda: "alerted_at" in scores(target)[179], "the last alert is told")
    found = {number: item for number, item in scores(target).items() if 120 <= number < 180}
    assert set(found) == set(range(120, 180))
    assert {number for number, item in found.items() if item["alert"]["BOOL"]} == set(range(160, 180))
    counts = [int(found[number]["features"]["M"]["customer_1d_count"]["N"]) for number in range(120, 180, 5)]
    assert counts == list(range(counts[0], counts[0] + 12))  # of one customer, each counted once
    lake = streams.lake_bucket("fraud", target.account, target.region)
    prefix = f"{streams.lake_prefix('fraud', streams.QUARANTINE)}date={datetime.now(UTC):%Y-%m-%d}/reason=malformed/"
    kept = client(target, "s3").list_objects_v2(Bucket=lake, Prefix=f"{prefix}scorer-fraud-transactions-")
    assert kept["KeyCount"] == 1  # by the scorer, as nobody validates on the way
    in_order(target)


def test_the_function_scores_what_the_worker_left_and_changes_nothing_of_it(target: Target) -> None:
    """Its mapping begins at the stream's oldest record, so all that the worker did comes again."""
    before = scores(target)
    streaming.up(target, "fraud", {"ShardCount": "1", "ScorerStage": "production"}, yes=True)
    put(target, 200, 25, amount=LARGE)
    wait(lambda: len(scores(target)) == len(before) + 25, "the function scores")
    wait(lambda: all("alerted_at" in scores(target)[each] for each in range(200, 225)), "alerts are told")
    found = scores(target)
    assert {key: found[key] for key in before} == before
    assert found[224]["features"]["M"]["customer_30d_count"] == {"N": str(len(before) // 5 + 5)}
    in_order(target)
