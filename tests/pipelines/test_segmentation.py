"""The segmentation pipeline on a real sagelocal: from invoices to a registered version, customers in segments, an
endpoint that places one more, and a monitor that sees segments' shares move.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import numpy as np
import pandas as pd
import pytest

from deploy import names, verdicts, watch
from deploy.declaration import Kind, monitored
from deploy.wanted import Place
from mlops.targets import enter_laptop
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
RAW = "data/shop/invoices.csv"
QUICK = ("MaxSegments=4", "Resamples=2", "Folds=2", "DeployTo=staging")


def invoices(customers: int = 90) -> pd.DataFrame:
    """Lines as the source has them, of regulars, occasional buyers and some who bought once long ago."""
    random = np.random.default_rng(0)
    lines = []
    for customer in range(customers):
        kind = customer % 3
        orders, last, price = [(30, 3, 90.0), (5, 100, 40.0), (1, 400, 15.0)][kind]
        for order in range(orders):
            day = pd.Timestamp("2011-12-09") - pd.Timedelta(days=int(last + 3 * order + random.integers(0, 9)))
            amount = round(price * random.uniform(0.8, 1.2), 2)
            lines.append(
                (f"{customer:03d}{order:03d}", "A", "a thing", 2, f"{day:%m/%d/%Y} 8:26", amount, customer, "UK")
            )
    names = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
    return pd.DataFrame(lines, columns=names)


@pytest.fixture(scope="module")
def done(laptop: Settings) -> str:
    """What `mlops run segmentation` says of a small table."""
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=invoices().to_csv(index=False).encode())
    return mlops(laptop, "run", "segmentation", *parameters(*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}"))


def parameters(*chosen: str) -> list[str]:
    return [part for each in chosen for part in ("-p", each)]


def mlops(laptop: Settings, *command: str) -> str:
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    given = [sys.executable, "-m", "mlops.cli", *command]
    ran = subprocess.run(given, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def assigned(laptop: Settings) -> pd.DataFrame:
    """What the newest batch transform job left: customer, number and name of the segment."""
    s3 = laptop.client("s3")
    listed = s3.list_objects_v2(Bucket=laptop.bucket, Prefix="segmentation/")["Contents"]
    found = [each for each in listed if each["Key"].endswith("/Assign/customers.csv.out")]
    newest = max(found, key=lambda each: each["LastModified"])["Key"]
    body = s3.get_object(Bucket=laptop.bucket, Key=newest)["Body"]
    return pd.read_csv(body, header=None, names=["customer", "label", "name"])


def test_the_version_says_how_good_its_segments_are(laptop: Settings, done: str) -> None:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="segmentation")["ModelPackageSummaryList"]
    package: dict[str, Any] = sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    properties = package["CustomerMetadataProperties"]
    assert float(properties["Silhouette"]) > 0.7
    assert float(properties["Stability"]) == 1.0
    bucket, _, key = package["DriftCheckBaselines"]["ModelDataQuality"]["Constraints"]["S3Uri"][5:].partition("/")
    constraints = json.load(laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"])
    assert [each["name"] for each in constraints["features"]] == ["recency", "frequency", "monetary", "segment"]


def test_each_customer_is_assigned_by_a_batch_transform(laptop: Settings, done: str) -> None:
    found = assigned(laptop)
    assert list(found["customer"]) == sorted(range(90), key=str)
    assert (found["label"] == found["customer"] % 3).all()
    assert set(found["name"][found["label"] == 0]) == {"Active big-spending regulars"}


def test_new_customers_are_assigned_without_a_new_model(laptop: Settings, done: str) -> None:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="new/customers.csv", Body=b"777,3,30,5400\n778,410,1,31\n")
    given = ["--steps", "CreateModelToAssign,Assign", "--given", f"ProcessData.customers=s3://{laptop.bucket}/new/"]
    mlops(laptop, "run", "segmentation", *given)
    assert dict(assigned(laptop)[["customer", "label"]].to_numpy().tolist()) == {777: 0, 778: 2}


def test_an_endpoint_places_one_customer_and_refuses_what_is_none(laptop: Settings, done: str) -> None:
    runtime = laptop.client("sagemaker-runtime")

    def ask(**record: Any) -> Any:
        answer = runtime.invoke_endpoint(
            EndpointName="segmentation-staging", ContentType="application/json", Body=json.dumps(record)
        )
        return json.load(answer["Body"])["predictions"]

    assert ask(customer_id="9", recency=5, frequency=28, monetary=5000) == [
        {"label": 0, "name": "Active big-spending regulars"}
    ]
    assert ask(recency=50, frequency=280, monetary=50000)[0]["label"] == 0  # ten times as much
    with pytest.raises(botocore.exceptions.ClientError, match="Column recency holds 'long ago' where a number"):
        ask(recency="long ago", frequency=1, monetary=5)


def test_a_monitor_sees_the_shares_of_the_segments_move(
    laptop: Settings, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As production declares it, over the endpoint of staging: of one kind of customer come more than there were."""
    for name in [each for each in os.environ if each.startswith(("AWS_", "SAGEMAKER_"))]:
        monkeypatch.delenv(name)
    environ: dict[str, str] = {}
    enter_laptop(laptop, environ)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    from pipelines import monitoring
    from pipelines.project import Project

    sagemaker, runtime = laptop.client("sagemaker"), laptop.client("sagemaker-runtime")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="segmentation")["ModelPackageSummaryList"]
    package = sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    place = Place("aws", laptop.account, laptop.region, laptop.role_arn, laptop.bucket)
    declared = monitored("segmentation")["production"]
    (found,), left_out = watch.watches(declared, "segmentation", "staging", package, place)
    assert (found.kind, left_out) == (Kind.DATA_QUALITY, [])
    start = pd.Timestamp.now(tz="UTC").floor("s")
    lines = [f"{at},{3 + at % 7},30,{5000 + at}" for at in range(200)]
    runtime.invoke_endpoint(
        EndpointName="segmentation-staging", ContentType="text/csv", Accept="text/csv", Body="\n".join(lines)
    )
    wait_for_capture(laptop, place, lines[-1])

    monitoring.pipeline(Project.from_environment(boto3.Session()), found).upsert(laptop.role_arn)
    execution = verdicts.start(sagemaker, found.name, start, start + pd.Timedelta("1h"))
    verdicts.ended(sagemaker, execution, 0.1)
    moved = verdicts.read(sagemaker, laptop.client("s3"), execution, Kind.DATA_QUALITY)
    assert moved.status == verdicts.VIOLATIONS, moved.reason
    assert (moved.records or 0) >= 200
    assert "segment" in moved.subjects and "customer_id" not in moved.subjects


def wait_for_capture(laptop: Settings, place: Place, record: str) -> None:
    """Captures are stored a moment after the answer."""
    s3, deadline = laptop.client("s3"), time.monotonic() + 60
    folder = names.capture_uri(place.bucket, place.prefix).removeprefix(f"s3://{place.bucket}/")
    while True:
        listed = s3.list_objects_v2(Bucket=place.bucket, Prefix=f"{folder}/segmentation-staging/").get("Contents", [])
        bodies = [s3.get_object(Bucket=place.bucket, Key=each["Key"])["Body"].read().decode() for each in listed]
        if any(record in body for body in bodies):
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)
