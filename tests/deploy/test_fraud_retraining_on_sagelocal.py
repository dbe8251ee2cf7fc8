"""From the alarm of a monitor of fraud to fraud's own pipeline, on the table that was made of scores and labels."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest

from data.fraud_simulation import Simulation
from deploy import fraud_labels, names, resources, retraining, streams
from deploy.apply import apply
from deploy.declaration import CURRENT_MODEL, Kind, Monitor, Monitoring, Retraining, Source
from deploy.scoring_results import attribute
from deploy.wanted import Place, topic_arn
from deploy.watch import Watch
from mlops import fraud_town
from mlops.fraud_town import Town
from mlops.targets import enter_laptop
from sagelocal.config import Settings

sys.path[:0] = [str(Path(__file__).parents[2] / "processing")]

import fraud_table  # noqa: E402

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]  # compiles fraud's pipeline and runs its first step
ENDPOINT, TABLE = "fraud-production", streams.scores_table("fraud")
ALARM = names.violations_alarm(ENDPOINT, Kind.MODEL_QUALITY)
PATIENCE = 300  # seconds
TOWN = Simulation(customers=40, terminals=60, days=30, fraud_rate=60)
DECLARED = Retraining(
    on=(Kind.MODEL_QUALITY,),
    source=Source.SCORES,
    window="P20D",
    min_records=200,
    parameters={
        "CurrentModelUrl": CURRENT_MODEL,
        "TrainDays": "8",
        "ValidationDays": "4",
        "TestDays": "4",
        "DelayDays": "2",
    },
)


@pytest.fixture(scope="module")
def place(laptop: Settings) -> Iterator[Place]:
    before = dict(os.environ)
    enter_laptop(laptop, os.environ)
    boto3.DEFAULT_SESSION = None
    yield Place("aws", laptop.account, laptop.region, laptop.role_arn, laptop.bucket)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def scored(laptop: Settings) -> pd.DataFrame:
    """A month's payments up to yesterday, as a scorer has left them, whose frauds were charged back."""
    dynamodb, town = laptop.client("dynamodb"), Town.now(TOWN)
    keys = {"day": "S", "scored_at": "S", "transaction_id": "N"}
    dynamodb.create_table(  # as deploy/cloudformation/lake.yml has it
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()],
        KeySchema=[{"AttributeName": "transaction_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": streams.BY_DAY,
                "KeySchema": [
                    {"AttributeName": "day", "KeyType": "HASH"},
                    {"AttributeName": "scored_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )

    def put(part: list[dict[str, Any]]) -> None:
        more = {"score": 0.1, "alert": False, "model": "1", "scored_at": "2026-01-01T00:00:00.000Z", "put_at": "x"}
        items = [{**each, **more, "day": each["transaction_time"][:10]} for each in part]
        requests = [{"PutRequest": {"Item": {key: attribute(value) for key, value in each.items()}}} for each in items]
        assert not dynamodb.batch_write_item(RequestItems={TABLE: requests})["UnprocessedItems"]

    events = fraud_town.events(town.table)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, (events[at : at + 25] for at in range(0, len(events), 25))))
    for number in town.table.loc[town.table["fraud"] == 1, "transaction_id"]:
        by = fraud_labels.CHARGEBACK
        fraud_labels.mark(dynamodb, TABLE, int(number), fraud_labels.FRAUD, by, datetime.now(UTC))
    return town.table


@pytest.fixture(scope="module")
def deployed(laptop: Settings, place: Place, scored: pd.DataFrame) -> Settings:
    """Fraud's pipeline, an endpoint for CURRENT_MODEL, an alarm, and what retrains as `mlops deploy` makes it."""
    from pipelines import retraining as pipelines
    from pipelines import run_pipeline
    from pipelines.project import Project

    project = Project.from_environment(boto3.Session(region_name=laptop.region))
    run_pipeline.upsert(run_pipeline.load("fraud", project), project)
    endpoint(laptop)
    topic = topic_arn(place, names.monitoring_topic(ENDPOINT))
    laptop.client("sns").create_topic(Name=names.monitoring_topic(ENDPOINT))
    laptop.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM, MetricName="violations", Namespace="test", Statistic="Maximum", Period=60,
        TreatMissingData="notBreaching", ComparisonOperator="GreaterThanThreshold", Threshold=0, EvaluationPeriods=1,
    )  # fmt: skip
    definition = pipelines.definition(
        project,
        watch(),
        datetime.now(UTC),
        f"s3://{laptop.bucket}/retraining",
        retraining.function_arn(ENDPOINT, place),
    )
    target = retraining.Target("fraud", ENDPOINT, [ALARM], topic, definition)
    found = resources.read(laptop.client, retraining.keys(ENDPOINT, place))
    assert apply(laptop.client, resources.deploy(retraining.resources(DECLARED, target, place), found)) == 5
    return laptop


def watch() -> Watch:
    """What a retraining of scores needs of it is the use case, the endpoint and the declaration."""
    declared = Monitoring(label="fraud", retraining=DECLARED)
    nothing = dict.fromkeys(("captures", "output", "features", "model", "image", "registered", "ground_truth"), "")
    return Watch(
        use_case="fraud", kind=Kind.MODEL_QUALITY, name=f"{ENDPOINT}-model-quality", endpoint=ENDPOINT, baseline={},
        declared=declared, monitor=Monitor(), **nothing,
    )  # fmt: skip


def endpoint(laptop: Settings) -> None:
    """Asked for the model that it serves, and nothing else: that its archive is empty matters to nobody."""
    packed, sagemaker = io.BytesIO(), laptop.client("sagemaker")
    with tarfile.open(fileobj=packed, mode="w:gz"):
        pass
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="champion/model.tar.gz", Body=packed.getvalue())
    container = {
        "Image": f"683313688378.dkr.ecr.{laptop.region}.amazonaws.com/sagemaker-xgboost:3.2-0",
        "ModelDataUrl": f"s3://{laptop.bucket}/champion/model.tar.gz",
    }
    sagemaker.create_model(ModelName="champion", ExecutionRoleArn=laptop.role_arn, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": "champion", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="champion", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="champion")


def steps(sagemaker: Any, execution: str) -> dict[str, dict[str, Any]]:
    listed = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    return {each["StepName"]: each for each in listed}


def ended(sagemaker: Any, execution: str, step: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = steps(sagemaker, execution).get(step, {})
        if found.get("StepStatus") in ("Succeeded", "Failed"):
            assert found["StepStatus"] == "Succeeded", found
            return found
        assert time.monotonic() < deadline, f"{step} has not ended: {steps(sagemaker, execution)}"
        time.sleep(0.3)


def started(sagemaker: Any, pipeline: str) -> str:
    """The only execution of a pipeline, once there is one."""
    deadline = time.monotonic() + PATIENCE
    while not (found := sagemaker.list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]):
        assert time.monotonic() < deadline, pipeline
        time.sleep(0.3)
    (only,) = found
    return str(only["PipelineExecutionArn"])


def test_an_alarm_starts_frauds_pipeline_on_what_was_scored_and_labelled(
    deployed: Settings, scored: pd.DataFrame, tmp_path: Path
) -> None:
    sagemaker, s3 = deployed.client("sagemaker"), deployed.client("s3")
    assert sagemaker.list_pipeline_executions(PipelineName="fraud")["PipelineExecutionSummaries"] == []
    violation = {"MetricName": "violations", "Value": 3.0}
    deployed.client("cloudwatch").put_metric_data(Namespace="test", MetricData=[violation])

    circle = started(sagemaker, retraining.name(ENDPOINT))
    answers = ended(sagemaker, circle, "Retrain")["Metadata"]["Lambda"]["OutputParameters"]
    said = {each["Name"]: each["Value"] for each in answers}
    execution = started(sagemaker, "fraud")
    assert (said["outcome"], said["execution"]) == ("started", execution)
    assert ALARM in said["reason"]
    ended(sagemaker, execution, "ProcessData")  # takes the table: splits with frauds in each
    with contextlib.suppress(sagemaker.exceptions.ClientError):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken="t" * 32)

    listed = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)["PipelineParameters"]
    given = {each["Name"]: each["Value"] for each in listed}
    assert given["CurrentModelUrl"] == f"s3://{deployed.bucket}/champion/model.tar.gz"
    key = f"{given['InputDataUrl'].removeprefix(f's3://{deployed.bucket}/')}/recent.parquet"
    s3.download_file(deployed.bucket, key, str(tmp_path / "recent.parquet"))
    table, known = fraud_table.clean(fraud_table.read(tmp_path))
    days = scored["transaction_time"].dt.strftime("%Y-%m-%d").unique()  # of which the last eight are not settled
    expected = scored[scored["transaction_time"].dt.strftime("%Y-%m-%d").isin(days[-27:-7])]
    assert known.unlabelled == 0
    assert set(table["transaction_id"]) == set(expected["transaction_id"])
    assert known.frauds == expected["fraud"].sum() > 30
