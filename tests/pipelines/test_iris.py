"""The iris pipeline on a real sagelocal: 150 flowers become an endpoint that answers raw records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data import archives
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.namespaces  # of the whole pipelines the one that every change runs, as the smallest
FEW_TRIALS = "import sys; from pipelines import iris; iris.TRIALS = 2; from mlops import cli; cli.main(sys.argv[1:])"
QUICK = ("Folds=2", "DeployTo=staging")
RAW = "data/flowers/iris.parquet"


@pytest.fixture(scope="module")
def done(laptop: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `mlops run iris` says, with deployment by the pipeline, and fewer trials than it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_CACHE", str(tmp_path_factory.mktemp("cache")))
        laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=archives.fetch("iris").read_bytes())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, **laptop.shell_environment(), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    environ["MLOPS_STATE"] = str(laptop.state)
    command = [sys.executable, "-c", FEW_TRIALS, "run", "iris", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def version(laptop: Settings, done: str) -> dict[str, Any]:
    sagemaker = laptop.client("sagemaker")
    (found,) = sagemaker.list_model_packages(ModelPackageGroupName="iris")["ModelPackageSummaryList"]
    return sagemaker.describe_model_package(ModelPackageName=found["ModelPackageArn"])


def test_a_version_waits_with_what_was_measured(version: dict[str, Any]) -> None:
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    assert float(version["CustomerMetadataProperties"]["Accuracy"]) >= 0.87
    assert set(version["DriftCheckBaselines"]) == {"ModelDataQuality", "ModelQuality", "Explainability"}


def test_a_tuning_job_chose_among_the_models(laptop: Settings, done: str) -> None:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    name = listed["HyperParameterTuningJobName"]
    best = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)["BestTrainingJob"]
    assert best["TunedHyperParameters"]["model"] in ("logistic_regression", "decision_tree", "knn", "svm")
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"] == "cv:accuracy"
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] > 0.8


def test_the_endpoint_takes_raw_records_and_refuses_others(laptop: Settings, done: str) -> None:
    runtime = laptop.client("sagemaker-runtime")
    flower: dict[str, Any] = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}

    def ask(body: dict[str, Any]) -> Any:
        return runtime.invoke_endpoint(
            EndpointName="iris-staging", Body=json.dumps(body), ContentType="application/json"
        )

    (found,) = json.loads(ask(flower)["Body"].read())["predictions"]
    assert found["label"] == "setosa" and set(found["probabilities"]) == {"setosa", "versicolor", "virginica"}
    with pytest.raises(runtime.exceptions.ModelError, match=r"400.*petal_length holds 'long' where a number is needed"):
        ask({**flower, "petal_length": "long"})


def test_the_page_of_the_evaluation_is_there(laptop: Settings, done: str) -> None:
    s3 = laptop.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=laptop.bucket, Prefix="iris/")["Contents"]]
    files = {key.rsplit("/", 1)[1] for key in keys if "/Evaluate/output/evaluation/" in key}
    assert {"evaluation.json", "report.html", "report.pdf", "confusion_matrix.png", "learning_curve.png"} <= files
