"""The fraud pipeline on a real sagelocal: from simulated transactions to an endpoint that gives its reasons."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fraud_transactions import RECORD

from data.fraud_simulation import Simulation, simulate
from deploy import declaration, stages
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
RAW = "data/cards/transactions.parquet"
# PyTorch is in the extra `torch`; without it the network's tuning job leaves the member out, as by default.
TORCH = importlib.util.find_spec("torch") is not None
ASKED = ["rules", "random_forest", "boosted_trees", *(["network"] if TORCH else [])]
QUICK = (
    "Trials=2",
    "TrainDays=14",
    "ValidationDays=7",
    "TestDays=7",
    "DelayDays=7",
    f"Members={','.join(ASKED)}",
    "Imbalance=none,weights",
    "Resamples=20",
    "MinAveragePrecision=0.3",
    "DeployTo=staging",
)
LARGE = {**RECORD, "amount": 900.0, "amount_ratio": 20.0, "customer_1d_mean_amount": 500.0, "terminal_7d_risk": 0.8}


@pytest.fixture(scope="module")
def done(laptop: Settings) -> str:
    """What `mlops run fraud` says of eight weeks of 400 customers."""
    body = io.BytesIO()
    simulate(Simulation(customers=400, terminals=800, days=56, seed=1)).to_parquet(body)
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=body.getvalue())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "fraud", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def ask(laptop: Settings, body: str, kind: str = "application/json") -> list[dict[str, Any]]:
    runtime = laptop.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(
        EndpointName="fraud-staging", ContentType=kind, Accept="application/json", Body=body.encode()
    )
    found: list[dict[str, Any]] = json.loads(answer["Body"].read())["predictions"]
    return found


def test_a_version_waits_with_its_checks(laptop: Settings, done: str) -> None:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="fraud")["ModelPackageSummaryList"]
    package = sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert set(package["DriftCheckBaselines"]) == {"ModelDataQuality", "ModelQuality", "Explainability"}
    assert float(package["CustomerMetadataProperties"]["AveragePrecision"]) > 0.3
    assert float(package["CustomerMetadataProperties"]["CardPrecision"]) > 0


def test_every_member_was_tuned_and_those_not_asked_for_left_themselves_out(laptop: Settings, done: str) -> None:
    sagemaker, s3 = laptop.client("sagemaker"), laptop.client("s3")
    jobs = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert len(jobs) == 6
    assert all(each["TrainingJobStatusCounters"]["Completed"] == 2 for each in jobs)
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=laptop.bucket, Prefix="fraud/")["Contents"]]
    (at,) = [each for each in keys if "/Evaluate/output/evaluation/" in each and each.endswith("evaluation.json")]
    evaluation = json.loads(s3.get_object(Bucket=laptop.bucket, Key=at)["Body"].read())
    assert {each["name"] for each in evaluation["members"]} == set(ASKED)
    assert evaluation["rare_events"]["cost_a_day"]["value"] > 0
    for file in ("report.html", "report.pdf"):
        assert [each for each in keys if "/Evaluate/output/evaluation/" in each and each.endswith(file)]


def test_the_endpoint_alerts_with_three_reasons(laptop: Settings, done: str) -> None:
    usual, alert = ask(laptop, json.dumps({"instances": [RECORD, {"transaction_id": 7, **LARGE}]}))
    assert usual["probability"] < 0.1 < alert["probability"]
    assert (usual["predicted_label"], alert["predicted_label"]) == (0, 1)
    assert usual["reasons"] == []
    assert len(alert["reasons"]) == 3
    assert alert["reasons"][0]["value"] == LARGE[alert["reasons"][0]["feature"]]
    assert ask(laptop, f"{json.dumps(RECORD)}\n{json.dumps(LARGE)}", "application/jsonlines") == [usual, alert]


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        ({**RECORD, "amount": "much"}, "Column amount holds 'much' where a number is needed."),
        ({**RECORD, "night": None}, "Blank values in night. Every record needs them."),
        ({name: value for name, value in RECORD.items() if name != "hour"}, "Missing columns: hour."),
        ({**RECORD, "country": "FR"}, "Unknown columns: country."),
    ],
)
def test_a_bad_record_is_refused_by_name(laptop: Settings, done: str, spoilt: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError) as caught:
        ask(laptop, json.dumps(spoilt))
    assert caught.value.response["OriginalStatusCode"] == 400
    assert says in json.loads(caught.value.response["OriginalMessage"])["error"]


def test_it_is_declared_what_is_watched() -> None:
    assert "production" in stages.of("fraud")
    monitoring = declaration.monitored("fraud")["production"]
    assert (monitoring.label, monitoring.inference_attribute) == ("fraud", "predicted_label")
    assert {str(kind) for kind in monitoring.monitors()} == {"data-quality", "model-quality", "explainability"}
