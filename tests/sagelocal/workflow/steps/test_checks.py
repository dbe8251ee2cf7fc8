"""QualityCheck and ClarifyCheck steps: the decision table of AWS's guide, with jobs that write what a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sagelocal.workflow.conftest import CONTAINER, ROLE, Laptop, app

__all__ = ["app"]  # the fixture: this folder's own would start servers
Document = dict[str, Any]
IMAGE = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
NEW = {"Constraints": "s3://bucket/check/constraints.json", "Statistics": "s3://bucket/check/statistics.json"}
OLD = {"Constraints": "s3://bucket/old/constraints.json", "Statistics": "s3://bucket/old/statistics.json"}
REPORT = "s3://bucket/check/constraint_violations.json"
VIOLATION = {"feature_name": "age", "constraint_check_type": "data_type_check", "description": "Not integral."}


def check(**siblings: Any) -> Document:
    target = {"S3Uri": "s3://bucket/check", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    data = {
        "S3Uri": "s3://bucket/data.csv", "LocalPath": "/opt/ml/processing/input/data", "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }  # fmt: skip
    arguments = {
        "AppSpecification": {"ImageUri": IMAGE},
        "RoleArn": ROLE,
        "Environment": {
            "dataset_format": '{"csv": {"header": true}}',
            "dataset_source": "/opt/ml/processing/input/data",
            "output_path": "/opt/ml/processing/output",
        },
        "ProcessingInputs": [{"InputName": "baseline_dataset_input", "S3Input": data}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "quality_check_output", "S3Output": target}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
        },
    }
    given = {
        "CheckType": "DATA_QUALITY",
        "ModelPackageGroupName": None,
        "SkipCheck": False,
        "FailOnViolation": True,
        "RegisterNewBaseline": False,
        "SuppliedBaselineStatistics": None,
        "SuppliedBaselineConstraints": None,
        **siblings,
    }
    return {"Name": "Check", "Type": "QualityCheck", "Arguments": arguments, **given}


@pytest.fixture
def ran(app: Laptop) -> Callable[..., Document]:
    """Runs a pipeline of one check; the step's listing entry, its properties as `properties` and its job as `job`."""

    def run(step: Document, violations: list[Document] | None = None) -> Document:
        app.put(REPORT, {"violations": violations or []})
        name = f"p{len(app.store.list('Pipeline'))}"
        app.pipeline([step], name)
        arn = app.begin(name)
        app.ended(arn)
        found = app.steps(arn)["Check"]
        record = app.store.get("PipelineExecutionStep", f"{arn}/Check")
        job = app.store.find("ProcessingJob", app.jobs.started[-1]) if app.jobs.started else None
        return found | {"properties": record.get("_properties"), "job": job}

    return run


def approved(app: Laptop, **baselines: Any) -> None:
    """A group with a version that is approved, and a later one that is not."""
    specification = {"Containers": [CONTAINER | {"ModelDataUrl": "s3://bucket/model.tar.gz"}]}
    more = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    app.call("CreateModelPackageGroup", {"ModelPackageGroupName": "churn"})
    for status, drift in (("Approved", baselines), ("PendingManualApproval", {})):
        request = {
            "ModelPackageGroupName": "churn",
            "InferenceSpecification": {**specification, **more},
            "ModelApprovalStatus": status,
            "DriftCheckBaselines": drift,
        }
        app.call("CreateModelPackage", request)


def leaf(uri: str) -> Document:
    return {"ContentType": "application/json", "S3Uri": uri}


SUPPLIED = {"SuppliedBaselineConstraints": OLD["Constraints"], "SuppliedBaselineStatistics": OLD["Statistics"]}


@pytest.mark.parametrize(("skip", "register"), [(False, False), (False, True), (True, False), (True, True)])
def test_the_decision_table(ran: Callable[..., Document], skip: bool, register: bool) -> None:
    step = ran(check(SkipCheck=skip, RegisterNewBaseline=register, **SUPPLIED), [VIOLATION] if skip else [])
    assert step["StepStatus"] == "Succeeded", step
    used = NEW if register else OLD
    assert step["properties"] == {
        **{f"CalculatedBaseline{part}": uri for part, uri in NEW.items()},
        **{f"BaselineUsedForDriftCheck{part}": uri for part, uri in used.items()},
    }
    shown = step["Metadata"]["QualityCheck"]
    assert shown.items() >= step["properties"].items()
    assert shown["CheckJobArn"] == step["job"]["ProcessingJobArn"]
    assert (shown["SkipCheck"], shown["RegisterNewBaseline"]) == (skip, register)
    assert ("ViolationReport" in shown) is not skip
    inputs = {each["InputName"]: each["S3Input"] for each in step["job"]["ProcessingInputs"]}
    if skip:
        assert inputs.keys() == {"baseline_dataset_input"}
    else:
        assert inputs["baseline_constraints"]["S3Uri"] == OLD["Constraints"]
        folder = "/opt/ml/processing/baseline"
        assert step["job"]["Environment"]["baseline_constraints"] == f"{folder}/constraints/constraints.json"
        assert step["job"]["Environment"]["baseline_statistics"] == f"{folder}/statistics/statistics.json"


