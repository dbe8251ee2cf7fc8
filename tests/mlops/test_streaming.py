"""`mlops stream`, `sql` and `traffic --rate` on a running sagelocal: from a put to a row, with a kill in between."""

from __future__ import annotations

import ast
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from data import fraud_stream
from data.fraud_simulation import Simulation
from deploy import streams
from deploy.sources import KinesisSource
from mlops import producer, sql, streaming
from mlops.errors import Failure
from mlops.targets import LAPTOP, Target
from sagelocal import server
from sagelocal.config import Settings

SMALL = Simulation(customers=60, terminals=100, days=5)


@pytest.fixture(scope="module")
def target(laptop: Settings) -> Iterator[Target]:
    keys = {"aws_access_key_id": laptop.access_key, "aws_secret_access_key": laptop.secret_key}
    patch = pytest.MonkeyPatch()
    for name, value in laptop.shell_environment().items():
        patch.setenv(name, value)
    yield Target(LAPTOP, laptop.account, laptop.region, boto3.Session(region_name=laptop.region, **keys), laptop)
    patch.undo()


def eventually(look: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.5)
    return found


def ask(target: Target, query: str) -> list[tuple[str, ...]]:
    athena = target.client("athena")
    return list(sql.answer(athena, sql.run(athena, "fraud", query, 0.5)["QueryExecutionId"]))[1:]


def kill(settings: Settings) -> None:
    """MiniStack alone, as sagelocal starts it again."""
    (child,) = [
        each
        for each in psutil.process_iter(["cmdline"])
        if "sagelocal.ministack_child" in " ".join(each.info["cmdline"] or ())
        and each.environ().get("S3_DATA_DIR") == str(settings.state / "s3")
    ]
    os.kill(child.pid, signal.SIGKILL)


def test_without_its_stacks_every_command_says_how_to_make_them(target: Target, capsys: Any) -> None:
    with pytest.raises(Failure, match="no workgroup fraud: mlops stream up fraud"):
        sql.ask(target, "fraud", "SELECT 1", 10)
    with pytest.raises(LookupError, match="no stream fraud-transactions: mlops stream up fraud"):
        producer.send(target, "fraud", 10, 1)
    with pytest.raises(LookupError, match="churn has no stream of events; fraud has one"):
        streaming.check("churn")
    streaming.status(target, "fraud")
    assert "There is no stack fraud-streaming: mlops stream up fraud" in capsys.readouterr().out
    with pytest.raises(ValueError, match="has a parameter Shards"):
        streaming.up(target, "fraud", {"Shards": "3"})


def as_declared(target: Target, laptop: Settings) -> None:
    """What MiniStack's CloudFormation would leave out."""
    s3, lake = target.client("s3"), streams.lake_bucket("fraud", laptop.account, laptop.region)
    rules = {each["ID"]: each for each in s3.get_bucket_lifecycle_configuration(Bucket=lake)["Rules"]}
    moves = [(each["Days"], each["StorageClass"]) for each in rules["transactions"]["Transitions"]]
    assert sorted(moves) == [(90, "GLACIER_IR"), (400, "DEEP_ARCHIVE")]
    assert rules["transactions"]["Expiration"]["Days"] == 2555
    dynamodb, table = target.client("dynamodb"), streams.scores_table("fraud")
    found = dynamodb.describe_table(TableName=table)["Table"]
    assert found["SSEDescription"]["SSEType"] == "KMS"
    assert {each["IndexName"] for each in found["GlobalSecondaryIndexes"]} == {streams.BY_DAY, streams.ALERTS_BY_DAY}
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    stream = target.client("kinesis").describe_stream_summary(StreamName=streams.transactions_stream("fraud"))
    assert stream["StreamDescriptionSummary"]["EncryptionType"] == "KMS"
    function = target.client("lambda").get_function_configuration(FunctionName=streams.validation_function("fraud"))
    assert function["KMSKeyArn"].startswith("arn:aws:kms:")
    role = laptop.role_arn.rpartition("/")[2]  # whose jobs collect scores for a retraining
    attached = target.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert f"fraud-retraining-{laptop.region}" in {each["PolicyName"] for each in attached}


