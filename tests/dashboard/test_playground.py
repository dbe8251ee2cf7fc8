"""The playground as people use it: in headless Chromium, on an endpoint of a running sagelocal."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from typing import Any

import pytest

from deploy.names import tags
from mlops.use_cases import ROOT
from sagelocal.config import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
# Answers in the template's JSON shape, and refuses the plan "bad".
SCRIPT = """
import json

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    request = json.loads(body)
    record = request["instances"][0]
    if record["plan"] == "bad":
        raise ValueError("no such plan")
    answer = {"predictions": [{"probability": record["months"] / 100, "label": 1}]}
    if request.get("explain"):
        answer["explanations"] = [{"plan": 0.5, "months": -1.25}]
    return json.dumps(answer), "application/json"
"""
STATISTICS = {
    "version": 0.0,
    "features": [
        {
            "name": "plan",
            "inferred_type": "String",
            "string_statistics": {
                "distribution": {
                    "categorical": {"buckets": [{"value": "good", "count": 2}, {"value": "bad", "count": 1}]}
                }
            },
        },
        {
            "name": "months",
            "inferred_type": "Integral",
            "numerical_statistics": {"mean": 40.0, "min": 1.0, "max": 72.0},
        },
    ],
}


@pytest.fixture(scope="module")
def endpoint(laptop: Settings) -> str:
    """`tiny-production`, made of an approved version that carries statistics."""
    sagemaker, s3 = laptop.client("sagemaker"), laptop.client("s3")
    s3.put_object(Bucket=laptop.bucket, Key="tiny/model.tar.gz", Body=artifact())
    s3.put_object(Bucket=laptop.bucket, Key="tiny/statistics.json", Body=json.dumps(STATISTICS))
    sagemaker.create_model_package_group(ModelPackageGroupName="tiny")
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{laptop.bucket}/tiny/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        },
    }
    types = {"SupportedContentTypes": ["application/json"], "SupportedResponseMIMETypes": ["application/json"]}
    statistics = {"ContentType": "application/json", "S3Uri": f"s3://{laptop.bucket}/tiny/statistics.json"}
    package = sagemaker.create_model_package(
        ModelPackageGroupName="tiny",
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [container], **types},
        ModelMetrics={"ModelDataQuality": {"Statistics": statistics}},
    )["ModelPackageArn"]
    name = "tiny-production"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=laptop.role_arn, Containers=[{"ModelPackageName": package}])
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": "blue", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        ],
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags("tiny"))
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})
    return name


def artifact() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        packed.addfile(entry, io.BytesIO(SCRIPT.encode()))
    return buffer.getvalue()


@pytest.fixture
def page(page: Any, address: str, endpoint: str) -> Any:
    page.goto(f"{address}/playground?endpoint={endpoint}")
    page.get_by_role("button", name="Send").wait_for()
    return page


@pytest.mark.namespaces
def test_the_form_asks_and_the_answer_has_its_reasons(page: Any) -> None:
    page.get_by_text("tiny-production serves version 1 of tiny").wait_for()
    page.get_by_role("spinbutton", name="months").fill("25")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("What led to this answer").wait_for(timeout=60_000)
    page.get_by_text("Asked so far").wait_for()
    page.get_by_test_id("stMetric").nth(3).wait_for()
    shown = dict(text.split("\n", 1) for text in page.get_by_test_id("stMetric").all_inner_texts())
    assert shown["probability"].strip() == "0.25"
    assert shown["variant"].strip() == "blue"
    assert shown["latency"].strip().endswith(" ms")


@pytest.mark.namespaces
def test_what_the_model_refuses_is_said_in_one_sentence_with_the_request(page: Any) -> None:
    page.get_by_role("combobox", name=re.compile("plan")).click()
    page.get_by_role("option", name="bad").click()
    page.get_by_role("button", name="Send").click()
    alert = page.get_by_role("alert").filter(has_text="ModelError")
    alert.wait_for(timeout=60_000)
    assert re.search(r"ModelError: .*no such plan.*\(request id [0-9a-f-]{36}\)", alert.inner_text(), re.DOTALL)


def test_a_missing_endpoint_is_said_before_anything_starts(laptop: Settings) -> None:
    program = (
        "from mlops import dashboard, targets; dashboard.playground(targets.connect('laptop'), 'churn', 'nowhere')"
    )
    environment = {**os.environ, "MLOPS_STATE": str(laptop.state)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "There is no endpoint churn-nowhere: mlops deploy makes it." in done.stderr
