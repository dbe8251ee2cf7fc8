"""The SDK's four monitors, unmodified, over an endpoint that answers and is captured.

Set SAGELOCAL_SDK to a Python with another version of the SDK to run the same with that.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sagelocal.config import Settings

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
SCRIPT = b"""
import math

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    rows = [list(map(float, line.split(","))) for line in body.strip().split("\\n")]
    return "\\n".join(str(1 / (1 + math.exp(-(0.1 * (age - 45) + 1.5 * sex)))) for age, sex in rows), "text/csv"
"""
PROGRAM = Path(__file__).parent / "monitors.py"
ENDPOINT = "people"


def people(count: int, seed: int, older: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age, sex = random.integers(18 + older, 80 + older, count), random.integers(0, 2, count)
    probability = 1 / (1 + np.exp(-(0.1 * (age - 45) + 1.5 * sex)))
    return pd.DataFrame(
        {"probability": probability, "age": age, "sex": sex, "label": (random.random(count) < probability).astype(int)}
    )


@pytest.fixture
def watched(laptop: Settings) -> Iterator[Settings]:
    """With a model, an endpoint whose requests of people 60 years older are captured, and their ground truth."""
    s3, sagemaker, bucket = laptop.client("s3"), laptop.client("sagemaker"), laptop.bucket
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        packed.addfile(entry, io.BytesIO(SCRIPT))
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=buffer.getvalue())
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz", "Environment": variables}
    sagemaker.create_model(ModelName=ENDPOINT, ExecutionRoleArn=laptop.role_arn, PrimaryContainer=container)
    variant = {"VariantName": "main", "ModelName": ENDPOINT, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=ENDPOINT,
        ProductionVariants=[variant],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{bucket}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        },
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1})
    runtime, lines = laptop.client("sagemaker-runtime"), []
    older = people(220, seed=1, older=60)
    wrong = older.groupby("sex").cumcount() % 3 == 0  # as often of both, which is no bias
    for number, row in older.assign(label=older["label"] ^ wrong).iterrows():
        runtime.invoke_endpoint(
            EndpointName=ENDPOINT, Body=f"{row.age:.0f},{row.sex:.0f}", ContentType="text/csv", InferenceId=f"p{number}"
        )
        truth = {"data": str(int(row.label)), "encoding": "CSV"}
        lines.append(json.dumps({"groundTruthData": truth, "eventMetadata": {"eventId": f"p{number}"}}))
    key = f"truth/{datetime.now(UTC):%Y/%m/%d/%H}/labels.jsonl"
    s3.put_object(Bucket=bucket, Key=key, Body="\n".join(lines).encode())
    time.sleep(2)  # captures are on S3 a second after the last request
    yield laptop
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


def test_all_four_monitors(watched: Settings, tmp_path: Path) -> None:
    table = people(400, seed=0)
    table.to_csv(tmp_path / "training.csv", index=False, columns=["probability", "age", "sex"])
    table.assign(prediction=(table.probability > 0.5).astype(int)).to_csv(tmp_path / "predictions.csv", index=False)
    table.to_csv(tmp_path / "bias.csv", index=False, columns=["label", "age", "sex"])
    python = os.environ.get("SAGELOCAL_SDK", sys.executable)
    environment = {**os.environ, **watched.shell_environment()}
    ran = subprocess.run(
        [python, str(PROGRAM), str(tmp_path), watched.bucket, watched.role_arn, ENDPOINT],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["statuses"] == {
        "DataQuality": "CompletedWithViolations",
        "ModelQuality": "CompletedWithViolations",
        "ModelBias": "Completed",
        "ModelExplainability": "Completed",
    }
    assert ["age", "baseline_drift_check"] in found["violations"]
    metrics = watched.client("cloudwatch").list_metrics(Namespace="aws/sagemaker/Endpoints/data-metrics")["Metrics"]
    names = {metric["MetricName"] for metric in metrics}
    assert {"feature_baseline_drift_age", "feature_non_null_age", "feature_data_age", "violations"} <= names
    dimensions = {each["Name"]: each["Value"] for metric in metrics for each in metric["Dimensions"]}
    assert dimensions == {"Endpoint": ENDPOINT, "MonitoringSchedule": "people-DataQuality"}
