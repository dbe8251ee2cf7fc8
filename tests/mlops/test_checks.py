"""Checks of churn's pipeline for real: a first version, data that moved, and the same by AWS's own steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
QUICK = ("-p", "NumRound=20", "-p", "MinAveragePrecision=0.1")
CHECKS = ("DataQuality", "DataBias", "ModelQuality", "ModelBias", "Explainability")
SHIFT = """
import sys
from data.archives import fetch
from data.churn_shift import shift
import pandas as pd
shift(pd.read_parquet(fetch("churn")), 0)[0].to_csv(sys.argv[1], index=False)
"""


def python(laptop: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540
    )


def mlops(laptop: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(laptop, "-m", "mlops.cli", *arguments)


def run(laptop: Settings, *arguments: str) -> dict[str, str]:
    """What was said of each step of a run that has to succeed."""
    done = mlops(laptop, "run", "churn", *QUICK, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.split()[0]: line for line in done.stdout.splitlines() if "Succeeded" in line}


def newest(laptop: Settings) -> dict[str, Any]:
    sagemaker = laptop.client("sagemaker")
    listed = sagemaker.list_model_packages(ModelPackageGroupName="churn", SortBy="CreationTime", SortOrder="Descending")
    return sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageSummaryList"][0]["ModelPackageArn"])


def registered(laptop: Settings, member: str, leaf: str, package: dict[str, Any]) -> Any:
    bucket, _, key = package[member.partition(".")[0]][member.partition(".")[2]][leaf]["S3Uri"][5:].partition("/")
    return json.loads(laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.fixture(scope="module")
def first(laptop: Settings) -> tuple[dict[str, str], dict[str, Any]]:
    steps = run(laptop)
    package = newest(laptop)
    assert mlops(laptop, "approve", "churn").returncode == 0
    return steps, package


@pytest.fixture(scope="module")
def moved(laptop: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of the raw table after a change of the population."""
    file = tmp_path_factory.mktemp("moved") / "churn.csv"
    done = python(laptop, "-c", SHIFT, str(file))
    assert done.returncode == 0, done.stderr
    laptop.client("s3").upload_file(str(file), laptop.bucket, "data/moved/churn.csv")
    return f"s3://{laptop.bucket}/data/moved/churn.csv"


def test_a_first_run_registers_its_own_baselines(laptop: Settings, first: Any) -> None:
    steps, package = first
    assert all(steps[name].endswith("no earlier baseline.") for name in CHECKS)
    assert {package["CustomerMetadataProperties"][f"{name}Check"] for name in CHECKS} == {"no earlier baseline"}
    for member, report, constraints in (
        ("Bias", "PreTrainingReport", "PreTrainingConstraints"),
        ("Bias", "PostTrainingReport", "PostTrainingConstraints"),
        ("Explainability", "Report", "Constraints"),
        ("ModelQuality", "Constraints", "Constraints"),
        ("ModelDataQuality", "Statistics", "Statistics"),
    ):
        calculated = registered(laptop, f"ModelMetrics.{member}", report, package)
        assert calculated
        assert registered(laptop, f"DriftCheckBaselines.{member}", constraints, package) == calculated


@pytest.mark.usefixtures("first")
def test_the_same_data_and_model_violate_nothing(laptop: Settings) -> None:
    steps = run(laptop)
    assert all(steps[name].endswith("no violation.") for name in CHECKS), steps
    assert "(cached)" in steps["Evaluate"]
    assert "no violation" in mlops(laptop, "models", "churn").stdout


@pytest.mark.usefixtures("first")
def test_data_that_moved_closes_the_gate_which_names_check_violations_and_report(laptop: Settings, moved: str) -> None:
    failed = mlops(laptop, "run", "churn", *QUICK, "-p", f"InputDataUrl={moved}")
    assert failed.returncode == 1
    message = next(line for line in failed.stdout.splitlines() if line.startswith("GateFailed"))
    assert "DataQuality: 4 violations: tenure (baseline_drift_check), Contract (baseline_drift_check), " in message
    uri = message.split("; see ")[1].split()[0].rstrip(".")
    assert uri.startswith(f"s3://{laptop.bucket}/churn/")
    assert uri.endswith("/DataQuality/output/check/report.html")
    bucket, _, key = uri[5:].partition("/")
    assert b"<html" in laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def test_violations_may_be_recorded_and_the_new_baseline_wanted(laptop: Settings, first: Any, moved: str) -> None:
    data = ("-p", f"InputDataUrl={moved}", "-p", "FailOnViolation=false")
    steps = run(laptop, *data)
    assert "4 violations: tenure" in steps["DataQuality"]
    assert "(cached)" in steps["Evaluate"]
    package = newest(laptop)
    assert package["CustomerMetadataProperties"]["DataQualityCheck"] == "4 violations"
    assert "DataQuality: 4 violations" in mlops(laptop, "models", "churn").stdout
    where = ("DriftCheckBaselines.ModelDataQuality", "Statistics")
    assert registered(laptop, *where, package) == registered(laptop, *where, first[1])
    run(laptop, *data, "-p", "RegisterNewBaseline=true")
    wanted = newest(laptop)
    assert registered(laptop, *where, wanted) != registered(laptop, *where, first[1])
    assert registered(laptop, *where, wanted) == registered(
        laptop, "ModelMetrics.ModelDataQuality", "Statistics", wanted
    )


@pytest.mark.usefixtures("first")
def test_awss_own_steps_do_the_same(laptop: Settings) -> None:
    """The last test: its baselines are another engine's."""
    skipped = run(laptop, "--checks", "managed", "-p", "SkipCheck=true", "-p", "RegisterNewBaseline=true")
    assert all(skipped[name].endswith("skipped.") for name in CHECKS)
    package = newest(laptop)
    drift = package["DriftCheckBaselines"]
    assert "/DataBias/output/analysis.json" in drift["Bias"]["PreTrainingConstraints"]["S3Uri"]
    assert mlops(laptop, "approve", "churn").returncode == 0
    compared = run(laptop, "--checks", "managed")
    assert all(compared[name].endswith("no violation.") for name in CHECKS), compared
    assert newest(laptop)["DriftCheckBaselines"] == drift
