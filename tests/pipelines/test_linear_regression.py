"""The linear regression pipeline on a real sagelocal: from a raw table to an endpoint that answers raw records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
RAW = "data/houses/houses.csv"
QUICK = ("Folds=3", "SampledEpochs=20", "MinR2OfLogPrice=0.5", "DeployTo=staging")
HOUSE: dict[str, Any] = {
    "Gr_Liv_Area": 1500,
    "Total_Bsmt_SF": 1000,
    "Garage_Area": 480,
    "Lot_Area": 9500,
    "TotRms_AbvGrd": 6,
    "Fireplaces": 1,
    "Year_Built": 1975,
    "Year_Remod_Add": 1990,
    "Bldg_Type": "OneFam",
    "Central_Air": "Y",
}


def houses(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(0)
    area, built = random.integers(600, 3000, rows), random.integers(1900, 2010, rows)
    table = pd.DataFrame(
        {
            "Gr_Liv_Area": area,
            "Total_Bsmt_SF": random.integers(0, 2000, rows),
            "Garage_Area": random.integers(0, 900, rows),
            "Lot_Area": random.integers(2000, 20000, rows),
            "TotRms_AbvGrd": area // 400 + random.integers(1, 6, rows),
            "Fireplaces": random.integers(0, 3, rows),
            "Year_Built": built,
            "Year_Remod_Add": np.maximum(built, 1950),
            "Bldg_Type": random.choice(["OneFam", "Duplex"], rows, p=[0.8, 0.2]),
            "Central_Air": random.choice(["Y", "N"], rows, p=[0.8, 0.2]),
            "Sale_Condition": random.choice(["Normal", "Family"], rows, p=[0.9, 0.1]),
        }
    )
    log = 7 + area / 2000 + built / 500 - 0.1 * (table["Central_Air"] == "N") + random.normal(0, 0.1, rows)
    return table.assign(Sale_Price=np.exp(log).round(-2).astype(int))


@pytest.fixture(scope="module")
def done(laptop: Settings) -> str:
    """What `mlops run linear-regression` says of a small table."""
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=houses().to_csv(index=False).encode())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "linear-regression", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_version_says_how_near_it_is_to_the_libraries(laptop: Settings, done: str) -> None:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="linear-regression")["ModelPackageSummaryList"]
    package = sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    properties = package["CustomerMetadataProperties"]
    assert 0 <= float(properties["LargestDifference"]) < 1e-6 == float(properties["MaxDifference"])
    assert 0.5 < float(properties["R2OfLogPrice"]) <= 1
    bucket, _, key = properties["Summary"].removeprefix("s3://").partition("/")
    page = laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert "Linear regression by hand" in page
    assert {"ModelDataQuality", "ModelQuality", "Explainability"} <= set(package["DriftCheckBaselines"])


def ask(laptop: Settings, **changed: Any) -> Any:
    body = json.dumps({**HOUSE, **changed})
    answer = laptop.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="linear-regression-staging", Body=body, ContentType="application/json"
    )
    (found,) = json.loads(answer["Body"].read())["predictions"]
    return found


def test_the_endpoint_takes_raw_records(laptop: Settings, done: str) -> None:
    laptop.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="linear-regression-staging")
    small, large = ask(laptop), ask(laptop, Gr_Liv_Area=2500)
    assert small["lower"] < small["prediction"] < small["upper"]
    assert small["prediction"] < large["prediction"]
    assert ask(laptop, Bldg_Type="Castle")["prediction"] > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Gr_Liv_Area": 15000}, "Column Gr_Liv_Area holds 15000"),
        ({"Gr_Liv_Area": "large"}, "'large' where a number is needed"),
        ({"Central_Air": None}, "Blank values in Central_Air"),
    ],
)
def test_bad_requests_are_refused(laptop: Settings, done: str, changed: dict[str, Any], message: str) -> None:
    laptop.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="linear-regression-staging")
    with pytest.raises(ClientError, match=message):
        ask(laptop, **changed)
