"""Playground and endpoints on two variants behind a running sagelocal, and traffic shifted in headless Chromium."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
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


@pytest.fixture(scope="session")
def endpoint(laptop: Settings) -> str:
    """`tiny-production`, made of an approved version that carries statistics; green has no traffic yet."""
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
            {
                "VariantName": variant,
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": weight,
            }
            for variant, weight in (("blue", 1.0), ("green", 0.0))
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


def button(shown: Any, label: str) -> Any:
    return next(each for each in shown.button if each.label == label)


@pytest.mark.namespaces
def test_the_form_asks_each_variant_and_the_answer_has_its_reasons(app_test: Callable[..., Any], endpoint: str) -> None:
    shown = app_test("playground", endpoint=endpoint).run()
    assert any("tiny-production serves tiny version 1" in each.value.replace("\\", "") for each in shown.caption)
    shown.segmented_control[0].set_value("each of them").run()
    shown.number_input[0].set_value(25)
    button(shown, "Send").click().run()
    assert [each.value for each in shown.subheader] == ["What led to this answer"] * 2 + ["Asked so far"]
    answers = shown.table[0].value
    assert list(answers.index) == ["blue", "green"]
    assert list(answers["probability"]) == ["0.25", "0.25"]
    assert all(each.endswith(" ms") for each in answers["latency"])


@pytest.mark.namespaces
def test_what_the_model_refuses_is_said_in_one_sentence_with_the_request(
    app_test: Callable[..., Any], endpoint: str
) -> None:
    shown = app_test("playground", endpoint=endpoint).run()
    next(each for each in shown.selectbox if each.label.startswith("plan")).set_value("bad")
    button(shown, "Send").click().run()
    (said,) = shown.error
    assert re.search(
        r"ModelError: .*no such plan.*\(request id [0-9a-f-]{36}\)", said.value.replace("\\", ""), re.DOTALL
    )


@pytest.mark.namespaces
def test_traffic_is_shifted_and_the_other_variant_answers(
    page: Any, address: str, endpoint: str, laptop: Settings, shoot: Callable[..., Any]
) -> None:
    page.goto(f"{address}/endpoints")
    page.get_by_role("combobox", name="Open").click()
    page.get_by_role("option", name=endpoint).click()
    page.get_by_role("spinbutton", name="Weight of green").fill("3")
    page.keyboard.press("Enter")
    page.get_by_text("green: 75 % of the requests").wait_for()
    page.get_by_role("spinbutton", name="Weight of blue").fill("0")
    page.keyboard.press("Enter")
    page.get_by_text("green: 100 % of the requests").wait_for()
    page.get_by_role("button", name="Shift traffic …").click()
    dialog = page.get_by_role("dialog", name=f"Shift the traffic of {endpoint}?")
    dialog.wait_for()
    rows = [row.split() for row in dialog.locator("tbody tr").all_inner_texts()]
    assert rows == [["blue", "100", "%", "0", "%"], ["green", "0", "%", "100", "%"]]
    dialog.get_by_role("button", name=f"Shift {endpoint}").click()
    page.get_by_text("The traffic of tiny-production goes over: blue 0 %, green 100 %.").wait_for()
    page.get_by_text("These are the shares it has").wait_for()
    shoot(page, "shift", full=False)
    page.get_by_role("link", name="Playground").last.click()
    page.get_by_role("button", name="Send").click()
    page.get_by_test_id("stMetric").filter(has_text="green").wait_for()
    now = laptop.client("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    assert {each["VariantName"]: each["CurrentWeight"] for each in now} == {"blue": 0.0, "green": 3.0}


@pytest.mark.namespaces
def test_without_leave_nothing_is_sent_or_shifted(endpoint: str, app_test: Callable[..., Any]) -> None:
    aws = ("--target", "aws")
    shown = app_test("endpoints", argv=aws).run()
    row = shown.dataframe[0].value.set_index("endpoint").loc[endpoint]
    assert (row["status"], row["serves"]) == (["InService"], "tiny version 1")
    assert (row["mode"], row["use case"], row["stage"]) == ("real-time, 2 variants", "tiny", "production")
    for page, label in (("endpoints", "Shift traffic …"), ("playground", "Send")):
        shown = app_test(page, argv=aws, endpoint=endpoint).run()
        button = next(each for each in shown.button if each.label == label)
        assert button.disabled
        assert "--allow-changes" in button.help


def test_an_endpoint_that_is_gone_is_said_with_the_remedy(app_test: Callable[..., Any]) -> None:
    shown = app_test("endpoints", endpoint="nowhere").run()
    assert [each.value for each in shown.warning] == ["There is no endpoint nowhere: mlops deploy makes it."]
    assert not shown.exception


def test_a_missing_endpoint_is_said_before_anything_starts(laptop: Settings) -> None:
    program = (
        "from mlops import dashboard, targets; dashboard.playground(targets.connect('laptop'), 'churn', 'nowhere')"
    )
    environment = {**os.environ, "MLOPS_STATE": str(laptop.state)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "There is no endpoint churn-nowhere: mlops deploy makes it." in done.stderr
