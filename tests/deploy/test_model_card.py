"""A model card's content: a run's facts by the model card schema, and what is missing left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy import model_card
from deploy.model_card import Facts
from mlops.use_cases import find_all
from sagelocal.model_cards.operations import check_content

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
PACKAGE: dict[str, Any] = {
    "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/3",
    "ModelPackageGroupName": "churn",
    "ModelPackageVersion": 3,
    "ModelPackageStatus": "Completed",
    "ModelApprovalStatus": "Approved",
    "ApprovalDescription": "beats the last one",
    "CreationTime": datetime(2026, 3, 2, tzinfo=UTC),
    "InferenceSpecification": {"Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/m/model.tar.gz"}]},
    "MetadataProperties": {"CommitId": "7b16e1e", "GeneratedBy": "arn:aws:sagemaker:…:pipeline/churn/execution/x"},
    "ModelMetrics": {"Bias": {"Report": {"ContentType": "application/json", "S3Uri": "s3://b/bias.json"}}},
    "CustomerMetadataProperties": {"InputDataUrl": "s3://b/data/churn/049b5a81cdb3ca91/churn.parquet"},
}
TRAINING = {
    "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/t-2",
    "AlgorithmSpecification": {"TrainingImage": IMAGE},
    "HyperParameters": {"eta": "0.03", "sagemaker_program": "churn.py", "_tuning_objective_metric": "validation:aucpr"},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/train"}}},
        {"ChannelName": "sm_drivers", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/code"}}},
    ],
    "FinalMetricDataList": [
        {"MetricName": "validation:aucpr", "Value": 0.67},
        {"MetricName": "odd", "Value": float("nan")},
    ],
}
TUNING = {
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:aucpr"},
    },
    "TrainingJobStatusCounters": {"Completed": 5, "Stopped": 1},
}
CURVE = [number / 100 for number in range(101)]
EVALUATION = {
    "binary_classification_metrics": {
        "auc": {"value": 0.85, "confidence_interval": {"level": 0.95, "lower": 0.83, "upper": 0.87}},
        "recall": {"value": 0.8, "standard_deviation": 0.02},
        "undefined": {"value": float("nan")},
        "confusion_matrix": {"0": {"0": 761, "1": 274}, "1": {"0": 73, "1": 301}},
        "receiver_operating_characteristic_curve": {"false_positive_rates": CURVE, "true_positive_rates": CURVE},
    }
}
BIAS = {
    "post_training_bias_metrics": {
        "facets": {
            "gender": [
                {
                    "value_or_threshold": "Female",
                    "metrics": [
                        {
                            "name": "DI",
                            "description": "Disparate Impact (DI)",
                            "value": 0.99,
                            "standard_deviation": 0.1,
                        },
                        {"name": "FT", "description": "Flip Test (FT)", "value": None, "error": "not numeric"},
                    ],
                }
            ]
        }
    }
}
EXPLANATION = {"explanations": {"tree_shap": {"label0": {"global_shap_values": {"plan": 0.1, "tenure": 0.4}}}}}
JOB = {
    "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:processing-job/e",
    "ProcessingInputs": [
        {"InputName": "test", "S3Input": {"S3Uri": "s3://b/test"}},
        {"InputName": "code", "S3Input": {"S3Uri": "s3://b/code"}},
    ],
}


def made(**more: Any) -> dict[str, Any]:
    """The content, which the schema has to take."""
    text = model_card.content(Facts("churn", PACKAGE, **more), model_card.declared("churn"))
    check_content(text)
    return dict(json.loads(text))


def test_a_run_fills_the_card() -> None:
    card = made(
        training=TRAINING,
        tuning=TUNING,
        evaluation_job=JOB,
        evaluation=EVALUATION,
        bias={"of the model's answers": BIAS},
        explanation=EXPLANATION,
    )
    assert card["model_overview"]["model_version"] == 3
    assert card["model_package_details"]["approval_description"] == "beats the last one"
    assert card["intended_uses"]["risk_rating"] == "Low"
    training = card["training_details"]
    assert training["objective_function"]["function"] == {
        "function": "Maximize",
        "facet": "AUC",
        "condition": "validation:aucpr",
    }
    assert training["objective_function"]["notes"].startswith("The best of 6 training jobs by validation:aucpr")
    job = training["training_job_details"]
    assert job["training_datasets"] == ["s3://b/data/churn/049b5a81cdb3ca91/churn.parquet", "s3://b/train"]
    assert job["hyper_parameters"] == [{"name": "eta", "value": "0.03"}]
    assert job["training_metrics"] == [{"name": "validation:aucpr", "value": 0.67}]
    held_out, bias, explanation = card["evaluation_details"]
    assert held_out["datasets"] == ["s3://b/test"]
    auc, recall, confusion, roc = held_out["metric_groups"][0]["metric_data"]
    assert (auc["value"], auc["notes"]) == (0.85, "95% interval 0.83 to 0.87")
    assert recall["notes"] == "standard error 0.02"
    assert confusion["value"] == [[761, 274], [73, 301]]
    assert roc["value"][0] == [0, 0]
    assert roc["value"][-1] == [1, 1]
    assert len(roc["value"]) == 40
    (disparate,) = bias["metric_groups"][0]["metric_data"]
    assert (bias["metric_groups"][0]["name"], disparate["name"]) == ("gender Female", "DI")
    assert explanation["metric_groups"][0]["metric_data"][0]["x_axis_name"] == ["tenure", "plan"]
    details = card["additional_information"]["custom_details"]
    assert (details["Commit"], details["Report: Bias Report"]) == ("7b16e1e", "s3://b/bias.json")


def test_what_is_not_known_is_left_out() -> None:
    card = made()
    assert "training_details" not in card
    assert "evaluation_details" not in card


@pytest.mark.parametrize(
    ("approval", "status"),
    [("Approved", "Approved"), ("Rejected", "Archived"), ("PendingManualApproval", "PendingReview"), ("", "Draft")],
)
def test_a_cards_status_is_its_versions_approval(approval: str, status: str) -> None:
    assert model_card.status({"ModelApprovalStatus": approval}) == status


def test_each_use_case_says_what_it_is_for_within_the_schema() -> None:
    for case in (each for each in find_all() if each.has_model):
        said = model_card.declared(case.name)
        assert set(said) == {"model_overview", "intended_uses", "business_details", "additional_information"}, case.name
        check_content(json.dumps(said))
    assert model_card.declared("nothing") == {}
