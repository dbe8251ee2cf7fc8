"""The retraining pipeline's definition: what is collected, and what the function is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from deploy.declaration import Kind, Monitor, Monitoring, Retraining
from deploy.watch import Watch

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:churn-production-retraining"
MONITORING = Monitoring(label="Churn", retraining=Retraining(window="P30D"))


@pytest.fixture(scope="module")
def steps(project: Any) -> dict[str, Any]:
    from pipelines import retraining

    watch = Watch(
        use_case="churn",
        kind=Kind.DATA_QUALITY,
        name="churn-production-data-quality",
        endpoint="churn-production",
        captures="s3://bucket/data-capture/churn-production",
        output="s3://bucket/monitoring/churn-production/data-quality",
        baseline={},
        features="s3://bucket/baseline/constraints.json",
        model="",
        image="",
        registered="2026-03-02T10:00:00+00:00",
        ground_truth="s3://bucket/ground-truth/churn-production",
        declared=MONITORING,
        monitor=Monitor(),
    )
    registered = datetime(2026, 3, 2, 10, tzinfo=UTC)
    output = "s3://bucket/monitoring/churn-production/retraining"
    document = json.loads(retraining.definition(project, watch, registered, output, FUNCTION))
    assert document["Parameters"] == [{"Name": "Alarm", "Type": "String", "DefaultValue": ""}]
    return {step["Name"]: step for step in document["Steps"]}


def test_collect_fetches_the_labelled_traffic_since_the_version_was_registered(steps: dict[str, Any]) -> None:
    request = steps["Collect"]["Arguments"]
    arguments = request["AppSpecification"]["ContainerArguments"]
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert options["--capture-uri"] == "s3://bucket/data-capture/churn-production"
    assert options["--ground-truth-uri"] == "s3://bucket/ground-truth/churn-production"
    assert (options["--label"], options["--window"]) == ("Churn", "P30D")
    assert options["--not-before"] == "2026-03-02T10:00:00+00:00"
    assert "CacheConfig" not in steps["Collect"]  # the same words mean other traffic each time
    named = json.loads(json.dumps(request), object_hook=lambda each: "s3://x" if "Std:Join" in each else each)
    shape = boto3.client("sagemaker").meta.service_model.operation_model("CreateProcessingJob").input_shape
    assert ParamValidator().validate(named | {"ProcessingJobName": "x"}, shape).generate_report() == ""


def test_retrain_passes_data_count_and_alarm_to_the_function(steps: dict[str, Any]) -> None:
    retrain = steps["Retrain"]
    assert retrain["FunctionArn"] == FUNCTION
    assert retrain["Arguments"]["data"]["Std:Join"]["Values"][1] == "recent"
    assert retrain["Arguments"]["labelled"]["Std:JsonGet"]["Path"] == "labelled"
    assert retrain["Arguments"]["alarm"] == {"Get": "Parameters.Alarm"}
    assert [each["OutputName"] for each in retrain["OutputParameters"]] == ["outcome", "execution", "reason"]
