"""The churn page as people use it: in headless Chromium, on an endpoint of a running sagelocal."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest

from deploy import labels, names
from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENDPOINT, GROUP = "churn-rehearsal", "churn-customers"
FEATURES = ["tenure", "MonthlyCharges"]
# Answers in the template's shapes: the risk falls with tenure.
SCRIPT = """
import json

def model_fn(model_dir):
    return None

def risk(record):
    return 1 - float(record["tenure"]) / 100

def transform_fn(model, body, content_type, accept):
    if content_type == "text/csv":
        return f"{risk({'tenure': body.split(',')[0]})},1\\n", "text/csv"
    request = json.loads(body)
    answer = {"predictions": [{"probability": risk(each), "label": 1} for each in request["instances"]]}
    if request.get("explain"):
        answer["explanations"] = [{"tenure": risk(each), "MonthlyCharges": -0.5} for each in request["instances"]]
    return json.dumps(answer), "application/json"
"""
STATISTICS = {
    "version": 0.0,
    "features": [
        {"name": name, "inferred_type": "Fractional", "numerical_statistics": {"mean": 40.0, "min": 0.0, "max": 99.0}}
        for name in FEATURES
    ],
}
EVALUATION = {
    "threshold": {"value": 0.5},
    "calibration": {"mean_probability": [0.2, 0.8], "observed_share": [0.25, 0.75], "records": [100, 100]},
}
ASKED, LABELLED = 40, 30


@pytest.fixture(scope="session")
def endpoint(laptop: Settings) -> str:
    """Asked about ASKED customers, of whom LABELLED are known to have left or stayed."""
    sagemaker, s3 = laptop.client("sagemaker"), laptop.client("s3")
    bucket = laptop.bucket
    for key, content in (("statistics", STATISTICS), ("evaluation", EVALUATION)):
        s3.put_object(Bucket=bucket, Key=f"{key}.json", Body=json.dumps(content))
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=artifact())
    sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    statistics = {"ContentType": "application/json", "S3Uri": f"s3://{bucket}/statistics.json"}
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz", "Environment": environment}
    package = sagemaker.create_model_package(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [container], **types},
        ModelMetrics={"ModelDataQuality": {"Statistics": statistics}},
        CustomerMetadataProperties={"Evaluation": f"s3://{bucket}/evaluation.json"},
    )["ModelPackageArn"]
    containers = [{"ModelPackageName": package}]
    sagemaker.create_model(ModelName=ENDPOINT, ExecutionRoleArn=laptop.role_arn, Containers=containers)
    variant = {"VariantName": "AllTraffic", "ModelName": ENDPOINT, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=ENDPOINT,
        ProductionVariants=[variant | {"InitialInstanceCount": 1}],
        DataCaptureConfig=names.capture_config(names.capture_uri(bucket)),
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT, Tags=names.tags("churn"))
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1})
    runtime = laptop.client("sagemaker-runtime")
    for number in range(ASKED):
        runtime.invoke_endpoint(
            EndpointName=ENDPOINT, Body=f"{number},50", ContentType="text/csv", InferenceId=f"customer-{number}"
        )
    known = {f"customer-{number}": str(number % 2) for number in range(LABELLED)}
    labels.upload(s3, names.ground_truth_uri(bucket, "", ENDPOINT), known)
    await_captures(s3, bucket)
    return ENDPOINT


def artifact() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        packed.addfile(entry, io.BytesIO(SCRIPT.encode()))
    return buffer.getvalue()


def await_captures(s3: Any, bucket: str) -> None:
    found = 0
    while found < ASKED:
        time.sleep(0.2)
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="data-capture/").get("Contents", [])]
        found = sum(s3.get_object(Bucket=bucket, Key=key)["Body"].read().count(b"\n") for key in keys)


def test_read_only_nobody_is_asked_again(app_test: Callable[..., Any], endpoint: str) -> None:
    shown = app_test("churn", argv=("--target", "aws"), endpoint=endpoint).run()
    assert [each.value for each in (*shown.exception, *shown.error)] == []
    (why,) = [each for each in shown.button if each.label == "Ask why, for the 10 most at risk"]
    assert why.disabled and "--allow-changes" in why.help
    assert {each.label: each.value for each in shown.metric}["Customers"] == str(ASKED - LABELLED)


def test_from_who_is_at_risk_to_whom_an_offer_pays(
    page: Any, address: str, endpoint: str, shoot: Callable[..., Any]
) -> None:
    page.goto(f"{address}/churn?endpoint={endpoint}")
    page.get_by_text(f"{LABELLED} more are left out: what became of them is known").wait_for()
    page.get_by_text(f"{ASKED - LABELLED} of these {ASKED - LABELLED} answers came without reasons").wait_for()

    page.get_by_role("button", name="Ask why").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(f"Ask {endpoint} why, for {ASKED - LABELLED} customers?").wait_for()
    dialog.get_by_role("button", name=f"Ask {endpoint} why").click()
    page.get_by_label("A customer in detail").wait_for()
    assert not page.get_by_text("came without reasons").count()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download 10 as CSV").click()
    rows = list(csv.DictReader(io.StringIO(caught.value.path().read_text("utf-8-sig"))))
    assert [row["inference_id"] for row in rows] == [f"customer-{number}" for number in range(LABELLED, ASKED)]
    first = rows[0]
    assert (first["probability"], first["reasons"]) == ("0.7", "months a customer: 30")
    assert float(first["revenue_at_risk"]) == 0.7 * 50 * 12
    shoot(page, "customers")

    page.get_by_role("tab", name="Retention budget").click()
    page.get_by_role("spinbutton", name="Budget").fill("120")
    page.get_by_role("spinbutton", name="Budget").press("Enter")
    page.get_by_text("Make an offer to the 2 of 10 customers").wait_for()
    page.wait_for_url("**budget=120**")
    shoot(page, "budget")

    page.get_by_role("tab", name="Forecast and outcome").click()
    page.get_by_text("Predicted and came true").wait_for()
    page.get_by_text(f"of {ASKED} requests", exact=True).wait_for()
    page.get_by_test_id("stMetric").filter(has_text="Actual leavers").get_by_text("15", exact=True).wait_for()
    page.get_by_text("fewer leavers").wait_for()  # 25.65 were expected of 30
    shoot(page, "outcome")


@pytest.mark.slow
def test_a_file_becomes_requests_that_can_be_labelled(page: Any, address: str, endpoint: str) -> None:
    page.goto(f"{address}/churn?endpoint={endpoint}&customers=From+a+file")
    upload = page.get_by_test_id("stFileUploaderDropzoneInput")
    upload.set_input_files({"name": "few.csv", "mimeType": "text/csv", "buffer": b"tenure\n1\n"})
    page.get_by_text("The file has no column MonthlyCharges").wait_for()
    content = b"customerID,tenure,MonthlyCharges\nc-1,10,20\nc-2,60,=1+1\n"
    upload.set_input_files({"name": "few.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Ask about 2 customers").click()
    page.get_by_role("dialog").get_by_role("button", name=f"Ask {endpoint}").click()
    page.get_by_text("Expected to leave").wait_for()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download 1 as CSV").click()
    row = next(csv.DictReader(io.StringIO(caught.value.path().read_text("utf-8-sig"))))
    assert row["inference_id"].endswith("-c-1")
    assert row["probability"] == "0.9"
