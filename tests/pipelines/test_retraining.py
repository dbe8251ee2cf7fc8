"""The retraining pipeline's definition: what is collected, and what the function is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from deploy import declaration
from deploy.declaration import Kind, Monitor, Monitoring, Retraining, Source
from deploy.watch import Watch

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:churn-production-retraining"
MONITORING = Monitoring(label="Churn", retraining=Retraining(window="P30D"))


@pytest.fixture(scope="module")
def steps(project: Any) -> dict[str, Any]:
    return steps_of(project, "churn", MONITORING)


def watched(use_case: str, declared: Monitoring, **baseline: str) -> Watch:
    return Watch(
        use_case=use_case,
        kind=Kind.DATA_QUALITY,
        name="churn-production-data-quality",
        endpoint="churn-production",
        captures="s3://bucket/data-capture/churn-production",
        output="s3://bucket/monitoring/churn-production/data-quality",
        baseline=baseline,
        features="s3://bucket/baseline/constraints.json",
        model="",
        image="",
        registered="2026-03-02T10:00:00+00:00",
        ground_truth="s3://bucket/ground-truth/churn-production",
        declared=declared,
        monitor=Monitor(),
    )


def steps_of(project: Any, use_case: str, declared: Monitoring) -> dict[str, Any]:
    from pipelines import retraining

    watch = watched(use_case, declared)
    registered = datetime(2026, 3, 2, 10, tzinfo=UTC)
    output = "s3://bucket/monitoring/churn-production/retraining"
    document = json.loads(retraining.definition(project, watch, registered, output, FUNCTION))
    assert document["Parameters"] == [{"Name": "Alarm", "Type": "String", "DefaultValue": ""}]
    return {step["Name"]: step for step in document["Steps"]}


def test_collect_fetches_the_labelled_traffic_since_the_version_was_registered(steps: dict[str, Any]) -> None:
    request, options = request_of(steps["Collect"])
    assert options["--capture-uri"] == "s3://bucket/data-capture/churn-production"
    assert options["--ground-truth-uri"] == "s3://bucket/ground-truth/churn-production"
    assert (options["--label"], options["--window"]) == ("Churn", "P30D")
    assert options["--not-before"] == "2026-03-02T10:00:00+00:00"
    assert "CacheConfig" not in steps["Collect"]  # the same words mean other traffic each time
    named = json.loads(json.dumps(request), object_hook=lambda each: "s3://x" if "Std:Join" in each else each)
    shape = boto3.client("sagemaker").meta.service_model.operation_model("CreateProcessingJob").input_shape
    assert ParamValidator().validate(named | {"ProcessingJobName": "x"}, shape).generate_report() == ""


def request_of(step: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Processing step's request, and its script's options."""
    request = step["Arguments"]
    arguments = request["AppSpecification"]["ContainerArguments"]
    return request, dict(zip(arguments[::2], arguments[1::2], strict=True))


def test_of_a_stream_collect_reads_the_table_of_scores_as_of_the_alarm(project: Any) -> None:
    older = "s3://bucket/data/older.parquet"
    declared = Retraining(source=Source.SCORES, window="P135D", history=older)
    found = steps_of(project, "fraud", Monitoring(label="fraud", retraining=declared))
    request, options = request_of(found["Collect"])
    assert options == {
        "--output-path": "/opt/ml/processing/output",
        "--region": "us-east-1",
        "--table": "fraud-scores",
        "--window": "P135D",
        "--as-of": {"Get": "Execution.StartDateTime"},
        "--history": older,
    }
    assert request["AppSpecification"]["ContainerEntrypoint"][-1].endswith("/fraud_recent.py")
    assert "CacheConfig" not in found["Collect"]
    written = json.dumps(found["Collect"])
    assert "data-capture" not in written and "ground-truth" not in written
    assert found["Retrain"]["Arguments"]["data"]["Std:Join"]["Values"][1] == "recent"
    assert found["Retrain"]["Arguments"]["labelled"]["Std:JsonGet"]["Path"] == "labelled"


def test_frauds_scores_are_watched_beside_its_features(project: Any, compiled: Callable[[str], str]) -> None:
    from pipelines import monitoring

    made = {each["Name"]: each for each in json.loads(compiled("fraud"))["Steps"]}
    assert made["DataQuality"]["Arguments"]["Environment"]["answer_column"] == "score"

    declared = declaration.monitored("fraud")["production"]
    baseline = "s3://bucket/baseline"
    watch = watched(
        "fraud", declared, statistics=f"{baseline}/statistics.json", constraints=f"{baseline}/constraints.json"
    )
    steps = {each["Name"]: each for each in json.loads(monitoring.definition(project, watch))["Steps"]}
    _, options = request_of(steps["Collect"])
    assert (options["--answer-column"], options["--answered"]) == ("score", "probability")
    looked_at = [each for each in steps["Check"]["Arguments"]["ProcessingInputs"] if each["InputName"] == "data"]
    assert looked_at[0]["S3Input"]["S3Uri"]["Std:Join"]["Values"][1] == "answered"


def test_retrain_passes_data_count_and_alarm_to_the_function(steps: dict[str, Any]) -> None:
    retrain = steps["Retrain"]
    assert retrain["FunctionArn"] == FUNCTION
    assert retrain["Arguments"]["data"]["Std:Join"]["Values"][1] == "recent"
    assert retrain["Arguments"]["labelled"]["Std:JsonGet"]["Path"] == "labelled"
    assert retrain["Arguments"]["alarm"] == {"Get": "Parameters.Alarm"}
    assert [each["OutputName"] for each in retrain["OutputParameters"]] == ["outcome", "execution", "reason"]
