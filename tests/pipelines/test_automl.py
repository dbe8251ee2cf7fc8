"""`mlops automl` on a small table of a user's own, by a whole pipeline on a real sagelocal."""

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
QUICK = ["-p", "MaxConfigurations=1", "-p", "Resamples=50", "-p", "MinSkill=0.2"]


def houses(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    size, place = random.uniform(20, 200, rows).round(1), random.choice(["lake", "town", "wood"], rows)
    price = 2000 * size * (1 + (place == "lake")) * random.uniform(0.9, 1.1, rows)
    table = pd.DataFrame({"number": [f"h{row}" for row in range(rows)], "size": size, "place": place})
    table.loc[random.random(rows) < 0.05, "place"] = None
    return table.assign(price=price.round(0))


@pytest.fixture(scope="module")
def done(laptop: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What `mlops automl` says, and its folder of reports."""
    folder = tmp_path_factory.mktemp("own")
    houses().to_csv(folder / "houses.csv", index=False)
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    asked = [str(folder / "houses.csv"), "--target", "price", "--budget", "10s", "--reports", str(folder / "reports")]
    command = [sys.executable, "-m", "mlops.cli", "automl", *asked, *QUICK]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, folder / "reports" / "automl-houses"


@pytest.fixture(scope="module")
def package(laptop: Settings, done: tuple[str, Path]) -> dict[str, Any]:
    """DescribeModelPackage of the version that was registered."""
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="automl")["ModelPackageSummaryList"]
    found: dict[str, Any] = sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    return found


def test_each_family_was_a_training_job_of_a_tuning_job(laptop: Settings, done: tuple[str, Path]) -> None:
    sagemaker = laptop.client("sagemaker")
    (tuning,) = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    trials = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tuning["HyperParameterTuningJobName"]
    )["TrainingJobSummaries"]
    assert {each["TunedHyperParameters"]["family"] for each in trials} >= {"linear", "boosted_trees", "neighbours"}
    assert {each["TrainingJobStatus"] for each in trials} == {"Completed"}
    found = sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tuning["HyperParameterTuningJobName"]
    )["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    assert found == {"Type": "Minimize", "MetricName": "validation:rmse"}


def test_the_winner_waits_for_a_decision(package: dict[str, Any], done: tuple[str, Path]) -> None:
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    told = package["CustomerMetadataProperties"]
    assert (told["Target"], told["Metric"]) == ("price", "rmse")
    assert float(told["Skill"]) > 0.6
    assert package["InferenceSpecification"]["Containers"][0]["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    assert "Version 1 of automl waits" in done[0]


def test_the_leaderboard_is_shown_and_kept(done: tuple[str, Path]) -> None:
    output, folder = done
    found = json.loads((folder / "evaluation.json").read_text())["automl"]
    assert found["problem"] == "regression"
    scores = [each["score"] for each in found["leaderboard"]]
    assert scores == sorted(scores)
    # The others have no time in ten seconds, which their jobs say.
    assert len({each["family"] for each in found["leaderboard"] if "family" in each}) >= 2
    page = (folder / "leaderboard.html").read_text()
    assert "AutoML leaderboard" in page
    assert "boosted trees" in page
    assert (folder / "leaderboard.pdf").read_bytes().startswith(b"%PDF")
    assert "registered" in output
