"""What test_sdk.py runs: the SDK's monitors, of version 2 or 3, each once over the last hour.

Prints as its last line {"statuses": {kind: status}, "violations": [[feature, check]]}.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

try:
    from sagemaker.core import clarify
    from sagemaker.core import model_monitor as monitor
    from sagemaker.core.helper.session_helper import Session
except ImportError:
    from sagemaker import Session, clarify
    from sagemaker import model_monitor as monitor

folder, bucket, role, endpoint = Path(sys.argv[1]), *sys.argv[2:]
now = {
    "schedule_cron_expression": monitor.CronExpressionGenerator.now(),
    "data_analysis_start_time": "-PT1H",
    "data_analysis_end_time": "PT0H",
}
common: dict[str, Any] = {
    "role": role,
    "instance_count": 1,
    "instance_type": "ml.m5.large",
    "sagemaker_session": Session(),
}
header = monitor.DatasetFormat.csv(header=True)
out = f"s3://{bucket}/monitoring"
given = monitor.EndpointInput(
    endpoint_name=endpoint, destination="/opt/ml/processing/input_data", probability_attribute="0",
    probability_threshold_attribute=0.5,
)  # fmt: skip


def ended(kind: str, one: Any) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        last = one.describe_schedule().get("LastMonitoringExecutionSummary", {})
        status = str(last.get("MonitoringExecutionStatus"))
        if status not in ("None", "Pending", "InProgress"):
            print(kind, status, last.get("FailureReason"))
            return status
        time.sleep(0.5)
    raise TimeoutError(kind)


def data_quality() -> Any:
    one = monitor.DefaultModelMonitor(**common)
    one.suggest_baseline(
        baseline_dataset=str(folder / "training.csv"),
        dataset_format=header,
        output_s3_uri=f"{out}/data",
        wait=True,
        logs=False,
    )
    assert one.baseline_statistics().body_dict["dataset"]["item_count"] == 400
    one.create_monitoring_schedule(
        monitor_schedule_name=f"{endpoint}-DataQuality", endpoint_input=endpoint, output_s3_uri=f"{out}/reports",
        statistics=one.baseline_statistics(), constraints=one.suggested_constraints(), **now,
    )  # fmt: skip
    return one


def model_quality() -> Any:
    one = monitor.ModelQualityMonitor(**common, max_runtime_in_seconds=1800)
    one.suggest_baseline(
        baseline_dataset=str(folder / "predictions.csv"), dataset_format=header, output_s3_uri=f"{out}/model",
        problem_type="BinaryClassification", inference_attribute="prediction", probability_attribute="probability",
        ground_truth_attribute="label", wait=True, logs=False,
    )  # fmt: skip
    one.create_monitoring_schedule(
        monitor_schedule_name=f"{endpoint}-ModelQuality", endpoint_input=given, output_s3_uri=f"{out}/reports",
        ground_truth_input=f"s3://{bucket}/truth", problem_type="BinaryClassification",
        constraints=one.suggested_constraints(), **now,
    )  # fmt: skip
    return one


def data_config(output: str) -> Any:
    return clarify.DataConfig(
        s3_data_input_path=uploaded, s3_output_path=f"{out}/{output}", label="label", headers=["label", "age", "sex"],
        dataset_type="text/csv",
    )  # fmt: skip


def model_config() -> Any:
    return clarify.ModelConfig(
        model_name=endpoint,
        instance_count=1,
        instance_type="ml.m5.large",
        content_type="text/csv",
        accept_type="text/csv",
    )


# SDK 3 runs Clarify's baselining job and then trips over the object that stands for it.
tripping = contextlib.suppress(AttributeError)


def model_bias() -> Any:
    one = monitor.ModelBiasMonitor(**common, max_runtime_in_seconds=1800)
    bias = clarify.BiasConfig(label_values_or_threshold=[1], facet_name="sex", facet_values_or_threshold=[1])
    with tripping:
        one.suggest_baseline(
            data_config=data_config("bias"), bias_config=bias, model_config=model_config(),
            model_predicted_label_config=clarify.ModelPredictedLabelConfig(probability_threshold=0.5), wait=True,
            logs=False,
        )  # fmt: skip
    one.create_monitoring_schedule(
        monitor_schedule_name=f"{endpoint}-ModelBias", endpoint_input=given, output_s3_uri=f"{out}/reports",
        ground_truth_input=f"s3://{bucket}/truth", constraints=f"{out}/bias/analysis.json",
        analysis_config=monitor.BiasAnalysisConfig(bias, headers=["label", "age", "sex"], label="label"), **now,
    )  # fmt: skip
    return one


def model_explainability() -> Any:
    one = monitor.ModelExplainabilityMonitor(**common)
    shap = clarify.SHAPConfig(baseline=[[45, 0]], num_samples=20, agg_method="mean_abs")
    with tripping:
        one.suggest_baseline(
            data_config=data_config("explain"), explainability_config=shap, model_config=model_config(), wait=True,
            logs=False,
        )  # fmt: skip
    config = monitor.ExplainabilityAnalysisConfig(shap, model_config(), headers=["age", "sex"])
    one.create_monitoring_schedule(
        monitor_schedule_name=f"{endpoint}-ModelExplainability", endpoint_input=endpoint,
        output_s3_uri=f"{out}/reports", constraints=f"{out}/explain/analysis.json", analysis_config=config, **now,
    )  # fmt: skip
    return one


import boto3  # noqa: E402

boto3.client("s3").upload_file(str(folder / "bias.csv"), bucket, "bias/bias.csv")
uploaded = f"s3://{bucket}/bias/bias.csv"
statuses, violations = {}, []
for make in (data_quality, model_quality, model_bias, model_explainability):
    one = make()
    kind = one.monitoring_type()
    statuses[kind] = ended(kind, one)
    if statuses[kind] == "CompletedWithViolations" and kind in ("DataQuality", "ModelQuality"):
        found = one.latest_monitoring_constraint_violations().body_dict["violations"]
        violations += [[each.get("feature_name"), each["constraint_check_type"]] for each in found]
    (alert,) = common["sagemaker_session"].sagemaker_client.list_monitoring_alerts(
        MonitoringScheduleName=one.monitoring_schedule_name
    )["MonitoringAlertSummaries"]
    assert alert["AlertStatus"] == ("OK" if statuses[kind] == "Completed" else "InAlert")
    one.stop_monitoring_schedule()
    one.start_monitoring_schedule()
    one.delete_monitoring_schedule()
print(json.dumps({"statuses": statuses, "violations": violations}))