@pytest.mark.slow
def test_from_a_put_to_a_row_through_a_kill_and_away_again(
    target: Target, laptop: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    streaming.up(target, "fraud", {"BufferSeconds": "2"})
    assert ask(target, "SELECT count(*) FROM transactions") == [("0",)]
    as_declared(target, laptop)

    made = fraud_stream.events
    monkeypatch.setattr(fraud_stream, "events", lambda count, seed, drift: made(count, seed, drift, SMALL))
    done = producer.send(target, "fraud", 400, 1)
    assert (done.sent, done.failed) == (400, 0)

    now = datetime.now(UTC).replace(microsecond=0)
    good = {"customer_id": 1, "terminal_id": 2, "amount": 3.5, "x": 1.0, "y": 2.0}
    rows = [
        {"transaction_id": 7, "transaction_time": f"{now:%Y-%m-%dT%H:%M:%SZ}", **good},
        {"transaction_id": 7, "transaction_time": f"{now:%Y-%m-%dT%H:%M:%SZ}", **good},  # a duplicate
        {"transaction_id": 8, "transaction_time": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", **good},
        {"transaction_id": 9, "transaction_time": f"{now - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}", **good},
        {"transaction_id": 10, "transaction_time": f"{now - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}", **good},
        {"transaction_id": 11, "transaction_time": f"{now:%Y-%m-%dT%H:%M:%SZ}", **good, "amount": -1},
    ]
    kinesis, name = target.client("kinesis"), streams.transactions_stream("fraud")
    for data in (*map(json.dumps, rows), "no json", "\x00"):
        kinesis.put_record(StreamName=name, PartitionKey="1", Data=data.encode())
    kill(laptop)

    eventually(lambda: ask(target, "SELECT count(*) FROM transactions") == [("403",)])
    assert ask(target, "SELECT count(DISTINCT transaction_id) FROM transactions") == [("402",)]
    once = "SELECT *, row_number() OVER (PARTITION BY transaction_id ORDER BY arrived_at) AS n FROM transactions"
    assert ask(target, f"SELECT count(*) FROM ({once}) AS t WHERE n = 1") == [("402",)]
    assert ask(target, f"SELECT date, amount FROM transactions WHERE date = '{now - timedelta(days=2):%Y-%m-%d}'") == [
        (f"{now - timedelta(days=2):%Y-%m-%d}", "3.5")
    ]
    refused = ask(target, "SELECT reason, count(*) FROM quarantine GROUP BY reason ORDER BY reason")
    assert refused == [("ancient", "1"), ("future", "1"), ("malformed", "2"), ("not_positive_amount", "1")]
    source = KinesisSource(kinesis, target.client("dynamodb"), name, "test", streams.checkpoints_table("fraud"), 0.01)
    found = [record for _ in range(20) for record in source.poll(0.1)]
    assert len(found) == 408
    source.commit(found[-1].position)

    capsys.readouterr()
    streaming.status(target, "fraud")
    said = capsys.readouterr().out
    assert "test/fraud-transactions" in said
    assert "fraud-streaming-quarantined" in said
    with pytest.raises(Failure, match="(?i)athena: .*nothing"):
        sql.ask(target, "fraud", "SELECT nothing FROM transactions", 10)

    streaming.down(target, "fraud")
    assert name not in kinesis.list_streams()["StreamNames"]
    assert ask(target, "SELECT count(*) FROM transactions") == [("403",)]  # the lake stays
    streaming.up(target, "fraud", {})
    streaming.down(target, "fraud", everything=True, yes=True)
    lake = streams.lake_bucket("fraud", laptop.account, laptop.region)
    assert lake not in {each["Name"] for each in target.client("s3").list_buckets()["Buckets"]}
    assert target.client("dynamodb").list_tables()["TableNames"] == []


@pytest.mark.slow
def test_stacks_and_tables_are_there_after_the_whole_is_killed(target: Target, laptop: Settings) -> None:
    streaming.up(target, "fraud", {})
    kill(laptop)
    server.down(laptop)
    server.up(laptop)
    assert ask(target, "SELECT count(*) FROM scores") == [("0",)]
    found = target.client("kinesis").describe_stream_summary(StreamName="fraud-scores")["StreamDescriptionSummary"]
    assert (found["OpenShardCount"], found["RetentionPeriodHours"], found["EncryptionType"]) == (2, 72, "KMS")


@pytest.mark.parametrize("parameter", ["ValidationCode", "ScorerCode"])
def test_a_functions_archive_is_the_same_each_time_and_has_all_that_it_imports(parameter: str, tmp_path: Path) -> None:
    files = streaming.functions("fraud")[parameter]
    body = streaming.packed(files)
    assert body == streaming.packed(files)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(tmp_path)
    handler = Path(next(iter(files))).stem
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}]\n"
        "sys.meta_path[:] = [each for each in sys.meta_path if 'editable' not in str(each).lower()]\n"
        f"import {handler}\n"
        "own = ('deploy', 'processing', 'fraud_windows')\n"
        "print([str(each.__file__) for name, each in sys.modules.items()\n"
        "       if name.split('.')[0] in own and getattr(each, '__file__', None)])"
    )
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    assert found
    assert all(each.startswith(str(tmp_path)) for each in found)


@pytest.mark.slow
def test_with_a_stage_a_function_scores_and_without_it_is_gone(target: Target) -> None:
    functions = target.client("lambda")
    streaming.up(target, "fraud", {"ScorerStage": "production"})
    assert functions.get_function(FunctionName="fraud-scorer")["Concurrency"] == {"ReservedConcurrentExecutions": 1}
    (mapping,) = functions.list_event_source_mappings(FunctionName="fraud-scorer")["EventSourceMappings"]
    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (100, ["ReportBatchItemFailures"])
    streaming.up(target, "fraud", {"ScorerStage": ""})
    assert functions.list_event_source_mappings()["EventSourceMappings"] == []
