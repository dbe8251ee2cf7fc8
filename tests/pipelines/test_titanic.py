"""The titanic pipeline on a real sagelocal: reports, a version, an endpoint for raw records, and its monitors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from titanic_passengers import RECORD, passengers

from deploy import declaration, stages
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
QUICK = ("Folds=2", "Families=logistic regression", "Imputers=mean,group", "MinRocAuc=0.55", "DeployTo=staging")
RAW = "data/ship/titanic.csv"


@pytest.fixture(scope="module")
def done(laptop: Settings) -> str:
    """What `mlops run titanic` says of a small table."""
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key=RAW, Body=passengers(200).to_csv(index=False).encode())
    chosen = [part for each in (*QUICK, f"InputDataUrl=s3://{laptop.bucket}/{RAW}") for part in ("-p", each)]
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    command = [sys.executable, "-m", "mlops.cli", "run", "titanic", *chosen]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def ask(laptop: Settings, body: str, kind: str = "application/json") -> dict[str, Any]:
    runtime = laptop.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(
        EndpointName="titanic-staging", ContentType=kind, Accept="application/json", Body=body.encode()
    )
    (found,) = json.loads(answer["Body"].read())["predictions"]
    return dict(found)


def test_a_version_waits_with_all_its_checks(laptop: Settings, done: str) -> None:
    sagemaker = laptop.client("sagemaker")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName="titanic")["ModelPackageSummaryList"]
    package = sagemaker.describe_model_package(ModelPackageName=listed["ModelPackageArn"])
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert set(package["DriftCheckBaselines"]) == {"ModelDataQuality", "ModelQuality", "Bias", "Explainability"}
    assert float(package["CustomerMetadataProperties"]["RocAuc"]) > 0.55


def test_the_reports_are_there(laptop: Settings, done: str) -> None:
    listed = laptop.client("s3").list_objects_v2(Bucket=laptop.bucket, Prefix="titanic/")["Contents"]
    keys = [each["Key"] for each in listed]
    for step, output, file in (
        ("Evaluate", "evaluation", "evaluation.json"),
        ("Imputation", "imputation", "report.html"),
        ("Imputation", "imputation", "report.pdf"),
        ("ExplainPassengers", "explanations", "report.html"),
        ("ExplainPassengers", "explanations", "report.pdf"),
    ):
        assert [each for each in keys if f"/{step}/output/{output}/" in each and each.endswith(file)], (step, file)


def test_the_endpoint_takes_raw_records(laptop: Settings, done: str) -> None:
    man = ask(laptop, json.dumps({"PassengerId": 1, **RECORD}))
    woman = ask(laptop, json.dumps({**RECORD, "Sex": "female", "Name": "Doe, Mrs. Jane", "Pclass": 1}))
    assert man["probability"] < woman["probability"]
    assert ask(laptop, '3,"Braund, Mr. Owen Harris",male,22,1,0,A/5 21171,7.25,,S', "text/csv") == man


def test_blanks_new_categories_and_large_numbers_are_answered(laptop: Settings, done: str) -> None:
    blank = dict.fromkeys(["Name", "Age", "Ticket", "Fare", "Cabin", "Embarked"])
    assert 0 < ask(laptop, json.dumps({**RECORD, **blank}))["probability"] < 1
    assert 0 < ask(laptop, json.dumps({**RECORD, "Embarked": "New York", "Cabin": "Z1"}))["probability"] < 1
    highest = {name: passengers(200)[name].max() for name in ("Age", "Fare")}
    large = {name: 10 * value for name, value in highest.items()}
    assert ask(laptop, json.dumps({**RECORD, **large}))["label"] in (0, 1)


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        ({**RECORD, "Age": "old"}, "Column Age holds 'old' where a number is needed."),
        ({**RECORD, "Sex": None}, "Blank values in Sex. Every record needs them."),
        ({name: value for name, value in RECORD.items() if name != "Ticket"}, "Missing columns: Ticket."),
        ({**RECORD, "Boat": 4}, "Unknown columns: Boat."),
    ],
)
def test_a_bad_record_is_refused_by_name(laptop: Settings, done: str, spoilt: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError) as caught:
        ask(laptop, json.dumps(spoilt))
    assert caught.value.response["OriginalStatusCode"] == 400
    assert says in json.loads(caught.value.response["OriginalMessage"])["error"]


def test_it_is_declared_what_is_watched() -> None:
    assert "production" in stages.of("titanic")
    monitoring = declaration.monitored("titanic")["production"]
    assert monitoring.label == "Survived"
    assert set(monitoring.monitors()) == set(declaration.Kind)