def test_the_latest_approved_version_has_the_baseline(app: Laptop, ran: Callable[..., Document]) -> None:
    approved(app, ModelDataQuality={part: leaf(uri) for part, uri in OLD.items()})
    step = ran(check(ModelPackageGroupName="churn"))
    assert step["properties"]["BaselineUsedForDriftCheckConstraints"] == OLD["Constraints"]
    assert step["Metadata"]["QualityCheck"]["ModelPackageGroupName"] == "churn"


def test_supplied_files_go_before_registered_ones(app: Laptop, ran: Callable[..., Document]) -> None:
    approved(app, ModelDataQuality={part: leaf(uri) for part, uri in OLD.items()})
    step = ran(check(ModelPackageGroupName="churn", SuppliedBaselineConstraints="s3://bucket/mine/constraints.json"))
    assert step["properties"]["BaselineUsedForDriftCheckConstraints"] == "s3://bucket/mine/constraints.json"
    assert step["properties"]["BaselineUsedForDriftCheckStatistics"] == OLD["Statistics"]


def test_a_violation_fails_the_step_unless_it_says_otherwise(ran: Callable[..., Document]) -> None:
    step = ran(check(**SUPPLIED), [VIOLATION])
    assert step["StepStatus"] == "Failed"
    assert step["Metadata"]["QualityCheck"]["ViolationReport"] == REPORT
    assert step["FailureReason"].startswith(
        "ClientError: QualityCheck DATA_QUALITY found 1 violations, the first of age"
    )
    assert ran(check(FailOnViolation=False, **SUPPLIED), [VIOLATION])["StepStatus"] == "Succeeded"


def test_a_missing_baseline_fails_the_step_before_any_job(app: Laptop, ran: Callable[..., Document]) -> None:
    assert "the step names no ModelPackageGroupName" in ran(check())["FailureReason"]
    assert "churn does not exist" in ran(check(ModelPackageGroupName="churn", SkipCheck=True))["FailureReason"]
    approved(app)
    reason = ran(check(ModelPackageGroupName="churn"))["FailureReason"]
    assert "has no DriftCheckBaselines.ModelDataQuality.Constraints and ModelDataQuality.Statistics" in reason
    assert app.jobs.started == []


def test_a_model_check_tells_its_job_the_model(app: Laptop, ran: Callable[..., Document]) -> None:
    image = "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0"
    step = check(
        CheckType="MODEL_BIAS", ModelName="churn-1", SuppliedBaselineConstraints="s3://bucket/old/analysis.json"
    )
    del step["SuppliedBaselineStatistics"]
    config = {"S3Uri": "s3://bucket/c.json", "LocalPath": "/opt/ml/processing/input/config", "S3DataType": "S3Prefix"}
    step["Arguments"]["AppSpecification"]["ImageUri"] = image
    step["Arguments"]["ProcessingInputs"].append({"InputName": "analysis_config", "S3Input": config})
    ended = ran(step | {"Type": "ClarifyCheck"})
    assert ended["StepStatus"] == "Succeeded", ended
    assert ended["job"]["Environment"]["model_name"] == "churn-1"
    assert ended["properties"] == {
        "CalculatedBaselineConstraints": "s3://bucket/check/analysis.json",
        "BaselineUsedForDriftCheckConstraints": "s3://bucket/old/analysis.json",
    }
    assert ended["Metadata"]["ClarifyCheck"]["CheckType"] == "MODEL_BIAS"


def test_a_job_that_failed_is_the_steps_failure(app: Laptop, ran: Callable[..., Document]) -> None:
    app.jobs.outcomes["check"] = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: no rows"}
    app.jobs.outcomes["Check"] = app.jobs.outcomes["check"]
    step = ran(check(SkipCheck=True, RegisterNewBaseline=True))
    assert step["FailureReason"] == "ClientError: AlgorithmError: no rows"
    assert "CheckJobArn" in step["Metadata"]["QualityCheck"]
