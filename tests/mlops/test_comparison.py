from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from evaluation.version_differences import less_is_better
from mlops import comparison, console, executions, experiments
from mlops.experiments import Entry
from mlops.targets import LAPTOP, Target
from sagelocal.config import Settings

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


def entry(name: str, metrics: dict[str, float], **parameters: str) -> Entry:
    return Entry(name, "Succeeded", MOMENT, MOMENT, "", metrics, parameters)


def order(found: list[Entry], metric: str | None) -> list[str]:
    return [one.execution for one in comparison.ranked(found, metric)]


def test_the_best_is_first_and_what_has_no_metric_last() -> None:
    found = [entry("a", {"auc": 0.7, "log_loss": 0.5}), entry("b", {}), entry("c", {"auc": 0.8, "log_loss": 0.6})]
    assert order(found, "auc") == ["c", "a", "b"]
    assert order(found, "log_loss") == ["a", "c", "b"]
    assert order(found, None) == ["a", "b", "c"]
    assert less_is_better("validation:logloss") and not less_is_better("validation:aucpr")
    assert less_is_better("davies_bouldin") and not less_is_better("silhouette") and not less_is_better("r2_log")
    assert comparison.main_metric(found) == "auc"
    assert comparison.main_metric([entry("b", {})]) is None


def test_only_parameters_that_differ_are_columns() -> None:
    found = [entry("a", {}, eta="0.1", depth="3"), entry("b", {}, eta="0.2", depth="3"), entry("c", {}, eta="0.1")]
    assert comparison.differences(found) == ["eta", "depth"]
    assert comparison.differences(found[:2]) == ["eta"]
    assert comparison.differences(found[:1]) == []


def script(*lines: str) -> list[str]:
    return ["python3", "-c", "; ".join(lines)]


def pipeline(sagemaker: Any, settings: Settings) -> None:
    """Train with Eta, then an evaluation whose precision is Eta, both in an instant."""
    model = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    eta = {"Get": "Parameters.Eta"}
    out = {"Std:Join": {"On": "/", "Values": [f"s3://{settings.bucket}/x", {"Get": "Execution.PipelineExecutionId"}]}}
    report = '{{"binary_classification_metrics": {{"average_precision": {{"value": {}}}}}}}'
    train = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": script("print('auc=0.5;'); print('auc=0.75;')"),
            "MetricDefinitions": [{"Name": "auc", "Regex": "auc=(.*?);"}],
        },
        "HyperParameters": {"eta": eta, "sagemaker_program": "x.py"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{settings.bucket}/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "RoleArn": settings.role_arn,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    local = {"LocalPath": "/opt/ml/processing/model", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    upload = {"S3Uri": out, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    evaluate = {
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": script(
                "import os", f"report = '{report}'.format(os.environ['ETA'])",
                "open('/opt/ml/processing/out/evaluation.json', 'w').write(report)",
            ),
        },
        "Environment": {"ETA": eta},
        "ProcessingInputs": [{"InputName": "model", "S3Input": {"S3Uri": model, **local}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluation", "S3Output": upload}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "RoleArn": settings.role_arn,
    }  # fmt: skip
    definition = {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": "Eta", "Type": "Float", "DefaultValue": 0.5},
            {"Name": "Note", "Type": "String", "DefaultValue": "same"},
        ],
        "PipelineExperimentConfig": {
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        },
        "Steps": [
            {"Name": "Train", "Type": "Training", "Arguments": train},
            {"Name": "Evaluate", "Type": "Processing", "Arguments": evaluate, "CacheConfig": {"Enabled": True}},
        ],
    }
    sagemaker.create_pipeline(
        PipelineName="churn",
        RoleArn=settings.role_arn,
        PipelineDefinition=json.dumps(definition),
        ClientRequestToken=str(uuid.uuid4()),
    )


def run(sagemaker: Any, settings: Settings, eta: str) -> str:
    parameters = [{"Name": "Eta", "Value": eta}]
    arn = sagemaker.start_pipeline_execution(PipelineName="churn", PipelineParameters=parameters)[
        "PipelineExecutionArn"
    ]
    while (found := sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)) and found[
        "PipelineExecutionStatus"
    ] in executions.RUNNING:
        pass
    assert found["PipelineExecutionStatus"] == "Succeeded", found
    return str(arn.rsplit("/", 1)[1])


@pytest.mark.namespaces
def test_a_leaderboard_of_executions(
    laptop: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "240")
    console.stdout.cache_clear()  # an earlier test's terminal may have been narrow
    target = Target(LAPTOP, laptop.account, laptop.region, boto3.Session(), laptop)
    sagemaker = target.client("sagemaker")
    pipeline(sagemaker, laptop)
    low, high = run(sagemaker, laptop, "0.25"), run(sagemaker, laptop, "0.625")

    best, other = comparison.ranked(comparison.entries(target, "churn", 10), "average_precision")
    assert (best.execution, other.execution) == (high, low)
    assert best.ended and best.ended > best.started
    first = experiments.page(target, "churn", size=1)
    second = experiments.page(target, "churn", size=1, token=first.token)
    assert [one.entries[0].execution for one in (first, second)] == [high, low]
    assert (bool(first.token), second.token) == (True, "")
    assert best.metrics == {"average_precision": 0.625, "auc": 0.75}
    assert best.parameters == {"eta": "0.625", "Note": "same"}
    assert comparison.differences([best, other]) == ["eta"]

    comparison.compare(target, "churn", None, 1, as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["execution"], shown["metrics"]["auc"]) == (high, 0.75)
    comparison.compare(target, "churn", "auc", 10, as_json=False)
    table, said = capsys.readouterr()
    assert [line.split()[0] for line in table.splitlines() if "Succeeded" in line] == [high, low]
    assert "Best auc first" in said
    with pytest.raises(LookupError, match="has the metric nope. Known: auc, average_precision"):
        comparison.compare(target, "churn", "nope", 10, as_json=False)
