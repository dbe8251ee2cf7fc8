"""What a comparison of versions is made of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy import comparison

MADE = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
BUCKET = "bucket"


@pytest.fixture
def s3(clients: Any) -> Any:
    found = clients("s3")
    found.create_bucket(Bucket=BUCKET)
    measured = {"value": 0.7, "confidence_interval": {"level": 0.95, "lower": 0.6, "upper": 0.8}}
    evaluation = {
        comparison.METRICS: {"auc": measured, "confusion_matrix": {"0": {"0": 1}}},
        "dataset": {"records": 9},
        "feature_importance": {"mean_absolute_shap": {"tenure": 0.3}},
    }
    group = {"value_or_threshold": "Female", "metrics": [{"name": "DI", "value": 0.9}, {"name": "TE", "value": None}]}
    bias = {"post_training_bias_metrics": {"facets": {"gender": [group]}}}
    for key, document in (("evaluation.json", evaluation), ("analysis.json", bias)):
        found.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document))
    return found


def package(**more: Any) -> dict[str, Any]:
    return {
        "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/2",
        "ModelPackageVersion": 2,
        "CreationTime": MADE,
        "ModelApprovalStatus": "Approved",
        **more,
    }


def test_a_version_is_what_was_measured_and_who_approved_it(s3: Any) -> None:
    report = {"ContentType": "application/json", "S3Uri": f"s3://{BUCKET}/analysis.json"}
    found = comparison.version(
        s3,
        package(
            LastModifiedTime=MADE,
            LastModifiedBy={"IamIdentity": {"Arn": "arn:aws:iam::123456789012:user/jo"}},
            ApprovalDescription="good",
            MetadataProperties={"CommitId": "abc", "GeneratedBy": "execution"},
            CustomerMetadataProperties={"Evaluation": f"s3://{BUCKET}/evaluation.json", "InputDataUrl": "s3://b/d"},
            ModelMetrics={"Bias": {"PostTrainingReport": report}},
        ),
    )
    assert found["metrics"] == {"auc": {"value": 0.7, "lower": 0.6, "upper": 0.8}}
    assert found["bias"] == [{"facet": "gender", "group": "Female", "metric": "DI", "value": 0.9}]
    assert (found["decided"], found["decided_by"]) == ("2026-03-02 09:30 UTC", "arn:aws:iam::123456789012:user/jo")
    assert (found["commit"], found["data"], found["records"]) == ("abc", "s3://b/d", 9)
    assert found["importance"] == {"tenure": 0.3} and found["reason"] == "good"


def test_a_version_without_reports_is_still_one(s3: Any) -> None:
    gone = {"Evaluation": f"s3://{BUCKET}/gone.json"}
    found = comparison.version(s3, package(CustomerMetadataProperties=gone))
    assert set(found) == {"arn", "version", "made", "status", "properties"}


def test_nothing_in_service_is_no_error(sagemaker: Any) -> None:
    assert comparison.current(sagemaker, "churn", "churn-production") is None


def test_the_link_is_the_consoles_or_needs_no_sign_in(s3: Any) -> None:
    console = "https://console.aws.amazon.com/s3/object/{bucket}?prefix={key}"
    key = "comparisons/churn/2/comparison.html"
    assert comparison.url(console, s3, BUCKET, key) == f"https://console.aws.amazon.com/s3/object/{BUCKET}?prefix={key}"
    link = comparison.url("{presigned}", s3, BUCKET, key)
    assert link.startswith("https://") and key in link and "Expires=" in link
    assert len(link) < 1000
