"""The housing pipeline on a real sagelocal: from raw records to an endpoint that prices a house, with an interval."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from housing_records import houses

from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
QUICK = (
    "Models=ridge,lasso",
    "Studies=0",
    "Folds=2",
    "Rounds=10",
    "IntervalLevel=0.8",
    "MaxRmseLog=0.5",
    "DeployTo=staging",
)
RAW = "data/houses/housing.csv"


@pytest.fixture(scope="module")
def done(laptop: Settings) -> str:
    """What `mlops run housing` says of a small table."""
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=houses(200).to_csv(index=False).encode())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "housing", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def version(laptop: Settings, done: str) -> dict[str, Any]:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="housing")["ModelPackageSummaryList"]
    return dict(sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"]))


def ask(laptop: Settings, **changes: Any) -> dict[str, Any]:
    """The staging endpoint's answer to a raw record."""
    record = {**json.loads(houses(1, seed=5).drop(columns="Sale_Price").to_json(orient="records"))[0], **changes}
    runtime = laptop.client("sagemaker-runtime")
    asked = {"ContentType": "application/json", "Body": json.dumps(record)}
    (answer,) = json.loads(runtime.invoke_endpoint(EndpointName="housing-staging", **asked)["Body"].read())[
        "predictions"
    ]
    return dict(answer)


def test_a_version_waits_with_its_figures_and_baselines(version: dict[str, Any]) -> None:
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    properties = version["CustomerMetadataProperties"]
    assert 0 < float(properties["RmseLog"]) < 0.5
    assert 0.4 < float(properties["IntervalCoverage"]) <= 1
    assert set(version["DriftCheckBaselines"]) == {"ModelDataQuality", "ModelQuality", "Explainability"}


def test_the_quality_that_monitors_compare_with_is_a_regressions(laptop: Settings, version: dict[str, Any]) -> None:
    uri = version["DriftCheckBaselines"]["ModelQuality"]["Statistics"]["S3Uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found = json.loads(laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert {"mae", "mse", "rmse", "r2"} <= set(found["regression_metrics"])


def test_the_endpoint_prices_a_raw_record(laptop: Settings, version: dict[str, Any]) -> None:
    answer = ask(laptop)
    assert answer["lower"] < answer["prediction"] < answer["upper"]
    assert ask(laptop, Neighborhood="A_New_Town")["prediction"] > 0


def test_the_endpoint_refuses_numbers_in_another_unit(laptop: Settings, version: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="Column Gr_Liv_Area holds 15000, and the model knows nothing of numbers"):
        ask(laptop, Gr_Liv_Area=15000)
