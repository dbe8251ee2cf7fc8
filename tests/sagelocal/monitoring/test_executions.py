"""What a schedule's execution runs, on what data, and what becomes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sagelocal.app import SageLocal
from tests.sagelocal.jobs.conftest import ended, source
from tests.sagelocal.monitoring.conftest import CLARIFY, ENDPOINT, HOUR, MONITOR, definition, record, settle

pytestmark = pytest.mark.namespaces
CSV = {"dataset_format": '{"csv": {"header": true}}', "output_path": "/opt/ml/processing/output"}


def baseline(app: SageLocal, put: Any, name: str, rows: str, **environment: str) -> dict[str, Any]:
    """URIs of the files that a baselining job makes of rows."""

    folder = "/opt/ml/processing/input/baseline_dataset_input"
    out = f"s3://{app.settings.bucket}/{name}/baseline"
    request = {
        "ProcessingJobName": f"{name}-baseline",
        "RoleArn": app.settings.role_arn,
        "AppSpecification": {"ImageUri": MONITOR},
        "Environment": {**CSV, "dataset_source": folder, **environment},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
        "ProcessingInputs": [source("baseline_dataset_input", put(f"{name}/rows.csv", rows))],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "monitoring_output",
                    "S3Output": {"S3Uri": out, "LocalPath": CSV["output_path"], "S3UploadMode": "EndOfJob"},
                }
            ]
        },
    }
    app.call("CreateProcessingJob", request)
    job = ended(app, "ProcessingJob", f"{name}-baseline")
    assert job["ProcessingJobStatus"] == "Completed", job["FailureReason"]
    parts = {part: {"S3Uri": f"{out}/{part.lower()}.json"} for part in ("Constraints", "Statistics")}
    return {f"{part}Resource": file for part, file in parts.items()}


def test_data_quality_compares_answers_and_requests_with_the_baseline(
    app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any
) -> None:
    rows = "".join(f"{at % 2},{20 + at % 50},{'ab'[at % 2]}\n" for at in range(400))
    files = baseline(app, put, "quality", f"churn,age,plan\n{rows}")
    capture([record(f"{20 + at % 50},{'ac'[at % 2]}", str(at % 2)) for at in range(300)])
    summary = monitored("DataQuality", "quality", BaselineConfig=files)
    assert summary["MonitoringExecutionStatus"] == "CompletedWithViolations", summary.get("FailureReason")
    job = app.call("DescribeProcessingJob", {"ProcessingJobName": summary["ProcessingJobArn"].split("/")[1]})
    assert job["MonitoringScheduleArn"].endswith("monitoring-schedule/quality")
    target = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert target.startswith(f"s3://{app.settings.bucket}/quality/out/{ENDPOINT}/quality/20")
    made = got(target.removeprefix(f"s3://{app.settings.bucket}/"))
    assert {"/statistics.json", "/constraints.json", "/constraint_violations.json"} <= made.keys()
    features = json.loads(made["/statistics.json"])["features"]
    assert [feature["name"] for feature in features] == ["churn", "age", "plan"]
    violations = json.loads(made["/constraint_violations.json"])["violations"]
    assert {each["feature_name"] for each in violations} == {"plan"}


def test_no_data_is_a_failed_execution_that_says_where_it_looked(app: SageLocal, monitored: Any) -> None:
    summary = monitored("DataQuality", "empty")
    assert summary["MonitoringExecutionStatus"] == "Failed"
    assert "ProcessingJobArn" not in summary
    where = f"s3://{app.settings.bucket}/captured/{ENDPOINT}/"
    assert summary["FailureReason"].startswith(f"Job inputs had no data: there is no captured request under {where}")


def truth(put: Any, name: str, labels: dict[str, str]) -> None:

    lines = [
        json.dumps(
            {
                "groundTruthData": {"data": label, "encoding": "CSV"},
                "eventMetadata": {"eventId": event},
                "eventVersion": "0",
            }
        )
        for event, label in labels.items()
    ]
    put(f"{name}/truth/{datetime.now(UTC):%Y/%m/%d/%H}/labels.jsonl", "\n".join(lines))


def test_model_quality_merges_the_ground_truth_first(
    app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any
) -> None:
    accuracy = {"accuracy": {"threshold": 1.0, "comparison_operator": "LessThanThreshold"}}
    constraints = {"version": 0.0, "binary_classification_constraints": accuracy}
    files = {"ConstraintsResource": {"S3Uri": put("model/constraints.json", json.dumps(constraints))}}
    capture([record(f"{20 + at},a", f"{at / 100}", f"event-{at}") for at in range(100)])
    truth(put, "model", {f"event-{at}": str(int(at < 40)) for at in range(100)})
    summary = monitored(
        "ModelQuality",
        "model",
        BaselineConfig=files,
        application={"ProblemType": "BinaryClassification"},
        endpoint_input={"ProbabilityAttribute": "0", "ProbabilityThresholdAttribute": 0.5},
    )
    assert summary["MonitoringExecutionStatus"] == "CompletedWithViolations", summary.get("FailureReason")
    jobs = [job["ProcessingJobName"] for job in app.call("ListProcessingJobs", {})["ProcessingJobSummaries"]]
    suffix = summary["ProcessingJobArn"].split("model-quality-monitoring-")[1]
    assert f"groundtruth-merge-{suffix}" in jobs
    made = next(body for key, body in got("model/out/").items() if key.endswith("/statistics.json"))
    metrics = json.loads(made)["binary_classification_metrics"]
    assert json.loads(made)["dataset"]["item_count"] == 100
    # Only the ten from 40 on are right, and perhaps the one whose probability is 0.5.
    assert metrics["accuracy"]["value"] == pytest.approx(0.1, abs=0.011)


def test_without_ground_truth_the_execution_fails(capture: Any, monitored: Any) -> None:
    capture([record("20,a", "0.5")])
    summary = monitored("ModelQuality", "untold", application={"ProblemType": "BinaryClassification"})
    assert summary["MonitoringExecutionStatus"] == "Failed"
    assert summary["FailureReason"].startswith("Job inputs had no data: there is no ground truth under s3://")


BIAS = {
    "version": "1.0",
    "headers": ["age", "plan", "churn"],
    "label": "churn",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "plan", "value_or_threshold": [1]}],
}


@pytest.mark.slow
def test_bias_of_live_predictions(app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any) -> None:
    capture([record(f"{20 + at},{at % 2}", f"{(at % 4) / 4}", f"event-{at}") for at in range(80)])
    truth(put, "bias", {f"event-{at}": str(int(at % 4 > 1)) for at in range(80)})
    summary = monitored(
        "ModelBias",
        "bias",
        application={"ImageUri": CLARIFY, "ConfigUri": put("bias/analysis_config.json", json.dumps(BIAS))},
        endpoint_input={"ProbabilityAttribute": "0", "ProbabilityThresholdAttribute": 0.5},
    )
    assert summary["MonitoringExecutionStatus"] == "Completed", summary.get("FailureReason")
    made = next(body for key, body in got("bias/out/").items() if key.endswith("/analysis.json"))
    facets = json.loads(made)["post_training_bias_metrics"]["facets"]["plan"]
    assert facets[0]["value_or_threshold"] == "1"
    assert {"DPPL", "DI"} <= {metric["name"] for metric in facets[0]["metrics"]}
    assert json.loads(made)["pre_training_bias_metrics"]["label"] == "churn"


PREPROCESSOR = """
def preprocess_handler(inference_record, logger):
    age, plan = inference_record.endpoint_input.data.split(",")
    if float(age) > 40:
        return []
    logger.info("answer %s", inference_record.endpoint_output.data)
    return {"age": age, "plan": plan}
