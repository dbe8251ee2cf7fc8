"""The census pipeline on a real sagelocal: of two versions the mitigated one is the less biased."""

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

from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
QUICK = ("NumRound=40", "MinRocAuc=0.6", "MinRocAucMitigated=0.55")
RAW = "data/people/census.csv"


def people(rows: int = 2000) -> pd.DataFrame:
    """A raw table as the source has it, in which schooling and age decide, and being a man does as much."""
    random = np.random.default_rng(0)
    gender = random.choice([" Male", " Female"], rows)
    schooling, age = random.integers(1, 16, rows), random.integers(17, 90, rows)
    score = 0.3 * (schooling - 11) + 0.03 * (age - 55) + 2.0 * (gender == " Male") - 1.5
    return pd.DataFrame(
        {
            "Unnamed: 0": range(rows),
            "age": age,
            "workclass": random.choice([" Private", " ?", " State-gov"], rows),
            "education": " HS-grad",
            "education-num": schooling,
            "marital-status": random.choice([" Never-married", " Divorced"], rows),
            "occupation": random.choice([" Sales", " ?"], rows),
            "relationship": random.choice([" Husband", " Wife"], rows),
            "ethnicity": random.choice([" White", " Black", " Other"], rows),
            "gender": gender,
            "capital-gain": 0,
            "capital-loss": 0,
            "hours-per-week": random.integers(1, 99, rows),
            "loan": np.where(random.random(rows) < 1 / (1 + np.exp(-score)), " >50K", " <=50K"),
        }
    )


@pytest.fixture(scope="module")
def done(laptop: Settings) -> str:
    """What `mlops run census` says of a small table."""
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=people().to_csv(index=False).encode())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "census", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def versions(laptop: Settings, done: str) -> dict[str, dict[str, Any]]:
    """DescribeModelPackage of both versions, by their mitigation."""
    sagemaker = laptop.client("sagemaker")
    listed = sagemaker.list_model_packages(ModelPackageGroupName="census")["ModelPackageSummaryList"]
    found = [sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"]) for each in listed]
    assert len(found) == 2
    return {each["CustomerMetadataProperties"]["Mitigation"]: each for each in found}


def read(laptop: Settings, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bytes(laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def gap(laptop: Settings, package: dict[str, Any]) -> float:
    """DPPL of women, as the version's own baseline has it."""
    baseline = json.loads(read(laptop, package["DriftCheckBaselines"]["Bias"]["PostTrainingConstraints"]["S3Uri"]))
    (group,) = baseline["post_training_bias_metrics"]["facets"]["gender"]
    assert group["value_or_threshold"] == "Female"
    return float({each["name"]: each["value"] for each in group["metrics"]}["DPPL"])


def test_two_versions_wait_for_a_decision(laptop: Settings, done: str, versions: dict[str, dict[str, Any]]) -> None:
    assert set(versions) == {"none", "reweighing"}
    (execution,) = laptop.client("sagemaker").list_pipeline_executions(PipelineName="census")[
        "PipelineExecutionSummaries"
    ]
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    for package in versions.values():
        assert package["ModelApprovalStatus"] == "PendingManualApproval"
        bias = package["DriftCheckBaselines"]["Bias"]
        assert set(bias) == {"ConfigFile", "PreTrainingConstraints", "PostTrainingConstraints"}
        assert b"pre_training_bias_metrics" in read(laptop, bias["PreTrainingConstraints"]["S3Uri"])


def test_the_mitigated_version_is_less_biased(laptop: Settings, versions: dict[str, dict[str, Any]]) -> None:
    before, after = (gap(laptop, versions[each]) for each in ("none", "reweighing"))
    assert before > 0.15
    assert abs(after) < 0.7 * before


def test_the_trade_off_is_drawn(laptop: Settings, done: str) -> None:
    s3 = laptop.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=laptop.bucket, Prefix="census/")["Contents"]]
    files = {key.rsplit("/", 1)[1]: key for key in keys if "/TradeOff/output/trade_off/" in key}
    assert {"trade_off.png", "trade_off.json", "report.html", "report.pdf"} <= set(files)
    assert read(laptop, f"s3://{laptop.bucket}/{files['trade_off.png']}").startswith(b"\x89PNG")
    assert "ROC-AUC" in read(laptop, f"s3://{laptop.bucket}/{files['report.html']}").decode()
