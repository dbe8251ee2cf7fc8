"""What the benchmark of fraud's stream runs on: a sagelocal of its own, the stacks, the endpoint, weeks of history."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data import fraud
from data.fraud_simulation import Simulation, simulate
from deploy import names, scoring_states, streams
from deploy.scoring_states import Key, States
from mlops import streaming, targets
from mlops.targets import Target
from processing import fraud_windows
from sagelocal import server
from sagelocal.config import Settings

ROOT = Path(__file__).resolve().parents[2]
USE_CASE, STAGE = "fraud", "production"
ENDPOINT = names.endpoint_name(USE_CASE, STAGE)
_TRAINED_ON = Simulation(customers=700, terminals=1_400, days=126)
_MEMBERS = ("rules", "isolation_forest", "one_class_svm", "random_forest", "boosted_trees")
_HISTORY = 44  # days: as far as a terminal's windows reach


@contextmanager
def world(model: Path) -> Iterator[Target]:
    """Everything that `mlops stream up` makes and an endpoint that serves the model; taken down afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLOPS_STATE"] = str(Path(folder) / "state")
        target = targets.laptop()
        assert target.settings is not None
        try:
            streaming.up(target, USE_CASE, {"ShardCount": "1"}, yes=True)
            deploy(target.settings, model)
            yield target
        finally:
            server.down(target.settings)


def train(folder: Path) -> Path:
    """The ensemble as its jobs train it, of a smaller table; the artifact's folder."""
    splits = {name: folder / name for name in ("train", "validation", "test", "report")}
    raw = folder / "raw"
    raw.mkdir(parents=True)
    simulate(_TRAINED_ON).to_parquet(raw / "transactions.parquet")
    places = [part for name, path in splits.items() for part in (f"--{name}", str(path))]
    run("processing/fraud.py", "--raw", str(raw), *places)
    channels = ["--train", str(splits["train"]), "--validation", str(splits["validation"])]
    for member in _MEMBERS:
        run("training/fraud.py", "--member", member, *channels, "--model-dir", str(folder / "members" / member))
    chosen = ["--members-dir", str(folder / "members"), "--validation", str(splits["validation"])]
    run("training/fraud_ensemble.py", *chosen, "--model-dir", str(folder / "model"))
    return folder / "model"


def run(script: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, str(ROOT / script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def deploy(settings: Settings, model: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(model, ".")
    settings.client("s3").put_object(Bucket=settings.bucket, Key="bench/model.tar.gz", Body=packed.getvalue())
    sagemaker, config = settings.client("sagemaker"), f"{ENDPOINT}-1-00000000"
    sagemaker.create_model(
        ModelName=ENDPOINT,
        ExecutionRoleArn=settings.role_arn,
        PrimaryContainer={
            "Image": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-xgboost:3.2-0",
            "ModelDataUrl": f"s3://{settings.bucket}/bench/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            },
        },
    )
    variant = {"VariantName": "v", "ModelName": ENDPOINT, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=config)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1})


def remember(target: Target) -> int:
    """Gives the Feature Store the last weeks of the data set, as if they ended now. The number of states."""
    assert target.settings is not None
    table = simulate(fraud.SIMULATION)
    table = table[table["transaction_time"] >= table["transaction_time"].max() - pd.Timedelta(days=_HISTORY)]
    late = pd.Timestamp(datetime.now(UTC).replace(tzinfo=None)).floor("s") - table["transaction_time"].max()
    times = (table["transaction_time"] + late).astype("datetime64[s]").astype("int64")
    customers, terminals = streams.customers_group(USE_CASE), streams.terminals_group(USE_CASE)
    events: dict[Key, list[list[int]]] = {}
    for row in table.assign(seconds=times).itertuples():
        paid, place = fraud_windows.cents(row.amount), [fraud_windows.metres(row.x), fraud_windows.metres(row.y)]
        event = [row.transaction_id, row.seconds, paid, *place]
        events.setdefault((customers, row.customer_id), []).append(event)
        events.setdefault((terminals, row.terminal_id), []).append([row.transaction_id, row.seconds, row.fraud])
    held = {
        key: scoring_states.after(None, {"events": each}, fraud_windows.written(each[-1][1]), {})
        for key, each in events.items()
    }
    runtime = target.settings.client("sagemaker-featurestore-runtime")
    with ThreadPoolExecutor(4) as pool:
        States(runtime, {customers: "customer_id", terminals: "terminal_id"}, pool).write(held)
    return len(held)


def records(target: Target, stream: str) -> list[dict[str, Any]]:
    """All that a stream holds, each `arrived_at` (epoch s) and its JSON, in the order of its shards."""
    assert target.settings is not None
    kinesis = target.settings.client("kinesis")
    found: list[dict[str, Any]] = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            if not page["Records"]:
                break
            for each in page["Records"]:
                arrived = each["ApproximateArrivalTimestamp"].timestamp()
                found.append({"arrived_at": arrived, **json.loads(each["Data"])})
            iterator = page["NextShardIterator"]
    return found
