"""The churn pipeline on a real sagelocal: a small table becomes a version that waits for a decision."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]  # `mlops demo` is the same on real data, in test_demo.py
QUICK = ("NumRound=20", "MinAveragePrecision=0.3")
RAW = "data/customers/churn.csv"


def customers(rows: int = 1000) -> pd.DataFrame:
    """A raw table as the source has it, in which monthly contracts and short tenure decide."""
    random = np.random.default_rng(0)
    yes = ("Yes", "No")
    choices = {
        "gender": ("Female", "Male"),
        "Partner": yes,
        "Dependents": yes,
        "PhoneService": yes,
        "MultipleLines": yes,
        "InternetService": ("DSL", "Fiber optic", "No"),
        **dict.fromkeys(("OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport"), yes),
        **dict.fromkeys(("StreamingTV", "StreamingMovies", "PaperlessBilling"), yes),
        "Contract": ("Month-to-month", "One year", "Two year"),
        "PaymentMethod": ("Mailed check", "Electronic check"),
    }
    table = pd.DataFrame({name: random.choice(values, rows) for name, values in choices.items()})
    table.insert(0, "customerID", [f"{number:04d}" for number in range(rows)])
    table["SeniorCitizen"] = random.integers(0, 2, rows)
    table["tenure"] = random.integers(0, 72, rows)
    table["MonthlyCharges"] = random.uniform(20, 100, rows).round(2)
    table["TotalCharges"] = (table["tenure"] * table["MonthlyCharges"]).round(2)
    risk = 0.1 + 0.7 * (table["Contract"] == "Month-to-month") * (table["tenure"] < 36)
    return table.assign(Churn=np.where(random.random(rows) < risk, "Yes", "No"))


def test_a_small_table_becomes_a_version_that_waits(laptop: Settings) -> None:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=customers().to_csv(index=False).encode())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "churn", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    sagemaker = laptop.client("sagemaker")
    (version,) = sagemaker.list_model_packages(ModelPackageGroupName="churn")["ModelPackageSummaryList"]
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    package = sagemaker.describe_model_package(ModelPackageName=version["ModelPackageArn"])
    assert float(package["CustomerMetadataProperties"]["AveragePrecision"]) > 0.3
    assert {"Bias", "Explainability", "ModelDataQuality", "ModelQuality"} == set(package["DriftCheckBaselines"])
