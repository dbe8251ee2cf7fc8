"""Processing jobs of the images that bring their own program: Model Monitor's and Clarify's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from tests.sagelocal.jobs.conftest import ended

Put = Callable[[str, str | bytes], str]
Got = Callable[[str], dict[str, bytes]]
MONITOR = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
CLARIFY = "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0"
CONTRACT = {
    "dataset_format": '{"csv": {"header": true, "output_columns_position": "START"}}',
    "dataset_source": "/opt/ml/processing/input/baseline_dataset_input",
    "output_path": "/opt/ml/processing/output",
    "publish_cloudwatch_metrics": "Disabled",
}
TABLE = "age,plan\n" + "".join(f"{20 + number % 50},{'ab'[number % 2]}\n" for number in range(400))


def asked(app: SageLocal, name: str, image: str, inputs: dict[str, str], **environment: str) -> dict[str, Any]:
    """A request with `inputs` from URI to the folder of their name, and one output at <name>/out."""
    folders = {"config": "input/config", "constraints": "baseline/constraints", "statistics": "baseline/statistics"}
    names = {"config": "analysis_config", "data": "baseline_dataset_input"}
    target = {"S3Uri": f"s3://{app.settings.bucket}/{name}/out", "LocalPath": "/opt/ml/processing/output"}
    return {
        "ProcessingJobName": name,
        "RoleArn": app.settings.role_arn,
        "AppSpecification": {"ImageUri": image},
        "Environment": environment,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5}
        },
        "ProcessingInputs": [
            {
                "InputName": names.get(each, f"baseline_{each}"),
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/{folders.get(each, 'input/baseline_dataset_input')}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for each, uri in inputs.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "out", "S3Output": {**target, "S3UploadMode": "EndOfJob"}}]
        },
    }


@pytest.fixture
def analyze(app: SageLocal) -> Callable[..., dict[str, Any]]:
    def run(name: str, image: str, inputs: dict[str, str], **environment: str) -> dict[str, Any]:
        app.call("CreateProcessingJob", asked(app, name, image, inputs, **environment))
        ended(app, "ProcessingJob", name)
        return app.call("DescribeProcessingJob", {"ProcessingJobName": name})

    return run


@pytest.mark.namespaces
def test_a_baseline_and_a_comparison_with_it(app: SageLocal, analyze: Any, put: Put, got: Got) -> None:
    job = analyze("base", MONITOR, {"data": put("base/in/rows.csv", TABLE)}, **CONTRACT)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"].startswith("Completed: ")
    made = got("base/out/")
    assert {"statistics.json", "constraints.json"} <= made.keys()
    assert json.loads(made["statistics.json"])["dataset"]["item_count"] == 400
    inputs = {
        "data": put("next/in/rows.csv", TABLE.replace(",a\n", ",c\n")),
        "constraints": f"s3://{app.settings.bucket}/base/out/constraints.json",
        "statistics": f"s3://{app.settings.bucket}/base/out/statistics.json",
    }
    folder = "/opt/ml/processing/baseline"
    files = {f"baseline_{each}": f"{folder}/{each}/{each}.json" for each in ("constraints", "statistics")}
    job = analyze("next", MONITOR, inputs, **CONTRACT, **files)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"] == "CompletedWithViolations: Job completed successfully with 2 violations."
    violations = json.loads(got("next/out/")["constraint_violations.json"])["violations"]
    kinds = {(each["feature_name"], each["constraint_check_type"]) for each in violations}
    assert kinds == {("plan", "categorical_values_check"), ("plan", "baseline_drift_check")}


@pytest.mark.namespaces
def test_bias_of_a_dataset(analyze: Any, put: Put, got: Got) -> None:
    rows = "".join(f"{number % 3 == 0:d},{number % 2}\n" for number in range(60))
    config = {
        "version": "1.0",
        "dataset_type": "text/csv",
        "headers": ["label", "sex"],
        "label": "label",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "sex", "value_or_threshold": [0]}],
        "methods": {"pre_training_bias": {"methods": ["CI"]}, "report": {"name": "report"}},
    }
    request = {"config": put("bias/in/analysis_config.json", json.dumps(config)), "data": put("bias/rows.csv", rows)}
    # Clarify's own input for data is /opt/ml/processing/input/data; a dataset_uri comes before it.
    config["dataset_uri"] = request.pop("data")
    put("bias/in/analysis_config.json", json.dumps(config))
    job = analyze("bias", CLARIFY, request)
    assert job["ProcessingJobStatus"] == "Completed", job
    facets = json.loads(got("bias/out/")["analysis.json"])["pre_training_bias_metrics"]["facets"]
    assert facets["sex"][0]["metrics"] == [{"name": "CI", "description": "Class Imbalance (CI)", "value": 0.0}]


@pytest.mark.namespaces
def test_what_the_config_asks_too_much_is_the_failure_reason(analyze: Any, put: Put) -> None:
    config = {"dataset_type": "text/csv", "methods": {"asymmetric_shapley_value": {"direction": "chronological"}}}
    job = analyze("series", CLARIFY, {"config": put("series/in/analysis_config.json", json.dumps(config))})
    reason = "AlgorithmError: ValueError: methods.asymmetric_shapley_value of the analysis config is not supported here"
    assert job["FailureReason"].startswith(reason)


@pytest.mark.parametrize(
    ("image", "environment", "said"),
    [
        (MONITOR, {"dataset_source": "x"}, "needs the environment variable dataset_format"),
        (
            MONITOR,
            {**CONTRACT, "record_preprocessor_script": "p.py"},
            "record_preprocessor_script of the model-monitor",
        ),
        (MONITOR, {**CONTRACT, "analysis_type": "OTHER"}, "analysis_type is OTHER"),
        (MONITOR, {**CONTRACT, "analysis_type": "MODEL_QUALITY"}, "problem_type is None"),
        (CLARIFY, {}, "needs a processing input named analysis_config"),
    ],
)
def test_what_an_image_cannot_do_is_refused(app: SageLocal, image: str, environment: dict[str, str], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        app.call("CreateProcessingJob", asked(app, "no", image, {"data": "s3://b/data"}, **environment))
    assert said in refused.value.message


def test_an_image_with_its_own_program_takes_no_arguments(app: SageLocal) -> None:
    request = asked(app, "no", MONITOR, {"data": "s3://b/data"}, **CONTRACT)
    request["AppSpecification"]["ContainerArguments"] = ["--fast"]
    with pytest.raises(AwsError, match="takes no AppSpecification.ContainerArguments"):
        app.call("CreateProcessingJob", request)