"""
POSTPROCESSOR = """
def postprocess_handler():
    open("/opt/ml/processing/output/done.txt", "w").write("done")
"""


def test_the_users_handlers_are_called(app: SageLocal, put: Any, got: Any, capture: Any, monitored: Any) -> None:
    capture([record(f"{20 + at},{'ab'[at % 2]}", "0.5") for at in range(40)])
    scripts = {
        "RecordPreprocessorSourceUri": put("handled/pre.py", PREPROCESSOR),
        "PostAnalyticsProcessorSourceUri": put("handled/post.py", POSTPROCESSOR),
    }
    rows = "".join(f"{20 + at % 20},{'ab'[at % 2]}\n" for at in range(40))
    files = baseline(app, put, "handled", f"age,plan\n{rows}")
    summary = monitored("DataQuality", "handled", application=scripts, BaselineConfig=files)
    assert summary["MonitoringExecutionStatus"] == "Completed", summary.get("FailureReason")
    made = {key.rpartition("/")[2]: body for key, body in got("handled/out/").items()}
    statistics = json.loads(made["statistics.json"])
    assert statistics["dataset"]["item_count"] == 21
    assert [feature["name"] for feature in statistics["features"]] == ["age", "plan"]
    assert made["done.txt"] == b"done"


@pytest.mark.slow
def test_excluded_features_are_left_out(app: SageLocal, got: Any, put: Any, capture: Any, monitored: Any) -> None:
    capture([record(f"{20 + at},{'ab'[at % 2]}", str(at % 2)) for at in range(40)])
    rows = "".join(f"{at % 2},{20 + at % 50},{'ab'[at % 2]}\n" for at in range(40))
    files = baseline(app, put, "fewer", f"churn,age,plan\n{rows}")
    excluded = {"ExcludeFeaturesAttribute": "churn"}
    summary = monitored("DataQuality", "fewer", BaselineConfig=files, endpoint_input=excluded)
    made = next(body for key, body in got("fewer/out/").items() if key.endswith("/statistics.json"))
    assert [feature["name"] for feature in json.loads(made)["features"]] == ["age", "plan"], summary


@pytest.mark.slow
def test_what_cannot_be_read_is_named_with_its_key(app: SageLocal, capture: Any, monitored: Any, put: Any) -> None:
    files = baseline(app, put, "broken", "churn,age\n" + "0,20\n1,30\n" * 20)
    capture(['{"no": "record"}', record('20,"a', "0.5")])
    summary = monitored("DataQuality", "broken", BaselineConfig=files)
    assert summary["MonitoringExecutionStatus"] == "Failed"
    reason = summary["FailureReason"]
    assert f"no record to analyse under s3://{app.settings.bucket}/captured" in reason
    assert f"{ENDPOINT}/AllTraffic/20" in reason
    assert "without a readable inferenceTime" in reason


@pytest.mark.slow
def test_an_execution_waits_for_its_baselining_job(app: SageLocal, put: Any, capture: Any, monitored: Any) -> None:
    baseline(app, put, "waited", "churn,age\n" + "0,20\n1,30\n" * 20)
    capture([record(f"{20 + at}", str(at % 2)) for at in range(40)])
    app.store.update("ProcessingJob", "waited-baseline", {"ProcessingJobStatus": "InProgress"})
    app.call(
        "CreateDataQualityJobDefinition",
        definition(app, "DataQuality", "waited", BaselineConfig={"BaseliningJobName": "waited-baseline"}),
    )
    config = {"ScheduleConfig": HOUR, "MonitoringJobDefinitionName": "waited", "MonitoringType": "DataQuality"}
    app.call("CreateMonitoringSchedule", {"MonitoringScheduleName": "waited", "MonitoringScheduleConfig": config})
    app.monitoring.look()
    app.monitoring.look()
    listed = {"MonitoringScheduleName": "waited"}
    (execution,) = app.call("ListMonitoringExecutions", listed)["MonitoringExecutionSummaries"]
    assert execution["MonitoringExecutionStatus"] == "Pending"
    app.store.update("ProcessingJob", "waited-baseline", {"ProcessingJobStatus": "Completed"})
    settle(app)
    (execution,) = app.call("ListMonitoringExecutions", listed)["MonitoringExecutionSummaries"]
    assert execution["MonitoringExecutionStatus"].startswith("Completed"), execution
    job = app.call("DescribeProcessingJob", {"ProcessingJobName": execution["ProcessingJobArn"].split("/")[1]})
    assert {each["InputName"] for each in job["ProcessingInputs"]} == {"endpoint_input_1", "constraints", "statistics"}


def transformed(app: SageLocal, put: Any, name: str) -> dict[str, Any]:
    """A BatchTransformInput of what a transform job with inference ids would have captured."""

    rows = [f"{20 + at},{'ab'[at % 2]}" for at in range(60)]
    answers = [f"{at % 4 / 4},id-{at},2026-03-02T10:00:00Z" for at in range(60)]
    put(f"{name}/in/rows.csv", "\n".join(rows))
    put(f"{name}/answers/rows.csv.out", "\n".join(answers))
    hour = datetime.now(UTC).strftime("%Y/%m/%d/%H")
    for side, folder, file in (("input", "in", "rows.csv"), ("output", "answers", "rows.csv.out")):
        manifest = [{"prefix": f"s3://{app.settings.bucket}/{name}/{folder}/"}, file]
        put(f"{name}/captured/{side}/{hour}/m.json", json.dumps(manifest))
    return {
        "DataCapturedDestinationS3Uri": f"s3://{app.settings.bucket}/{name}/captured",
        "DatasetFormat": {"Csv": {"Header": False}},
        "LocalPath": "/opt/ml/processing/input_data",
    }


@pytest.mark.slow
def test_data_quality_of_a_batch_transform(app: SageLocal, put: Any, got: Any, monitored: Any) -> None:
    files = baseline(app, put, "batch", "age,plan\n" + "20,a\n79,b\n" * 40)
    given = {"BatchTransformInput": transformed(app, put, "batch")}
    summary = monitored("DataQuality", "batch", BaselineConfig=files, JobInput=given)
    assert summary["MonitoringExecutionStatus"].startswith("Completed"), summary.get("FailureReason")
    assert "EndpointName" not in summary
    made = next(body for key, body in got("batch/out/").items() if key.endswith("/statistics.json"))
    assert [feature["name"] for feature in json.loads(made)["features"]] == ["age", "plan"]
    assert json.loads(made)["dataset"]["item_count"] == 60


@pytest.mark.slow
def test_model_quality_of_a_batch_transform(app: SageLocal, put: Any, got: Any, monitored: Any) -> None:
    given = transformed(app, put, "answers") | {
        "ProbabilityAttribute": "0",
        "ProbabilityThresholdAttribute": 0.5,
    }
    truth(put, "answers", {f"id-{at}": str(int(at % 4 > 1)) for at in range(60)})
    inputs = {
        "BatchTransformInput": given,
        "GroundTruthS3Input": {"S3Uri": f"s3://{app.settings.bucket}/answers/truth"},
    }
    problem = {"ProblemType": "BinaryClassification"}
    summary = monitored("ModelQuality", "answers", JobInput=inputs, application=problem)
    assert summary["MonitoringExecutionStatus"] == "Completed", summary.get("FailureReason")
    made = next(body for key, body in got("answers/out/").items() if key.endswith("/statistics.json"))
    assert json.loads(made)["dataset"]["item_count"] == 60
