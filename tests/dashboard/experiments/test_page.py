"""The page on two real executions: one tunes and evaluates, the other takes both from the cache."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from mlops import executions
from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces
NAME = "tuned"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
# A script of the image's toolkit: three epochs, in which the loss comes down to eta.
TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--eta", type=float)
eta = parser.parse_args().eta
for epoch in (3, 2, 1):
    print(f"loss={eta * epoch};", flush=True)
open("/opt/ml/model/model", "w").write("x")
"""
REPORT = {"binary_classification_metrics": {"average_precision": {"value": 0.75}, "auc": {"value": 0.5}}}
EVALUATE = f"import json; json.dump({REPORT}, open('/opt/ml/processing/out/evaluation.json', 'w'))"


def source(settings: Settings, script: str) -> dict[str, str]:
    """Hyperparameters that let the image run the script."""
    packed, content = io.BytesIO(), script.encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    key = f"code/{hashlib.sha256(content).hexdigest()[:16]}.tar.gz"
    settings.client("s3").put_object(Bucket=settings.bucket, Key=key, Body=packed.getvalue())
    return {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{settings.bucket}/{key}"}


def definition(settings: Settings) -> dict[str, Any]:
    models = f"s3://{settings.bucket}/models"
    tune = {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 1,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 3},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {"Name": "eta", "MinValue": "0.01", "MaxValue": "1", "ScalingType": "Logarithmic"}
                ]
            },
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": source(settings, TRAIN),
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "OutputDataConfig": {"S3OutputPath": models},
            "ResourceConfig": CLUSTER,
            "RoleArn": settings.role_arn,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }
    best = {"Get": "Steps.Tune.BestTrainingJob.TrainingJobName"}
    model = {"Std:Join": {"On": "/", "Values": [models, best, "output/model.tar.gz"]}}
    local = {"LocalPath": "/opt/ml/processing/model", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    out = {"Std:Join": {"On": "/", "Values": [f"s3://{settings.bucket}/x", {"Get": "Execution.PipelineExecutionId"}]}}
    upload = {"S3Uri": out, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    evaluate = {
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", EVALUATE]},
        "ProcessingInputs": [{"InputName": "model", "S3Input": {"S3Uri": model, **local}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluation", "S3Output": upload}]},
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "RoleArn": settings.role_arn,
    }
    cached = {"Enabled": True, "ExpireAfter": "P1D"}
    return {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Note", "Type": "String", "DefaultValue": "first"}],
        "PipelineExperimentConfig": {
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        },
        "Steps": [
            {"Name": "Tune", "Type": "Tuning", "Arguments": tune, "CacheConfig": cached},
            {"Name": "Evaluate", "Type": "Processing", "Arguments": evaluate, "CacheConfig": cached},
        ],
    }


@pytest.fixture(scope="session")
def ran(laptop: Settings) -> list[str]:
    """The ids of the two executions."""
    sagemaker = laptop.client("sagemaker")
    text = json.dumps(definition(laptop))
    query = {"PipelineName": NAME, "RoleArn": laptop.role_arn, "ClientRequestToken": str(uuid.uuid4())}
    sagemaker.create_pipeline(PipelineDefinition=text, **query)
    return [run(sagemaker, note) for note in ("first", "second")]


def run(sagemaker: Any, note: str) -> str:
    given = [{"Name": "Note", "Value": note}]
    arn = sagemaker.start_pipeline_execution(PipelineName=NAME, PipelineParameters=given)["PipelineExecutionArn"]
    while (found := sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)) and found[
        "PipelineExecutionStatus"
    ] in executions.RUNNING:
        time.sleep(0.05)
    assert found["PipelineExecutionStatus"] == "Succeeded", found
    return str(arn.rsplit("/", 1)[1])


def texts(shown: Any) -> str:
    parts = (*shown.caption, *shown.markdown, *shown.info, *shown.subheader)
    return "\n".join(str(each.value) for each in parts)


def said(shown: Any) -> list[str]:
    return [each.value for each in (*shown.exception, *shown.error, *shown.warning)]


def test_executions_are_ranked_those_from_the_cache_too(app_test: Callable[..., Any], ran: list[str]) -> None:
    shown = app_test("experiments", pipeline=NAME).run()
    assert said(shown) == []
    table = shown.dataframe[0].value
    assert sorted(table["Execution"]) == sorted(ran)
    assert list(table["average_precision"]) == [0.75, 0.75]
    assert list(table["Mark"]) == ["Best", ""]
    assert sorted(table["Note"]) == ["first", "second"]
    assert shown.selectbox(key="metric").options[:3] == ["average_precision", "auc", "loss"]
    assert "All 2 executions." in texts(shown)

    shown.selectbox(key="run").set_value(ran[1]).run()
    assert "Succeeded" in texts(shown)
    shown.button(key="jobs-of").click().run()
    assert shown.query_params["execution"] == ran[1]
    assert "trained nothing itself" in texts(shown)
    shown.button(key="all-jobs").click().run()
    assert "All 3 training jobs." in texts(shown)


def test_training_jobs_are_ranked_by_what_their_tuning_job_was_after(
    app_test: Callable[..., Any], ran: list[str]
) -> None:
    shown = app_test("experiments", pipeline=NAME, level="Training jobs", execution=ran[0]).run()
    assert said(shown) == []
    table = shown.dataframe[0].value
    assert list(table["loss"]) == sorted(table["loss"])
    assert list(table["eta"]) == pytest.approx(list(table["loss"]))
    assert set(table["Execution"]) == {ran[0]}
    assert f"All 3 training jobs of execution {ran[0]}." in texts(shown)
    drawn = [json.loads(each.spec) for each in shown.get("vega_lite_chart") or shown.get("arrow_vega_lite_chart")]
    assert '"type": "log"' in json.dumps(drawn)  # against eta, which was looked for on such a scale

    shown.selectbox(key="run").set_value(table["Training job"][0]).run()
    assert "Learning curves" in texts(shown)
    assert shown.multiselect(key=f"curves-{table['Training job'][0]}").value == ["loss"]


def test_a_tuning_job_says_how_far_it_is(app_test: Callable[..., Any], ran: list[str]) -> None:
    shown = app_test("experiments", pipeline=NAME, level="Tuning").run()
    assert said(shown) == []
    figures = {each.label: each.value for each in shown.metric}
    assert (figures["Completed"], figures["Running"], figures["Failed"]) == ("3 of 3", "0", "0")
    trials = shown.dataframe[1].value
    assert float(figures["Best loss"]) == pytest.approx(trials["loss"][0], rel=1e-4)
    assert not [each for each in shown.button if each.label == "Stop"]  # it has ended


def test_a_tuning_job_under_way_can_be_stopped(app_test: Callable[..., Any], ran: list[str], laptop: Settings) -> None:
    sagemaker = laptop.client("sagemaker")
    job = definition(laptop)["Steps"][0]["Arguments"]
    job["TrainingJobDefinition"]["StaticHyperParameters"] = source(laptop, "import time; time.sleep(60)")
    arn = f"arn:aws:sagemaker:{laptop.region}:{laptop.account}:pipeline/{NAME}/execution/{ran[0]}"
    tags = [{"Key": "sagemaker:pipeline-execution-arn", "Value": arn}]
    name = f"{ran[0]}-Tune-slow"
    sagemaker.create_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, Tags=tags, **job)

    shown = app_test("experiments", pipeline=NAME, level="Tuning").run()
    assert said(shown) == []
    assert shown.multiselect(key="tuning").value == [name]
    assert {each.label: each.value for each in shown.metric}["Best loss"] == "–"
    shown.button(key=f"stop-{name}").click().run()
    assert any(f"execution {ran[0]} fails" in each.value for each in shown.markdown)
    shown.button(key="changes-confirm").click()
    shown.button(key=f"stop-{name}").click().run()  # an AppTest runs all of the page, so it is pressed again, too
    assert sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
        "HyperParameterTuningJobStatus"
    ] in ("Stopping", "Stopped")


def test_an_address_that_names_nothing_is_taken_as_none(app_test: Callable[..., Any], ran: list[str]) -> None:
    shown = app_test("experiments", pipeline="nope").run()
    assert said(shown) == []
    shown = app_test("experiments", pipeline=NAME, metric="nope", run="nope", rows="-3").run()
    assert said(shown) == []
    assert shown.selectbox(key="metric").value == "average_precision"
