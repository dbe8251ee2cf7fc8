"""Versions for tests, registered by hand: packages by boto3, and the JSON files that a pipeline would have left."""

from __future__ import annotations

import functools
import json
from typing import Any

import boto3

from sagelocal.config import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


@functools.cache
def client(settings: Settings, service: str) -> Any:
    environment = settings.shell_environment()
    name = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    return boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    ).client(service, endpoint_url=environment.get(name, environment["AWS_ENDPOINT_URL"]))


def bucket(settings: Settings) -> None:
    """Makes the default bucket if there is none."""
    s3 = client(settings, "s3")
    if settings.bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=settings.bucket)


def put(settings: Settings, key: str, document: Any) -> str:
    """The URI of a file of the bucket."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=body)
    return f"s3://{settings.bucket}/{key}"


def interval(value: float, half: float = 0.02) -> dict[str, Any]:
    return {"value": value, "confidence_interval": {"level": 0.95, "lower": value - half, "upper": value + half}}


def evaluation(precision: float, **more: Any) -> dict[str, Any]:
    """A small evaluation.json of a binary classification."""
    return {
        "binary_classification_metrics": {
            "average_precision": interval(precision),
            "auc": interval(precision + 0.1),
            "log_loss": interval(1 - precision),
            "confusion_matrix": {"0": {"0": 80, "1": 20}, "1": {"0": 5, "1": 15}},
            "receiver_operating_characteristic_curve": {
                "false_positive_rates": [0.0, 0.2, 1.0],
                "true_positive_rates": [0.0, 0.75, 1.0],
            },
        },
        "calibration": {"mean_probability": [0.1, 0.8], "observed_share": [0.12, 0.7], "records": [60, 60]},
        "threshold": {"value": 0.4, "chosen_on": "validation"},
        "dataset": {"records": 120, "positive": 20},
        "feature_importance": {"mean_absolute_shap": {"tenure": precision, "Contract": 0.2}},
        **more,
    }


def statistics(center: float) -> dict[str, Any]:
    """A statistics.json of two features, one of which lies about `center`."""
    values = [center + step / 100 for step in range(1000)]
    buckets = [{"lower_bound": center + at, "upper_bound": center + at + 1, "count": 100.0} for at in range(10)]
    numbers = {
        "common": {"num_present": 1000, "num_missing": 0},
        "mean": center + 5,
        "sum": 1000 * (center + 5),
        "std_dev": 2.9,
        "min": center,
        "max": center + 10,
        "distribution": {
            "kll": {"buckets": buckets, "sketch": {"parameters": {"c": 0.6, "k": 2048.0}, "data": [values]}}
        },
    }
    words = {
        "common": {"num_present": 1000, "num_missing": 0},
        "distinct_count": 2.0,
        "distribution": {"categorical": {"buckets": [{"value": "a", "count": 600}, {"value": "b", "count": 400}]}},
    }
    return {
        "version": 0,
        "dataset": {"item_count": 1000},
        "features": [
            {"name": "tenure", "inferred_type": "Fractional", "numerical_statistics": numbers},
            {"name": "Contract", "inferred_type": "String", "string_statistics": words},
        ],
    }


def group(settings: Settings, name: str) -> None:
    client(settings, "sagemaker").create_model_package_group(ModelPackageGroupName=name)


def version(settings: Settings, group: str, properties: dict[str, str] | None = None, **more: Any) -> str:
    """Registers one and returns its ARN."""
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{settings.bucket}/models/{group}/model.tar.gz"}
    request = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelApprovalStatus": "PendingManualApproval",
        **({"CustomerMetadataProperties": properties} if properties else {}),
        **more,
    }
    return str(client(settings, "sagemaker").create_model_package(**request)["ModelPackageArn"])


def full(settings: Settings, group: str, name: str, precision: float, center: float = 0.0, **more: Any) -> str:
    """A version as a pipeline of this template registers it, files and all; `more` are CreateModelPackage's members."""
    at = f"{group}/{name}"

    def source(key: str, document: Any) -> dict[str, str]:
        return {"ContentType": "application/json", "S3Uri": put(settings, f"{at}/{key}", document)}

    gap = {"name": "DPPL", "description": "Difference in Positive Proportions", "value": precision / 10}
    bias = {"facets": {"gender": [{"value_or_threshold": "Female", "metrics": [gap]}]}}
    explained = {"tree_shap": {"label0": {"global_shap_values": {"tenure": precision, "Contract": 0.2}}}}
    return version(
        settings,
        group,
        {
            "Evaluation": put(settings, f"{at}/evaluation.json", evaluation(precision)),
            "AveragePrecision": str(precision),
            "MinAveragePrecision": "0.6",
            "DataQualityCheck": "no violation",
            "InputDataUrl": f"s3://{settings.bucket}/data/{group}/{'0' * 15}{name[-1]}/raw.csv",
        },
        ModelMetrics={
            "Bias": {"PostTrainingReport": source("bias/analysis.json", {"post_training_bias_metrics": bias})},
            "Explainability": {"Report": source("shap/analysis.json", {"explanations": explained})},
            "ModelDataQuality": {"Statistics": source("data/statistics.json", statistics(center))},
        },
        **more,
    )
