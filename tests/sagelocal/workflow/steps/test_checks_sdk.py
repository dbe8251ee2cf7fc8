"""SDK v3's check steps, Model Monitor's baselines and the Clarify processor, unmodified."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

from sagelocal.config import Settings
from tests.sagelocal.workflow.conftest import IMAGE
from tests.sagelocal.workflow.steps.conftest import Runs

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
SCRIPT = b"""
import math

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    rows = [list(map(float, line.split(","))) for line in body.split("\\n")]
    return "\\n".join(str(1 / (1 + math.exp(-(0.1 * (age - 45) + 1.5 * sex)))) for age, sex in rows)
"""


def people(count: int = 60) -> pd.DataFrame:
    """smclarify takes labels of fewer records for numbers: two values of 40 are 5 % of distinct ones."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"label": 0, "age": random.integers(18, 80, count), "sex": random.integers(0, 2, count)})
    frame["label"] = ((frame["age"] / 80 + 0.3 * frame["sex"]) > 0.7).astype(int)
    return frame


@pytest.fixture
def uris(laptop: Settings) -> dict[str, str]:
    """A table with and without its header line, and the model `fair`."""
    s3, bucket = laptop.client("s3"), laptop.bucket
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        packed.addfile(entry, io.BytesIO(SCRIPT))
    objects = {
        "model.tar.gz": buffer.getvalue(),
        "headed/rows.csv": people(400).to_csv(index=False).encode(),
        "plain/rows.csv": people().to_csv(index=False, header=False).encode(),
    }
    for key, body in objects.items():
        s3.put_object(Bucket=bucket, Key=f"checks/{key}", Body=body)
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/checks/model.tar.gz", "Environment": variables}
    sagemaker = laptop.client("sagemaker")
    if not sagemaker.list_models(NameContains="fair")["Models"]:
        sagemaker.create_model(ModelName="fair", ExecutionRoleArn=laptop.role_arn, PrimaryContainer=container)
    return {key.partition("/")[0]: f"s3://{bucket}/checks/{key}" for key in objects}


def data(uris: dict[str, str], laptop: Settings, output: str) -> Any:
    from sagemaker.core import clarify

    return clarify.DataConfig(
        s3_data_input_path=uris["plain"],
        s3_output_path=f"s3://{laptop.bucket}/checks/{output}",
        label="label",
        headers=["label", "age", "sex"],
        dataset_type="text/csv",
    )


def read(laptop: Settings, key: str) -> Any:
    body = laptop.client("s3").get_object(Bucket=laptop.bucket, Key=f"checks/{key}")["Body"].read()
    return json.loads(body)


def test_check_steps_make_their_first_baselines_and_compare_the_next(
    session: Any, runs: Runs, laptop: Settings, uris: dict[str, str]
) -> None:
    from sagemaker.core import clarify
    from sagemaker.core.model_monitor.dataset_format import DatasetFormat
    from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterString
    from sagemaker.mlops.workflow.check_job_config import CheckJobConfig
    from sagemaker.mlops.workflow.clarify_check_step import (
        ClarifyCheckStep,
        ModelBiasCheckConfig,
        ModelExplainabilityCheckConfig,
    )
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.quality_check_step import DataQualityCheckConfig, QualityCheckStep

    first, model = ParameterBoolean("First", default_value=True), ParameterString("Model", "fair")
    table = ParameterString("Table", uris["headed"])
    job = CheckJobConfig(role=laptop.role_arn, sagemaker_session=session)
    common: dict[str, Any] = {"check_job_config": job, "skip_check": first, "register_new_baseline": first}
    served = clarify.ModelConfig(
        model_name=model, instance_type="ml.m5.large", instance_count=1, content_type="text/csv", accept_type="text/csv"
    )
    bias = clarify.BiasConfig(label_values_or_threshold=[1], facet_name="sex", facet_values_or_threshold=[0])
    root = f"s3://{laptop.bucket}/checks"
    quality = QualityCheckStep(
        name="Quality",
        quality_check_config=DataQualityCheckConfig(table, DatasetFormat.csv(), output_s3_uri=f"{root}/quality"),
        supplied_baseline_statistics=f"{root}/quality/statistics.json",
        supplied_baseline_constraints=f"{root}/quality/constraints.json",
        **common,
    )
    fair = ClarifyCheckStep(
        name="Fair",
        clarify_check_config=ModelBiasCheckConfig(
            data_config=data(uris, laptop, "fair"),
            data_bias_config=bias,
            model_config=served,
            model_predicted_label_config=clarify.ModelPredictedLabelConfig(probability_threshold=0.5),
            methods=["DPPL"],
        ),
        supplied_baseline_constraints=f"{root}/fair/analysis.json",
        **common,
    )
    explained = ClarifyCheckStep(
        name="Explained",
        clarify_check_config=ModelExplainabilityCheckConfig(
            data_config=data(uris, laptop, "explained"),
            model_config=served,
            explainability_config=clarify.SHAPConfig(baseline=[[45, 0]], num_samples=10, agg_method="mean_abs"),
        ),
        supplied_baseline_constraints=f"{root}/explained/analysis.json",
        depends_on=[fair],
        **common,
    )
    pipeline = Pipeline(
        "checks", parameters=[first, model, table], steps=[quality, fair, explained], sagemaker_session=session
    )
    pipeline.upsert(laptop.role_arn)
    for parameters in ({}, {"First": False}):
        execution = pipeline.start(parameters)
        ended = runs.ended(execution.arn)
        assert ended["PipelineExecutionStatus"] == "Succeeded", runs.steps(execution.arn)
    shap = read(laptop, "explained/analysis.json")["explanations"]["kernel_shap"]["label0"]
    assert shap["global_shap_values"]["age"] > shap["global_shap_values"]["sex"] > 0
    assert read(laptop, "fair/constraint_violations.json")["violations"] == []
    assert runs.sagemaker.list_endpoints()["Endpoints"] == []


def test_processors_outside_of_pipelines(session: Any, laptop: Settings, uris: dict[str, str]) -> None:
    from sagemaker.core import clarify
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.model_monitor import DefaultModelMonitor
    from sagemaker.core.model_monitor.dataset_format import DatasetFormat

    plain = Session(boto_session=boto3.Session(), default_bucket=laptop.bucket)
    options: dict[str, Any] = {
        "role": laptop.role_arn, "instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": plain,
    }  # fmt: skip
    monitor = DefaultModelMonitor(**options)
    monitor.suggest_baseline(
        baseline_dataset=uris["headed"],
        dataset_format=DatasetFormat.csv(header=True),
        output_s3_uri=f"s3://{laptop.bucket}/checks/suggested",
        wait=True,
        logs=False,
    )
    assert monitor.baseline_statistics().body_dict["dataset"]["item_count"] == 400
    assert [each["name"] for each in monitor.suggested_constraints().body_dict["features"]] == ["label", "age", "sex"]
    processor = clarify.SageMakerClarifyProcessor(**options)
    bias = clarify.BiasConfig(label_values_or_threshold=[1], facet_name="sex", facet_values_or_threshold=[0])
    processor.run_pre_training_bias(
        data_config=data(uris, laptop, "pretraining"), data_bias_config=bias, methods=["CI"], wait=True, logs=False
    )
    facets = read(laptop, "pretraining/analysis.json")["pre_training_bias_metrics"]["facets"]
    assert [metric["name"] for metric in facets["sex"][0]["metrics"]] == ["CI"]
